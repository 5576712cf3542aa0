//! Importance matrices: how much each column of a weight matrix matters, from a file of llama.cpp's `imatrix` tool.
//!
//! Owns both forms of the file, the GGUF of today and the older list of entries. It weighs nothing itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::GgufError;
use super::reader::Gguf;
use super::tensor_type::TensorType;

const SUMS: &str = ".in_sum2";
const COUNTS: &str = ".counts";
/// More bytes than a name of a tensor has.
const NAME_BYTES_MAX: u32 = 256;

/// The importance of the columns of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// The tensor's name.
    pub tensor: String,
    /// The mean of the squared activations for each column; one matrix after the other where a tensor holds several.
    pub values: Vec<f32>,
}

/// An importance matrix cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImatrixError {
    /// The operating system refused.
    #[error("cannot read the importance matrix `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file is a GGUF that cannot be read.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The file is no importance matrix.
    #[error("`{}` is no importance matrix: {problem}\nhint: llama.cpp's `imatrix` tool writes them", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The fault.
        problem: String,
    },
}

/// Reads an importance matrix; the entries by the name of their tensor.
///
/// # Errors
/// `Content` for a file that is none, also for one without entries or with a value that is no finite number.
pub fn read_imatrix(path: &Path) -> Result<Vec<Importance>, ImatrixError> {
    let bytes = fs::read(path).map_err(|source| ImatrixError::Io {
        path: path.to_owned(),
        source,
    })?;
    let content_error = |problem: String| ImatrixError::Content {
        path: path.to_owned(),
        problem,
    };
    let mut entries = if bytes.starts_with(b"GGUF") {
        of_gguf(&Gguf::read(path)?, &bytes).map_err(content_error)?
    } else {
        of_entries(&bytes).map_err(content_error)?
    };
    if entries.is_empty() {
        return Err(content_error("it has no entries".to_owned()));
    }
    let is_wrong = |entry: &&Importance| entry.values.iter().any(|value| !value.is_finite());
    if let Some(entry) = entries.iter().find(is_wrong) {
        let tensor = &entry.tensor;
        let problem = format!("the entry of `{tensor}` holds a value that is no finite number");
        return Err(content_error(problem));
    }
    entries.sort_by(|a, b| a.tensor.cmp(&b.tensor));
    Ok(entries)
}

/// Sums and counts as two tensors for each tensor; a matrix that was never used counts as 1 everywhere, as in llama.cpp.
fn of_gguf(gguf: &Gguf, bytes: &[u8]) -> Result<Vec<Importance>, String> {
    let mut entries = Vec::new();
    for tensor in gguf.tensors() {
        let Some(name) = tensor.name.strip_suffix(SUMS) else {
            continue;
        };
        let sums = numbers(gguf, bytes, &tensor.name)?;
        let counts = numbers(gguf, bytes, &format!("{name}{COUNTS}"))?;
        if counts.is_empty() || sums.len() % counts.len() != 0 {
            return Err(format!(
                "sums and counts of `{name}` do not belong together"
            ));
        }
        let means = sums
            .chunks(sums.len() / counts.len())
            .zip(&counts)
            .flat_map(|(sums, &count)| {
                sums.iter()
                    .map(move |&sum| if count > 0.0 { sum / count } else { 1.0 })
            });
        entries.push(Importance {
            tensor: name.to_owned(),
            values: means.collect(),
        });
    }
    Ok(entries)
}

/// The numbers of a tensor of 32-bit floats.
fn numbers(gguf: &Gguf, bytes: &[u8], name: &str) -> Result<Vec<f32>, String> {
    let tensor = gguf
        .tensor(name)
        .ok_or_else(|| format!("it has no tensor `{name}`"))?;
    if tensor.tensor_type != TensorType::F32 {
        return Err(format!("the tensor `{name}` is not F32"));
    }
    // The reader made sure that the file holds all of it.
    let (start, length) = (tensor.offset as usize, tensor.n_bytes as usize);
    Ok(floats(&bytes[start..start + length]))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks();
    chunks
        .iter()
        .map(|chunk| f32::from_le_bytes(*chunk))
        .collect()
}

/// The older form: number of entries; for each its name, the number of calls, and the sums.
fn of_entries(bytes: &[u8]) -> Result<Vec<Importance>, String> {
    let mut rest = bytes;
    let n_entries = take_u32(&mut rest)?;
    (0..n_entries).map(|_| entry(&mut rest)).collect()
}

