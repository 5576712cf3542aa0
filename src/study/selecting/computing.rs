//! Of several ways in which the leaks of a condition were computed, the one that is taken.
//!
//! Owns the fields of a key that have no flag: how far was enumerated, how similarities and logits were computed. "The
//! latest" is as in `narrowing`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;

use super::alike::{COMPARED, COMPUTING, difference, is_computed_alike};
use super::narrowing::{Policy, Selected, n_conditions};
use super::words::{condition_name, listing};
use crate::generation::EnumerationParams;
use crate::store::{ConditionId, KeyField, ModelId, StoredCondition};

impl<'a> Selected<'a> {
    /// Keeps exact leaks that were enumerated alike: as far as most conditions are, of equals those stored last.
    pub(crate) fn enumeration(&mut self) -> anyhow::Result<()> {
        let mut kinds: Vec<EnumerationParams> = Vec::new();
        for params in self.sets.iter().filter_map(|set| set.key.enumeration()) {
            if !kinds.contains(&params) {
                kinds.push(params);
            }
        }
        let of = |params| move |set: &StoredCondition| set.key.enumeration() == Some(params);
        let rank = |params: &&EnumerationParams| {
            let sets = self.sets.iter().filter(|set| of(**params)(set));
            (self.n_with(of(**params)), sets.map(|set| age(set)).max())
        };
        let Some(&params) = kinds.iter().max_by_key(rank).filter(|_| kinds.len() > 1) else {
            return Ok(());
        };
        let (n_with, n_conditions) = (self.n_with(of(params)), self.n_with(|_| true));
        if self.policy == Policy::Given && n_with < n_conditions {
            return Err(self.enumerated_differently());
        }
        self.notes.push(format!(
            "there are enumerations of {} kinds; showing those of {n_with} of {n_conditions} conditions: {}",
            kinds.len(),
            params_words(params)
        ));
        self.keep(of(params));
        Ok(())
    }

    fn enumerated_differently(&self) -> anyhow::Error {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for set in &self.sets {
            let params = set.key.enumeration().map(params_words);
            found.entry(condition_name(set)).or_default().extend(params);
        }
        let lines = found.into_iter().map(|(name, params)| {
            let params: Vec<String> = params.into_iter().collect();
            format!("\n  {name}: {}", params.join("; "))
        });
        anyhow!(
            "the continuations of these conditions were enumerated differently far:{}\nhint: run one experiment with all of them",
            lines.collect::<String>()
        )
    }

    /// Keeps similarities that all conditions have been given alike: of several kinds those of the encoder that the
    /// experiment names first, of one encoder those of most verdicts, of equals the latest.
    pub(crate) fn similarities(&mut self) -> anyhow::Result<()> {
        let Some(kind) = common_similarities(&self.sets) else {
            return Err(self.scored_differently());
        };
        let kept = self.sets.iter().copied();
        let kept = kept.filter(|set| similarities(set) == kind);
        let kept: Vec<&StoredCondition> = kept.collect();
        self.leave(kept, &[KeyField::Numerics]);
        Ok(())
    }

    fn scored_differently(&self) -> anyhow::Error {
        let (base, others) = self.sets.split_first().expect("a set is left");
        let field = others.iter().find_map(|other| difference(base, other));
        let field = field.expect("sets without a difference have one kind of similarities");
        anyhow!(
            "the leaks of these models were found with different {field}s\nhint: run the experiment again with all of them, which scores them alike"
        )
    }

    /// Keeps one of those sets that differ only in how they were computed: that with similarities which all conditions
    /// beside it have, else that of the encoder that the experiment names first, else that with most verdicts, of equals that whose logits were computed as those of most
    /// conditions, and of these the latest.
    pub(crate) fn standing(&mut self) {
        let rank = |set: &StoredCondition| {
            let beside = self.sets.iter().copied();
            let beside: Vec<_> = beside.filter(|other| is_beside(set, other)).collect();
            let is_common = common_similarities(&beside) == Some(similarities(set));
            let n_alike = self.n_with(|other| is_computed_alike(other, set));
            (is_common, place(set), set.n_leaks, n_alike, age(set))
        };
        let mut kept: Vec<&StoredCondition> = Vec::new();
        for set in &self.sets {
            match kept.iter_mut().find(|old| is_same(old, set)) {
                Some(old) if rank(old) > rank(set) => {}
                Some(old) => *old = set,
                None => kept.push(set),
            }
        }
        self.leave(kept, &[]);
    }

