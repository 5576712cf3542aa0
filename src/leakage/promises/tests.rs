//! Promises of small designs, and what swapped conditions and steps must give.

use super::*;
use crate::leakage::compare_measures;

fn design(n_templates: usize, concepts: ConceptEffects) -> SimulatedDesign {
    SimulatedDesign {
        templates: SimulatedDesign::crossed(n_templates, 6),
        n_repeats: Some(RepeatCounts::equal(2)),
        concepts,
    }
}

/// True if a share of `n` experiments is within four binomial standard errors of the true one: 1 in 16,000 is not.
fn is_near(share: f64, truth: f64, n: u32) -> bool {
    (share - truth).abs() <= 4.0 * (truth * (1.0 - truth) / f64::from(n)).sqrt()
}

#[test]
fn promises_are_kept_where_concepts_are_alike() {
    let n = 300;
    let found = kept_promises(&design(12, ConceptEffects::Absent), &[false], n, 1).swap_remove(0);
    for (check, share) in CHECKS.iter().zip(&found.shares) {
        let share = share.unwrap();
        match check {
            Check::Covers(_) => assert!(is_near(share, 0.95, n), "{check:?}: {share}"),
            Check::Rejects(_) => assert!(share <= 0.1, "{check:?}: {share}"),
        }
    }
    assert!((found.null_specificity - 50.0).abs() < 0.3, "{found:?}");
    assert!((found.null_leak_rate - 58.0).abs() < 2.5, "{found:?}");
}

#[test]
fn other_concepts_are_covered_where_they_are_generalised_over_and_not_where_they_are_fixed() {
    let n = 200;
    let design = SimulatedDesign {
        n_repeats: None,
        ..design(30, ConceptEffects::OfAll)
    };
    let found = kept_promises(&design, &[false, true], n, 2);
    let shares = |meant: Check| {
        let place = CHECKS.iter().position(|it| *it == meant).unwrap();
        [0, 1].map(|it| found[it].shares[place].unwrap())
    };
    for name in ["Δ specificity", "trend of specificity"] {
        let [fixed, generalised] = shares(Check::Covers(name));
        assert!(fixed < 0.7, "{name}: {fixed}");
        assert!(is_near(generalised, 0.95, n), "{name}: {generalised}");
    }
    for name in [
        "p of trend",
        "p of straight line",
        "equivalence of specificity",
    ] {
        let [fixed, generalised] = shares(Check::Rejects(name));
        assert!(fixed > 0.15, "{name}: {fixed}");
        assert!(generalised <= 0.1, "{name}: {generalised}");
    }
}

/// As they were measured; the mean of 150 experiments is known to a tenth.
#[test]
fn differences_vary_as_was_measured() {
    let design = SimulatedDesign {
        templates: SimulatedDesign::crossed(32, 11),
        n_repeats: Some(RepeatCounts::equal(5)),
        concepts: ConceptEffects::OfAll,
    };
    let (found, concept) = simulated_components(&design, Measure::LeakRate, 40, 1);
    let near = |found: f64, measured: f64| (found / measured - 1.0).abs() < 0.15;
    assert!(
        near(found.cluster_repeat, 0.101) && near(found.residual + found.interaction, 0.299),
        "{found:?}"
    );
    assert!((0.0..0.02).contains(&found.cluster), "{found:?}");
    assert!((0.005..0.02).contains(&found.prompt), "{found:?}");
    assert!((0.0..0.01).contains(&concept), "{concept}");
}

#[test]
fn a_plan_keeps_its_promise() {
    let design = design(16, ConceptEffects::Absent);
    let found = plan_promise(&design, &design, Measure::Specificity, [10, 40], 3).unwrap();
    assert!((found.power - 0.8).abs() < 0.12, "{found:?}");
}

#[test]
fn swapped_conditions_negate_every_difference() {
    let design = design(8, ConceptEffects::Absent);
    for are_crossed in [false, true] {
        let mut draws = Draws::new(3);
        let common = design.common(&mut draws);
        let other = SimulatedDesign::means(0.7, 0.65);
        let [base, other] = [base_means(), other].map(|means| {
            let condition = design.condition(&common, means, &mut draws);
            design
                .answers(&condition, true, are_crossed, &mut draws)
                .pairs
        });
        let (clusters, tests) = (clusters(&base), without_margin(1));
        let there = compare_measures(&base, &[&other], &clusters, tests).swap_remove(0);
        let back = compare_measures(&other, &[&base], &clusters, tests).swap_remove(0);
        let mut both = vec![(there.leak_rate.unwrap(), back.leak_rate.unwrap())];
        let back = back.specific.unwrap();
        for (measure, there) in there.specific.unwrap().all() {
            both.push((there.clone(), back.by(measure).clone()));
        }
        assert_eq!(both.len(), 1 + Measure::COMPARED.len());
        for (there, back) in both {
            assert!((there.difference + back.difference).abs() < 1e-9);
            assert!((there.p_value.value - back.p_value.value).abs() < 1e-9);
            let (there, back) = (there.interval.unwrap(), back.interval.unwrap());
            assert!((there.lower + back.upper).abs() < 1e-9);
            assert!((there.upper + back.lower).abs() < 1e-9);
        }
    }
}

/// A step between two levels is the difference of the conditions that are there, whatever the concepts are.
#[test]
fn steps_of_a_trend_are_the_differences_of_two_conditions() {
    let design = design(8, ConceptEffects::OfAll);
    for are_crossed in [false, true] {
        let mut draws = Draws::new(4);
        let common = design.common(&mut draws);
        let conditions = [0.55, 0.6, 0.7].map(|leak_rate| {
            let means = SimulatedDesign::means(leak_rate, 0.55);
            let condition = design.condition(&common, means, &mut draws);
            let answers = design.answers(&condition, true, are_crossed, &mut draws);
            answers.pairs
        });
        let (clusters, tests) = (clusters(&conditions[0]), without_margin(1));
        for measure in MEASURES {
            let found = trend(&conditions, measure, &clusters, tests.flips).unwrap();
            // The first has the most bits.
            let [many, middle, few] = conditions.each_ref().map(Vec::as_slice);
            for (step, [from, to]) in found.contrasts.iter().zip([[few, middle], [middle, many]]) {
                let expected = compare_with_base(from, &[to], measure, &clusters, tests);
                let expected = expected[0].as_ref().unwrap();
                let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
                near(step.difference, expected.difference);
                near(step.p_value.value, expected.p_value.value);
                let (found, expected) = (step.interval.unwrap(), expected.interval.unwrap());
                near(found.lower, expected.lower);
                near(found.upper, expected.upper);
            }
        }
    }
}
