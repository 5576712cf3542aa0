//! The mapping: a small YAML file that says which column is what.
//!
//! Owns its keys (described in `experiments/IMPORT.md`), the mapping of the published workbooks, and the search for its
//! columns in a table. It is the only file of this module that names the YAML crate.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::ImportError;
use super::table::{Cell, Table};
use crate::experiment::{ConceptFamilies, did_you_mean, doubled, whole_names};

/// The number of a repeat in the name of a column.
const NUMBER_SLOT: &str = "{n}";
/// Columns that a message names at most.
const N_NAMED_MAX: usize = 50;
/// How columns of other names are read.
const OTHER_NAMES: &str = "; other names are given with a mapping (experiments/IMPORT.md)";
/// The mapping that is used unless another is given.
const PUBLISHED: &str = include_str!("published.yaml");
/// The mapping that is used instead where the columns are its own.
const PAIRS: &str = include_str!("pairs.yaml");

/// Which column is what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    wire: Wire,
    text: String,
    /// The mapping that takes its place where a table has the columns of that one.
    instead: Option<Box<Mapping>>,
}

/// The file, key by key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    prompt: String,
    concept: String,
    control: WireControl,
    #[serde(default)]
    generations: Vec<String>,
    #[serde(default)]
    none: Vec<String>,
    category: Option<String>,
    template: Option<String>,
    is_control: Option<String>,
    #[serde(default)]
    optional: Vec<String>,
    sheet: Option<String>,
    concept_families: Option<WireFamilies>,
}

/// The families of concepts in their order; a name that comes twice is there twice, so that it can be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WireFamilies(Vec<(String, Vec<String>)>);

/// How a test prompt names its control prompt; one of the three, the last with columns of generations.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireControl {
    row_index: Option<String>,
    prompt: Option<String>,
    text: Option<String>,
    #[serde(default)]
    generations: Vec<String>,
}

impl WireControl {
    /// The columns that are named; one, in a mapping that was checked.
    fn columns(&self) -> impl Iterator<Item = &String> {
        [&self.row_index, &self.prompt, &self.text]
            .into_iter()
            .flatten()
    }
}

/// The places of the columns in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) prompt: usize,
    pub(super) concept: usize,
    pub(super) control: ControlColumn,
    pub(super) repeats: Vec<usize>,
    /// Those of the control prompt that stands in the same row, as many as `repeats`; else none.
    pub(super) control_repeats: Vec<usize>,
    pub(super) category: Option<usize>,
    pub(super) template: Option<usize>,
    pub(super) is_control: Option<usize>,
}

/// How a test prompt names its control prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ControlColumn {
    /// By the index of its row below the header, from 0.
    RowIndex(usize),
    /// By its text, which has a row of its own.
    Prompt(usize),
    /// It stands in the same row itself.
    Text(usize),
}

impl ControlColumn {
    pub(super) fn column_idx(self) -> usize {
        match self {
            Self::RowIndex(column_idx) | Self::Prompt(column_idx) | Self::Text(column_idx) => {
                column_idx
            }
        }
    }
}

impl Mapping {
    /// The mapping of the published workbooks; of a table that has a pair in each row, with the usual names.
    pub fn published() -> Self {
        let embedded = |name, text| {
            Self::parse(Path::new(name), text).expect("the embedded mappings are tested")
        };
        Self {
            instead: Some(Box::new(embedded("pairs.yaml", PAIRS))),
            ..embedded("published.yaml", PUBLISHED)
        }
    }

    /// The mapping in a file.
    ///
    /// # Errors
    /// `Read` for a file that cannot be read, `Mapping` for one that is no mapping or names no generations.
    pub fn load(path: &Path) -> Result<Self, ImportError> {
        Self::parse(path, &read_text(path)?)
    }

