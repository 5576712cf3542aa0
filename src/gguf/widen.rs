//! Weights in a wider type of block that holds the same values.
//!
//! Owns which tensors are widened, and the blocks of both types byte by byte (ggml-common.h of llama.cpp). llama.cpp has
//! fast kernels for some types only: a model whose rows K-quants cannot divide is mostly Q5_0, which is several times
//! slower than Q8_0. A Q5_0 block is a scale and 32 numbers from -16 to 15; the same scale with the same numbers is a Q8_0
//! block, so nothing is rounded, and only the order in which a kernel adds up differs.
//! It does not decide where the file lies or how long.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::GgufError;
use super::reader::{Gguf, TensorInfo};
use super::tensor_type::TensorType;
use super::writer::GgufWriter;

/// The most that widening may add to a model, in bytes: beyond it, memory is dearer than time.
const EXTRA_BYTES_MAX: u64 = 512 << 20;
const Q5_0_BYTES: usize = 22;
const Q8_0_BYTES: usize = 34;
const N_WEIGHTS: usize = 32;
/// Blocks read at a time.
const CHUNK_BLOCKS: usize = 4096;
const BUFFER_BYTES: usize = 1 << 20;

/// The bytes that widening adds to a model; 0 where there is nothing to widen or it would add too much.
pub fn extra_bytes(gguf: &Gguf) -> u64 {
    let tensors = gguf.tensors().iter().filter(|tensor| is_narrow(tensor));
    let extra = tensors
        .map(|tensor| tensor.n_bytes / Q5_0_BYTES as u64 * (Q8_0_BYTES - Q5_0_BYTES) as u64)
        .sum();
    if extra > EXTRA_BYTES_MAX { 0 } else { extra }
}

/// Writes the model at `path` to `sink`, its Q5_0 tensors as Q8_0 ones with the same values, in one file.
///
/// # Errors
/// `GgufError` when the model cannot be read; a failure to write names the same file.
pub fn write_widened(path: &Path, sink: &mut impl Write) -> Result<(), GgufError> {
    let gguf = Gguf::read(path)?;
    let mut writer = GgufWriter::new(gguf.str("general.architecture")?);
    let is_of_layout = |key: &str| key.starts_with("split.") || key == "general.alignment";
    for (key, value) in gguf.entries() {
        if !is_of_layout(key) {
            writer.set(key, value.clone());
        }
    }
    for tensor in gguf.tensors() {
        let file = &gguf.files()[tensor.file_idx];
        let tensor_type = if is_narrow(tensor) {
            TensorType::from_name("Q8_0").expect("a type of the table")
        } else {
            tensor.tensor_type
        };
        writer.add_streamed_tensor(&tensor.name, &tensor.dims, tensor_type, move |sink| {
            copy(file, tensor, sink)
        });
    }
    let mut sink = BufWriter::with_capacity(BUFFER_BYTES, sink);
    let written = writer.write_to(&mut sink).and_then(|()| sink.flush());
    written.map_err(|source| GgufError::Io {
        path: path.to_owned(),
        source,
    })
}

fn is_narrow(tensor: &TensorInfo) -> bool {
    tensor.tensor_type.name() == "Q5_0"
}

/// Writes the data of a tensor to `sink`, widened where it is narrow.
fn copy(file: &Path, tensor: &TensorInfo, sink: &mut dyn Write) -> io::Result<()> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(tensor.offset))?;
    let mut data = BufReader::with_capacity(BUFFER_BYTES, file.take(tensor.n_bytes));
    if !is_narrow(tensor) {
        return match io::copy(&mut data, sink)? {
            n_bytes if n_bytes == tensor.n_bytes => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        };
    }
    let mut narrow = vec![0; CHUNK_BLOCKS * Q5_0_BYTES];
    let mut wide = Vec::with_capacity(CHUNK_BLOCKS * Q8_0_BYTES);
    let mut n_left = tensor.n_bytes as usize;
    while n_left > 0 {
        let chunk = &mut narrow[..n_left.min(CHUNK_BLOCKS * Q5_0_BYTES)];
        data.read_exact(chunk)?;
        wide.clear();
        let (blocks, _) = chunk.as_chunks();
        blocks
            .iter()
            .for_each(|block| wide.extend_from_slice(&q8_0_of_q5_0(block)));
        sink.write_all(&wide)?;
        n_left -= chunk.len();
    }
    Ok(())
}

