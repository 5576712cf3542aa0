//! Parsing the header of one GGUF file.
//!
//! Owns the layout of the format and every check of a file against itself: bounds, uniqueness, types, offsets, size.
//! The meaning of the keys is not known here. Nothing is allocated that the rest of the file could not fill.

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::Path;

use super::error::GgufError;
use super::tensor_type::TensorType;
use super::value::{Array, Value, type_id};

const MAGIC: &[u8; 4] = b"GGUF";
/// Padding of the data where the file does not say.
pub(crate) const DEFAULT_ALIGNMENT: u32 = 32;
/// Key of the padding.
pub(crate) const ALIGNMENT_KEY: &str = "general.alignment";
/// llama.cpp's limit, including a closing NUL.
const TENSOR_NAME_BYTES: u64 = 64;
const KEY_BYTES_MAX: u64 = 1 << 16;
const STRING_BYTES_MAX: u64 = 1 << 24;
const ARRAY_ELEMENTS_MAX: u64 = 1 << 24;
const ENTRIES_MAX: u64 = 1 << 16;
const DIMS_MAX: u32 = 4;

/// The part of a file before its data.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) entries: Vec<(String, Value)>,
    pub(crate) tensors: Vec<TensorEntry>,
}

/// One tensor of a file.
#[derive(Debug)]
pub(crate) struct TensorEntry {
    pub(crate) name: String,
    pub(crate) dims: Vec<u64>,
    pub(crate) tensor_type: TensorType,
    pub(crate) n_elements: u64,
    pub(crate) n_bytes: u64,
    /// From the start of the file.
    pub(crate) offset: u64,
}

/// A tensor whose place is not checked yet.
struct Placed {
    entry: TensorEntry,
    /// From the start of the data, as stated.
    data_offset: u64,
    /// Where the header states it.
    stated_at: u64,
}

/// Reads and checks the header of a file of `size_bytes`; `path` is for messages only.
pub(crate) fn parse_header(
    path: &Path,
    reader: impl Read,
    size_bytes: u64,
) -> Result<Header, GgufError> {
    let mut input = Input {
        path,
        reader,
        position: 0,
        size_bytes,
    };
    input.check_magic()?;
    let n_tensors = input.count("tensors")?;
    let n_entries = input.count("keys")?;
    let entries = input.entries(n_entries)?;
    let alignment = alignment(path, &entries)?;
    let placed = input.tensors(n_tensors)?;
    let tensors = input.place(placed, alignment)?;
    Ok(Header { entries, tensors })
}

/// The padding that the keys state.
fn alignment(path: &Path, entries: &[(String, Value)]) -> Result<u64, GgufError> {
    let stated = entries.iter().find(|(key, _)| key == ALIGNMENT_KEY);
    match stated.map(|(_, value)| value) {
        None => Ok(u64::from(DEFAULT_ALIGNMENT)),
        Some(Value::U32(alignment)) if alignment.is_power_of_two() => Ok(u64::from(*alignment)),
        Some(Value::U32(alignment)) => {
            let problem = format!("should be a power of two, found {alignment}");
            Err(GgufError::key(path, ALIGNMENT_KEY, problem))
        }
        Some(other) => {
            let problem = format!("should be a u32, found a {}", other.type_name());
            Err(GgufError::key(path, ALIGNMENT_KEY, problem))
        }
    }
}

/// A reader that knows where it is and how much there can be.
struct Input<'a, R> {
    path: &'a Path,
    reader: R,
    position: u64,
    size_bytes: u64,
}