fn entry(rest: &mut &[u8]) -> Result<Importance, String> {
    let n_name_bytes = take_u32(rest)?;
    if n_name_bytes > NAME_BYTES_MAX {
        return Err(format!("a name of {n_name_bytes} bytes"));
    }
    let name = String::from_utf8(take(rest, n_name_bytes as usize)?.to_vec())
        .map_err(|_| "a name that is no UTF-8".to_owned())?;
    let n_calls = take_u32(rest)?;
    let n_values = take_u32(rest)? as usize;
    let n_bytes = n_values
        .checked_mul(4)
        .ok_or_else(|| format!("{n_values} values"))?;
    let sums = floats(take(rest, n_bytes)?);
    let divisor = if n_calls > 0 { n_calls as f32 } else { 1.0 };
    Ok(Importance {
        tensor: name,
        values: sums.into_iter().map(|sum| sum / divisor).collect(),
    })
}

fn take<'b>(rest: &mut &'b [u8], n_bytes: usize) -> Result<&'b [u8], String> {
    let (taken, left) = rest
        .split_at_checked(n_bytes)
        .ok_or_else(|| "it ends inside an entry".to_owned())?;
    *rest = left;
    Ok(taken)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, String> {
    let bytes = take(rest, 4)?;
    Ok(u32::from_le_bytes(
        bytes.try_into().expect("four bytes were taken"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::GgufWriter;

    fn old_form(entries: &[(&str, u32, &[f32])]) -> Vec<u8> {
        let mut bytes = (entries.len() as u32).to_le_bytes().to_vec();
        for (name, n_calls, sums) in entries {
            bytes.extend((name.len() as u32).to_le_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(n_calls.to_le_bytes());
            bytes.extend((sums.len() as u32).to_le_bytes());
            bytes.extend(sums.iter().flat_map(|sum| sum.to_le_bytes()));
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Importance>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.imatrix");
        fs::write(&path, bytes).unwrap();
        let shown = |error: ImatrixError| {
            let text = error.to_string();
            text.replace(&format!("{}/", folder.path().display()), "")
        };
        read_imatrix(&path).map_err(shown)
    }

    fn expected() -> Vec<Importance> {
        vec![
            Importance {
                tensor: "blk.0.attn_q.weight".to_owned(),
                values: vec![0.5, 1.0],
            },
            Importance {
                tensor: "blk.0.ffn_up.weight".to_owned(),
                values: vec![2.0, 3.0],
            },
        ]
    }

    #[test]
    fn both_forms_say_the_same() {
        let old = old_form(&[
            ("blk.0.ffn_up.weight", 1, &[2.0, 3.0]),
            ("blk.0.attn_q.weight", 4, &[2.0, 4.0]),
        ]);
        assert_eq!(read(&old).unwrap(), expected());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        let mut writer = GgufWriter::new("imatrix");
        writer
            .add_f32_tensor("blk.0.attn_q.weight.in_sum2", &[2], &[2.0, 4.0])
            .add_f32_tensor("blk.0.attn_q.weight.counts", &[1], &[4.0])
            .add_f32_tensor("blk.0.ffn_up.weight.in_sum2", &[2], &[2.0, 3.0])
            .add_f32_tensor("blk.0.ffn_up.weight.counts", &[1], &[1.0]);
        writer.write(&path).unwrap();
        assert_eq!(read_imatrix(&path).unwrap(), expected());
    }

    #[test]
    fn other_files_are_refused() {
        let whole = old_form(&[("blk.0.ffn_up.weight", 1, &[2.0, 3.0])]);
        for (bytes, problem) in [
            (&b""[..], "it ends inside an entry"),
            (&whole[..whole.len() - 1], "it ends inside an entry"),
            (b"name: small\nquestion: none\n", "a name of"),
            (&old_form(&[]), "it has no entries"),
            (
                &old_form(&[("a", 1, &[f32::NAN])]),
                "the entry of `a` holds a value that is no finite number",
            ),
        ] {
            let said = read(bytes).unwrap_err();
            let begin = format!("`m.imatrix` is no importance matrix: {problem}");
            assert!(said.starts_with(&begin), "{said}");
        }
    }
}
