//! The modes of `sampling`: what a file with `mode: exact` gives, and what a wrong one prints.

use super::{Files, GOOD, NO_PLACEBO, load, wrong};
use crate::experiment::{Overrides, Problem};
use crate::generation::EnumerationParams;

const EXACT: &str = "  seed: 1\n  mode: exact\n  coverage: 0.99\n  max_rows_per_prompt: 100\n";

#[test]
fn exact_mode_draws_as_often_from_a_tail_as_there_are_repeats() {
    let exact = GOOD.replace("  seed: 1\n", EXACT);
    let experiment = load(&exact).unwrap();
    let expected = EnumerationParams {
        coverage: 0.99,
        max_rows_per_prompt: 100,
        n_tail_draws: 5,
    };
    assert_eq!(experiment.enumeration(), Some(expected));
    let overrides = Overrides {
        repeats: Some(7),
        ..Overrides::default()
    };
    let changed = experiment.with_overrides(&overrides).unwrap();
    let n_draws = changed.enumeration().map(|params| params.n_tail_draws);
    assert_eq!(n_draws, Some(7));
    for repeats in [
        GOOD,
        &GOOD.replace("  seed: 1\n", "  seed: 1\n  mode: repeats\n"),
    ] {
        assert_eq!(load(repeats).unwrap().enumeration(), None);
    }
}

#[test]
fn mode() {
    insta::assert_snapshot!(wrong("  seed: 1", "  seed: 1\n  mode: exat"), @r"
    error: unknown mode `exat`
      --> x.yaml:18:9
       |
    18 |   mode: exat
       |         ^^^^ expected `repeats` or `exact`
       |
       = hint: did you mean `exact`?
    ");
    insta::assert_snapshot!(wrong("  seed: 1", "  seed: 1\n  mode: 1"), @r"
    error: `sampling.mode` has the wrong type
      --> x.yaml:18:9
       |
    18 |   mode: 1
       |         ^ expected `repeats` or `exact`, found the number `1`
       |
       = hint: for example `mode: exact`
    ");
    insta::assert_snapshot!(wrong("  seed: 1", "  seed: 1\n  mode: exact\n  coverage: 0.9"), @r"
    error: missing key `max_rows_per_prompt` in `sampling`
     --> x.yaml:9:3
      |
    9 |   temperature: 0.5
      |   ^ in the mapping that begins here
      |
      = hint: add for example `max_rows_per_prompt: 100`
    ");
    insta::assert_snapshot!(wrong("  seed: 1", "  seed: 1\n  coverage: 0.9"), @r"
    error: `sampling.coverage` belongs to `mode: exact`
      --> x.yaml:18:3
       |
    18 |   coverage: 0.9
       |   ^^^^^^^^ repeats have no coverage
       |
       = hint: add `mode: exact` to enumerate continuations, or remove this key
    ");
}

#[test]
fn coverage_and_rows() {
    let exact = |from: &str, to: &str| wrong("  seed: 1\n", &EXACT.replace(from, to));
    insta::assert_snapshot!(exact("0.99", "1.01"), @r"
    error: `sampling.coverage` is out of range
      --> x.yaml:19:13
       |
    19 |   coverage: 1.01
       |             ^^^^ expected a number above 0, at most 1, found 1.01
    ");
    insta::assert_snapshot!(exact("100", "0"), @r"
    error: `sampling.max_rows_per_prompt` is out of range
      --> x.yaml:20:24
       |
    20 |   max_rows_per_prompt: 0
       |                        ^ expected a whole number from 1 to 1000000, found 0
    ");
}

#[test]
fn whole_coverage_of_all_tokens_is_a_warning() {
    let exact = GOOD.replace("  seed: 1\n", &EXACT.replace("0.99", "1"));
    let shown = |text: &str| {
        let files = Files::new(&[("x.yaml", text)]);
        let experiment = files.load("x.yaml").unwrap();
        let warnings = experiment.warnings().iter();
        let warnings = warnings.filter(|warning| warning.message() != NO_PLACEBO);
        files.relative(&warnings.map(Problem::to_string).collect::<String>())
    };
    insta::assert_snapshot!(shown(&exact), @r"
    warning: the whole probability is asked for, but nothing is cut off
      --> x.yaml:19:13
       |
    19 |   coverage: 1
       |             ^ at most 1024 tokens are followed after each beginning; the others count as not covered
       |
       = hint: set `top_k` to 1024 at most, or ask for less, such as `coverage: 0.99`
    ");
    assert_eq!(shown(&exact.replace("top_k: 0", "top_k: 1024")), "");
    assert_eq!(shown(&exact.replace("coverage: 1", "coverage: 0.999")), "");
}
