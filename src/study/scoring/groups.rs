//! The answers of a condition by template: which generations are compared with which besides their control.
//!
//! Owns which pairs are siblings (those of one template and control prompt) and which concepts are anchors of a pair
//! without siblings (those of its category). What comes of a comparison, `leakage` says.

use std::collections::{BTreeMap, HashMap};

use itertools::Itertools as _;
use rayon::prelude::*;

use crate::leakage::{
    ComparedRepeats, Group, GroupText, HeldPrompt, MeasuredConcept, Rounding, TemplateSimilarities,
    rounded,
};
use crate::store::{ComparedText, Comparison, ConceptSimilarity, FillerGeneration, Specifics};

/// The similarities of a metric.
#[derive(Clone, Copy)]
pub(super) struct Scale<'a> {
    /// Of a concept and a text.
    pub(super) similarity: &'a (dyn Fn(&str, &str) -> anyhow::Result<f64> + Sync),
    pub(super) rounding: Rounding,
}

impl Scale<'_> {
    /// The similarities of a concept and texts, rounded.
    fn seen(&self, concept: &str, texts: &[GroupText<'_>]) -> anyhow::Result<Vec<f64>> {
        let similarities = texts.iter().map(|text| {
            let similarity = (self.similarity)(concept, text.text)?;
            Ok(rounded(similarity, self.rounding))
        });
        similarities.collect()
    }
}

/// A pair with the texts of its two prompts.
pub(super) struct PairTexts<'e> {
    pub(super) pair_idx: usize,
    pub(super) concept: &'e str,
    pub(super) concept_family: Option<&'e str>,
    pub(super) category: &'e str,
    pub(super) template_id: Option<&'e str>,
    pub(super) test_prompt: &'e str,
    pub(super) control_prompt: &'e str,
    pub(super) test: Vec<GroupText<'e>>,
    pub(super) control: Vec<GroupText<'e>>,
    pub(super) compared: Vec<ComparedRepeats>,
}

/// For each template the texts of its prompts with a neutral filler, by prompt.
pub(super) type FillerTexts<'e> = HashMap<&'e str, Vec<Vec<GroupText<'e>>>>;

/// Everything that is found by comparing the pairs of each template with each other.
pub(super) struct Grouped {
    pub(super) specifics: Specifics,
    pub(super) similarities: Vec<ConceptSimilarity>,
    pub(super) templates: Vec<TemplateSimilarities>,
}

/// The pairs of generations that are compared, by pair; they come in the order of pairs and repeats.
pub(super) fn pairs_of_repeats(comparisons: &[Comparison]) -> Vec<PairTexts<'_>> {
    let pairs = comparisons.chunk_by(|a, b| a.pair_idx == b.pair_idx);
    let pairs = pairs.filter_map(|repeats| {
        let first = repeats.first()?;
        let compared = repeats.iter().map(|repeat| ComparedRepeats {
            verdict_idx: repeat.repeat_idx,
            test: Some(repeat.test.repeat_idx),
            control: Some(repeat.control.repeat_idx),
        });
        Some(PairTexts {
            pair_idx: first.pair_idx,
            concept: &first.concept,
            concept_family: first.concept_family.as_deref(),
            category: &first.category,
            template_id: first.template_id.as_deref(),
            test_prompt: &first.test_prompt,
            control_prompt: &first.control_prompt,
            test: distinct(repeats.iter().map(|repeat| &repeat.test)),
            control: distinct(repeats.iter().map(|repeat| &repeat.control)),
            compared: compared.collect(),
        })
    });
    pairs.collect()
}

/// The generations of a prompt, each once.
fn distinct<'e>(texts: impl Iterator<Item = &'e ComparedText>) -> Vec<GroupText<'e>> {
    let texts: BTreeMap<u32, &str> = texts.map(|it| (it.repeat_idx, it.text.as_str())).collect();
    let weight = 1.0 / texts.len() as f64;
    let texts = texts.into_iter().map(|(repeat_idx, text)| GroupText {
        text,
        repeat_idx: Some(repeat_idx),
        weight,
    });
    texts.collect()
}

/// The generations for fillers, which come in the order of fillers and repeats, by template.
pub(super) fn fillers_of_repeats(fillers: &[FillerGeneration]) -> FillerTexts<'_> {
    let is_same = |a: &FillerGeneration, b: &FillerGeneration| {
        (&a.template_id, &a.filler) == (&b.template_id, &b.filler)
    };
    let prompts = fillers.chunk_by(is_same).map(|repeats| {
        let texts = repeats.iter().map(|repeat| GroupText {
            text: &repeat.text,
            repeat_idx: Some(repeat.repeat_idx),
            weight: 1.0 / repeats.len() as f64,
        });
        (repeats[0].template_id.as_str(), texts.collect())
    });
    prompts.into_group_map()
}

