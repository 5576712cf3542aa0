//! Designs for the time that another one takes: how many templates, concepts of each, and repeats.
//!
//! Owns what a design costs, the standard errors it comes to, and the best of many. Variance components and costs are
//! given; `docs/statistics.md` has the formulas.

use std::collections::BTreeMap;

use super::measure::Measure;
use crate::generation::RepeatCounts;
use crate::stats::{Repeats, VarianceComponents};

/// Repeats of test prompts that are tried.
const TESTS_MAX: u32 = 40;
/// Repeats of control prompts that are tried.
const CONTROLS_MAX: u32 = 200;

/// Rows that are evaluated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowCosts {
    /// For a prompt, besides what it shares with others.
    pub prompt: f64,
    /// For a generation.
    pub draw: f64,
}

/// Prompts and their repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Design {
    /// The concepts of each template that has several; each template has a control.
    pub templates: Vec<usize>,
    /// The test prompts of each other control.
    pub others: Vec<usize>,
    /// The repeats of each test and of each control prompt.
    pub n_repeats: RepeatCounts,
}

/// The best numbers for the Leak-Rate, each with the others as they are, not rounded; None where any number is as good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestNumbers {
    /// Repeats of a control for each of a test prompt.
    pub control_ratio: Option<f64>,
    /// Repeats of a test prompt.
    pub repeats: Option<f64>,
    /// Concepts of a template.
    pub concepts: Option<f64>,
}

/// The components of the measures that are known.
pub type Components = BTreeMap<Measure, VarianceComponents>;

impl Design {
    /// The sizes of the clusters that a measure is over.
    pub fn sizes(&self, measure: Measure) -> Vec<usize> {
        match measure {
            Measure::LeakRate => [self.templates.as_slice(), &self.others].concat(),
            _ => self.templates.clone(),
        }
    }

    /// Rows that are evaluated.
    pub fn rows(&self, costs: RowCosts) -> f64 {
        let of = |n_repeats: f64| costs.prompt + n_repeats * costs.draw;
        let [n_test, n_control] = self.n_repeats.both();
        let clusters = self.templates.iter().chain(&self.others);
        let rows = clusters.map(|size| *size as f64 * of(n_test) + of(n_control));
        rows.sum()
    }

    /// The mean number of concepts of a template.
    pub fn n_concepts(&self) -> f64 {
        self.templates.iter().sum::<usize>() as f64 / self.templates.len() as f64
    }

    fn with_repeats(&self, n_repeats: RepeatCounts) -> Self {
        Self {
            n_repeats,
            ..self.clone()
        }
    }

    /// The repeats as numbers to reckon with.
    pub fn repeats(&self) -> Repeats {
        self.n_repeats.into()
    }

    /// Components that were found in this design, as they are in another one.
    ///
    /// A figure of siblings is a difference from the mean of theirs, whose luck is the greater the fewer they are.
    pub fn components_in(
        &self,
        other: &Self,
        measure: Measure,
        components: &VarianceComponents,
    ) -> VarianceComponents {
        let of_siblings = |design: &Self| 1.0 + 1.0 / (design.n_concepts() - 1.0).max(1.0);
        let part = match measure {
            Measure::LeakRate => 1.0,
            _ => of_siblings(other) / of_siblings(self),
        };
        VarianceComponents {
            residual: part * components.residual,
            interaction: part * components.interaction,
            ..*components
        }
    }

    /// The product of the variances of all measures in another design, the less the better.
    fn badness(&self, other: &Self, components: &Components) -> f64 {
        let variances = components.iter().map(|(&measure, found)| {
            let components = self.components_in(other, measure, found);
            components.variance(&other.sizes(measure), other.repeats())
        });
        variances.product()
    }

    /// The best repeats for the prompts as they are, in at most as many rows.
    pub fn with_best_repeats(&self, components: &Components, costs: RowCosts) -> Self {
        let most = self.rows(costs);
        let designs = repeat_counts().map(|repeats| self.with_repeats(repeats));
        let affordable = designs.filter(|design| design.rows(costs) <= most);
        self.best(affordable, components)
    }

    /// The best templates and repeats in at most as many rows, with up to `n_concepts_max` concepts a template; prompts
    /// besides templates stay.
    pub fn with_best_templates(
        &self,
        components: &Components,
        costs: RowCosts,
        n_concepts_max: usize,
    ) -> Self {
        let most = self.rows(costs);
        let of_concepts = |repeats: RepeatCounts| {
            (2..=n_concepts_max).filter_map(move |n_concepts| {
                let one = |n_templates: usize| Self {
                    templates: vec![n_concepts; n_templates],
                    ..self.with_repeats(repeats)
                };
                let rest = most - one(0).rows(costs);
                let each = one(1).rows(costs) - one(0).rows(costs);
                let n_templates = (rest / each).floor();
                (n_templates >= 2.0).then(|| one(n_templates as usize))
            })
        };
        self.best(repeat_counts().flat_map(of_concepts), components)
    }

