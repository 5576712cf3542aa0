//! From all conditions that are stored to those that are meant, one field of their keys after the other.
//!
//! Owns what is done where several values of a field are stored and none is asked for, and every message about it; of
//! the fields that nobody names on the command line, `computing` does. "The latest" is the experiment whose row was made
//! last, so that one that is run again as it was keeps its age, and the condition that was scored last.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{anyhow, bail};
use itertools::Itertools as _;

use super::words::{
    LEAKS, Name, experiment_version, is_encoder, is_experiment, listing, resolve, short, with_meant,
};
use crate::experiment::{did_you_mean, whole_names};
use crate::leakage::RateKind;
use crate::store::StoredCondition;

/// The metric that is meant unless another is asked for; every run has it.
pub(crate) const USUAL_METRIC: &str = "sbert";

/// The way in which a field is narrowed that nothing is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Conditions are named: a value counts where all of them have it, and of several one must be given.
    Given,
    /// The usual value is taken, and said.
    Usual,
    /// All values are taken.
    All,
}

/// A field of the key that has a flag of its name.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    name: &'static str,
    of: fn(&StoredCondition) -> String,
    /// True if its values are words, which may be misspelt.
    is_word: bool,
}

pub(crate) const METRIC: Field = Field {
    name: "metric",
    of: |set| set.key.metric.clone(),
    is_word: true,
};

pub(crate) const SEED: Field = Field {
    name: "seed",
    of: |set| set.key.seed.to_string(),
    is_word: false,
};

const ENCODER: Field = Field {
    name: "embedding model",
    of: |set| set.embedding_model.clone(),
    is_word: true,
};

impl Field {
    /// True if a set has the value that is asked for, or if none is asked for.
    pub(crate) fn is(self, set: &StoredCondition, asked: Option<&str>) -> bool {
        asked.is_none_or(|asked| (self.of)(set) == asked)
    }
}

/// The conditions that are left: once all steps are done at least one, and of one model file, sampling and wording only one.
#[derive(Debug)]
pub(crate) struct Selected<'a> {
    pub(crate) policy: Policy,
    pub(crate) sets: Vec<&'a StoredCondition>,
    /// The choices that nobody asked for and that are worth saying.
    pub(crate) notes: Vec<String>,
}

/// Says whether a condition has leaks of repeats or exact ones.
pub(crate) fn rate_kind(set: &StoredCondition) -> RateKind {
    match set.key.enumeration() {
        None => RateKind::Repeats,
        Some(_) => RateKind::Exact,
    }
}

fn kind_words(kind: RateKind) -> &'static str {
    match kind {
        RateKind::Repeats => "leaks of repeats",
        RateKind::Exact => "exact leaks",
    }
}

fn other_kind(kind: RateKind) -> RateKind {
    match kind {
        RateKind::Repeats => RateKind::Exact,
        RateKind::Exact => RateKind::Repeats,
    }
}

impl<'a> Selected<'a> {
    /// Says whether these are leaks of repeats or exact ones.
    pub(crate) fn kind(&self) -> RateKind {
        rate_kind(self.sets[0])
    }

    pub(crate) fn keep(&mut self, is_meant: impl Fn(&StoredCondition) -> bool) {
        self.sets.retain(|set| is_meant(set));
    }

    /// The number of conditions, model files under samplings in wordings, with a set like this; of one experiment.
    pub(crate) fn n_with(&self, is: impl Fn(&StoredCondition) -> bool) -> usize {
        let found = self.sets.iter().copied().filter(|set| is(set));
        n_conditions(&found.collect::<Vec<_>>())
    }

    /// Keeps the rates that are asked for.
    pub(crate) fn asked_rates(
        &mut self,
        asked: Option<RateKind>,
        all: &[StoredCondition],
    ) -> anyhow::Result<()> {
        let Some(kind) = asked else {
            return Ok(());
        };
        let here = listing(self.sets.iter().map(|set| set.experiment_name.clone()));
        self.keep(|set| rate_kind(set) == kind);
        if self.sets.is_empty() {
            let (none, there) = (kind_words(kind), kind_words(other_kind(kind)));
            let of_kind = all.iter().filter(|set| rate_kind(set) == kind);
            let elsewhere = listing(of_kind.map(|set| set.experiment_name.clone()));
            if elsewhere.is_empty() {
                bail!("no {none} are stored\nhint: there are {there}");
            }
            bail!(
                "no {none} are stored of the experiment {here}\nhint: there are {none} of {elsewhere}, and {there} of {here}"
            );
        }
        Ok(())
    }

