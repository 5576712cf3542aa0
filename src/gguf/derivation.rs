//! Model files made here from other model files by llama.cpp's quantizer.
//!
//! Owns what identifies such a file (parent, target, quantizer, options), its name, the record that lies beside it, and
//! the temporary name it has until it is whole. The quantizer is called elsewhere.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest::canonical_quantization;
use crate::digest::Digest;
use crate::whole;

/// The settings of the quantizer besides type and importance matrix, in words for the record.
const OPTIONS: &str = "mixed types, output tensor quantized, one file";
/// Ends the name of the record beside a derived file.
const RECORD_SUFFIX: &str = ".derivation.json";
/// Ends the name of a derived file that is being written.
const PART_SUFFIX: &str = ".deriving";
/// Digits of the identity in a file's name.
const N_NAME_DIGITS: usize = 8;

/// A quantization the quantizer can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The label in upper case, such as `Q2_K`.
    pub label: &'static str,
    /// True if llama.cpp refuses to make it without an importance matrix.
    pub needs_imatrix: bool,
}

const fn target(label: &'static str) -> Target {
    Target {
        label,
        needs_imatrix: false,
    }
}

const fn imatrix_target(label: &'static str) -> Target {
    Target {
        label,
        needs_imatrix: true,
    }
}

/// Largest first; which need a matrix, llama.cpp's `tensor_requires_imatrix` says.
const TARGETS: [Target; 28] = [
    target("F16"),
    target("BF16"),
    target("Q8_0"),
    target("Q6_K"),
    target("Q5_K_M"),
    target("Q5_K_S"),
    target("Q5_1"),
    target("Q5_0"),
    target("Q4_K_M"),
    target("Q4_K_S"),
    target("Q4_1"),
    target("Q4_0"),
    target("IQ4_NL"),
    target("IQ4_XS"),
    target("Q3_K_L"),
    target("Q3_K_M"),
    target("Q3_K_S"),
    target("IQ3_M"),
    target("IQ3_S"),
    imatrix_target("IQ3_XS"),
    imatrix_target("IQ3_XXS"),
    target("Q2_K"),
    imatrix_target("Q2_K_S"),
    imatrix_target("IQ2_M"),
    imatrix_target("IQ2_S"),
    imatrix_target("IQ2_XS"),
    imatrix_target("IQ2_XXS"),
    imatrix_target("IQ1_S"),
];

impl Target {
    /// The target with this label in any spelling (`q2_k`, `fp16`).
    pub fn find(label: &str) -> Option<Self> {
        let wanted = canonical_quantization(label);
        TARGETS.into_iter().find(|target| target.label == wanted)
    }

    /// The labels of all targets.
    pub fn labels() -> Vec<&'static str> {
        TARGETS.iter().map(|target| target.label).collect()
    }
}

/// All that determines a derived file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derivation {
    /// The label of what was made, such as `Q2_K`.
    pub quantization: String,
    /// The label of the parent, such as `Q4_K_M`.
    pub parent_quantization: String,
    /// SHA-256 of the parent (of the digests of its parts, where it is split), in hexadecimal.
    pub parent_sha256: String,
    /// True if the parent was quantized already, so that the weights were rounded twice.
    pub is_requantized: bool,
    /// SHA-256 of the importance matrix, in hexadecimal; None where none was given.
    pub imatrix_sha256: Option<String>,
    /// The program that made it, with its version.
    pub quantizer: String,
    /// Its other settings.
    pub options: String,
}

/// A derived file's record: how it was made and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DerivedRecord {
    /// How it was made.
    pub derivation: Derivation,
    /// SHA-256 of the derived file, in hexadecimal.
    pub sha256: String,
}

impl Derivation {
    /// A derivation with the options that are always used.
    pub fn new(
        target: Target,
        parent_quantization: &str,
        parent_sha256: Digest,
        is_requantized: bool,
        imatrix_sha256: Option<Digest>,
        quantizer: String,
    ) -> Self {
        Self {
            quantization: target.label.to_owned(),
            parent_quantization: parent_quantization.to_owned(),
            parent_sha256: parent_sha256.to_string(),
            is_requantized,
            imatrix_sha256: imatrix_sha256.map(|digest| digest.to_string()),
            quantizer,
            options: OPTIONS.to_owned(),
        }
    }

    /// The digest of one unambiguous line of text for all that determines the file.
    pub fn identity(&self) -> Digest {
        let imatrix = self.imatrix_sha256.as_deref().unwrap_or("none");
        let line = format!(
            "seep derivation 1|parent={}|to={}|requantize={}|imatrix={imatrix}|quantizer={:?}|options={:?}",
            self.parent_sha256,
            self.quantization,
            self.is_requantized,
            self.quantizer,
            self.options
        );
        Digest::of(line.as_bytes())
    }

    /// The label under which the file stands in tables and the database: it names the parent and a given matrix.
    pub fn label(&self) -> String {
        derived_label(
            &self.quantization,
            &self.parent_quantization,
            self.imatrix_sha256.is_some(),
        )
    }

    /// The name of the file of a model called `stem`.
    pub fn file_name(&self, stem: &str) -> String {
        let identity = self.identity().to_string();
        let label = self.label().to_lowercase();
        format!("{stem}-{label}-{}.gguf", &identity[..N_NAME_DIGITS])
    }
}

