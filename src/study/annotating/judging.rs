//! People against the metric, and against each other.
//!
//! Owns which answers stand in one table: those about verdicts of one experiment, metric, signature and seed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::bail;
use itertools::Itertools as _;

use crate::leakage::{JudgedItem, judge_agreement};
use crate::results::{AnnotationReport, BetweenAgreement, PeopleAgreement};
use crate::store::{
    AnnotationItemId, ConditionId, KeyField, NumericsId, PromptId, StoredAnnotation,
    StoredCondition,
};
use crate::study::selecting::{self, condition_name, ids_named};
use crate::study::session::Session;

/// The fields of a key in which the verdicts of one table may differ.
const TOGETHER: [KeyField; 3] = [KeyField::Model, KeyField::Sampling, KeyField::Numerics];

/// An answer with the condition of its verdict.
type Annotation<'a> = (&'a StoredCondition, &'a StoredAnnotation);

impl Session {
    /// Compares what people said of verdicts with the verdicts, of one experiment or of all.
    ///
    /// # Errors
    /// When there is no experiment of this name, or nobody said anything about it.
    pub fn annotation_reports(
        &self,
        db: &Path,
        experiment: Option<&str>,
    ) -> anyhow::Result<Vec<AnnotationReport>> {
        let store = self.store_to_read(db)?;
        let experiments = ids_named(&store, experiment)?;
        let is_meant = |set: &&StoredCondition| {
            let ids = experiments.as_ref();
            ids.is_none_or(|ids| ids.contains(&set.key.experiment))
        };
        let stored = selecting::stored(&store)?;
        let sets: BTreeMap<ConditionId, &StoredCondition> = stored
            .iter()
            .filter(is_meant)
            .map(|set| (set.id, set))
            .collect();
        let all = store.annotations()?;
        let found = all
            .iter()
            .filter_map(|it| Some((*sets.get(&it.condition)?, it)));
        let mut tables: Vec<Vec<Annotation<'_>>> = Vec::new();
        for annotation in found {
            let set = annotation.0;
            let is_same = |table: &&mut Vec<Annotation<'_>>| {
                table[0].0.key.difference(&set.key, &TOGETHER).is_none()
            };
            match tables.iter_mut().find(is_same) {
                Some(table) => table.push(annotation),
                None => tables.push(vec![annotation]),
            }
        }
        if tables.is_empty() {
            let has_sample = !store.annotation_samples()?.is_empty();
            bail!("{}", nothing(has_sample, experiment));
        }
        Ok(tables.iter().map(|table| report(table)).collect())
    }
}

fn nothing(has_sample: bool, experiment: Option<&str>) -> String {
    let of = experiment.map_or(String::new(), |name| format!(" of the experiment `{name}`"));
    let hint = match has_sample {
        true => "`seep annotate read FILE --annotator NAME` reads a filled sheet",
        false => "`seep annotate sample` draws verdicts for people to judge",
    };
    format!("nobody has annotated verdicts{of}\nhint: {hint}")
}

/// The report on a table of at least one answer.
fn report(table: &[Annotation<'_>]) -> AnnotationReport {
    let set = table[0].0;
    let annotators: BTreeSet<&str> = table.iter().map(|(_, it)| it.annotator.as_str()).collect();
    let everyone = (annotators.len() > 1).then_some(None);
    let whose = everyone
        .into_iter()
        .chain(annotators.iter().copied().map(Some));
    AnnotationReport {
        experiment: set.experiment_name.clone(),
        experiment_sha256: set.experiment_sha256.clone(),
        metric: set.key.metric.clone(),
        signature: set.key.signature.clone(),
        seed: (set.key.numerics != NumericsId::UNKNOWN).then_some(set.key.seed),
        n_without_verdict: table.iter().filter(|(_, it)| it.leak.is_none()).count(),
        people: whose
            .flat_map(|annotator| people(table, annotator))
            .collect(),
        between: annotators
            .iter()
            .tuple_combinations()
            .filter_map(|(a, b)| between(table, [a, b]))
            .collect(),
    }
}

/// An annotator, or all of them, against the metric: about all conditions and then about each, if there are several.
fn people(table: &[Annotation<'_>], annotator: Option<&str>) -> Vec<PeopleAgreement> {
    let is_whose = |it: &StoredAnnotation| annotator.is_none_or(|name| it.annotator == name);
    let conditions: BTreeMap<ConditionId, &StoredCondition> =
        table.iter().map(|(set, _)| (set.id, *set)).collect();
    let each = conditions.values().copied().map(Some);
    let each = each.filter(|_| conditions.len() > 1);
    // With a single condition its name stands in the only row.
    let first = conditions
        .values()
        .next()
        .copied()
        .filter(|_| conditions.len() == 1);
    let rows = std::iter::once(None).chain(each).filter_map(|condition| {
        let is_meant = |(set, it): &&Annotation<'_>| {
            is_whose(it) && condition.is_none_or(|wanted: &StoredCondition| wanted.id == set.id)
        };
        let items: Vec<JudgedItem> = table
            .iter()
            .filter(is_meant)
            .filter_map(against_metric)
            .collect();
        Some(PeopleAgreement {
            annotator: annotator.map(str::to_owned),
            condition: condition.or(first).map(condition_name),
            agreement: judge_agreement(&items)?,
        })
    });
    rows.collect()
}

fn against_metric((_, it): &Annotation<'_>) -> Option<JudgedItem> {
    Some(JudgedItem {
        control_prompt_idx: cluster(it.control_prompt_id),
        person: it.choice.verdict(it.is_test_a),
        other: it.leak?,
    })
}

fn cluster(prompt: PromptId) -> usize {
    usize::try_from(prompt.get()).expect("ids of rows count up from 1")
}

/// Two annotators; None where they judged no item both.
fn between(table: &[Annotation<'_>], annotators: [&str; 2]) -> Option<BetweenAgreement> {
    let [of_a, of_b] = annotators.map(|name| {
        let of_one = table.iter().filter(|(_, it)| it.annotator == name);
        let by_item: BTreeMap<AnnotationItemId, &StoredAnnotation> =
            of_one.map(|(_, it)| (it.item, *it)).collect();
        by_item
    });
    let both = of_a.iter().filter_map(|(item, a)| {
        let b = of_b.get(item)?;
        Some(JudgedItem {
            control_prompt_idx: cluster(a.control_prompt_id),
            person: a.choice.verdict(a.is_test_a),
            other: b.choice.verdict(b.is_test_a),
        })
    });
    Some(BetweenAgreement {
        annotators: annotators.map(str::to_owned),
        agreement: judge_agreement(&both.collect::<Vec<_>>())?,
    })
}
