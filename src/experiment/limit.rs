//! Which prompt pairs a limit takes.
//!
//! Owns an order of all pairs such that every beginning of it is spread evenly; a limit of N takes
//! the first N. So the pairs of a smaller limit are among those of a larger one.
//!
//! The pairs are dealt into hands: a template is a hand; the free-standing pairs of a category,
//! sorted by concept, are dealt one by one into as few hands as it takes for none to hold more pairs
//! than the category has concepts. Rounds visit every hand that still has pairs once, changing the
//! category with each visit, and take from it a pair with the concept least used so far; among
//! equals the concepts take turns. So hands differ by at most one pair while all have some left,
//! and so do concepts where every template has every concept.

use std::collections::{HashMap, VecDeque};

use super::PromptPair;

/// The places of at most `limit` of `pairs`, ascending.
pub(crate) fn spread(pairs: &[PromptPair], limit: usize) -> Vec<usize> {
    if limit >= pairs.len() {
        return (0..pairs.len()).collect();
    }
    let concept_idxs = concept_idxs(pairs);
    let mut hands: VecDeque<_> = hands(pairs, &concept_idxs).into();
    let mut turns = Turns::new(&concept_idxs);
    let mut taken = Vec::with_capacity(limit);
    while taken.len() < limit {
        let mut hand = hands
            .pop_front()
            .expect("fewer pairs are taken than there are");
        taken.push(turns.take(&mut hand));
        if !hand.is_empty() {
            hands.push_back(hand);
        }
    }
    taken.sort_unstable();
    taken
}

/// The number of each pair's concept, counted by first use; letter case is no difference.
fn concept_idxs(pairs: &[PromptPair]) -> Vec<usize> {
    let mut idx_of = HashMap::new();
    pairs
        .iter()
        .map(|pair| {
            let next = idx_of.len();
            *idx_of.entry(pair.concept.to_lowercase()).or_insert(next)
        })
        .collect()
}

/// The hands in the order of a round, each with the places of its pairs.
fn hands(pairs: &[PromptPair], concept_idxs: &[usize]) -> Vec<Vec<usize>> {
    let mut categories: Vec<Category> = Vec::new();
    let mut idx_of: HashMap<&str, usize> = HashMap::new();
    for (place, pair) in pairs.iter().enumerate() {
        let category_idx = *idx_of.entry(&pair.category).or_insert_with(|| {
            categories.push(Category::default());
            categories.len() - 1
        });
        categories[category_idx].add(place, pair.template_id.as_deref());
    }
    let mut queues: Vec<VecDeque<_>> = categories
        .into_iter()
        .map(|category| category.into_hands(concept_idxs).into())
        .collect();
    let mut hands = Vec::new();
    while queues.iter().any(|queue| !queue.is_empty()) {
        hands.extend(queues.iter_mut().filter_map(VecDeque::pop_front));
    }
    hands
}

/// The pairs of one category.
#[derive(Default)]
struct Category<'p> {
    templates: Vec<(&'p str, Vec<usize>)>,
    free: Vec<usize>,
}

impl<'p> Category<'p> {
    fn add(&mut self, place: usize, template_id: Option<&'p str>) {
        match (template_id, self.templates.last_mut()) {
            (None, _) => self.free.push(place),
            // The pairs of a template stand side by side.
            (Some(id), Some((last, places))) if *last == id => places.push(place),
            (Some(id), _) => self.templates.push((id, vec![place])),
        }
    }

    fn into_hands(mut self, concept_idxs: &[usize]) -> Vec<Vec<usize>> {
        self.free.sort_by_key(|place| concept_idxs[*place]);
        let mut concepts: Vec<_> = self.free.iter().map(|place| concept_idxs[*place]).collect();
        concepts.dedup();
        let n_hands = self.free.len().div_ceil(concepts.len().max(1));
        let mut dealt = vec![Vec::new(); n_hands];
        for (dealt_idx, place) in self.free.into_iter().enumerate() {
            dealt[dealt_idx % n_hands].push(place);
        }
        let templates = self.templates.into_iter().map(|(_, places)| places);
        templates.chain(dealt).collect()
    }
}

/// Which concept's turn it is.
struct Turns<'c> {
    concept_idxs: &'c [usize],
    /// Pairs taken so far, for each concept.
    n_taken: Vec<usize>,
    next: usize,
}

impl<'c> Turns<'c> {
    fn new(concept_idxs: &'c [usize]) -> Self {
        let n_concepts = concept_idxs.iter().max().map_or(0, |most| most + 1);
        Self {
            concept_idxs,
            n_taken: vec![0; n_concepts],
            next: 0,
        }
    }

