//! Exact leaks of a report.
//!
//! Owns which enumerations stand for a condition where it has several.

use super::choice::Choice;
use crate::generation::EnumerationParams;
use crate::store::StoredCondition;
use crate::study::comparing::exact::{is_alike, params_words};
use crate::study::session::Session;

/// The sets that were enumerated as far as most conditions are, and of equals as those stored last; one for each condition.
pub(crate) fn with_common_params<'a>(
    session: &Session,
    stored: &'a [StoredCondition],
    choice: &Choice<'_>,
) -> Vec<&'a StoredCondition> {
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
    found
}