    /// Keeps all versions of the experiment that is asked for.
    pub(crate) fn asked_experiment(&mut self, asked: Option<&str>) -> anyhow::Result<()> {
        let Some(asked) = asked else {
            return Ok(());
        };
        let names: BTreeSet<&str> = self.sets.iter().map(|set| &*set.experiment_name).collect();
        self.keep(|set| is_experiment(asked, &set.experiment_name, &set.experiment_sha256));
        if self.sets.is_empty() {
            let meant = did_you_mean(asked, names.iter().copied());
            let names = listing(names.into_iter().map(str::to_owned));
            let hint = with_meant(meant, &format!("there are leaks of {names}"));
            bail!("no leaks are stored of the experiment `{asked}`\nhint: {hint}");
        }
        Ok(())
    }

    /// Keeps the experiments that have leaks of one kind of all the conditions that are named, and what is asked for,
    /// where there is such a one.
    pub(crate) fn complete(
        &mut self,
        words: &[&str],
        has_asked: impl Fn(&StoredCondition) -> bool,
    ) -> anyhow::Result<()> {
        let asked = self.sets.iter().copied().filter(|set| has_asked(set));
        let mut found = with_all(asked.collect(), words);
        if found.is_empty() {
            found = with_all(self.sets.clone(), words);
        }
        if found.is_empty() {
            self.check_known(words)?;
            return Err(self.mixed(words).unwrap_or_else(|| self.no_common(words)));
        }
        self.sets = found;
        Ok(())
    }