/// Compares the pairs of each template with each other.
pub(super) fn compare_groups(
    scale: Scale<'_>,
    pairs: &[PairTexts<'_>],
    fillers: &FillerTexts<'_>,
) -> anyhow::Result<Grouped> {
    let anchors = anchors(pairs);
    let groups = groups(pairs);
    let compared = groups
        .par_iter()
        .map(|members| compare_group(scale, members, fillers, &anchors));
    let compared = compared.collect::<anyhow::Result<Vec<Grouped>>>()?;
    let mut all = Grouped {
        specifics: Specifics::new(),
        similarities: Vec::new(),
        templates: Vec::new(),
    };
    for group in compared {
        all.specifics.extend(group.specifics);
        all.similarities.extend(group.similarities);
        all.templates.extend(group.templates);
    }
    Ok(all)
}

/// The pairs of each template and control prompt; one without a template is alone.
fn groups<'a, 'e>(pairs: &'a [PairTexts<'e>]) -> Vec<Vec<&'a PairTexts<'e>>> {
    let keyed = pairs.iter().map(|pair| {
        let alone = pair.template_id.is_none().then_some(pair.pair_idx);
        ((pair.template_id, pair.control_prompt, alone), pair)
    });
    let groups = keyed.into_group_map().into_iter();
    groups
        .sorted_by_key(|(key, _)| *key)
        .map(|(_, members)| members)
        .collect()
}

/// The concepts of each category with their families, each once.
fn anchors<'e>(pairs: &[PairTexts<'e>]) -> BTreeMap<&'e str, Vec<(&'e str, String)>> {
    let mut anchors: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    for pair in pairs {
        let of_category = anchors.entry(pair.category).or_default();
        if !of_category
            .iter()
            .any(|(concept, _)| *concept == pair.concept)
        {
            of_category.push((pair.concept, family(pair)));
        }
    }
    anchors
}

fn family(pair: &PairTexts<'_>) -> String {
    pair.concept_family.unwrap_or(pair.concept).to_lowercase()
}

fn compare_group(
    scale: Scale<'_>,
    members: &[&PairTexts<'_>],
    fillers: &FillerTexts<'_>,
    anchors: &BTreeMap<&str, Vec<(&str, String)>>,
) -> anyhow::Result<Grouped> {
    // In the order of concepts, so that no figure depends on the order of the experiment.
    let members = members.iter().copied().sorted_by_key(|it| it.concept);
    let members: Vec<&PairTexts<'_>> = members.collect();
    let families: Vec<String> = members.iter().map(|pair| family(pair)).collect();
    let own = members.iter().zip(&families);
    let own = own.map(|(pair, family)| (pair.concept, family));
    // Of one family, no pair has siblings.
    let is_alone = families.iter().all_equal();
    let category = members.first().filter(|_| is_alone);
    let others = category.and_then(|pair| anchors.get(pair.category));
    let others = others.into_iter().flatten();
    let others = others.map(|(concept, family)| (*concept, family));
    let measured = own
        .chain(others)
        .map(|(concept, family)| MeasuredConcept { concept, family });
    let measured: Vec<MeasuredConcept<'_>> = measured.collect();
    let held = held(&members, fillers);
    let control = control(&members);
    let seen = |texts| {
        let of_concepts = measured.iter().map(|it| scale.seen(it.concept, texts));
        of_concepts.collect::<anyhow::Result<Vec<Vec<f64>>>>()
    };
    let control_similarities = seen(&control)?;
    let of_prompts = held.iter().map(|prompt| seen(&prompt.texts));
    let of_prompts = of_prompts.collect::<anyhow::Result<Vec<_>>>()?;
    let group = Group {
        n_pairs: members.len(),
        similarities: (0..measured.len())
            .map(|concept| of_prompts.iter().map(|of| of[concept].clone()).collect())
            .collect(),
        measured,
        held,
        compared: members.iter().map(|pair| pair.compared.clone()).collect(),
        control,
        control_similarities,
    };
    Ok(grouped(&members, &group, is_alone))
}

/// The prompts of the pairs, and those of their template with a filler.
fn held<'e>(members: &[&PairTexts<'e>], fillers: &FillerTexts<'e>) -> Vec<HeldPrompt<'e>> {
    let template_id = members.first().and_then(|pair| pair.template_id);
    let fillers = template_id.and_then(|template_id| fillers.get(template_id));
    let of_pairs = members.iter().map(|pair| HeldPrompt {
        prompt: pair.test_prompt,
        texts: pair.test.clone(),
    });
    let of_fillers = fillers.into_iter().flatten().map(|texts| HeldPrompt {
        prompt: "",
        texts: texts.clone(),
    });
    of_pairs.chain(of_fillers).collect()
}

