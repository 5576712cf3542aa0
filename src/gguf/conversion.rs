//! The record of an encoder's GGUF that was converted here: from which files, and what came of it.
//!
//! Owns the file beside it that tells whether it is still what was made. The conversion itself is `encoder`'s.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::whole;

/// The files that decide what is made.
const SOURCES: [&str; 3] = ["config.json", "model.safetensors", "vocab.txt"];
/// Ends the name of the record beside a converted file.
const RECORD_SUFFIX: &str = ".conversion.json";

/// How a converted file was made, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversionRecord {
    /// SHA-256 of each file that it was made from, in hexadecimal, by name.
    pub sources: BTreeMap<String, String>,
    /// The program that made it, with its version.
    pub converter: String,
    /// SHA-256 of the converted file, in hexadecimal.
    pub sha256: String,
}

impl ConversionRecord {
    /// The sources in a folder, hashed by `hash`.
    ///
    /// # Errors
    /// Those of `hash`.
    pub fn sources(
        folder: &Path,
        hash: impl Fn(&Path) -> io::Result<Digest>,
    ) -> io::Result<BTreeMap<String, String>> {
        let there = SOURCES.iter().filter(|name| folder.join(name).is_file());
        there
            .map(|name| Ok(((*name).to_owned(), hash(&folder.join(name))?.to_string())))
            .collect()
    }

    /// The record of a file that this program made.
    pub fn new(sources: BTreeMap<String, String>, sha256: Digest) -> Self {
        Self {
            sources,
            converter: converter(),
            sha256: sha256.to_string(),
        }
    }

    /// The record beside the converted file at `path`; None where there is none that can be understood.
    pub fn read(path: &Path) -> Option<Self> {
        let text = fs::read(record_path(path)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes the record beside the converted file at `path`.
    ///
    /// # Errors
    /// Refusals of the operating system.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        whole::write_file(&record_path(path), |mut file| {
            file.write_all(&serde_json::to_vec_pretty(self)?)
        })
    }

    /// True if this program would make the file of these sources.
    pub fn is_of(&self, sources: &BTreeMap<String, String>) -> bool {
        self.sources == *sources && self.converter == converter()
    }
}

/// The converted files in a folder with their records, by name.
pub fn converted_files(folder: &Path) -> Vec<(PathBuf, ConversionRecord)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let ggufs = entries.map(|entry| entry.path()).filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "gguf")
    });
    let mut found: Vec<_> = ggufs
        .filter_map(|path| ConversionRecord::read(&path).map(|record| (path, record)))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn record_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(RECORD_SUFFIX);
    PathBuf::from(name)
}

fn converter() -> String {
    format!("seep {}", env!("CARGO_PKG_VERSION"))
}