/// The label of a derived file, such as `Q2_K-from-Q4_K_M`.
pub fn derived_label(quantization: &str, parent_quantization: &str, has_imatrix: bool) -> String {
    let imatrix = if has_imatrix { "-imatrix" } else { "" };
    format!("{quantization}-from-{parent_quantization}{imatrix}")
}

/// Where the record of the derived file at `path` lies.
pub fn record_path(path: &Path) -> PathBuf {
    with_suffix(path, RECORD_SUFFIX)
}

/// Where the derived file of `path` is written until it is whole; one per process.
pub fn part_path(path: &Path) -> PathBuf {
    with_suffix(path, &format!(".{}{PART_SUFFIX}", std::process::id()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The record beside the derived file at `path`; None where there is none that can be understood.
pub fn read_record(path: &Path) -> Option<DerivedRecord> {
    let text = fs::read(record_path(path)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Gives the whole, checked file at `part` its name `path`; its record reaches the disk first, so that no file without
/// a record ever has that name.
pub fn publish(part: &Path, path: &Path, record: &DerivedRecord) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    whole::write_file(&record_path(path), |mut file| {
        file.write_all(&serde_json::to_vec_pretty(record)?)
    })?;
    fs::rename(part, path)?;
    super::writer::sync_folder(path)
}

/// The derived files in a model's folder with their records, by name.
pub fn derived_files(folder: &Path) -> Vec<(PathBuf, DerivedRecord)> {
    let mut found: Vec<(PathBuf, DerivedRecord)> = entries(folder)
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "gguf")
        })
        .filter_map(|path| read_record(&path).map(|record| (path, record)))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Removes what derivations that were killed left in `folder`; returns what was removed.
///
/// The caller holds the lock of the folder, so no derivation is under way in it.
pub fn remove_left_overs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_left_over = |path: &PathBuf| {
        path.to_str()
            .is_some_and(|name| name.ends_with(PART_SUFFIX))
    };
    let left_overs: Vec<PathBuf> = entries(folder).filter(is_left_over).collect();
    for path in &left_overs {
        fs::remove_file(path)?;
    }
    Ok(left_overs)
}

/// The paths in a folder; none where there is no such folder.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::tensor_type::{file_type_id, nominal_type};

    fn derivation() -> Derivation {
        Derivation::new(
            Target::find("q2_k").unwrap(),
            "Q4_K_M",
            Digest::of(b"parent"),
            true,
            None,
            "a quantizer".to_owned(),
        )
    }

    #[test]
    fn every_target_is_a_file_type_with_a_nominal_type() {
        for target in TARGETS {
            assert!(file_type_id(target.label).is_some(), "{}", target.label);
            assert!(nominal_type(target.label).is_some(), "{}", target.label);
            assert_eq!(Target::find(target.label), Some(target));
        }
        assert_eq!(Target::find("fp16").unwrap().label, "F16");
        assert_eq!(Target::find("Q4_K"), None);
    }

    #[test]
    fn whatever_changes_the_file_changes_its_identity() {
        let base = derivation();
        let other = |change: fn(&mut Derivation)| {
            let mut other = derivation();
            change(&mut other);
            other.identity()
        };
        let identities = [
            base.identity(),
            other(|it| it.quantization = "Q3_K_M".to_owned()),
            other(|it| it.parent_sha256 = Digest::of(b"another").to_string()),
            other(|it| it.is_requantized = false),
            other(|it| it.imatrix_sha256 = Some(Digest::of(b"matrix").to_string())),
            other(|it| it.quantizer = "a newer quantizer".to_owned()),
            other(|it| it.options = "pure".to_owned()),
        ];
        let distinct: std::collections::BTreeSet<_> = identities.iter().collect();
        assert_eq!(distinct.len(), identities.len());
        assert_eq!(base.identity(), derivation().identity());
    }

    #[test]
    fn names_tell_target_and_parent() {
        let derivation = derivation();
        let digits = &derivation.identity().to_string()[..8];
        let name = derivation.file_name("small-1b");
        assert_eq!(name, format!("small-1b-q2_k-from-q4_k_m-{digits}.gguf"));
        assert_eq!(derivation.label(), "Q2_K-from-Q4_K_M");
        assert_eq!(derived_label("Q2_K", "F16", true), "Q2_K-from-F16-imatrix");
    }

    #[test]
    fn only_published_files_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(derivation().file_name("small"));
        let part = part_path(&path);
        fs::write(&part, b"whole").unwrap();
        fs::write(folder.path().join("download.gguf.part"), b"not ours").unwrap();
        assert_eq!(derived_files(folder.path()), []);
        let record = DerivedRecord {
            derivation: derivation(),
            sha256: Digest::of(b"whole").to_string(),
        };
        publish(&part, &path, &record).unwrap();
        assert_eq!(derived_files(folder.path()), [(path.clone(), record)]);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        fs::write(&part, b"killed").unwrap();
        assert_eq!(remove_left_overs(folder.path()).unwrap(), [part]);
        assert_eq!(derived_files(folder.path()).len(), 1);
        assert!(folder.path().join("download.gguf.part").exists());
    }
}
