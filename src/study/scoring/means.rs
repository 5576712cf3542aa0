//! The means over wordings of what was just scored.
//!
//! Owns which conditions of a summary a mean is over; of stored conditions `study/wordings.rs` says it.

use itertools::Itertools as _;

use super::scorer::Scored;
use crate::leakage::{
    LeakRate, PairEstimate, TemplateSimilarities, leak_rates, pooled, with_exact,
};
use crate::results::ModelSummary;
use crate::store::{Source, WordingId};
use crate::study::wordings::mean_label;

/// The figures of conditions, put aside until all wordings are scored.
#[derive(Default)]
pub(crate) struct ForMeans(Vec<(Source, Vec<PairEstimate>, Vec<TemplateSimilarities>)>);

impl ForMeans {
    /// Puts the figures of a condition aside.
    pub(crate) fn add(&mut self, source: Source, scored: &mut Scored) {
        let templates = std::mem::take(&mut scored.templates);
        self.0.push((source, scored.pairs.clone(), templates));
    }

    /// The mean over the wordings of each model file and sampling that has several; `models` are all conditions, in the
    /// order in which they were put aside.
    pub(crate) fn means(self, models: &[ModelSummary]) -> Vec<ModelSummary> {
        let file = |source: &Source| Source {
            wording: WordingId::MEAN,
            ..*source
        };
        let files = self.0.iter().map(|(source, ..)| file(source));
        let files: Vec<Source> = files.dedup().collect();
        let of_files = files.iter().map(|key| {
            let is_of = |idx: &usize| file(&self.0[*idx].0) == *key;
            (0..self.0.len()).filter(is_of).collect::<Vec<usize>>()
        });
        let several = of_files.filter(|of_file| of_file.len() > 1);
        several.map(|of_file| self.mean(&of_file, models)).collect()
    }

    fn mean(&self, of_file: &[usize], models: &[ModelSummary]) -> ModelSummary {
        let of = of_file.iter().map(|&idx| &self.0[idx]);
        let (pairs, templates): (Vec<&[_]>, Vec<&[_]>) = of
            .map(|(_, pairs, templates)| (&pairs[..], &templates[..]))
            .unzip();
        let of_wordings = of_file.iter().map(|&idx| models[idx].leak_rates.clone());
        let of_wordings: Vec<Vec<LeakRate>> = of_wordings.collect();
        let rates = leak_rates(&pooled(&pairs), &TemplateSimilarities::mean(&templates));
        let names = of_file.iter().map(|&idx| models[idx].wording_label.clone());
        ModelSummary {
            wording_label: mean_label(of_file.len()),
            mean_over: names.collect(),
            leak_rates: with_exact(rates, &of_wordings),
            diagnostics: Vec::new(),
            ..models[of_file[0]].clone()
        }
    }
}