    /// The mapping in a file that need not name generations, for prompts alone.
    ///
    /// # Errors
    /// As [`Mapping::load`].
    pub fn load_of_prompts(path: &Path) -> Result<Self, ImportError> {
        Ok(Self::parse_any(path, &read_text(path)?)?.of_prompts())
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ImportError> {
        let mapping = Self::parse_any(path, text)?;
        if mapping.wire.generations.is_empty() {
            return Err(ImportError::Mapping {
                path: PathBuf::from(path),
                reason: "`generations` is missing or empty".to_owned(),
            });
        }
        Ok(mapping)
    }

    fn parse_any(path: &Path, text: &str) -> Result<Self, ImportError> {
        let refuse = |reason: String| ImportError::Mapping {
            path: PathBuf::from(path),
            reason,
        };
        let wire: Wire = serde_yaml::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if wire.control.columns().count() != 1 {
            let reason = "`control` needs one of `row_index`, `prompt` and `text`";
            return Err(refuse(reason.to_owned()));
        }
        let is_pair = wire.control.text.is_some() && !wire.generations.is_empty();
        if is_pair == wire.control.generations.is_empty() {
            let reason = "`control.generations` stands beside `control.text` and `generations`, and only there";
            return Err(refuse(reason.to_owned()));
        }
        if let Some(families) = &wire.concept_families {
            check_families(families).map_or(Ok(()), |reason| Err(refuse(reason)))?;
        }
        Ok(Self {
            wire,
            text: text.to_owned(),
            instead: None,
        })
    }

    /// The same with other columns of generations, each a name or a pattern such as `generation_{n}`, where each prompt
    /// has a row of its own.
    #[must_use]
    pub fn with_repeats(mut self, columns: Vec<String>) -> Self {
        if self.wire.control.text.is_none() {
            self.wire.generations = columns;
        }
        self
    }

    /// The same without generations: of a row only its prompts count.
    #[must_use]
    pub fn of_prompts(mut self) -> Self {
        self.wire.generations.clear();
        self.wire.control.generations.clear();
        self.instead = self.instead.map(|instead| Box::new(instead.of_prompts()));
        self
    }

    /// The columns by which the header of a table is known.
    pub(super) fn wanted(&self) -> Vec<&str> {
        let own = [&self.wire.prompt, &self.wire.concept].into_iter();
        let own = own.chain(self.wire.control.columns()).map(String::as_str);
        let others = self.instead.iter().flat_map(|instead| instead.wanted());
        own.chain(others).collect()
    }

    /// The mapping whose columns a table has: this one, unless it lacks the prompts of this and has those of the other.
    pub(super) fn fitting(&self, table: &Table) -> &Self {
        let has = |name: &String| table.columns.contains(name);
        let has_all = |it: &Self| has(&it.wire.prompt) && it.wire.control.columns().all(has);
        let instead = self.instead.as_deref().filter(|it| has_all(it));
        instead.filter(|_| !has_all(self)).unwrap_or(self)
    }

    /// The file, word for word.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The families of concepts; None where it says nothing of them.
    pub(super) fn families(&self) -> Option<ConceptFamilies> {
        let families = self.wire.concept_families.as_ref()?.0.iter();
        Some(ConceptFamilies::new(families.map(|(name, members)| {
            (name.as_str(), members.iter().map(String::as_str))
        })))
    }

    /// The members of all families, in their order.
    pub(super) fn family_members(&self) -> impl Iterator<Item = &str> {
        let families = self.wire.concept_families.iter();
        let families = families.flat_map(|families| &families.0);
        families.flat_map(|(_, members)| members.iter().map(String::as_str))
    }

    /// The sheet that is read; the first where it names none.
    pub(super) fn sheet(&self) -> Option<&str> {
        self.wire.sheet.as_deref()
    }

    /// True if the text of a concept or a control means that there is none.
    pub(super) fn is_none(&self, text: &str) -> bool {
        let text = text.trim();
        let none = |word: &String| word.eq_ignore_ascii_case(text);
        text.is_empty() || self.wire.none.iter().any(none)
    }

    /// The concept or the control in a cell, if there is one.
    pub(super) fn value<'c>(&self, cell: &'c Cell) -> Option<std::borrow::Cow<'c, str>> {
        cell.text().filter(|text| !self.is_none(text))
    }

    /// Finds its columns in a table.
    pub(super) fn layout(&self, path: &Path, table: &Table) -> Result<Layout, ImportError> {
        let wire = &self.wire;
        let mut search = Search::new(table, &wire.optional, OTHER_NAMES);
        let prompt = search.required(&wire.prompt);
        let concept = search.required(&wire.concept);
        let by = &wire.control;
        let by_index = search.given(by.row_index.as_ref());
        let by_prompt = search.given(by.prompt.as_ref());
        let by_text = search.given(by.text.as_ref());
        let control = by_index.map(ControlColumn::RowIndex);
        let control = control.or(by_prompt.map(ControlColumn::Prompt));
        let control = control.or(by_text.map(ControlColumn::Text));
        let repeats = search.repeats(&wire.generations);
        let control_repeats = search.repeats(&by.generations);
        let category = search.given(wire.category.as_ref());
        let template = search.given(wire.template.as_ref());
        let is_control = search.given(wire.is_control.as_ref());
        search.finish(path)?;
        if !control_repeats.is_empty() && control_repeats.len() != repeats.len() {
            return Err(ImportError::UnevenRepeats {
                path: path.to_owned(),
                n_test: repeats.len(),
                n_control: control_repeats.len(),
            });
        }
        let found = "a column that was not found has been reported";
        Ok(Layout {
            prompt: prompt.expect(found),
            concept: concept.expect(found),
            control: control.expect(found),
            repeats,
            control_repeats,
            category,
            template,
            is_control,
        })
    }
}