/// A Q5_0 block is a 16-bit scale, the fifth bits of 32 numbers, and their low four bits: number `i` below and number
/// `i + 16` above in byte `i`. A Q8_0 block is the scale and 32 signed bytes.
fn q8_0_of_q5_0(block: &[u8; Q5_0_BYTES]) -> [u8; Q8_0_BYTES] {
    let mut wide = [0; Q8_0_BYTES];
    wide[..2].copy_from_slice(&block[..2]);
    let fifth = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    for i in 0..N_WEIGHTS / 2 {
        let low = block[6 + i];
        let fifth_bit = |i: usize| (((fifth >> i) & 1) as u8) << 4;
        wide[2 + i] = ((low & 15) | fifth_bit(i)).wrapping_sub(16);
        wide[18 + i] = ((low >> 4) | fifth_bit(i + 16)).wrapping_sub(16);
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weights by the definition: `dequantize_row_q5_0` and `dequantize_row_q8_0` of llama.cpp's ggml-quants.c, with
    /// a scale of 1.
    fn q5_0_numbers(block: &[u8; Q5_0_BYTES]) -> Vec<i32> {
        let fifth = u32::from_le_bytes(block[2..6].try_into().unwrap());
        let low = (0..16).map(|j| {
            let high = ((fifth >> j) << 4) & 0x10;
            i32::from(block[6 + j] & 0x0F) | high as i32
        });
        let high = (0..16).map(|j| {
            let high = (fifth >> (j + 12)) & 0x10;
            i32::from(block[6 + j] >> 4) | high as i32
        });
        low.chain(high).map(|number| number - 16).collect()
    }

    fn q8_0_numbers(block: &[u8; Q8_0_BYTES]) -> Vec<i32> {
        block[2..]
            .iter()
            .map(|&byte| i32::from(byte.cast_signed()))
            .collect()
    }

    /// Bytes without a pattern, the same every time.
    fn block(seed: u32) -> [u8; Q5_0_BYTES] {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        std::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
    }

    #[test]
    fn wide_block_has_the_same_scale_and_numbers() {
        for seed in 0..1000 {
            let narrow = block(seed);
            let wide = q8_0_of_q5_0(&narrow);
            assert_eq!(wide[..2], narrow[..2]);
            assert_eq!(q8_0_numbers(&wide), q5_0_numbers(&narrow), "{narrow:?}");
        }
        // The ends of the range.
        let mut narrow = [0; Q5_0_BYTES];
        assert_eq!(q8_0_numbers(&q8_0_of_q5_0(&narrow)), [-16; N_WEIGHTS]);
        narrow[2..].fill(0xFF);
        assert_eq!(q8_0_numbers(&q8_0_of_q5_0(&narrow)), [15; N_WEIGHTS]);
    }

    fn of_type(name: &str) -> TensorType {
        TensorType::from_name(name).unwrap()
    }

    #[test]
    fn only_narrow_tensors_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gguf");
        let narrow: Vec<u8> = (0..2 * CHUNK_BLOCKS as u32 + 6).flat_map(block).collect();
        let n_rows = narrow.len() as u64 / Q5_0_BYTES as u64 / 2;
        let mut writer = GgufWriter::new("test");
        writer.set("general.alignment", 32_u32);
        writer.set("test.name", "grün");
        writer.add_tensor("narrow", &[64, n_rows], of_type("Q5_0"), &narrow);
        writer.add_f32_tensor("plain", &[3], &[1.0, 2.0, 3.0]);
        writer.write(&path).unwrap();
        let gguf = Gguf::read(&path).unwrap();
        assert_eq!(extra_bytes(&gguf), 12 * (2 * CHUNK_BLOCKS as u64 + 6));

        let wide_path = folder.path().join("b.gguf");
        write_widened(&path, &mut File::create(&wide_path).unwrap()).unwrap();
        let wide = Gguf::read(&wide_path).unwrap();
        let bytes = std::fs::read(&wide_path).unwrap();
        let data = |name: &str| {
            let tensor = wide.tensor(name).unwrap();
            &bytes[tensor.offset as usize..][..tensor.n_bytes as usize]
        };
        let expected: Vec<u8> = narrow.as_chunks().0.iter().flat_map(q8_0_of_q5_0).collect();
        assert!(data("narrow") == expected, "the blocks differ");
        assert_eq!(wide.tensor("narrow").unwrap().tensor_type, of_type("Q8_0"));
        assert_eq!(wide.tensor("narrow").unwrap().dims, [64, n_rows]);
        let plain: Vec<u8> = [1.0_f32, 2.0, 3.0]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        assert_eq!(data("plain"), plain);
        assert_eq!(wide.str("test.name").unwrap(), "grün");
        assert_eq!(extra_bytes(&wide), 0);
    }

    #[test]
    fn file_cut_short_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gguf");
        let mut writer = GgufWriter::new("test");
        writer.add_tensor("narrow", &[32], of_type("Q5_0"), vec![0; Q5_0_BYTES]);
        writer.write(&path).unwrap();
        let gguf = Gguf::read(&path).unwrap();
        let tensor = &gguf.tensors()[0];
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(tensor.offset + 10)
            .unwrap();
        let error = copy(&path, tensor, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