    /// The words that leaks of this kind are stored of.
    fn known<'w>(&self, kind: RateKind, words: &[&'w str]) -> Vec<&'w str> {
        let of_kind = self.sets.iter().filter(|set| rate_kind(set) == kind);
        let names: Vec<Name> = of_kind.map(|set| Name::of(set)).collect();
        let is_known = |word: &&&str| names.iter().any(|name| name.is(word));
        words.iter().filter(is_known).copied().collect()
    }

    /// Goes on if each word means a condition.
    pub(crate) fn check_known(&self, words: &[impl AsRef<str>]) -> anyhow::Result<()> {
        let names: Vec<Name> = self.sets.iter().map(|set| Name::of(set)).collect();
        let mut words = words.iter().map(AsRef::as_ref);
        let unknown = words.find(|word| !names.iter().any(|name| name.is(word)));
        unknown.map_or(Ok(()), |word| resolve(&names, word, LEAKS).map(drop))
    }

    /// Keeps the conditions that one of the words means; all of them without words.
    pub(crate) fn only(&mut self, words: &[String]) -> anyhow::Result<()> {
        let words = whole_names(words, |word| {
            self.sets.iter().any(|set| Name::of(set).is(word))
        });
        self.check_known(&words)?;
        self.keep(|set| words.is_empty() || words.iter().any(|word| Name::of(set).is(word)));
        Ok(())
    }

    /// That some words mean exact leaks alone and others leaks of repeats alone, if they do. An exact rate and one of
    /// repeats differ by the luck of the draws as well, which no interval here is for.
    fn mixed(&self, words: &[&str]) -> Option<anyhow::Error> {
        let exact = self.known(RateKind::Exact, words);
        let repeats = self.known(RateKind::Repeats, words);
        let only = |of: &[&str], not: &[&str]| {
            let only = of.iter().filter(|word| !not.contains(word));
            let names: Vec<String> = only.map(|word| format!("`{word}`")).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let (exact, repeats) = (only(&exact, &repeats)?, only(&repeats, &exact)?);
        Some(anyhow!(
            "an exact rate is not compared with one of repeats: exact leaks alone are stored of {exact}, leaks of repeats alone of {repeats}\n\
             hint: run one experiment with all of them, either with `mode: exact` or with repeats"
        ))
    }

    fn no_common(&self, words: &[&str]) -> anyhow::Error {
        let lines = words.iter().map(|word| {
            let of_word = self.sets.iter().filter(|set| Name::of(set).is(word));
            format!(
                "\n  {word}: {}",
                listing(of_word.map(|set| experiment_version(set)))
            )
        });
        anyhow!(
            "no experiment has leaks of all of these models:{}\nhint: run one experiment with all of them",
            lines.collect::<String>()
        )
    }

    /// Keeps leaks of one kind.
    pub(crate) fn rates(&mut self) -> anyhow::Result<()> {
        let kinds: BTreeSet<RateKind> = self.sets.iter().map(|set| rate_kind(set)).collect();
        let first = *kinds.first().expect("a set is left");
        if kinds.len() > 1 {
            if self.policy == Policy::Given {
                bail!(
                    "these conditions have leaks of repeats and exact leaks\nhint: choose with `--rates repeats` or `--rates exact`"
                );
            }
            self.notes.push(
                "there are leaks of repeats and exact ones; showing those of repeats; `--rates exact` shows the others"
                    .to_owned(),
            );
            self.keep(|set| rate_kind(set) == first);
        }
        Ok(())
    }

    /// Says of which named conditions `all` have leaks of the other kind as well, so that nobody takes them for compared.
    pub(crate) fn note_other_rates(&mut self, all: &Selected<'_>, words: &[&str]) {
        let other = other_kind(self.kind());
        let also = all.known(other, words);
        if !also.is_empty() {
            self.notes.push(format!(
                "comparing {}; the {} of {} are left out",
                kind_words(self.kind()),
                kind_words(other),
                also.join(", ")
            ));
        }
    }

    /// Keeps the latest experiment.
    pub(crate) fn latest(&mut self) -> anyhow::Result<()> {
        let latest = self.sets.iter().max_by_key(|set| set.key.experiment);
        let latest = *latest.expect("a set is left");
        let experiments: BTreeSet<_> = self.sets.iter().map(|set| set.key.experiment).collect();
        let names = listing(self.sets.iter().map(|set| set.experiment_name.clone()));
        let (n, short_latest) = (experiments.len(), short(&latest.experiment_sha256));
        if names != latest.experiment_name {
            if self.policy == Policy::Given {
                bail!(
                    "several experiments have leaks of these models: {names}\nhint: choose one with `--experiment`"
                );
            }
            self.notes.push(format!(
                "{n} experiments match; showing the latest, `{}` ({short_latest}); `--experiment` chooses another by name or sha256",
                latest.experiment_name
            ));
        } else if n > 1 {
            let digests = listing(self.sets.iter().map(|set| short(&set.experiment_sha256)));
            self.notes.push(format!(
                "`{names}` is stored in {n} versions ({digests}); taking the latest, {short_latest}; `--experiment SHA256` chooses another"
            ));
        }
        self.keep(|set| set.key.experiment == latest.key.experiment);
        Ok(())
    }

    /// Keeps the conditions that are named, each of which is one or one for each wording, in the order of their names.
    pub(crate) fn named(&mut self, words: &[&str]) -> anyhow::Result<()> {
        let names: Vec<Name> = self.sets.iter().map(|set| Name::of(set)).collect();
        let mut found: Vec<Name> = Vec::new();
        for word in words {
            resolve(&names, word, LEAKS)?;
            let meant = names.iter().filter(|name| name.is(word)).unique();
            let meant: Vec<Name> = meant.cloned().collect();
            if let Some(name) = meant.iter().find(|name| found.contains(name)) {
                bail!("`{name}` is named twice\nhint: name different conditions");
            }
            found.extend(meant);
        }
        let place = |set: &StoredCondition| found.iter().position(|name| *name == Name::of(set));
        self.keep(|set| place(set).is_some());
        self.sets.sort_by_key(|set| place(set));
        Ok(())
    }

    /// The values of a field that may be meant, in order.
    fn options(&self, field: Field) -> Vec<String> {
        let values: BTreeSet<String> = self.sets.iter().map(|set| (field.of)(set)).collect();
        let n_conditions = self.n_with(|_| true);
        let is_common = |value: &String| {
            self.policy != Policy::Given
                || self.n_with(|set| (field.of)(set) == *value) == n_conditions
        };
        let mut values: Vec<String> = values.into_iter().filter(is_common).collect();
        values.sort_by_key(|value| value.parse::<u64>().ok());
        values
    }

    /// Keeps one value of a field: the one that is asked for.
    pub(crate) fn field(&mut self, field: Field, asked: Option<&str>) -> anyhow::Result<()> {
        let options = self.options(field);
        let name = field.name;
        let Some(asked) = asked else {
            return self.usual(field, &options);
        };
        if !options.iter().any(|option| option == asked) {
            let (of, there) = match self.policy {
                Policy::Given => (" of all of these models", "all of them have"),
                Policy::Usual | Policy::All => ("", "there are"),
            };
            let words = options.iter().map(String::as_str);
            let meant = did_you_mean(asked, words.filter(|_| field.is_word));
            let hint = with_meant(meant, &format!("{there} {}", options.join(", ")));
            let quote = if field.is_word { "`" } else { "" };
            bail!("no leaks are stored{of} with the {name} {quote}{asked}{quote}\nhint: {hint}");
        }
        self.keep(|set| (field.of)(set) == asked);
        Ok(())
    }

    /// Keeps the encoder that is asked for, if one is.
    pub(crate) fn encoder(&mut self, asked: Option<&str>) -> anyhow::Result<()> {
        let Some(asked) = asked else {
            return Ok(());
        };
        let mut meant = self.sets.iter().filter(|set| is_encoder(asked, set));
        let name = meant.next().map(|set| set.embedding_model.clone());
        self.field(ENCODER, Some(name.as_deref().unwrap_or(asked)))?;
        self.keep(|set| is_encoder(asked, set));
        Ok(())
    }

    /// Keeps the usual value of a field; of a metric `sbert`, else the value that most conditions have.
    fn usual(&mut self, field: Field, options: &[String]) -> anyhow::Result<()> {
        if self.policy == Policy::All {
            return Ok(());
        }
        let (name, names) = (field.name, options.join(", "));
        // Of equals the last is taken, so they are walked down to prefer the first.
        let n_with = |value: &&String| self.n_with(|set| (field.of)(set) == **value);
        let of_most = options.iter().rev().max_by_key(n_with);
        let usual = options.iter().find(|value| *value == USUAL_METRIC);
        let Some(value) = usual.or(of_most) else {
            bail!(
                "these models have no {name} in common\nhint: run the experiment again with all of them"
            );
        };
        match self.policy {
            Policy::Given if usual.is_none() && options.len() > 1 => {
                bail!("there are several {name}s: {names}\nhint: choose one with `--{name}`")
            }
            Policy::Usual if options.len() > 1 => self.notes.push(format!(
                "there are several {name}s ({names}); showing {value}; `--{name}` chooses another"
            )),
            _ => {}
        }
        self.keep(|set| (field.of)(set) == *value);
        Ok(())
    }
}

/// The number of conditions, model files under samplings in wordings, among sets of one experiment.
pub(crate) fn n_conditions(sets: &[&StoredCondition]) -> usize {
    let key = |set: &&StoredCondition| (set.key.model, set.key.sampling, set.key.wording);
    let found = sets.iter().map(key);
    found.collect::<BTreeSet<_>>().len()
}

/// The sets of the experiments, and of these the kind of leaks, that have all of the words.
fn with_all<'a>(sets: Vec<&'a StoredCondition>, words: &[&str]) -> Vec<&'a StoredCondition> {
    let group = |set: &StoredCondition| (set.key.experiment, rate_kind(set));
    let mut known: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
    for set in &sets {
        let name = Name::of(set);
        let of_set = (0..words.len()).filter(|idx| name.is(words[*idx]));
        known.entry(group(set)).or_default().extend(of_set);
    }
    let has_all = |set: &&StoredCondition| known[&group(set)].len() == words.len();
    sets.into_iter().filter(has_all).collect()
}