impl Layout {
    /// The names of the columns of generations.
    pub(super) fn repeat_names(&self, table: &Table) -> Vec<String> {
        names(table, &self.repeats)
    }

    /// The names of those of control prompts that stand in the row of their test prompt.
    pub(super) fn control_repeat_names(&self, table: &Table) -> Vec<String> {
        names(table, &self.control_repeats)
    }
}

fn names(table: &Table, columns: &[usize]) -> Vec<String> {
    columns
        .iter()
        .map(|&idx| table.columns[idx].clone())
        .collect()
}

/// The fault of families that no file can mend; None where there is none.
fn check_families(families: &WireFamilies) -> Option<String> {
    for (name, members) in &families.0 {
        let mut words = members.iter().chain([name]);
        if words.any(|word| word.trim() != word || word.is_empty()) {
            let fault = "holds a word that is empty or has white space at an end";
            return Some(format!("the family `{name}` {fault}"));
        }
        if members.is_empty() {
            return Some(format!("the family `{name}` has no members"));
        }
    }
    let doubled = doubled(&families.0, String::as_str).into_iter().next();
    doubled.map(|doubled| doubled.message)
}

impl<'de> Deserialize<'de> for WireFamilies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FamiliesVisitor)
    }
}

struct FamiliesVisitor;

impl<'de> Visitor<'de> for FamiliesVisitor {
    type Value = WireFamilies;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping from the name of each family to a list of its members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WireFamilies, A::Error> {
        let mut families = Vec::new();
        while let Some(family) = map.next_entry()? {
            families.push(family);
        }
        Ok(WireFamilies(families))
    }
}

fn read_text(path: &Path) -> Result<String, ImportError> {
    std::fs::read_to_string(path).map_err(|reason| ImportError::Read {
        path: path.to_owned(),
        reason,
    })
}

