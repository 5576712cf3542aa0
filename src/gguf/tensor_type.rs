//! How the numbers of a tensor are stored.
//!
//! Owns the names and block sizes of the types llama.cpp can read, and the quantization labels of whole files.
//! It decodes no numbers.

/// One way to store numbers: blocks of a fixed count of elements in a fixed count of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorType(u32);

/// Id in the file, name, elements per block, bytes per block (ggml's type table).
const TYPES: [(u32, &str, u64, u64); 35] = [
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
    (42, "Q2_0", 64, 18),
];

/// Value of `general.file_type` and the label people know it by (llama.cpp's `llama_ftype`).
const FILE_TYPES: [(u32, &str); 36] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4_MOE"),
    (39, "NVFP4"),
    (40, "Q1_0"),
    (41, "Q2_0"),
];

impl TensorType {
    /// 32-bit floating point.
    pub const F32: Self = Self(0);
    /// 16-bit floating point.
    pub const F16: Self = Self(1);

    /// The type with this id, if llama.cpp has one.
    pub fn from_id(id: u32) -> Option<Self> {
        TYPES.iter().any(|row| row.0 == id).then_some(Self(id))
    }

    /// The type with this name, such as `Q4_K`.
    pub fn from_name(name: &str) -> Option<Self> {
        TYPES
            .iter()
            .find(|row| row.1 == name)
            .map(|row| Self(row.0))
    }

    /// True if its numbers were rounded to a few bits each, in blocks; false for floating point and integers.
    pub fn is_quantized(self) -> bool {
        self.block_elements() > 1
    }

    /// Its id in the file.
    pub fn id(self) -> u32 {
        self.0
    }

    /// Its name, such as `Q4_K`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Elements in a block, at least 1; the length of a row is a multiple of it.
    pub fn block_elements(self) -> u64 {
        self.row().2
    }

    /// Bytes of a block, at least 1.
    pub fn block_bytes(self) -> u64 {
        self.row().3
    }

    fn row(self) -> &'static (u32, &'static str, u64, u64) {
        TYPES
            .iter()
            .find(|row| row.0 == self.0)
            .expect("a TensorType is only made from an id of the table")
    }
}

/// The label of a `general.file_type`, such as `Q4_K_M`; `None` for values llama.cpp does not know.
pub fn file_type_label(file_type: u32) -> Option<&'static str> {
    FILE_TYPES
        .iter()
        .find(|row| row.0 == file_type)
        .map(|row| row.1)
}

/// The `general.file_type` with this label, in upper case; the other way round than [`file_type_label`].
pub fn file_type_id(label: &str) -> Option<u32> {
    FILE_TYPES
        .iter()
        .find(|row| row.1 == label)
        .map(|row| row.0)
}

/// The tensor type that a quantization's label promises for most weights: `Q4_K` for `Q4_K_M` (llama.cpp's
/// `llama_ftype_get_default_type`). `None` for a label that names none.
pub fn nominal_type(label: &str) -> Option<TensorType> {
    // These files are named after another type than the one they consist of.
    let label = match label {
        "IQ2_S" => "IQ2_XS",
        "IQ2_M" => "IQ2_S",
        "IQ3_XS" | "IQ3_M" => "IQ3_S",
        "MXFP4_MOE" => "MXFP4",
        label => label,
    };
    let without_size = || {
        ["_S", "_M", "_L"]
            .iter()
            .find_map(|size| label.strip_suffix(size))
            .and_then(TensorType::from_name)
    };
    TensorType::from_name(label).or_else(without_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes as in the `GGML_QUANT_SIZES` table of the Python package `gguf`.
    #[test]
    fn sizes_and_names() {
        for (name, elements, bytes) in [("Q4_K", 256, 144), ("Q8_0", 32, 34), ("BF16", 1, 2)] {
            let tensor_type = TensorType::from_name(name).unwrap();
            assert_eq!(TensorType::from_id(tensor_type.id()), Some(tensor_type));
            let size = (tensor_type.block_elements(), tensor_type.block_bytes());
            assert_eq!(size, (elements, bytes), "{name}");
        }
        for removed in [4, 5, 31, 36, 43, u32::MAX] {
            assert_eq!(TensorType::from_id(removed), None);
        }
    }

    #[test]
    fn labels() {
        assert_eq!(file_type_label(15), Some("Q4_K_M"));
        assert_eq!(file_type_label(4), None);
        assert_eq!(file_type_label(1024), None);
        assert_eq!(file_type_id("Q2_K"), Some(10));
        assert_eq!(file_type_id("q2_k"), None);
    }

    #[test]
    fn labels_promise_a_type() {
        for (label, promised) in [
            ("Q4_K_M", Some("Q4_K")),
            ("Q2_K", Some("Q2_K")),
            ("Q2_K_S", Some("Q2_K")),
            ("Q4_0", Some("Q4_0")),
            ("IQ3_M", Some("IQ3_S")),
            ("F16", Some("F16")),
            ("mine", None),
        ] {
            assert_eq!(
                nominal_type(label).map(TensorType::name),
                promised,
                "{label}"
            );
        }
    }
}