/// The texts of the control prompt: of repeats those of any pair, because a pair lacks those whose test text is missing.
fn control<'e>(members: &[&PairTexts<'e>]) -> Vec<GroupText<'e>> {
    match members.first() {
        Some(first) if first.control.iter().all(|text| text.repeat_idx.is_none()) => {
            first.control.clone()
        }
        _ => {
            let texts = members.iter().flat_map(|pair| &pair.control);
            let texts = texts.unique_by(|text| text.repeat_idx);
            texts
                .sorted_by_key(|text| text.repeat_idx)
                .copied()
                .collect()
        }
    }
}

fn grouped(members: &[&PairTexts<'_>], group: &Group<'_>, is_alone: bool) -> Grouped {
    let of_pairs = members.iter().zip(group.specifics());
    let specifics = of_pairs.flat_map(|(pair, found)| {
        let of_pair = found.into_iter();
        of_pair.map(|(repeat_idx, specific)| ((pair.pair_idx, repeat_idx), specific))
    });
    let mut grouped = Grouped {
        specifics: specifics.collect(),
        similarities: Vec::new(),
        templates: Vec::new(),
    };
    if members.len() < 2 {
        return grouped;
    }
    let similarities = group.mean_similarities();
    let rows = members.iter().zip(&similarities).zip(group.by_sibling());
    for ((measured, row), siblings) in rows {
        let of = |place: usize| siblings.iter().find(|(sibling, _)| *sibling == place);
        let cells = members.iter().zip(row).enumerate();
        grouped
            .similarities
            .extend(cells.map(|(place, (held, &similarity))| ConceptSimilarity {
                pair_idx: measured.pair_idx,
                held_pair_idx: held.pair_idx,
                n_texts: held.test.len(),
                similarity,
                figures: of(place).map(|(_, figures)| *figures),
            }));
    }
    grouped.templates.push(TemplateSimilarities {
        category: members
            .iter()
            .map(|pair| pair.category)
            .all_equal_value()
            .ok()
            .map(str::to_owned),
        has_siblings: !is_alone,
        concepts: members.iter().map(|pair| pair.concept.to_owned()).collect(),
        similarities,
    });
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Permutations, permutation_p_value};

    const CONCEPTS: [&str; 4] = ["red", "blue", "green", "gray"];

    /// A similarity that looks irregular.
    fn similarity(concept: &str, text: &str) -> f64 {
        let letters = concept.bytes().chain(text.bytes()).map(u64::from);
        let number = letters.fold(7, |number, letter| (31 * number + letter) % 101);
        number as f64 / 101.0
    }

    /// Three repeats of each concept in each of eight templates, in this order of concepts.
    fn grouped(order: [usize; 4]) -> Grouped {
        let names: Vec<String> = (0..8).map(|template| format!("t{template}")).collect();
        let texts: Vec<String> = (0..8 * 4 * 3).map(|text| format!("text {text}")).collect();
        let texts_of = |prompt: usize| {
            let of_repeats = (0..3).map(|repeat| GroupText {
                text: &texts[3 * prompt + repeat],
                repeat_idx: Some(repeat as u32),
                weight: 1.0 / 3.0,
            });
            of_repeats.collect::<Vec<_>>()
        };
        let both = names.iter().enumerate().cartesian_product(order);
        let pairs = both.map(|((template, name), concept)| PairTexts {
            pair_idx: 4 * template + concept,
            concept: CONCEPTS[concept],
            concept_family: None,
            category: "any",
            template_id: Some(name),
            test_prompt: "with it",
            control_prompt: "without it",
            test: texts_of(4 * template + concept),
            control: texts_of(4 * template),
            compared: (0..3)
                .map(|repeat| ComparedRepeats::equal(Some(repeat)))
                .collect(),
        });
        let scale = Scale {
            similarity: &|concept, text| Ok(similarity(concept, text)),
            rounding: Rounding::PUBLISHED,
        };
        let pairs: Vec<PairTexts<'_>> = pairs.collect();
        compare_groups(scale, &pairs, &FillerTexts::new()).unwrap()
    }

    /// Nor the p-value, for which permutations are drawn at random: the tables are the same.
    #[test]
    fn the_order_of_concepts_changes_nothing() {
        let [first, other] = [[0, 1, 2, 3], [2, 0, 3, 1]].map(grouped);
        assert_eq!(first.specifics, other.specifics);
        assert_eq!(first.specifics.len(), 8 * 4 * 3);
        assert_eq!(first.templates, other.templates);
        let found = |grouped: &Grouped| {
            let tables = grouped.templates.iter();
            let tables: Vec<&[Vec<f64>]> = tables.map(|it| it.similarities.as_slice()).collect();
            let permutations = Permutations {
                seed: 1,
                n_draws: 999,
            };
            permutation_p_value(&tables, permutations).unwrap()
        };
        assert_eq!(found(&first), found(&other));
        assert_eq!(found(&first).n_draws, Some(999));
    }
}
