//! Prompt pairs that another file holds: a published workbook, or a workbook or table of one's own.
//!
//! Owns the mapping form of the key `pairs` and how the pairs of such a file join those of the experiment file. It reads
//! and fetches nothing: the caller finds out what the file holds and hands it over with [`Experiment::with_pairs_file`].

use std::collections::HashSet;
use std::path::PathBuf;

use super::Experiment;
use super::families::FamilyProblems;
use super::node::{Field, Node, Value};
use super::problem::{ExperimentErrors, Problem};
use super::read::{Fields, PAIRS_FILE, Reader, Text};
use super::size::too_many_pairs;
use super::source::Position;
use crate::digest::Digest;
use crate::words;

/// The file from which an experiment takes prompt pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairsSource {
    /// Which file it is.
    pub file: PairsLocation,
    /// Where the experiment names it.
    pub position: Position,
}

/// Which file holds prompt pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairsLocation {
    /// A workbook that was published and is fetched where it is not here.
    Published {
        /// Its name; whether there is one is found out by those who know them.
        name: String,
    },
    /// A file of one's own.
    Own {
        /// The path, joined to the directory of the experiment file.
        path: PathBuf,
        /// The hash it must have, and where the experiment says so; None where any content will do.
        sha256: Option<(Digest, Position)>,
        /// The file that says which column is what, with where it is named; None where they are those of the published
        /// workbooks.
        mapping: Option<(PathBuf, Position)>,
    },
}

/// The content of such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairsFile {
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// SHA-256 of the mapping; None where it is that of the published workbooks.
    pub mapping_sha256: Option<Digest>,
    /// Its pairs in their order.
    pub pairs: Vec<FilePair>,
}

/// A prompt pair of such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePair {
    /// The concept, without white space at its ends.
    pub concept: String,
    /// The family of near-synonyms that the concept is in, where those who read the file know; an experiment that names
    /// families takes its own.
    pub concept_family: Option<String>,
    /// The category.
    pub category: String,
    /// The template it was made from, where the file says.
    pub template_id: Option<String>,
    /// The test prompt.
    pub test: String,
    /// The control prompt.
    pub control: String,
}

impl Reader {
    /// The file named by `pairs`; the inner None where there is none.
    pub(crate) fn pairs_source(&mut self, top: &Fields<'_>) -> Option<Option<PairsSource>> {
        let node = match top.get("pairs") {
            Some(node) if matches!(node.value, Value::Mapping(_)) => node,
            _ => return Some(None),
        };
        let fields = self.fields(node, &PAIRS_FILE, "pairs: {published: colors}")?;
        match (fields.entry("published"), fields.entry("path")) {
            (Some(published), None) => self.published_pairs(&fields, published).map(Some),
            (None, Some(path)) => self.own_pairs(&fields, &path.node).map(Some),
            (Some(_), Some(path)) => {
                self.report(
                    Problem::error(&path.key_position, "`path` cannot stand beside `published`")
                        .label("pairs come from one file")
                        .hint("name a file of your own, or a published workbook"),
                );
                None
            }
            (None, None) => {
                if fields.lacks("published") && fields.lacks("path") {
                    let message = "`pairs` has neither `published` nor `path`";
                    self.report(
                        Problem::error(&fields.start, message)
                            .label("in the mapping that begins here")
                            .hint("`published` for a published workbook, `path` for a file"),
                    );
                }
                None
            }
        }
    }

    fn published_pairs(&mut self, fields: &Fields<'_>, entry: &Field) -> Option<PairsSource> {
        let own = ["sha256", "mapping"].map(|key| fields.entry(key));
        if let Some(entry) = own.into_iter().flatten().next() {
            let message = format!("`{}` cannot stand beside `published`", entry.key);
            self.report(
                Problem::error(&entry.key_position, message)
                    .label("of a published workbook it is known")
                    .hint("remove it, or name a file of your own with `path`"),
            );
            return None;
        }
        let name = self.text(&entry.node, "pairs.published", Text::Line)?;
        Some(PairsSource {
            file: PairsLocation::Published {
                name: name.to_owned(),
            },
            position: entry.node.position.clone(),
        })
    }

    fn own_pairs(&mut self, fields: &Fields<'_>, node: &Node) -> Option<PairsSource> {
        let path = self.text(node, "pairs.path", Text::Line);
        let sha256 = fields.get("sha256").map(|node| self.sha256(node));
        let mapping = fields.get("mapping").map(|node| {
            let path = self.text(node, "pairs.mapping", Text::Line)?;
            Some((node.position.file().beside(path), node.position.clone()))
        });
        Some(PairsSource {
            file: PairsLocation::Own {
                path: node.position.file().beside(path?),
                sha256: sha256.map_or(Some(None), |found| found.map(Some))?,
                mapping: mapping.map_or(Some(None), |found| found.map(Some))?,
            },
            position: node.position.clone(),
        })
    }

