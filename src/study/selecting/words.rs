//! The meaning of the words of a command line: the name of an experiment, of a model file, of a condition.
//!
//! Owns every message about words that mean nothing, or several things. It reads no database.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use anyhow::{anyhow, bail};

use crate::experiment::{did_you_mean, is_path};
use crate::generation::joined_label;
use crate::store::StoredCondition;

/// From so many digits on a word may be the beginning of a SHA-256.
const N_DIGITS_MIN: usize = 8;

/// A model file under a sampling and in a wording, as people name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) label: String,
    pub(crate) quantization: String,
    /// The values in which the samplings differ, and the wording; empty where they do not.
    pub(crate) differing: [String; 2],
    pub(crate) sha256: String,
}

impl Name {
    pub(crate) fn of(set: &StoredCondition) -> Self {
        Self {
            label: set.label.clone(),
            quantization: set.quantization.clone(),
            differing: [set.sampling_label.clone(), set.wording_label.clone()],
            sha256: set.model_sha256.clone(),
        }
    }

    fn file(&self) -> String {
        format!("{}:{}", self.label, self.quantization)
    }

    /// The same in any wording.
    pub(crate) fn in_any_wording(&self) -> Self {
        let [sampling, _] = &self.differing;
        Self {
            differing: [sampling.clone(), String::new()],
            ..self.clone()
        }
    }

    /// True if a word means this: `name`, `name:quantization`, that with sampling or wording or both, or the beginning of
    /// the SHA-256.
    pub(crate) fn is(&self, word: &str) -> bool {
        let [_, wording] = &self.differing;
        let of_wording = joined_label(self.file(), ["", wording]);
        let names = [
            self.file(),
            self.in_any_wording().to_string(),
            of_wording,
            self.to_string(),
        ];
        self.label == word
            || names.iter().any(|name| name.eq_ignore_ascii_case(word))
            || is_sha256(word, &self.sha256)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joined_label(
            self.file(),
            self.differing.each_ref().map(|it| &**it),
        ))
    }
}

/// The name of a condition on the command line: with its sampling and its wording where there are several.
pub(crate) fn condition_name(set: &StoredCondition) -> String {
    Name::of(set).to_string()
}

/// Where names are looked for: what is not there, before its name, and what is there, before all names.
pub(crate) type Place = (&'static str, &'static str);

/// The leaks that are stored.
pub(crate) const LEAKS: Place = ("no leaks are stored of the model", "there are leaks of");

/// The models of an experiment.
pub(crate) const EXPERIMENT: Place = ("the experiment has no model", "it has");

/// The first of `names` that is the one which a word means, in any wording unless it names one.
pub(crate) fn resolve(names: &[Name], word: &str, place: Place) -> anyhow::Result<usize> {
    let Some(idx) = names.iter().position(|name| name.is(word)) else {
        return Err(unknown(names, word, place));
    };
    let first = &names[idx];
    let found: Vec<&Name> = names.iter().filter(|name| name.is(word)).collect();
    let meant = first.in_any_wording();
    let texts = found.iter().map(|name| name.in_any_wording().to_string());
    let texts = listing(texts);
    if texts != meant.to_string() {
        let what = match found.iter().all(|name| name.sha256 == first.sha256) {
            true => "samplings",
            false => "quantizations",
        };
        bail!("`{word}` has several {what}: {texts}\nhint: name one of them");
    }
    if found.iter().any(|name| name.sha256 != first.sha256) {
        let digests = listing(found.iter().map(|name| short(&name.sha256)));
        bail!(
            "there are several model files of the name `{texts}`\nhint: name one by its sha256: {digests}"
        );
    }
    Ok(idx)
}

fn unknown(names: &[Name], word: &str, (none, there): Place) -> anyhow::Error {
    let texts: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
    let labels = names.iter().map(|name| name.label.as_str());
    // A beginning is more likely meant than a word of fewer edits.
    let begins = |name: &&String| name.to_lowercase().starts_with(&word.to_lowercase());
    let nearest = || did_you_mean(word, texts.iter().map(String::as_str).chain(labels));
    let meant = texts.iter().find(begins).map(String::as_str);
    let there = format!("{there} {}", listing(texts.iter().cloned()));
    let hint = with_meant(meant.or_else(nearest), &there);
    anyhow!("{none} `{word}`\nhint: {hint}")
}

/// True if a word means an experiment of this name and SHA-256.
pub(crate) fn is_experiment(word: &str, name: &str, sha256: &str) -> bool {
    word == name || is_sha256(word, sha256)
}

/// True if a word means the encoder of a set: by its name, its path, or the beginning of its SHA-256.
pub(crate) fn is_encoder(word: &str, set: &StoredCondition) -> bool {
    let named = Path::new(word);
    let names = [named.file_name(), named.file_stem()];
    let mut names = names.into_iter().flatten().map(OsStr::to_string_lossy);
    let is_path = is_path(word);
    word == set.embedding_model
        || is_path && names.any(|name| name == set.embedding_model)
        || is_sha256(word, &set.embedding_model_sha256)
}

fn is_sha256(word: &str, sha256: &str) -> bool {
    word.len() >= N_DIGITS_MIN && sha256.starts_with(&word.to_lowercase())
}

/// The digits by which people tell files and experiments apart.
pub(crate) fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect()
}

/// An experiment's name with the digits that tell its versions apart.
pub(crate) fn experiment_version(set: &StoredCondition) -> String {
    let digits = short(&set.experiment_sha256);
    format!("{} ({digits})", set.experiment_name)
}

/// Each word once, in order.
pub(crate) fn listing(words: impl IntoIterator<Item = String>) -> String {
    let words: BTreeSet<String> = words.into_iter().collect();
    words.into_iter().collect::<Vec<_>>().join(", ")
}

/// A hint: the word that was meant, if one is near, and all that is there.
pub(crate) fn with_meant(meant: Option<&str>, there: &str) -> String {
    meant.map_or(there.to_owned(), |meant| {
        format!("did you mean `{meant}`? {there}")
    })
}

/// The line that helps with a name that is not there, on a line of its own; all names only where none is near.
pub(crate) fn hint<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.dedup();
    match did_you_mean(word, names.iter().copied()) {
        Some(meant) => format!("\nhint: did you mean `{meant}`?"),
        None if names.is_empty() => String::new(),
        None => format!("\nhint: it has: {}", names.join(", ")),
    }
}
