//! A model file (or the several files of one model) as its header describes it.
//!
//! Owns opening, joining split files, and looking up keys with the types llama.cpp expects. The byte layout is in
//! `header`; whether a model can be run is decided in `check`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::GgufError;
use super::file_hash::Looks;
use super::header::{Header, parse_header};
use super::tensor_type::TensorType;
use super::value::{Array, Value};

const SPLIT_COUNT: &str = "split.count";
const SPLIT_NO: &str = "split.no";
const SPLIT_TENSORS: &str = "split.tensors.count";
const BUFFER_BYTES: usize = 1 << 20;

/// The metadata and the list of tensors of a model; its header is consistent in itself and its files hold all data.
#[derive(Debug)]
pub struct Gguf {
    files: Vec<PathBuf>,
    /// Of each file, when it was read.
    looks: Vec<Looks>,
    size_bytes: u64,
    /// Of the first file; in the order of the file.
    entries: Vec<(String, Value)>,
    tensors: Vec<TensorInfo>,
}

/// One tensor of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// Its name, at most 63 bytes.
    pub name: String,
    /// Elements along each dimension, the fastest running first; one to four.
    pub dims: Vec<u64>,
    /// How its elements are stored.
    pub tensor_type: TensorType,
    /// Which of [`Gguf::files`] holds it.
    pub file_idx: usize,
    /// Where its data starts, in bytes from the start of that file.
    pub offset: u64,
    /// Number of elements, at least 1.
    pub n_elements: u64,
    /// Bytes of its data, at least 1, without padding.
    pub n_bytes: u64,
}

impl Gguf {
    /// Reads the header of the file at `path`; of a split model, `path` is the first part and the others lie beside it.
    pub fn read(path: &Path) -> Result<Self, GgufError> {
        let mut gguf = Self::read_part(path)?;
        gguf.join_parts()?;
        Ok(gguf)
    }

    fn read_part(path: &Path) -> Result<Self, GgufError> {
        let io_error = |source| GgufError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut gguf = Self::parse(path, reader, metadata.len())?;
        gguf.looks.push(Looks::new(&metadata));
        Ok(gguf)
    }

    /// True if each file is still the one that was read.
    ///
    /// # Errors
    /// `Io` where one is gone.
    pub fn is_unchanged(&self) -> Result<bool, GgufError> {
        let look = |path: &PathBuf| {
            Looks::of(path).map_err(|source| GgufError::Io {
                path: path.clone(),
                source,
            })
        };
        let looks: Vec<Looks> = self.files.iter().map(look).collect::<Result<_, _>>()?;
        Ok(looks == self.looks)
    }

    /// As [`Self::read`], of one file that is read through `reader`.
    pub(crate) fn parse(
        path: &Path,
        reader: impl Read,
        size_bytes: u64,
    ) -> Result<Self, GgufError> {
        let Header { entries, tensors } = parse_header(path, reader, size_bytes)?;
        let tensors = tensors
            .into_iter()
            .map(|entry| TensorInfo {
                name: entry.name,
                dims: entry.dims,
                tensor_type: entry.tensor_type,
                file_idx: 0,
                offset: entry.offset,
                n_elements: entry.n_elements,
                n_bytes: entry.n_bytes,
            })
            .collect();
        Ok(Self {
            files: vec![path.to_owned()],
            looks: Vec::new(),
            size_bytes,
            entries,
            tensors,
        })
    }

    /// The (first) file.
    pub fn path(&self) -> &Path {
        &self.files[0]
    }

    /// All files of the model, at least one.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Size of all files together.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// All tensors, in the order of the files.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor with this name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// All keys with their values, in the order of the file.
    pub fn entries(&self) -> &[(String, Value)] {
        &self.entries
    }