    fn sha256(&mut self, node: &Node) -> Option<(Digest, Position)> {
        let text = self.text(node, "pairs.sha256", Text::Line)?;
        let Ok(digest) = text.parse() else {
            self.report(
                Problem::error(&node.position, "`pairs.sha256` is no SHA-256")
                    .label("expected 64 hexadecimal digits"),
            );
            return None;
        };
        Some((digest, node.position.clone()))
    }
}

impl Experiment {
    /// The file from which pairs are taken besides those of the experiment file; None where there is none.
    ///
    /// Where there is one, [`Experiment::with_pairs_file`] completes the experiment: before it there are only the pairs
    /// of templates, and the digest does not cover the file.
    pub fn pairs_source(&self) -> Option<&PairsSource> {
        self.pairs_source.as_ref()
    }

    /// SHA-256 of the file from which pairs were taken, once it was read.
    pub fn pairs_sha256(&self) -> Option<Digest> {
        self.pairs_sha256
    }

    /// The experiment with the pairs of the file that it names, after those of its templates.
    ///
    /// # Errors
    /// Where there are too many pairs, where one is also made by a template of the experiment file, or where a member of
    /// a family is a concept of neither.
    ///
    /// # Panics
    /// Where the experiment names no file.
    pub fn with_pairs_file(mut self, file: PairsFile) -> Result<Self, ExperimentErrors> {
        let source = self.pairs_source.clone();
        let position = source.expect("the experiment names a file").position;
        let n_pairs = self.pairs.len() + file.pairs.len();
        if let Some(problem) = too_many_pairs(n_pairs, &position) {
            return Err(ExperimentErrors::single(problem));
        }
        self.refuse_clashes(&file.pairs, &position)?;
        let families = self.check_families(&file.pairs);
        ExperimentErrors::raise(families.errors)?;
        self.warnings.extend(families.warnings);
        self.warnings.extend(invisible(&file.pairs, &position));
        self.pairs_sha256 = Some(file.sha256);
        self.pairs_mapping_sha256 = file.mapping_sha256;
        self.append_pairs(file.pairs);
        Ok(self)
    }

    /// The problems of the families, now that all concepts are known.
    fn check_families(&self, pairs: &[FilePair]) -> FamilyProblems {
        let Some(families) = &self.families else {
            return FamilyProblems::default();
        };
        let own = self.concepts.iter();
        let concepts = own.chain(pairs.iter().map(|pair| &pair.concept));
        let concepts: Vec<&str> = concepts.map(String::as_str).collect();
        families.check(&concepts)
    }

    /// Test prompts and template ids that the experiment file has too would no longer say which pair is meant.
    fn refuse_clashes(
        &self,
        pairs: &[FilePair],
        position: &Position,
    ) -> Result<(), ExperimentErrors> {
        let own = self.pairs.iter();
        let ids: HashSet<_> = own.clone().map(|pair| pair.template_id.as_ref()).collect();
        let tests = own.map(|pair| self.test_prompt(pair));
        let filled = self
            .fillers
            .iter()
            .map(|it| self.prompts[it.prompt_idx].as_str());
        let tests: HashSet<String> = tests.chain(filled).map(words::seen).collect();
        let clash = pairs.iter().find_map(|pair| {
            let id = pair.template_id.as_ref();
            match id.filter(|_| ids.contains(&id)) {
                Some(id) => Some(format!("the file has a template `{id}` too")),
                None if tests.contains(&words::seen(&pair.test)) => {
                    Some(format!("the test prompt `{}` comes twice", pair.test))
                }
                None => None,
            }
        });
        match clash {
            None => Ok(()),
            Some(message) => Err(ExperimentErrors::single(
                Problem::error(position, message)
                    .label("in this file and in a template")
                    .hint("rename the template, or leave it out"),
            )),
        }
    }
}

/// A warning about prompts with something invisible, which changes the tokens; they stay as they are.
fn invisible(pairs: &[FilePair], position: &Position) -> Option<Problem> {
    let is_meant = |text: &&str| {
        let has_edges = text.trim() != *text || text.contains(char::is_control);
        has_edges || words::invisible(text).is_some()
    };
    let prompts = pairs
        .iter()
        .flat_map(|pair| [&pair.concept, &pair.test, &pair.control])
        .map(String::as_str);
    let found: HashSet<&str> = prompts.clone().filter(is_meant).collect();
    let first = prompts.into_iter().find(is_meant)?;
    let message = match found.len() {
        1 => "a prompt or concept holds".to_owned(),
        n_texts => format!("{n_texts} prompts and concepts hold"),
    };
    let message = format!("{message} invisible characters, or white space at an end");
    let named = words::invisible_words(first).map(|what| format!(": {what}"));
    let label = format!("the first is {first:?}{}", named.unwrap_or_default());
    Some(Problem::warning(position, message).label(label))
}
