//! A sample of verdicts: drawn, stored with its key, and handed over as people see it.
//!
//! Owns the names of items and what identifies a sample. Verdicts on equal texts are not drawn: nobody can say anything
//! else of them than the metric.

use std::path::Path;

use anyhow::bail;

use super::drawing::{Candidate, draw};
use super::shown;
use crate::digest::Digest;
use crate::leakage::RateKind;
use crate::machine;
use crate::stats::Draws;
use crate::store::{NewAnnotationItem, NewAnnotationSample, Store, StoredCondition, StoredLeak};
use crate::study::selecting::{self, Selection, condition_name};
use crate::study::session::Session;

/// Digits of the number of an item, at least.
const N_DIGITS: usize = 3;

/// The verdicts that a sample is drawn from, and how.
#[derive(Debug, Clone)]
pub struct SamplingVerdicts {
    /// The verdicts that are meant; rates are those of repeats.
    pub selection: Selection,
    /// The models: `name`, `name:quantization`, or the beginning of a file's SHA-256; all where there is none.
    pub models: Vec<String>,
    /// Items that are wanted, at least 1.
    pub n_items: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// A sample of verdicts as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationSheet {
    /// The name of the sample, with which the names of its items begin.
    pub sample: String,
    /// The items, in random order.
    pub items: Vec<SheetItem>,
    /// How many items each condition has, in the order of the conditions.
    pub n_of_conditions: Vec<(String, usize)>,
}

/// One item, its sides at random.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetItem {
    /// Its name, which says nothing about it.
    pub name: String,
    /// The concept.
    pub concept: String,
    /// Text A, as people see it.
    pub text_a: String,
    /// Text B.
    pub text_b: String,
}

/// A verdict with the place of its condition.
struct Drawable {
    condition_idx: usize,
    leak: StoredLeak,
}

impl Session {
    /// Draws a sample of stored verdicts and stores its key; the same verdicts and seed give the same sample.
    ///
    /// # Errors
    /// When no verdicts are stored that are meant.
    pub fn sample_verdicts(
        &self,
        db: &Path,
        sampling: &SamplingVerdicts,
    ) -> anyhow::Result<AnnotationSheet> {
        let mut store = self.existing_store(db)?;
        let stored = selecting::stored(&store)?;
        let selection = Selection {
            rates: Some(RateKind::Repeats),
            ..sampling.selection.clone()
        };
        let mut selected = selecting::of_experiment(&stored, &selection)?;
        selected.only(&sampling.models)?;
        for note in &selected.notes {
            // The seed of this command is that of the draws.
            self.note(note.replace("`--seed`", "`--generation-seed`"));
        }
        let sets = selected.sets;
        let drawables = self.drawables(&store, &sets)?;
        let mut draws = Draws::new(sampling.seed);
        let drawn = draw(candidates(&drawables), sampling.n_items, &mut draws);
        if drawn.len() < sampling.n_items {
            let n = drawn.len();
            self.note(format_args!(
                "there are {n} verdicts on different texts; all are drawn"
            ));
        }
        let drawn: Vec<&Drawable> = drawn.iter().map(|it| &drawables[it.place]).collect();
        let sides: Vec<bool> = drawn.iter().map(|_| draws.next_uniform() < 0.5).collect();
        let drawn: Vec<(&Drawable, bool)> = drawn.into_iter().zip(sides).collect();
        self.store_sample(&mut store, sampling.seed, &sets, &drawn)
    }

    /// The verdicts of the conditions that people can judge.
    fn drawables(&self, store: &Store, sets: &[&StoredCondition]) -> anyhow::Result<Vec<Drawable>> {
        let mut found = Vec::new();
        for (condition_idx, set) in sets.iter().enumerate() {
            for leak in store.leaks(set.id)? {
                found.push(Drawable {
                    condition_idx,
                    leak,
                });
            }
        }
        let n_all = found.len();
        found.retain(|it| shown(&it.leak.test_generation) != shown(&it.leak.control_generation));
        match (n_all - found.len(), found.len()) {
            (0, _) => {}
            (_, 0) => bail!(
                "there is nothing to judge: in every repeat both texts are the same\n\
                 hint: take another experiment with `--experiment`, or another sampling of it"
            ),
            (n_equal, _) => self.note(format_args!(
                "{n_equal} of {n_all} verdicts are on two equal texts and are left out"
            )),
        }
        Ok(found)
    }

