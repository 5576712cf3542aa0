//! Writing a GGUF.
//!
//! Owns the byte layout of version 3 and that a half-written file never has its final name. The bytes depend on
//! nothing but what is added, in the order in which it is added.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::header::DEFAULT_ALIGNMENT;
use super::tensor_type::TensorType;
use super::value::{Array, Value, type_id};
use crate::whole;

const VERSION: u32 = 3;

/// A GGUF in the making; `'a` is how long the tensors' data lives.
#[derive(Debug, Default)]
pub struct GgufWriter<'a> {
    entries: Vec<(String, Value)>,
    tensors: Vec<NewTensor<'a>>,
}

#[derive(Debug)]
struct NewTensor<'a> {
    name: String,
    dims: Vec<u64>,
    tensor_type: TensorType,
    n_bytes: u64,
    data: Data<'a>,
}

/// Writes the data of a tensor to a sink.
type WriteData<'a> = dyn Fn(&mut dyn Write) -> io::Result<()> + 'a;

/// The data of a tensor, or what writes it.
enum Data<'a> {
    Bytes(Cow<'a, [u8]>),
    Streamed(Box<WriteData<'a>>),
}

impl fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "Bytes",
            Self::Streamed(_) => "Streamed",
        })
    }
}

impl<'a> GgufWriter<'a> {
    /// An empty file of the given architecture, which every GGUF names first.
    pub fn new(architecture: &str) -> Self {
        let mut writer = Self::default();
        writer.set("general.architecture", architecture);
        writer
    }

    /// Sets a key; keys are written in the order in which they were first set.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        match self.entries.iter_mut().find(|(name, _)| name == key) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((key.to_owned(), value)),
        }
        self
    }

    /// Adds a tensor: `dims` has the fastest running dimension first, `data` is as long as shape and type say.
    ///
    /// # Panics
    /// If the length of `data` is another, or the name is taken.
    pub fn add_tensor(
        &mut self,
        name: &str,
        dims: &[u64],
        tensor_type: TensorType,
        data: impl Into<Cow<'a, [u8]>>,
    ) -> &mut Self {
        let data = data.into();
        let n_bytes = bytes_of(dims, tensor_type);
        assert_eq!(data.len() as u64, n_bytes, "bytes of tensor `{name}`");
        self.add(name, dims, tensor_type, Data::Bytes(data))
    }

    /// As [`Self::add_tensor`], with data that `write` writes when its turn comes, so that it need not be in memory.
    ///
    /// # Panics
    /// If the name is taken; when the file is written, if `write` writes another number of bytes than shape and type say.
    pub fn add_streamed_tensor(
        &mut self,
        name: &str,
        dims: &[u64],
        tensor_type: TensorType,
        write: impl Fn(&mut dyn Write) -> io::Result<()> + 'a,
    ) -> &mut Self {
        self.add(name, dims, tensor_type, Data::Streamed(Box::new(write)))
    }

    fn add(
        &mut self,
        name: &str,
        dims: &[u64],
        tensor_type: TensorType,
        data: Data<'a>,
    ) -> &mut Self {
        let is_new = self.tensors.iter().all(|tensor| tensor.name != name);
        assert!(is_new, "tensor `{name}` is added twice");
        self.tensors.push(NewTensor {
            name: name.to_owned(),
            dims: dims.to_vec(),
            tensor_type,
            n_bytes: bytes_of(dims, tensor_type),
            data,
        });
        self
    }

    /// Adds a tensor of 32-bit numbers.
    ///
    /// # Panics
    /// As [`Self::add_tensor`].
    pub fn add_f32_tensor(&mut self, name: &str, dims: &[u64], numbers: &[f32]) -> &mut Self {
        let data: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.add_tensor(name, dims, TensorType::F32, data)
    }

    /// Writes the file: under a temporary name in the same folder first, then flushed to the disk and renamed.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        whole::write_file(path, |file| {
            let mut file = BufWriter::with_capacity(1 << 20, file);
            self.write_to(&mut file)?;
            file.flush()
        })?;
        sync_folder(path)
    }

    /// Writes the bytes of the file to `sink`.
    pub(crate) fn write_to(&self, sink: &mut impl Write) -> io::Result<()> {
        let header = self.header();
        sink.write_all(&header)?;
        write_padding(sink, header.len())?;
        for tensor in &self.tensors {
            match &tensor.data {
                Data::Bytes(data) => sink.write_all(data)?,
                Data::Streamed(write) => {
                    let mut counted = Counted { sink, n_bytes: 0 };
                    write(&mut counted)?;
                    assert_eq!(
                        counted.n_bytes, tensor.n_bytes,
                        "bytes of tensor `{}`",
                        tensor.name
                    );
                }
            }
            write_padding(sink, tensor.n_bytes as usize)?;
        }
        Ok(())
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.entries.len() as u64).to_le_bytes());
        for (key, value) in &self.entries {
            put_string(&mut bytes, key);
            put_value(&mut bytes, value);
        }
        let mut offset: u64 = 0;
        for tensor in &self.tensors {
            put_string(&mut bytes, &tensor.name);
            bytes.extend((tensor.dims.len() as u32).to_le_bytes());
            bytes.extend(tensor.dims.iter().flat_map(|dim| dim.to_le_bytes()));
            bytes.extend(tensor.tensor_type.id().to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            offset += tensor
                .n_bytes
                .next_multiple_of(u64::from(DEFAULT_ALIGNMENT));
        }
        bytes
    }
}