    /// Takes a pair out of a hand that is not empty.
    fn take(&mut self, hand: &mut Vec<usize>) -> usize {
        let n_concepts = self.n_taken.len();
        let key = |place: &usize| {
            let concept_idx = self.concept_idxs[*place];
            let n_turns_away = (concept_idx + n_concepts - self.next) % n_concepts;
            (self.n_taken[concept_idx], n_turns_away, *place)
        };
        let best = hand.iter().enumerate().min_by_key(|(_, place)| key(place));
        let (place_in_hand, _) = best.expect("the hand is not empty");
        let place = hand.remove(place_in_hand);
        let concept_idx = self.concept_idxs[place];
        self.n_taken[concept_idx] += 1;
        self.next = (concept_idx + 1) % n_concepts;
        place
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn pair(
        pair_idx: usize,
        concept: usize,
        category: usize,
        template: Option<usize>,
    ) -> PromptPair {
        PromptPair {
            pair_idx,
            concept: format!("c{concept}"),
            concept_family: None,
            category: format!("category-{category}"),
            template_id: template.map(|template| format!("t{template}")),
            test_prompt_idx: 2 * pair_idx,
            control_prompt_idx: 2 * pair_idx + 1,
        }
    }

    /// Every template with every concept; templates in `n_categories` blocks.
    fn grid(n_templates: usize, n_concepts: usize, n_categories: usize) -> Vec<PromptPair> {
        let cells = (0..n_templates).flat_map(|template| {
            let category = template * n_categories / n_templates;
            (0..n_concepts).map(move |concept| (template, concept, category))
        });
        let cells = cells.enumerate();
        cells
            .map(|(idx, (template, concept, category))| {
                pair(idx, concept, category, Some(template))
            })
            .collect()
    }

    /// Templates with some of the concepts, then free pairs.
    fn any_pairs() -> impl Strategy<Value = Vec<PromptPair>> {
        let template = (
            0..4_usize,
            proptest::collection::btree_set(0..12_usize, 1..12),
        );
        let templates = proptest::collection::vec(template, 0..8);
        let free = proptest::collection::vec((0..12_usize, 0..4_usize), 0..30);
        (templates, free).prop_map(|(templates, free)| {
            let mut pairs = Vec::new();
            for (template, (category, concepts)) in templates.into_iter().enumerate() {
                for concept in concepts {
                    pairs.push(pair(pairs.len(), concept, category, Some(template)));
                }
            }
            for (concept, category) in free {
                pairs.push(pair(pairs.len(), concept, category, None));
            }
            pairs
        })
    }

    fn counts<'p, K: Ord>(
        pairs: &'p [PromptPair],
        taken: &[usize],
        key: impl Fn(&'p PromptPair) -> K,
    ) -> BTreeMap<K, usize> {
        let mut counts: BTreeMap<K, usize> = pairs.iter().map(|pair| (key(pair), 0)).collect();
        for place in taken {
            *counts.entry(key(&pairs[*place])).or_default() += 1;
        }
        counts
    }

    fn difference<K>(counts: &BTreeMap<K, usize>) -> usize {
        let most = counts.values().max().copied().unwrap_or(0);
        most - counts.values().min().copied().unwrap_or(0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_limit_takes_so_many_and_a_larger_one_takes_them_too(pairs in any_pairs()) {
            let mut smaller = Vec::new();
            for limit in 0..=pairs.len() + 1 {
                let taken = spread(&pairs, limit);
                prop_assert_eq!(taken.len(), limit.min(pairs.len()));
                prop_assert!(taken.is_sorted_by(|left, right| left < right));
                prop_assert!(smaller.iter().all(|place| taken.contains(place)));
                smaller = taken;
            }
        }

        #[test]
        fn no_template_is_ahead_of_one_that_has_pairs_left(pairs in any_pairs()) {
            let id = |pair: &PromptPair| pair.template_id.clone();
            let all: Vec<_> = (0..pairs.len()).collect();
            let sizes = counts(&pairs, &all, id);
            for limit in 0..=pairs.len() {
                let mut taken = counts(&pairs, &spread(&pairs, limit), id);
                taken.remove(&None);
                let most = taken.values().max().copied().unwrap_or(0);
                for (template, n_taken) in taken {
                    prop_assert!(n_taken + 1 >= most || n_taken == sizes[&template]);
                }
            }
        }

        #[test]
        fn templates_and_concepts_of_a_full_grid_differ_by_at_most_one(
            n_templates in 1..24_usize, n_concepts in 1..16_usize, n_categories in 1..4_usize,
        ) {
            let pairs = grid(n_templates, n_concepts, n_categories);
            for limit in 0..=pairs.len() {
                let taken = spread(&pairs, limit);
                let by_template = counts(&pairs, &taken, |pair| pair.template_id.clone());
                let by_concept = counts(&pairs, &taken, |pair| pair.concept.clone());
                prop_assert!(difference(&by_template) <= 1, "{limit}: {by_template:?}");
                prop_assert!(difference(&by_concept) <= 1, "{limit}: {by_concept:?}");
            }
        }
    }

    #[test]
    fn a_small_limit_reaches_every_category() {
        let mut pairs = grid(20, 11, 2);
        for free_idx in 0..33 {
            pairs.push(pair(pairs.len(), free_idx % 11, 2, None));
        }
        let taken = spread(&pairs, 8);
        let by_category = counts(&pairs, &taken, |pair| pair.category.clone());
        assert_eq!(by_category.into_values().collect::<Vec<_>>(), [3, 3, 2]);
        let taken = spread(&pairs, 23);
        let by_category = counts(&pairs, &taken, |pair| pair.category.clone());
        assert_eq!(by_category.into_values().collect::<Vec<_>>(), [10, 10, 3]);
        let by_concept = counts(&pairs, &taken, |pair| pair.concept.clone());
        assert_eq!(difference(&by_concept), 1);
    }
}