    fn store_sample(
        &self,
        store: &mut Store,
        seed: u64,
        sets: &[&StoredCondition],
        drawn: &[(&Drawable, bool)],
    ) -> anyhow::Result<AnnotationSheet> {
        let unnamed = drawn
            .iter()
            .map(|(it, is_test_a)| seen(&it.leak, *is_test_a));
        let mut items: Vec<SheetItem> = unnamed.collect();
        let sha256 = identity(seed, sets, drawn, &items)?;
        let sample = sha256.short()[..8].to_owned();
        let n_digits = N_DIGITS.max(items.len().to_string().len());
        for (number, item) in (1..).zip(&mut items) {
            item.name = format!("{sample}-{number:0n_digits$}");
        }
        let key = items.iter().zip(drawn);
        let key = key.map(|(item, (it, is_test_a))| NewAnnotationItem {
            name: item.name.clone(),
            condition: sets[it.condition_idx].id,
            pair_idx: it.leak.pair_idx,
            repeat_idx: it.leak.repeat_idx,
            is_test_a: *is_test_a,
        });
        let build = machine::build();
        let is_new = store.insert_annotation_sample(&NewAnnotationSample {
            sha256,
            experiment: sets[0].key.experiment,
            seed,
            items: &key.collect::<Vec<_>>(),
            command_line: &self.command_line,
            seep_version: machine::VERSION,
            seep_commit: build.commit,
            seep_is_dirty: build.is_dirty,
        })?;
        if !is_new {
            self.note(format_args!(
                "the sample {sample} was drawn before; its key stays as it is"
            ));
        }
        let n_of = |condition_idx| {
            let of_condition = drawn
                .iter()
                .filter(|(it, _)| it.condition_idx == condition_idx);
            of_condition.count()
        };
        let names = sets.iter().enumerate();
        Ok(AnnotationSheet {
            sample,
            items,
            n_of_conditions: names
                .map(|(condition_idx, set)| (condition_name(set), n_of(condition_idx)))
                .collect(),
        })
    }
}

fn candidates(drawables: &[Drawable]) -> Vec<Candidate> {
    let numbered = drawables.iter().enumerate();
    numbered
        .map(|(place, it)| Candidate {
            condition_idx: it.condition_idx,
            category: it.leak.category.clone(),
            pair_idx: it.leak.pair_idx,
            place,
        })
        .collect()
}

/// The item of a verdict, without its name.
fn seen(leak: &StoredLeak, is_test_a: bool) -> SheetItem {
    let mut texts = [&leak.test_generation, &leak.control_generation].map(|text| shown(text));
    if !is_test_a {
        texts.reverse();
    }
    let [text_a, text_b] = texts;
    SheetItem {
        name: String::new(),
        concept: shown(&leak.concept),
        text_a,
        text_b,
    }
}

/// The digest of the key and of all that people see.
fn identity(
    seed: u64,
    sets: &[&StoredCondition],
    drawn: &[(&Drawable, bool)],
    items: &[SheetItem],
) -> anyhow::Result<Digest> {
    let mut text = format!("seep annotation sample 1|{seed}\n");
    for ((it, is_test_a), item) in drawn.iter().zip(items) {
        let key = (
            sets[it.condition_idx].id.get(),
            it.leak.pair_idx,
            it.leak.repeat_idx,
        );
        let texts = (&item.concept, &item.text_a, &item.text_b);
        text += &serde_json::to_string(&(key, is_test_a, texts))?;
        text.push('\n');
    }
    Ok(Digest::of(text.as_bytes()))
}