    /// Empties all lists, once nothing needs the vocabulary any more: it takes as much memory as a few rows of logits.
    pub fn drop_lists(&mut self) {
        for (_, value) in &mut self.entries {
            if matches!(value, Value::Array(_)) {
                *value = Value::Array(Array::U8(Vec::new()));
            }
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let entry = self.entries.iter().find(|(name, _)| name == key);
        entry.map(|(_, value)| value)
    }

    /// A text; an error if the key is missing or has another type.
    pub fn str(&self, key: &str) -> Result<&str, GgufError> {
        self.opt_str(key)?
            .ok_or_else(|| self.missing(key, "string"))
    }

    /// A text, if the key is there; an error if it has another type.
    pub fn opt_str(&self, key: &str) -> Result<Option<&str>, GgufError> {
        self.pick(key, "string", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A `u32`; an error if the key is missing or has another type.
    pub fn u32(&self, key: &str) -> Result<u32, GgufError> {
        self.opt_u32(key)?.ok_or_else(|| self.missing(key, "u32"))
    }

    /// A `u32`, if the key is there; an error if it has another type.
    pub fn opt_u32(&self, key: &str) -> Result<Option<u32>, GgufError> {
        self.pick(key, "u32", |value| match value {
            Value::U32(number) => Some(*number),
            _ => None,
        })
    }

    /// An `f32`; an error if the key is missing or has another type.
    pub fn f32(&self, key: &str) -> Result<f32, GgufError> {
        self.opt_f32(key)?.ok_or_else(|| self.missing(key, "f32"))
    }

    /// An `f32`, if the key is there; an error if it has another type.
    pub fn opt_f32(&self, key: &str) -> Result<Option<f32>, GgufError> {
        self.pick(key, "f32", |value| match value {
            Value::F32(number) => Some(*number),
            _ => None,
        })
    }

    /// A `bool`; an error if the key is missing or has another type.
    pub fn bool(&self, key: &str) -> Result<bool, GgufError> {
        self.opt_bool(key)?.ok_or_else(|| self.missing(key, "bool"))
    }

    /// A `bool`, if the key is there; an error if it has another type.
    pub fn opt_bool(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.pick(key, "bool", |value| match value {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        })
    }

    /// A list of texts; an error if the key is missing or has another type.
    pub fn strings(&self, key: &str) -> Result<&[String], GgufError> {
        self.opt_strings(key)?
            .ok_or_else(|| self.missing(key, "list of string"))
    }

    /// A list of texts, if the key is there; an error if it has another type.
    pub fn opt_strings(&self, key: &str) -> Result<Option<&[String]>, GgufError> {
        self.pick(key, "list of string", |value| match value {
            Value::Array(Array::String(texts)) => Some(texts.as_slice()),
            _ => None,
        })
    }

    /// A list of `i32`; an error if the key is missing or has another type.
    pub fn i32s(&self, key: &str) -> Result<&[i32], GgufError> {
        self.opt_i32s(key)?
            .ok_or_else(|| self.missing(key, "list of i32"))
    }

    /// A list of `i32`, if the key is there; an error if it has another type.
    pub fn opt_i32s(&self, key: &str) -> Result<Option<&[i32]>, GgufError> {
        self.pick(key, "list of i32", |value| match value {
            Value::Array(Array::I32(numbers)) => Some(numbers.as_slice()),
            _ => None,
        })
    }

    /// The value of `key` through `pick`, which knows the one type that `wanted` names.
    fn pick<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        pick: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let picked = pick(value);
        if picked.is_none() {
            let problem = format!("should be a {wanted}, found a {}", value.type_name());
            return Err(GgufError::key(self.path(), key, problem));
        }
        Ok(picked)
    }

    fn missing(&self, key: &str, wanted: &str) -> GgufError {
        GgufError::key(
            self.path(),
            key,
            format!("is missing; a {wanted} was expected"),
        )
    }

    fn u16_or_zero(&self, key: &str) -> Result<u16, GgufError> {
        let picked = self.pick(key, "u16", |value| match value {
            Value::U16(number) => Some(*number),
            _ => None,
        })?;
        Ok(picked.unwrap_or(0))
    }

    /// Reads the other files of a split model and adds their tensors.
    fn join_parts(&mut self) -> Result<(), GgufError> {
        let n_parts = self.u16_or_zero(SPLIT_COUNT)?;
        if n_parts <= 1 {
            return Ok(());
        }
        if let part_no @ 1.. = self.u16_or_zero(SPLIT_NO)? {
            let hint = "name the file that ends in `-00001-of-..`; it leads to the others";
            let problem = format!("is part {} of {n_parts}", u32::from(part_no) + 1);
            return Err(self.split_error(problem, hint));
        }
        let Some(prefix) = part_prefix(self.path(), n_parts) else {
            let hint = format!("give the file its name back: `..-00001-of-{n_parts:05}.gguf`");
            let problem = format!("is the first of {n_parts} parts, which its name does not say");
            return Err(self.split_error(problem, hint));
        };
        for part_no in 1..n_parts {
            let name = format!(
                "{prefix}-{:05}-of-{n_parts:05}.gguf",
                u32::from(part_no) + 1
            );
            self.add_part(&self.path().with_file_name(name), part_no, n_parts)?;
        }
        self.check_joined()
    }

    fn add_part(&mut self, path: &Path, part_no: u16, n_parts: u16) -> Result<(), GgufError> {
        let part = Self::read_part(path)?;
        let found = (part.u16_or_zero(SPLIT_NO)?, part.u16_or_zero(SPLIT_COUNT)?);
        if found != (part_no, n_parts) {
            let (found_no, found_n) = (u32::from(found.0) + 1, found.1);
            let problem = format!(
                "says it is part {found_no} of {found_n}, expected part {} of {n_parts}",
                u32::from(part_no) + 1
            );
            return Err(part.split_error(problem, "fetch the files of the model again"));
        }
        let file_idx = self.files.len();
        let tensors = part.tensors.into_iter();
        self.tensors
            .extend(tensors.map(|tensor| TensorInfo { file_idx, ..tensor }));
        self.files.push(path.to_owned());
        self.looks.extend(part.looks);
        self.size_bytes = self.size_bytes.saturating_add(part.size_bytes);
        Ok(())
    }

    fn check_joined(&self) -> Result<(), GgufError> {
        let mut seen = HashSet::new();
        for tensor in &self.tensors {
            if !seen.insert(&tensor.name) {
                let file = &self.files[tensor.file_idx];
                let problem = "is in two of the model's files";
                return Err(GgufError::tensor(file, &tensor.name, problem));
            }
        }
        let stated = self.pick(SPLIT_TENSORS, "i32", |value| match value {
            Value::I32(number) => Some(*number),
            _ => None,
        })?;
        match stated {
            Some(stated) if usize::try_from(stated).ok() != Some(self.tensors.len()) => {
                let found = self.tensors.len();
                let problem = format!("says {stated} tensors, but the files hold {found}");
                Err(GgufError::key(self.path(), SPLIT_TENSORS, problem))
            }
            _ => Ok(()),
        }
    }

    fn split_error(&self, problem: String, hint: impl Into<String>) -> GgufError {
        GgufError::Split {
            path: self.path().to_owned(),
            problem,
            hint: hint.into(),
        }
    }
}

/// The part of the file's name before `-00001-of-0000N.gguf`.
fn part_prefix(path: &Path, n_parts: u16) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let prefix = name.strip_suffix(&format!("-00001-of-{n_parts:05}.gguf"))?;
    Some(prefix.to_owned())
}
