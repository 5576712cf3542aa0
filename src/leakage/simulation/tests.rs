//! True values against the means of many experiments, and balanced blocks.

use super::*;
use crate::leakage::Measure;

/// The true values, and the means over many experiments with drawn texts and with exact probabilities.
fn values(concepts: ConceptEffects) -> [[f64; 3]; 3] {
    let design = |n_repeats| SimulatedDesign {
        templates: SimulatedDesign::crossed(10, 5),
        n_repeats,
        concepts,
    };
    let measures = [
        Measure::LeakRate,
        Measure::SpecificLeakage,
        Measure::Specificity,
    ];
    let means = SimulatedDesign::means(0.6, 0.55);
    let mut draws = Draws::new(1);
    let n = 300;
    let mut sums = [[0.0; 3]; 3];
    for _ in 0..n {
        let drawn = design(Some(RepeatCounts {
            test: 2,
            control: 4,
        }));
        let common = drawn.common(&mut draws);
        let condition = drawn.condition(&common, means, &mut draws);
        let truth = drawn.truth(&condition);
        let truth = [truth.leak_rate, truth.specific_leakage, truth.specificity];
        let by = |design: &SimulatedDesign, draws: &mut Draws| {
            let pairs = design.answers(&condition, true, false, draws).pairs;
            let mean = |measure: Measure| {
                let values = pairs.iter().filter_map(|pair| measure.value(pair));
                values.sum::<f64>() / pairs.len() as f64
            };
            measures.map(mean)
        };
        let found = [truth, by(&drawn, &mut draws), by(&design(None), &mut draws)];
        for (sums, found) in sums.iter_mut().zip(found) {
            for (sum, found) in sums.iter_mut().zip(found) {
                *sum += found / f64::from(n);
            }
        }
    }
    sums
}

#[test]
fn true_values_are_those_that_experiments_have_on_average() {
    for concepts in [
        ConceptEffects::Absent,
        ConceptEffects::OfThese,
        ConceptEffects::OfAll,
    ] {
        let [truth, drawn, exact] = values(concepts);
        for ((truth, drawn), exact) in truth.iter().zip(drawn).zip(exact) {
            // Five standard errors of the Leak-Rate of all experiments.
            assert!(
                (truth - drawn).abs() < 0.015,
                "{concepts:?}: {truth} {drawn}"
            );
            assert!(
                (truth - exact).abs() < 0.015,
                "{concepts:?}: {truth} {exact}"
            );
        }
    }
}

/// Means that are asked for are the true ones.
#[test]
fn means_are_those_asked_for() {
    let design = SimulatedDesign {
        templates: SimulatedDesign::blocks_of_three(),
        n_repeats: None,
        concepts: ConceptEffects::Absent,
    };
    let mut draws = Draws::new(1);
    let common = design.common(&mut draws);
    let means = SimulatedDesign::means(0.62, 0.57);
    let truth = design.truth(&design.condition(&common, means, &mut draws));
    assert!((truth.leak_rate - 0.62).abs() < 1e-9);
    assert!((truth.specificity - 0.57).abs() < 1e-9);
}

#[test]
fn every_two_concepts_meet_equally_often_in_blocks() {
    let blocks = SimulatedDesign::blocks_of_three();
    let meet = |a: usize, b: usize| {
        let both = |block: &&Vec<usize>| block.contains(&a) && block.contains(&b);
        blocks.iter().filter(both).count()
    };
    assert_eq!(blocks.len(), 110);
    for (a, b) in (0..11).flat_map(|a| (0..a).map(move |b| (a, b))) {
        assert_eq!(meet(a, b), 6, "{a} {b}");
    }
}