    /// Keeps these, and says what is left out that differs in other fields than `except`.
    fn leave(&mut self, kept: Vec<&'a StoredCondition>, except: &[KeyField]) {
        let mut left: BTreeMap<KeyField, BTreeSet<String>> = BTreeMap::new();
        let is_left = |set: &&&StoredCondition| kept.iter().all(|other| other.id != set.id);
        for set in self.sets.iter().filter(is_left) {
            let of_same = kept.iter().find(|other| is_same(other, set));
            let field = of_same.and_then(|other| other.key.difference(&set.key, except));
            if let Some(field) = field {
                left.entry(field).or_default().insert(condition_name(set));
            }
        }
        if left.remove(&KeyField::EmbeddingModel).is_some() {
            self.notes.push(encoder_note(&kept, &self.sets));
        }
        for (field, names) in left {
            self.notes.push(format!(
                "leaks of {} that differ in {field} are left out; those of most pairs are taken, of equals the latest",
                listing(names)
            ));
        }
        self.sets = kept;
    }
}

/// Says whose figures are shown where several encoders are stored.
fn encoder_note(kept: &[&StoredCondition], all: &[&StoredCondition]) -> String {
    let names = |sets: &[&StoredCondition]| {
        let names = sets.iter().map(|set| set.embedding_model.clone());
        names.collect::<BTreeSet<String>>()
    };
    let (shown, all) = (names(kept), names(all));
    let is_named = kept.iter().all(|set| set.encoder_idx.is_some());
    let why = match is_named {
        true => "which the experiment names first",
        false => "those of most pairs, of equals the latest",
    };
    format!(
        "the figures are by the encoder {}, {why}; `--embedding-model` shows those by {}",
        listing(shown.iter().cloned()),
        listing(all.difference(&shown).cloned())
    )
}

/// True if two sets are of one condition, but for how logits and similarities were computed.
fn is_same(a: &StoredCondition, b: &StoredCondition) -> bool {
    a.key.difference(&b.key, &COMPUTING).is_none()
}

/// The similarities of a set: of which encoder, with which signature.
fn similarities(set: &StoredCondition) -> (ModelId, &str) {
    (set.key.embedding_model, &set.key.signature)
}

/// The similarities that all conditions among `sets` have: of several those of the encoder that the experiment names first,
/// of one encoder those of most verdicts, of equals the latest.
fn common_similarities<'s>(sets: &[&'s StoredCondition]) -> Option<(ModelId, &'s str)> {
    let kinds: BTreeSet<_> = sets.iter().map(|set| similarities(set)).collect();
    let of = |kind: (ModelId, &str)| {
        let of_kind = sets.iter().copied();
        let of_kind = of_kind.filter(|set| similarities(set) == kind);
        of_kind.collect::<Vec<_>>()
    };
    let n_conditions = n_conditions(sets);
    let common = kinds
        .into_iter()
        .filter(|kind| self::n_conditions(&of(*kind)) == n_conditions);
    common.max_by_key(|kind| {
        let sets = of(*kind);
        let n_leaks: usize = sets.iter().map(|set| set.n_leaks).sum();
        (place(sets[0]), n_leaks, sets.into_iter().map(age).max())
    })
}

/// True if two sets may be shown in one table, but for how their similarities were computed.
fn is_beside(a: &StoredCondition, b: &StoredCondition) -> bool {
    let fields = [KeyField::EmbeddingModel, KeyField::Signature];
    a.key
        .difference(&b.key, &[&COMPARED[..], &fields].concat())
        .is_none()
}

/// The rank of a set's encoder: highest of the first that the experiment names, lowest where it names it not.
fn place(set: &StoredCondition) -> Reverse<u32> {
    Reverse(set.encoder_idx.unwrap_or(u32::MAX))
}

/// The number by which the later of two sets is known.
fn age(set: &StoredCondition) -> (i64, ConditionId) {
    (set.scored_idx, set.id)
}

/// How far continuations are enumerated.
fn params_words(params: EnumerationParams) -> String {
    format!(
        "coverage {}, {} rows, {} draws of the tail",
        params.coverage, params.max_rows_per_prompt, params.n_tail_draws
    )
}
