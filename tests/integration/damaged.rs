//! Damaged model files: every one is refused with a message that names it, or llama.cpp gets through with it.
//!
//! Owns the damage: files cut short, and files with one wrong byte before their data. What a rule says about a
//! particular wrong value is tested beside the rule, in `gguf/check`.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use seep::gguf::{
    Gguf, GgufError, TensorType, check_encoder, check_generation_model, convert_encoder,
};

use crate::llama_child::{Outcome, load_in_child};
use crate::tiny::{Random, TinyModel, write_encoder_folder};

const N_FLIPS: usize = 1000;
const SEED: u64 = 20_250_802;
/// As many files lie in the temporary folder at once.
const N_FILES_MAX: usize = 64;

type Check = fn(&Gguf) -> Result<(), GgufError>;

/// One byte of a file becomes another.
#[derive(Debug, Clone, Copy)]
struct Flip {
    offset: usize,
    /// Not 0.
    mask: u8,
}

/// What became of the damaged files.
#[derive(Debug, Default)]
struct Tally {
    /// Refused by us, with a message that names the file.
    n_refused: usize,
    /// Refused by llama.cpp with an error.
    n_refused_later: usize,
    n_ran: usize,
    /// The flips on which llama.cpp aborted, with its last words.
    aborted: Vec<String>,
}

#[test]
fn file_cut_short_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.gguf");
    TinyModel::QWEN2.write(&path);
    let n_header = header_len(&path);
    let n_bytes = fs::metadata(&path).unwrap().len();
    let file = File::options().write(true).open(&path).unwrap();
    let in_data = [n_bytes - 1, n_bytes - 32, n_bytes / 2, n_header as u64 + 1];
    let in_header = (0..=n_header as u64).rev().step_by(23);
    for length in in_data.into_iter().chain(in_header).chain([0]) {
        file.set_len(length).unwrap();
        let message = Gguf::read(&path).unwrap_err().to_string();
        assert!(names(&message, &path), "at {length}: {message}");
    }
}

#[test]
fn wrong_byte_never_aborts_a_generation_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    TinyModel::QWEN2.write(&path);
    check_flips(&path, check_generation_model, N_FLIPS);
}

#[test]
fn wrong_byte_never_aborts_an_encoder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    write_encoder_folder(dir.path());
    convert_encoder(dir.path(), &path, "Tiny").unwrap();
    check_flips(&path, check_encoder, N_FLIPS);
}

/// The check lets only those types of matrices through that llama.cpp can compute with, whatever the numbers are.
#[test]
fn every_type_that_passes_runs() {
    let dir = tempfile::tempdir().unwrap();
    let types: Vec<TensorType> = (0..64).filter_map(TensorType::from_id).collect();
    for tensor_type in &types {
        let path = dir.path().join(format!("{}.gguf", tensor_type.name()));
        let model = TinyModel {
            n_embd: 256,
            matrix_type: tensor_type.name(),
            ..TinyModel::QWEN2
        };
        model.write(&path);
        if check_generation_model(&Gguf::read(&path).unwrap()).is_err() {
            fs::remove_file(&path).unwrap();
        }
    }
    let outcomes = load_in_child(dir.path());
    assert!((20..types.len()).contains(&outcomes.len()), "{outcomes:?}");
    for (name, outcome) in outcomes {
        assert!(matches!(outcome, Outcome::Ran(_)), "{name}: {outcome:?}");
    }
}

fn names(message: &str, path: &Path) -> bool {
    message.contains(path.to_str().unwrap())
}

/// Bytes before the data.
fn header_len(path: &Path) -> usize {
    Gguf::read(path).unwrap().tensors()[0].offset as usize
}

fn check_flips(path: &Path, check: Check, n_flips: usize) {
    let flips = flips(&fs::read(path).unwrap(), header_len(path), n_flips);
    let tally = try_flips(path, check, &flips);
    let n_in_all = tally.n_refused + tally.n_refused_later + tally.n_ran;
    assert!(tally.aborted.is_empty(), "{tally:#?}");
    assert_eq!(n_in_all, n_flips);
    assert!(
        tally.n_refused > n_flips / 2 && tally.n_ran > 0,
        "{tally:?}"
    );
}

/// Half of the flips anywhere in the header, half outside the lists, where most of the meaning is.
fn flips(bytes: &[u8], header_len: usize, n_flips: usize) -> Vec<Flip> {
    let lists = find(bytes, b"tokenizer.ggml.tokens")..find(bytes, b"token_embd.weight");
    let outside: Vec<usize> = (0..header_len)
        .filter(|offset| !lists.contains(offset))
        .collect();
    let mut random = Random::new(SEED);
    let flip = |idx: usize| Flip {
        offset: match idx % 2 {
            0 => random.below(header_len),
            _ => outside[random.below(outside.len())],
        },
        mask: 1 + random.below(255) as u8,
    };
    (0..n_flips).map(flip).collect()
}

fn find(bytes: &[u8], sought: &[u8]) -> usize {
    bytes
        .windows(sought.len())
        .position(|window| window == sought)
        .unwrap()
}

fn try_flips(path: &Path, check: Check, flips: &[Flip]) -> Tally {
    let bytes = fs::read(path).unwrap();
    let mut file = File::options().write(true).open(path).unwrap();
    let mut tally = Tally::default();
    let mut passed = Vec::new();
    for flip in flips {
        let byte = bytes[flip.offset];
        put(&mut file, flip.offset, byte ^ flip.mask);
        match Gguf::read(path).and_then(|gguf| check(&gguf)) {
            Ok(()) => passed.push(*flip),
            Err(error) => {
                let message = error.to_string();
                assert!(names(&message, path), "{flip:?}: {message}");
                tally.n_refused += 1;
            }
        }
        put(&mut file, flip.offset, byte);
    }
    for flips in passed.chunks(N_FILES_MAX) {
        run_flips(&bytes, flips, &mut tally);
    }
    tally
}

fn put(file: &mut File, offset: usize, byte: u8) {
    file.seek(SeekFrom::Start(offset as u64)).unwrap();
    file.write_all(&[byte]).unwrap();
}

/// Lets llama.cpp load each of the damaged files that passed our checks.
fn run_flips(bytes: &[u8], flips: &[Flip], tally: &mut Tally) {
    let dir = tempfile::tempdir().unwrap();
    for (idx, flip) in flips.iter().enumerate() {
        let mut bytes = bytes.to_vec();
        bytes[flip.offset] ^= flip.mask;
        let path: PathBuf = dir.path().join(format!("{idx:03}.gguf"));
        fs::write(path, bytes).unwrap();
    }
    let outcomes = load_in_child(dir.path());
    assert_eq!(outcomes.len(), flips.len());
    for (flip, outcome) in flips.iter().zip(outcomes.into_values()) {
        match outcome {
            Outcome::Ran(_) => tally.n_ran += 1,
            Outcome::Refused(_) => tally.n_refused_later += 1,
            Outcome::Aborted(last_words) => tally.aborted.push(format!("{flip:?}: {last_words}")),
        }
    }
}
