//! Exact leaks of conditions against those of a base.
//!
//! Owns which enumerations stand for a condition where it has several.

use anyhow::bail;

use super::choice::{check_embedding_model, condition_name};
use crate::generation::EnumerationParams;
use crate::store::{KeyField, StoredCondition};
use crate::study::scoring::verdicts::COMPUTING;
use crate::study::session::Session;

/// The sets of each condition that were enumerated as far as those of all others; of several, those stored last.
pub(crate) fn with_common_params<'a>(
    session: &Session,
    stored: &'a [StoredCondition],
    sets: &[&StoredCondition],
) -> anyhow::Result<Vec<&'a StoredCondition>> {
    let of = |set: &StoredCondition, params: EnumerationParams| {
        let alike =
            |it: &&StoredCondition| is_alike(it, set) && it.key.enumeration() == Some(params);
        stored.iter().rfind(alike)
    };
    let base = stored.iter().filter(|it| is_alike(it, sets[0]));
    let mut common: Vec<EnumerationParams> = Vec::new();
    for params in base.filter_map(|it| it.key.enumeration()) {
        if !common.contains(&params) && sets.iter().all(|set| of(set, params).is_some()) {
            common.push(params);
        }
    }
    let Some(&params) = common.last() else {
        let conditions = sets.iter().map(|set| {
            let of_set = stored.iter().filter(|it| is_alike(it, set));
            let found: Vec<String> = of_set
                .filter_map(|it| it.key.enumeration())
                .map(params_words)
                .collect();
            format!("\n  {}: {}", condition_name(set), found.join("; "))
        });
        bail!(
            "the continuations of these conditions were enumerated differently far:{}\nhint: run one experiment with all of them",
            conditions.collect::<String>()
        );
    };
    if common.len() > 1 {
        session.note(format_args!(
            "there are enumerations of {} kinds; comparing those stored last: {}",
            common.len(),
            params_words(params)
        ));
    }
    let chosen: Vec<&StoredCondition> = sets.iter().filter_map(|set| of(set, params)).collect();
    check_embedding_model(&chosen)?;
    Ok(chosen)
}

/// Whether two conditions differ only in how far was enumerated and in how they were computed.
pub(crate) fn is_alike(a: &StoredCondition, b: &StoredCondition) -> bool {
    let except = [&[KeyField::Method], &COMPUTING[..]].concat();
    a.key.difference(&b.key, &except).is_none()
}

pub(crate) fn params_words(params: EnumerationParams) -> String {
    format!(
        "coverage {}, {} rows, {} draws of the tail",
        params.coverage, params.max_rows_per_prompt, params.n_tail_draws
    )
}