    /// This one where none is better.
    fn best(&self, designs: impl Iterator<Item = Self>, components: &Components) -> Self {
        let rated = designs.map(|design| (self.badness(&design, components), design));
        let own = (self.badness(self, components), self.clone());
        let best = rated.fold(own, |best, it| if it.0 < best.0 { it } else { best });
        best.1
    }

    /// The best numbers by formulas, for the Leak-Rate with these components.
    pub fn best_numbers(&self, found: &VarianceComponents, costs: RowCosts) -> BestNumbers {
        let [n_test, n_control] = self.n_repeats.both();
        let of = |n_repeats: f64| costs.prompt + n_repeats * costs.draw;
        let n_concepts = self.n_concepts();
        let control = found.cluster_repeat + found.prompt_control / n_concepts;
        let per_test = found.prompt + found.residual / n_test;
        let per_template = found.cluster + found.cluster_repeat / n_control;
        let root = |of: f64, by: f64| (of > 0.0 && by > 0.0).then(|| (of / by).sqrt());
        BestNumbers {
            control_ratio: root(control, found.residual).map(|root| n_concepts * root),
            repeats: root(found.residual * costs.prompt, found.prompt * costs.draw),
            concepts: root(of(n_control) * per_test, of(n_test) * per_template),
        }
    }
}

/// All numbers of repeats of which one divides the other.
fn repeat_counts() -> impl Iterator<Item = RepeatCounts> {
    let counts = (1..=TESTS_MAX)
        .flat_map(|test| (1..=CONTROLS_MAX).map(move |control| RepeatCounts { test, control }));
    counts.filter(|counts| counts.divide())
}

impl RepeatCounts {
    /// Both numbers, to reckon with.
    fn both(self) -> [f64; 2] {
        [self.test, self.control].map(f64::from)
    }
}

impl From<RepeatCounts> for Repeats {
    fn from(counts: RepeatCounts) -> Self {
        let [test, control] = counts.both();
        Self {
            test,
            control,
            compared: counts.n_verdicts().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: RowCosts = RowCosts {
        prompt: 12.0,
        draw: 4.0,
    };

    /// Of `docs/statistics.md`: controls make most of the luck.
    fn components() -> VarianceComponents {
        VarianceComponents {
            cluster: 50.0,
            cluster_repeat: 1010.0,
            prompt: 100.0,
            prompt_control: 0.0,
            residual: 2990.0,
            interaction: 0.0,
        }
    }

    fn design(n_templates: usize, n_concepts: usize, test: u32, control: u32) -> Design {
        Design {
            templates: vec![n_concepts; n_templates],
            others: Vec::new(),
            n_repeats: RepeatCounts { test, control },
        }
    }

    /// Reckoned by hand elsewhere: 1.97, 1.57 and 1.87 points.
    #[test]
    fn standard_errors_are_those_reckoned_elsewhere() {
        let cases = [
            (design(66, 5, 5, 15), 1.97),
            (design(66, 5, 10, 30), 1.57),
            (design(32, 11, 10, 40), 1.87),
        ];
        for (design, expected) in cases {
            let sizes = design.sizes(Measure::LeakRate);
            let found = components().variance(&sizes, design.repeats()).sqrt();
            assert!((found - expected).abs() < 0.005, "{found} {expected}");
        }
    }

    /// Where the best numbers are near whole ones, trying all of them finds what the formulas say.
    #[test]
    fn the_best_design_is_near_that_of_the_formulas() {
        let present = design(32, 11, 5, 5);
        let known: Components = [(Measure::LeakRate, components())].into();
        let repeats = present.with_best_repeats(&known, COSTS);
        assert!(repeats.rows(COSTS) <= present.rows(COSTS));
        let numbers = repeats.best_numbers(&components(), COSTS);
        let ratio = repeats.repeats().control / repeats.repeats().test;
        let expected = numbers.control_ratio.unwrap();
        assert!((expected - 11.0 * (1010.0f64 / 2990.0).sqrt()).abs() < 1e-9);
        // Three and twenty-seven: whole numbers of which one divides the other.
        assert!((ratio / expected - 1.0).abs() < 0.5, "{ratio} {expected}");
        let best = present.with_best_templates(&known, COSTS, 11);
        assert!(best.rows(COSTS) <= present.rows(COSTS));
        let numbers = best.best_numbers(&components(), COSTS);
        let (found, expected) = (best.n_concepts(), numbers.concepts.unwrap());
        assert!((found - expected).abs() < 1.5, "{found} {expected}");
        let (found, expected) = (best.repeats().test, numbers.repeats.unwrap());
        assert!((found - expected).abs() < 4.0, "{found} {expected}");
        let variance = |design: &Design| present.badness(design, &known);
        assert!(variance(&best) <= variance(&repeats));
        assert!(variance(&repeats) < variance(&present));
    }

    #[test]
    fn more_controls_are_not_advised_for_specificity_alone() {
        let known: Components = [(
            Measure::Specificity,
            VarianceComponents {
                cluster_repeat: 0.0,
                ..components()
            },
        )]
        .into();
        let best = design(32, 3, 5, 15).with_best_repeats(&known, COSTS);
        assert_eq!(best.n_repeats.control, 1);
        assert!(best.n_repeats.test > 5);
    }
}
