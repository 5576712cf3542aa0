//! How evenly a design meets its concepts: how often each stands in a template, and each two of them together.
//!
//! Owns the counts. What is said of them, `lint` and `seep plan` say.

use std::collections::{BTreeMap, BTreeSet};

use itertools::{Itertools as _, MinMaxResult};

use super::{Experiment, PromptPair};

/// The least and the most of some numbers.
pub(crate) type Range = [usize; 2];

/// The concepts of the templates of a design, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// Templates, at least 1.
    pub n_templates: usize,
    /// Concepts of a template.
    pub n_in_template: Range,
    /// Templates of each concept, in the order of the words.
    pub n_of_concepts: BTreeMap<String, usize>,
    /// Templates that any two concepts of different families share.
    pub n_of_two: BTreeMap<[String; 2], usize>,
}

/// A concept and the family it is in, else itself, in lower case.
pub(crate) type OfFamily = (String, String);

impl Balance {
    /// Counts the concepts of templates; None without templates.
    pub(crate) fn of(templates: &[BTreeSet<OfFamily>]) -> Option<Self> {
        let sizes = templates.iter().map(BTreeSet::len);
        let concepts: BTreeSet<&OfFamily> = templates.iter().flatten().collect();
        let n_with = |wanted: &[&OfFamily]| {
            let holds = |it: &&BTreeSet<OfFamily>| wanted.iter().all(|of| it.contains(*of));
            templates.iter().filter(holds).count()
        };
        let of_concepts = concepts.iter().map(|it| (it.0.clone(), n_with(&[*it])));
        let two = concepts.iter().tuple_combinations();
        let two = two.filter(|(a, b)| a.1 != b.1);
        let of_two = two.map(|(a, b)| ([a.0.clone(), b.0.clone()], n_with(&[*a, *b])));
        Some(Self {
            n_templates: templates.len(),
            n_in_template: range(sizes)?,
            n_of_concepts: of_concepts.collect(),
            n_of_two: of_two.collect(),
        })
    }
}

impl Experiment {
    /// The concepts of the templates, as far as they have pairs; None without templates.
    pub fn balance(&self) -> Option<Balance> {
        let of_template = |pair: &PromptPair| {
            let family = pair.concept_family.as_ref().unwrap_or(&pair.concept);
            let concept = (pair.concept.clone(), family.to_lowercase());
            Some((pair.template_id.clone()?, concept))
        };
        let templates: BTreeMap<String, BTreeSet<OfFamily>> = self
            .pairs
            .iter()
            .filter_map(of_template)
            .into_grouping_map()
            .collect::<BTreeSet<OfFamily>>()
            .into_iter()
            .collect();
        Balance::of(&templates.into_values().collect::<Vec<_>>())
    }
}

/// The least and the most; None of nothing.
pub fn range(numbers: impl IntoIterator<Item = usize>) -> Option<Range> {
    match numbers.into_iter().minmax() {
        MinMaxResult::NoElements => None,
        MinMaxResult::OneElement(n) => Some([n, n]),
        MinMaxResult::MinMax(least, most) => Some([least, most]),
    }
}

/// True if numbers are as equal as their sum allows.
pub(crate) fn are_even<K>(counts: &BTreeMap<K, usize>) -> bool {
    let sum: usize = counts.values().sum();
    let spread = range(counts.values().copied()).map_or(0, |[least, most]| most - least);
    spread <= usize::from(!sum.is_multiple_of(counts.len().max(1)))
}
