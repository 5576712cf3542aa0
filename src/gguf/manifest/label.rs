//! The labels of quantizations.

/// The one spelling of a quantization's label: upper case, `F16` for `fp16`, `F32` for `fp32`.
pub fn canonical_quantization(label: &str) -> String {
    match label.to_ascii_uppercase().as_str() {
        "FP16" => "F16".to_owned(),
        "FP32" => "F32".to_owned(),
        upper => upper.to_owned(),
    }
}