impl<R: Read> Input<'_, R> {
    fn check_magic(&mut self) -> Result<(), GgufError> {
        let magic = self.bytes::<4>("the first four bytes")?;
        if &magic != MAGIC {
            return Err(GgufError::Magic {
                path: self.path.to_owned(),
                found: format!("`{}`", magic.escape_ascii()),
            });
        }
        match self.u32("the version")? {
            2 | 3 => Ok(()),
            found => Err(GgufError::Version {
                path: self.path.to_owned(),
                found,
            }),
        }
    }

    fn entries(&mut self, n_entries: u64) -> Result<Vec<(String, Value)>, GgufError> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..n_entries {
            let start = self.position;
            let key = self.name(KEY_BYTES_MAX, "a key")?;
            if !seen.insert(key.clone()) {
                return Err(self.damaged(start, format!("key `{key}` appears twice")));
            }
            let value = self.value()?;
            entries.push((key, value));
        }
        Ok(entries)
    }

    fn value(&mut self) -> Result<Value, GgufError> {
        let start = self.position;
        let what = "a value";
        Ok(match self.u32("a value's type")? {
            type_id::U8 => Value::U8(u8::from_le_bytes(self.bytes(what)?)),
            type_id::I8 => Value::I8(i8::from_le_bytes(self.bytes(what)?)),
            type_id::U16 => Value::U16(u16::from_le_bytes(self.bytes(what)?)),
            type_id::I16 => Value::I16(i16::from_le_bytes(self.bytes(what)?)),
            type_id::U32 => Value::U32(u32::from_le_bytes(self.bytes(what)?)),
            type_id::I32 => Value::I32(i32::from_le_bytes(self.bytes(what)?)),
            type_id::U64 => Value::U64(u64::from_le_bytes(self.bytes(what)?)),
            type_id::I64 => Value::I64(i64::from_le_bytes(self.bytes(what)?)),
            type_id::F32 => Value::F32(f32::from_le_bytes(self.bytes(what)?)),
            type_id::F64 => Value::F64(f64::from_le_bytes(self.bytes(what)?)),
            type_id::BOOL => Value::Bool(self.truth()?),
            type_id::STRING => Value::String(self.string(STRING_BYTES_MAX, "a text")?),
            type_id::ARRAY => Value::Array(self.array()?),
            other => return Err(self.damaged(start, format!("unknown value type {other}"))),
        })
    }

    fn array(&mut self) -> Result<Array, GgufError> {
        let start = self.position;
        let element_type = self.u32("a list's type")?;
        let n_start = self.position;
        let n = self.u64("a list's length")?;
        if n > ARRAY_ELEMENTS_MAX {
            let problem = format!("a list of {n} values, at most {ARRAY_ELEMENTS_MAX} expected");
            return Err(self.damaged(n_start, problem));
        }
        Ok(match element_type {
            type_id::U8 => Array::U8(self.list(n, u8::from_le_bytes)?),
            type_id::I8 => Array::I8(self.list(n, i8::from_le_bytes)?),
            type_id::U16 => Array::U16(self.list(n, u16::from_le_bytes)?),
            type_id::I16 => Array::I16(self.list(n, i16::from_le_bytes)?),
            type_id::U32 => Array::U32(self.list(n, u32::from_le_bytes)?),
            type_id::I32 => Array::I32(self.list(n, i32::from_le_bytes)?),
            type_id::U64 => Array::U64(self.list(n, u64::from_le_bytes)?),
            type_id::I64 => Array::I64(self.list(n, i64::from_le_bytes)?),
            type_id::F32 => Array::F32(self.list(n, f32::from_le_bytes)?),
            type_id::F64 => Array::F64(self.list(n, f64::from_le_bytes)?),
            type_id::BOOL => Array::Bool((0..n).map(|_| self.truth()).collect::<Result<_, _>>()?),
            type_id::STRING => {
                let text = |_| self.string(STRING_BYTES_MAX, "a text of a list");
                Array::String((0..n).map(text).collect::<Result<_, _>>()?)
            }
            other => return Err(self.damaged(start, format!("unknown value type {other}"))),
        })
    }

    /// `n` numbers of `N` bytes each.
    fn list<const N: usize, T>(
        &mut self,
        n: u64,
        decode: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, GgufError> {
        let bytes = self.many_bytes(n * N as u64, "a list of numbers")?;
        let (chunks, _) = bytes.as_chunks::<N>();
        Ok(chunks.iter().map(|chunk| decode(*chunk)).collect())
    }

    fn tensors(&mut self, n_tensors: u64) -> Result<Vec<Placed>, GgufError> {
        let mut tensors = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..n_tensors {
            let start = self.position;
            let name = self.name(TENSOR_NAME_BYTES - 1, "a tensor's name")?;
            if !seen.insert(name.clone()) {
                return Err(self.damaged(start, format!("tensor `{name}` appears twice")));
            }
            tensors.push(self.tensor(name)?);
        }
        Ok(tensors)
    }

    fn tensor(&mut self, name: String) -> Result<Placed, GgufError> {
        let dims = self.dims(&name)?;
        let start = self.position;
        let id = self.u32("a tensor's type")?;
        let tensor_type = TensorType::from_id(id)
            .ok_or_else(|| self.damaged(start, format!("tensor `{name}` has unknown type {id}")))?;
        if !dims[0].is_multiple_of(tensor_type.block_elements()) {
            let problem = format!(
                "has rows of {} elements, expected a multiple of {} for {}",
                dims[0],
                tensor_type.block_elements(),
                tensor_type.name()
            );
            return Err(GgufError::tensor(self.path, &name, problem));
        }
        let n_elements = dims
            .iter()
            .try_fold(1_u64, |product, dim| product.checked_mul(*dim));
        let size = n_elements.and_then(|n_elements| {
            let n_blocks = n_elements / tensor_type.block_elements();
            Some((n_elements, n_blocks.checked_mul(tensor_type.block_bytes())?))
        });
        let Some((n_elements, n_bytes)) = size.filter(|size| size.1 <= self.size_bytes) else {
            let problem = format!("of shape {dims:?} is larger than the file");
            return Err(GgufError::tensor(self.path, &name, problem));
        };
        let stated_at = self.position;
        let data_offset = self.u64("a tensor's offset")?;
        Ok(Placed {
            entry: TensorEntry {
                name,
                dims,
                tensor_type,
                n_elements,
                n_bytes,
                offset: 0,
            },
            data_offset,
            stated_at,
        })
    }

    fn dims(&mut self, name: &str) -> Result<Vec<u64>, GgufError> {
        let start = self.position;
        let n_dims = self.u32("a tensor's number of dimensions")?;
        if !(1..=DIMS_MAX).contains(&n_dims) {
            let problem = format!("tensor `{name}` has {n_dims} dimensions, expected 1 to 4");
            return Err(self.damaged(start, problem));
        }
        let mut dims = Vec::new();
        for _ in 0..n_dims {
            let start = self.position;
            let dim = self.u64("a tensor's shape")?;
            if dim == 0 || i64::try_from(dim).is_err() {
                let problem = format!("tensor `{name}` has a dimension of {dim}");
                return Err(self.damaged(start, problem));
            }
            dims.push(dim);
        }
        Ok(dims)
    }

    /// Checks that the tensors follow one another, each padded, and that the file holds them all.
    fn place(&self, tensors: Vec<Placed>, alignment: u64) -> Result<Vec<TensorEntry>, GgufError> {
        // Saturating sums: a header that reaches the limit is longer than any file, which the last check refuses.
        let data_start = self.position.next_multiple_of(alignment);
        let mut expected = 0_u64;
        let mut end = self.position;
        let mut entries = Vec::new();
        for tensor in tensors {
            let Placed {
                mut entry,
                data_offset,
                stated_at,
            } = tensor;
            if data_offset != expected {
                let name = &entry.name;
                let problem =
                    format!("tensor `{name}` has offset {data_offset}, expected {expected}");
                return Err(self.damaged(stated_at, problem));
            }
            entry.offset = data_start.saturating_add(data_offset);
            end = entry.offset.saturating_add(entry.n_bytes);
            expected = data_offset
                .saturating_add(entry.n_bytes)
                .checked_next_multiple_of(alignment)
                .unwrap_or(u64::MAX);
            entries.push(entry);
        }
        if end > self.size_bytes {
            return Err(GgufError::DataCut {
                path: self.path.to_owned(),
                expected_bytes: end,
                size_bytes: self.size_bytes,
            });
        }
        Ok(entries)
    }

    fn count(&mut self, what: &'static str) -> Result<u64, GgufError> {
        let start = self.position;
        let n = self.u64("the counts")?;
        if n > ENTRIES_MAX {
            let problem = format!("{n} {what}, at most {ENTRIES_MAX} expected");
            return Err(self.damaged(start, problem));
        }
        Ok(n)
    }

    /// A key or a tensor's name: printable ASCII, as all converters write; llama.cpp compares them up to a NUL.
    fn name(&mut self, bytes_max: u64, what: &'static str) -> Result<String, GgufError> {
        let start = self.position;
        let name = self.string(bytes_max, what)?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = format!("{what} should be printable ASCII, found {name:?}");
            return Err(self.damaged(start, problem));
        }
        Ok(name)
    }

    fn string(&mut self, bytes_max: u64, what: &'static str) -> Result<String, GgufError> {
        let start = self.position;
        let n_bytes = self.u64(what)?;
        if n_bytes > bytes_max {
            let problem = format!("{what} of {n_bytes} bytes, at most {bytes_max} expected");
            return Err(self.damaged(start, problem));
        }
        let bytes = self.many_bytes(n_bytes, what)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| self.damaged(start, format!("{what} is not UTF-8")))?;
        // llama.cpp reads texts up to the first NUL, so two different ones could become equal.
        if text.contains('\0') {
            return Err(self.damaged(start, format!("{what} holds a NUL")));
        }
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, GgufError> {
        let start = self.position;
        match self.bytes("a bool")? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(self.damaged(start, format!("a bool should be 0 or 1, found {other}"))),
        }
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.bytes(what)?))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.bytes(what)?))
    }

    fn bytes<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn many_bytes(&mut self, n_bytes: u64, what: &'static str) -> Result<Vec<u8>, GgufError> {
        let left = self.size_bytes - self.position;
        let Some(len) = usize::try_from(n_bytes).ok().filter(|_| n_bytes <= left) else {
            return Err(self.cut(what));
        };
        let mut bytes = vec![0; len];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8], what: &'static str) -> Result<(), GgufError> {
        if bytes.len() as u64 > self.size_bytes - self.position {
            return Err(self.cut(what));
        }
        self.reader.read_exact(bytes).map_err(|source| {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                return self.cut(what);
            }
            GgufError::Io {
                path: self.path.to_owned(),
                source,
            }
        })?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn cut(&self, what: &'static str) -> GgufError {
        GgufError::HeaderCut {
            path: self.path.to_owned(),
            size_bytes: self.size_bytes,
            what,
        }
    }

    fn damaged(&self, offset: u64, problem: String) -> GgufError {
        GgufError::Header {
            path: self.path.to_owned(),
            offset,
            problem,
        }
    }
}
