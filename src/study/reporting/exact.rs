//! From exact leaks in the database to `ReportData`.
//!
//! Owns which enumerations stand for a condition where it has several, and what is shown of a pair. What a report has
//! whatever its leaks are, `assemble` says; what exact rates and their differences are, `leakage`.

use itertools::Itertools as _;

use super::Reporting;
use super::assemble::{Base, Found, chosen_bases, marks, model, with_experiment};
use super::choice::Choice;
use crate::generation::EnumerationParams;
use crate::leakage::{Clusters, ExactPair, exact_differences, exact_leak_rates};
use crate::results::{
    BaseComparisons, ReportComparison, ReportCondition, ReportData, ReportExactLeak, ReportPair,
};
use crate::store::{Store, StoredCondition, StoredExactLeak};
use crate::study::comparing::choice::condition_name;
use crate::study::comparing::exact::{
    Exact, clusters, condition_comparison, is_alike, likely_texts, params_words, read,
};
use crate::study::comparing::{FLIPS, trends};
use crate::study::drifting::model_drift;
use crate::study::session::Session;

/// Texts shown of each prompt of a pair.
const N_TEXTS: usize = 5;

/// Everything a report on exact rates shows.
pub(crate) fn assemble(
    session: &Session,
    store: &Store,
    stored: &[StoredCondition],
    choice: &Choice<'_>,
    reporting: &Reporting,
) -> anyhow::Result<ReportData> {
    let (params, chosen) = with_common_params(session, stored, choice);
    let exact = read(store, &chosen)?;
    let bases = chosen_bases(&chosen, reporting)?;
    let clusters = clusters(&exact, reporting.unit);
    let conditions = chosen.iter().zip(&exact);
    let conditions = conditions.map(|(stored, exact)| condition(store, stored, exact));
    let found = Found {
        enumeration: Some(params),
        conditions: conditions.collect::<anyhow::Result<_>>()?,
        comparisons: comparisons(store, &bases, &exact, &clusters)?,
        trends: trends(exact.iter().map(|it| (it.set, &it.rates)), &clusters),
        pairs: pairs(&exact),
    };
    with_experiment(session, store, chosen[0], reporting, found)
}

/// The sets that were enumerated as far as most conditions are, and of equals as those stored last; one for each condition.
fn with_common_params<'a>(
    session: &Session,
    stored: &'a [StoredCondition],
    choice: &Choice<'_>,
) -> (EnumerationParams, Vec<&'a StoredCondition>) {
    let is_chosen = |it: &&StoredCondition| choice.sets.contains(it);
    let of_params = |params: EnumerationParams| {
        let alike = stored.iter().filter(is_chosen);
        let alike = alike.filter(|it| it.key.enumeration() == Some(params));
        let mut found: Vec<&StoredCondition> = Vec::new();
        for it in alike {
            match found.iter_mut().find(|old| is_alike(old, it)) {
                Some(old) => *old = it,
                None => found.push(it),
            }
        }
        found
    };
    let all = stored.iter().filter(is_chosen);
    let all = all.filter_map(|it| it.key.enumeration());
    let params = all
        .max_by_key(|params| of_params(*params).len())
        .expect("a choice has at least one set");
    let found = of_params(params);
    if found.len() < choice.sets.len() {
        session.note(format_args!(
            "{} of {} enumerations are shown: those of {}",
            found.len(),
            choice.sets.len(),
            params_words(params)
        ));
    }
    (params, found)
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
