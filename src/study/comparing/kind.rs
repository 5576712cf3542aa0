//! Whether leaks of repeats are compared or exact ones: never one with the other.
//!
//! Owns that choice and its messages. Which sets of one kind are compared, `choice` says.

use anyhow::bail;

use super::choice::{Choice, Wanted, choose, is_of_condition, is_of_experiment};
use crate::leakage::RateKind;
use crate::store::StoredCondition;

/// The sets that the database holds, of each kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kinds<'a> {
    pub(crate) repeats: &'a [StoredCondition],
    pub(crate) exact: &'a [StoredCondition],
}

/// Chooses among the sets of one kind: of that asked for, or else of the one that has all of the conditions.
pub(crate) fn choose_kind<'a>(
    kinds: Kinds<'a>,
    wanted: Wanted<'_>,
    asked: Option<RateKind>,
) -> anyhow::Result<(RateKind, Choice<'a>)> {
    let of_kind = |kind| Ok((kind, choose(kinds.of(kind), wanted)?));
    if let Some(kind) = kinds.asked_or_only(asked)? {
        return of_kind(kind);
    }
    check_not_mixed(kinds, wanted)?;
    match (of_kind(RateKind::Repeats), of_kind(RateKind::Exact)) {
        (Ok(_), Ok(_)) => bail!(
            "these conditions have leaks of repeats and exact leaks\nhint: choose with `--rates repeats` or `--rates exact`"
        ),
        (Ok(found), Err(_)) => Ok(with_note(found, kinds, wanted)),
        (Err(_), Ok(found)) => Ok(with_note(found, kinds, wanted)),
        // What is said of the kind that knows more of the words helps more.
        (Err(repeats), Err(exact)) => {
            let n_known = |kind| kinds.known(kind, wanted).len();
            let is_exact = n_known(RateKind::Exact) > n_known(RateKind::Repeats);
            Err(if is_exact { exact } else { repeats })
        }
    }
}

impl<'a> Kinds<'a> {
    /// The kind that is asked for, or the only one that is stored; None where there is a choice to make.
    pub(crate) fn asked_or_only(self, asked: Option<RateKind>) -> anyhow::Result<Option<RateKind>> {
        if let Some(kind) = asked {
            if self.of(kind).is_empty() {
                let (there, other) = (kind_words(other_kind(kind)), kind_words(kind));
                bail!("no {other} are stored\nhint: there are {there}; leave out `--rates`");
            }
            return Ok(Some(kind));
        }
        Ok(match (self.repeats.is_empty(), self.exact.is_empty()) {
            (_, true) => Some(RateKind::Repeats),
            (true, false) => Some(RateKind::Exact),
            (false, false) => None,
        })
    }

    pub(crate) fn of(self, kind: RateKind) -> &'a [StoredCondition] {
        match kind {
            RateKind::Repeats => self.repeats,
            RateKind::Exact => self.exact,
        }
    }

    /// The conditions of the command line that there are sets of this kind for.
    fn known<'w>(self, kind: RateKind, wanted: Wanted<'w>) -> Vec<&'w str> {
        let is_known = |condition: &&&str| {
            self.of(kind).iter().any(|set| {
                let is_of = |experiment| is_of_experiment(set, experiment);
                wanted.experiment.is_none_or(is_of) && is_of_condition(set, condition)
            })
        };
        wanted.conditions.iter().filter(is_known).copied().collect()
    }
}

fn other_kind(kind: RateKind) -> RateKind {
    match kind {
        RateKind::Repeats => RateKind::Exact,
        RateKind::Exact => RateKind::Repeats,
    }
}

fn kind_words(kind: RateKind) -> &'static str {
    match kind {
        RateKind::Repeats => "leaks of repeats",
        RateKind::Exact => "exact leaks",
    }
}

/// An exact rate and one of repeats differ by the luck of the draws as well, which no interval here is for.
fn check_not_mixed(kinds: Kinds<'_>, wanted: Wanted<'_>) -> anyhow::Result<()> {
    let exact = kinds.known(RateKind::Exact, wanted);
    let repeats = kinds.known(RateKind::Repeats, wanted);
    let only = |of: &[&str], not: &[&str]| {
        let only = of.iter().filter(|condition| !not.contains(condition));
        let names: Vec<String> = only.map(|condition| format!("`{condition}`")).collect();
        names.join(", ")
    };
    let (exact_only, repeats_only) = (only(&exact, &repeats), only(&repeats, &exact));
    if exact_only.is_empty() || repeats_only.is_empty() {
        return Ok(());
    }
    bail!(
        "an exact rate is not compared with one of repeats: exact leaks alone are stored of {exact_only}, leaks of repeats alone of {repeats_only}\n\
         hint: run one experiment with all of them, either with `mode: exact` or with repeats"
    )
}

/// Says where a condition has leaks of the other kind as well, so that nobody takes them for compared.
fn with_note<'a>(
    (kind, mut choice): (RateKind, Choice<'a>),
    kinds: Kinds<'a>,
    wanted: Wanted<'_>,
) -> (RateKind, Choice<'a>) {
    let other = other_kind(kind);
    let also = kinds.known(other, wanted);
    if !also.is_empty() {
        choice.notes.push(format!(
            "comparing {}; the {} of {} are left out",
            kind_words(kind),
            kind_words(other),
            also.join(", ")
        ));
    }
    (kind, choice)
}
