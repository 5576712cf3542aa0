//! From exact leaks in the database to `ReportData`.
//!
//! Owns what is shown of a pair. What a report has whatever its leaks are, `assemble` says; what exact rates and their
//! differences are, `leakage`.

use itertools::Itertools as _;

use super::Reporting;
use super::assemble::{Found, marks, model, with_experiment};
use crate::leakage::{Clusters, ExactPair, exact_differences, exact_leak_rates};
use crate::results::{
    BaseComparisons, ReportComparison, ReportCondition, ReportData, ReportExactLeak, ReportPair,
};
use crate::store::{Store, StoredCondition, StoredExactLeak};
use crate::study::comparing::exact::{Exact, clusters, condition_comparison, likely_texts, read};
use crate::study::comparing::{FLIPS, trends};
use crate::study::drifting::model_drift;
use crate::study::selecting::{Base, bases, condition_name};
use crate::study::session::Session;

/// Texts shown of each prompt of a pair.
const N_TEXTS: usize = 5;

/// Everything a report on exact rates shows.
pub(crate) fn assemble(
    session: &Session,
    store: &Store,
    sets: &[&StoredCondition],
    reporting: &Reporting,
) -> anyhow::Result<ReportData> {
    let exact = read(store, sets)?;
    let bases = bases(sets, reporting.base.as_deref())?;
    let clusters = clusters(&exact, reporting.unit);
    let conditions = sets.iter().zip(&exact);
    let conditions = conditions.map(|(stored, exact)| condition(store, stored, exact));
    let found = Found {
        enumeration: sets[0].key.enumeration(),
        conditions: conditions.collect::<anyhow::Result<_>>()?,
        comparisons: comparisons(store, &bases, &exact, &clusters)?,
        trends: trends(exact.iter().map(|it| (it.set, &it.rates)), &clusters),
        pairs: pairs(&exact),
    };
    with_experiment(session, store, sets, reporting, found)
}

fn condition(
    store: &Store,
    stored: &StoredCondition,
    exact: &Exact<'_>,
) -> anyhow::Result<ReportCondition> {
    let record = store.model_record(stored.key.experiment, stored.key.model)?;
    let rates = exact_leak_rates(&exact.pairs).into_iter();
    let leaks = exact.leaks.iter().map(|leak| exact_leak(store, leak));
    Ok(ReportCondition {
        name: condition_name(stored),
        marks: marks(&record),
        model: model(record),
        sampling: store.enumeration_sampling(stored)?,
        leak_rates: rates.map(Into::into).collect(),
        leak_rate_without_echoes: None,
        diversity: None,
        disagreement: None,
        verdicts: Vec::new(),
        exact_leaks: leaks.collect::<anyhow::Result<_>>()?,
    })
}

fn exact_leak(store: &Store, leak: &StoredExactLeak) -> anyhow::Result<ReportExactLeak> {
    Ok(ReportExactLeak {
        exact: leak.pair.clone(),
        test_texts: likely_texts(store, leak.test_enumeration, N_TEXTS)?,
        control_texts: likely_texts(store, leak.control_enumeration, N_TEXTS)?,
    })
}

fn comparisons(
    store: &Store,
    bases: &[Base],
    exact: &[Exact<'_>],
    clusters: &Clusters,
) -> anyhow::Result<Vec<BaseComparisons>> {
    let comparisons = bases.iter().map(|(base_idx, others)| {
        let base = &exact[*base_idx];
        let pairs: Vec<&[ExactPair]> = others.iter().map(|idx| &*exact[*idx].pairs).collect();
        let differences = exact_differences(&base.pairs, &pairs, clusters, FLIPS);
        let others = others.iter().zip(differences).map(|(idx, difference)| {
            let other = &exact[*idx];
            let set = base.set;
            Ok(ReportComparison {
                condition_idx: *idx,
                found: condition_comparison(store, base, other, difference, &[])?,
                drift: model_drift(store, &set.key, &other.set.key)?,
            })
        });
        Ok(BaseComparisons {
            base_idx: *base_idx,
            others: others.collect::<anyhow::Result<_>>()?,
        })
    });
    comparisons.collect()
}

/// The pairs that have a leak probability, by their place in the experiment.
fn pairs(exact: &[Exact<'_>]) -> Vec<ReportPair> {
    let leaks = exact.iter().flat_map(|condition| &condition.leaks);
    let distinct = leaks.unique_by(|leak| leak.pair.pair_idx);
    let pairs = distinct.map(|leak| ReportPair {
        pair_idx: leak.pair.pair_idx,
        concept: leak.concept.clone(),
        category: leak.pair.category.clone(),
        template_id: leak.template_id.clone(),
        test_prompt: leak.test_prompt.clone(),
        control_prompt: leak.control_prompt.clone(),
    });
    pairs.sorted_by_key(|pair| pair.pair_idx).collect()
}