fn bytes_of(dims: &[u64], tensor_type: TensorType) -> u64 {
    let n_elements: u64 = dims.iter().product();
    n_elements / tensor_type.block_elements() * tensor_type.block_bytes()
}

/// Counts what is written to a sink.
struct Counted<'s, W> {
    sink: &'s mut W,
    n_bytes: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n_bytes = self.sink.write(bytes)?;
        self.n_bytes += n_bytes as u64;
        Ok(n_bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Makes the rename itself last; only Unix lets a folder be opened for that.
#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn write_padding(sink: &mut impl Write, n_written: usize) -> io::Result<()> {
    let padded = n_written.next_multiple_of(DEFAULT_ALIGNMENT as usize);
    let zeros = [0; DEFAULT_ALIGNMENT as usize];
    sink.write_all(&zeros[..padded - n_written])
}

fn put_string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn put_value(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(number) => put_number(bytes, type_id::U8, &number.to_le_bytes()),
        Value::I8(number) => put_number(bytes, type_id::I8, &number.to_le_bytes()),
        Value::U16(number) => put_number(bytes, type_id::U16, &number.to_le_bytes()),
        Value::I16(number) => put_number(bytes, type_id::I16, &number.to_le_bytes()),
        Value::U32(number) => put_number(bytes, type_id::U32, &number.to_le_bytes()),
        Value::I32(number) => put_number(bytes, type_id::I32, &number.to_le_bytes()),
        Value::U64(number) => put_number(bytes, type_id::U64, &number.to_le_bytes()),
        Value::I64(number) => put_number(bytes, type_id::I64, &number.to_le_bytes()),
        Value::F32(number) => put_number(bytes, type_id::F32, &number.to_le_bytes()),
        Value::F64(number) => put_number(bytes, type_id::F64, &number.to_le_bytes()),
        Value::Bool(truth) => put_number(bytes, type_id::BOOL, &[u8::from(*truth)]),
        Value::String(text) => {
            bytes.extend(type_id::STRING.to_le_bytes());
            put_string(bytes, text);
        }
        Value::Array(array) => {
            bytes.extend(type_id::ARRAY.to_le_bytes());
            put_array(bytes, array);
        }
    }
}

fn put_number(bytes: &mut Vec<u8>, type_id: u32, number: &[u8]) {
    bytes.extend(type_id.to_le_bytes());
    bytes.extend(number);
}

fn put_array(bytes: &mut Vec<u8>, array: &Array) {
    match array {
        Array::U8(list) => put_list(bytes, type_id::U8, list, |n| n.to_le_bytes()),
        Array::I8(list) => put_list(bytes, type_id::I8, list, |n| n.to_le_bytes()),
        Array::U16(list) => put_list(bytes, type_id::U16, list, |n| n.to_le_bytes()),
        Array::I16(list) => put_list(bytes, type_id::I16, list, |n| n.to_le_bytes()),
        Array::U32(list) => put_list(bytes, type_id::U32, list, |n| n.to_le_bytes()),
        Array::I32(list) => put_list(bytes, type_id::I32, list, |n| n.to_le_bytes()),
        Array::U64(list) => put_list(bytes, type_id::U64, list, |n| n.to_le_bytes()),
        Array::I64(list) => put_list(bytes, type_id::I64, list, |n| n.to_le_bytes()),
        Array::F32(list) => put_list(bytes, type_id::F32, list, |n| n.to_le_bytes()),
        Array::F64(list) => put_list(bytes, type_id::F64, list, |n| n.to_le_bytes()),
        Array::Bool(list) => put_list(bytes, type_id::BOOL, list, |truth| [u8::from(truth)]),
        Array::String(list) => {
            bytes.extend(type_id::STRING.to_le_bytes());
            bytes.extend((list.len() as u64).to_le_bytes());
            list.iter().for_each(|text| put_string(bytes, text));
        }
    }
}