/// The columns that a name or a pattern stands for: of a pattern all from 1 to the largest number in the table, or the one
/// without a number.
fn repeat_columns(table: &Table, name: &str) -> Vec<String> {
    let Some((before, after)) = name.split_once(NUMBER_SLOT) else {
        return vec![name.to_owned()];
    };
    let number = |column: &String| -> Option<u32> {
        let digits = column.strip_prefix(before)?.strip_suffix(after)?;
        let number = digits.parse().ok().filter(|number| *number > 0)?;
        // `+1` and `01` are no numbers that we would write.
        (digits == u32::to_string(&number)).then_some(number)
    };
    let largest = table.columns.iter().filter_map(number).max();
    // One repeat needs no number.
    let alone = format!("{}{after}", before.strip_suffix('_').unwrap_or(before));
    if largest.is_none() && table.columns.contains(&alone) {
        return vec![alone];
    }
    let largest = largest.unwrap_or(1);
    // One missing column is enough to say; a name with a huge number must not become a huge list.
    let n_columns = u32::try_from(table.columns.len() + 1).unwrap_or(u32::MAX);
    let numbers = 1..=largest.min(n_columns);
    numbers
        .map(|n| name.replace(NUMBER_SLOT, &n.to_string()))
        .collect()
}

/// The search for columns, which reports all that are missing together.
pub(super) struct Search<'a> {
    table: &'a Table,
    /// The place of each name, and whether it comes again.
    places: HashMap<&'a str, (usize, bool)>,
    optional: &'a [String],
    missing: Vec<String>,
    doubled: Option<String>,
    /// How to name other columns.
    advice: &'static str,
}

impl<'a> Search<'a> {
    pub(super) fn new(table: &'a Table, optional: &'a [String], advice: &'static str) -> Self {
        let mut places = HashMap::new();
        for (column_idx, name) in table.columns.iter().enumerate() {
            let place = places.entry(name.as_str());
            place
                .and_modify(|(_, is_doubled)| *is_doubled = true)
                .or_insert((column_idx, false));
        }
        Self {
            table,
            places,
            optional,
            missing: Vec::new(),
            doubled: None,
            advice,
        }
    }

    /// The place of a column that the mapping names, and reports it where it is missing and not optional.
    fn given(&mut self, name: Option<&String>) -> Option<usize> {
        let name = name?;
        let is_optional = self.optional.contains(name);
        if is_optional && !self.table.columns.contains(name) {
            return None;
        }
        self.required(name)
    }

    /// The places of columns of generations; those that are missing are reported.
    fn repeats(&mut self, names: &[String]) -> Vec<usize> {
        let is_column = |name: &str| self.table.columns.iter().any(|column| column == name);
        let names = whole_names(names, is_column);
        let names: Vec<String> = names
            .iter()
            .flat_map(|name| repeat_columns(self.table, name))
            .collect();
        names
            .iter()
            .filter_map(|name| self.required(name))
            .collect()
    }

    pub(super) fn required(&mut self, name: &str) -> Option<usize> {
        let found = self.places.get(name).copied();
        if found.is_some_and(|(_, is_doubled)| is_doubled) {
            self.doubled.get_or_insert(name.to_owned());
        }
        if found.is_none() {
            self.missing.push(name.to_owned());
        }
        found.map(|(column_idx, _)| column_idx)
    }

    pub(super) fn finish(self, path: &Path) -> Result<(), ImportError> {
        let path = path.to_owned();
        if let Some(column) = self.doubled {
            return Err(ImportError::DoubledColumn { path, column });
        }
        let columns: Vec<&str> = self.table.columns.iter().map(String::as_str).collect();
        let quoted = |names: &[&str]| {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            quoted.join(", ")
        };
        let missing = self.missing.iter().take(N_NAMED_MAX);
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        let meant: Vec<&str> = missing
            .iter()
            .filter_map(|name| did_you_mean(name, columns.iter().copied()))
            .collect();
        let named: Vec<&str> = columns
            .iter()
            .copied()
            .filter(|name| !name.is_empty())
            .take(N_NAMED_MAX)
            .collect();
        let noun = match missing.len() {
            0 => return Ok(()),
            1 => "column",
            _ => "columns",
        };
        Err(ImportError::MissingColumns {
            path,
            what: format!("{noun} {}", quoted(&missing)),
            hint: match meant.as_slice() {
                [] => String::new(),
                meant => format!("did you mean {}? ", quoted(meant)),
            },
            found: quoted(&named),
            advice: self.advice,
        })
    }
}