fn put_list<T: Copy, const N: usize>(
    bytes: &mut Vec<u8>,
    type_id: u32,
    list: &[T],
    encode: impl Fn(T) -> [u8; N],
) {
    bytes.extend(type_id.to_le_bytes());
    bytes.extend((list.len() as u64).to_le_bytes());
    bytes.extend(list.iter().flat_map(|number| encode(*number)));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::gguf::{Gguf, GgufError};

    /// Every type once.
    fn sample() -> GgufWriter<'static> {
        let mut writer = GgufWriter::new("test");
        let scalars = [
            Value::U8(1),
            Value::I8(-1),
            Value::U16(2),
            Value::I16(-2),
            Value::U32(3),
            Value::I32(-3),
            Value::U64(u64::MAX),
            Value::I64(i64::MIN),
            Value::F32(0.5),
            Value::F64(-0.25),
            Value::Bool(true),
            Value::String("Grün".to_owned()),
        ];
        let arrays = [
            Array::U8(vec![1, 2]),
            Array::I8(vec![-1]),
            Array::U16(vec![]),
            Array::I16(vec![-2, 2, 3]),
            Array::U32(vec![3]),
            Array::I32(vec![-3]),
            Array::U64(vec![4]),
            Array::I64(vec![-4]),
            Array::F32(vec![0.5, 1.5]),
            Array::F64(vec![0.25]),
            Array::Bool(vec![true, false]),
            Array::String(vec![String::new(), "ab".to_owned()]),
        ];
        let values = scalars
            .into_iter()
            .chain(arrays.into_iter().map(Value::Array));
        for (idx, value) in values.enumerate() {
            writer.set(&format!("test.{idx}"), value);
        }
        let q8_0 = TensorType::from_name("Q8_0").unwrap();
        writer.add_f32_tensor("a", &[3], &[1.0, 2.0, 3.0]);
        writer.add_tensor("b", &[32, 2], q8_0, vec![7; 68]);
        writer
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sample.gguf");
        let writer = sample();
        writer.write(&path).unwrap();
        let gguf = Gguf::read(&path).unwrap();
        assert_eq!(gguf.entries(), writer.entries);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(gguf.tensors().len(), 2);
        for (info, tensor) in gguf.tensors().iter().zip(&writer.tensors) {
            assert_eq!((&info.name, &info.dims), (&tensor.name, &tensor.dims));
            assert_eq!(info.tensor_type, tensor.tensor_type);
            assert_eq!(info.offset % 32, 0);
            let data = &bytes[info.offset as usize..][..info.n_bytes as usize];
            let Data::Bytes(expected) = &tensor.data else {
                panic!("{tensor:?}")
            };
            assert_eq!(data, &**expected);
        }
        assert_eq!(gguf.size_bytes(), bytes.len() as u64);
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "a file was left over"
        );
    }

    #[test]
    fn key_set_twice_keeps_its_place() {
        let mut writer = GgufWriter::new("test");
        writer.set("test.a", 1).set("test.b", 2).set("test.a", 3);
        let mut bytes = Vec::new();
        writer.write_to(&mut bytes).unwrap();
        let gguf = Gguf::parse("x.gguf".as_ref(), &*bytes, bytes.len() as u64).unwrap();
        let keys: Vec<&str> = gguf
            .entries()
            .iter()
            .map(|entry| entry.0.as_str())
            .collect();
        assert_eq!(keys, ["general.architecture", "test.a", "test.b"]);
        assert_eq!(gguf.u32("test.a").unwrap(), 3);
        assert!(matches!(gguf.u32("test.c"), Err(GgufError::Key { .. })));
    }

    #[test]
    fn failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder.gguf");
        fs::create_dir(&folder).unwrap();
        assert!(sample().write(&folder).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
