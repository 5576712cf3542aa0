//! Views: what they show of the fixture's experiment, and which rows belong to an experiment.

use std::ops::ControlFlow;

use crate::leakage::{estimates, leak_rates};
use crate::store::fixture::{Fixture, new_experiment};
use crate::store::{ConditionKey, ExperimentId, NewExperiment, Store, StoredLeak, VIEWS, view};
use crate::table::Cell;

/// The fixture with all generations of one model, and verdicts on three of its four repeats.
fn scored() -> (Store, Fixture) {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let leaks =
        [(0, 0, 0.5), (1, 0, 0.25), (1, 1, 0.1)].map(|(pair_idx, repeat_idx, similarity)| {
            fixture.new_leak(&store, pair_idx, repeat_idx, similarity)
        });
    let condition = fixture.condition(&mut store);
    store.save_leaks(condition, &leaks).unwrap();
    (store, fixture)
}

/// The rows of a view, each the debug form of its cells by column.
fn rows(
    store: &Store,
    name: &str,
    experiments: Option<&[ExperimentId]>,
) -> Vec<Vec<(String, String)>> {
    let columns = view(name).columns();
    let mut rows = Vec::new();
    let mut each = |cells: &[Cell<'_>]| {
        assert_eq!(cells.len(), columns.len());
        let named = columns.iter().zip(cells);
        rows.push(
            named
                .map(|(column, cell)| (column.name.clone(), format!("{cell:?}")))
                .collect(),
        );
        ControlFlow::Continue(())
    };
    store.each_row(view(name), experiments, &mut each).unwrap();
    rows
}

fn column(rows: &[Vec<(String, String)>], name: &str) -> Vec<String> {
    let cell = |row: &Vec<(String, String)>| {
        row.iter()
            .find(|(column, _)| column == name)
            .unwrap()
            .1
            .clone()
    };
    rows.iter().map(cell).collect()
}

#[test]
fn every_view_can_be_read() {
    let (mut store, fixture) = scored();
    fixture.fail(&mut store, 2..3);
    let expected = [
        ("generations", 6),
        ("leaks", 3),
        ("specificity", 0),
        ("concept_similarities", 0),
        ("flips", 0),
        ("exact_leaks", 0),
        ("conditions", 1),
        ("continuations", 0),
        ("prompt_pairs", 2),
        ("experiments", 1),
        ("models", 2),
        ("runs", 1),
        ("run_models", 0),
        ("imports", 0),
        ("failures", 1),
        ("scored_generations", 0),
        ("tokens", 18),
    ];
    let found: Vec<(&str, usize)> = VIEWS
        .iter()
        .map(|view| (view.name, rows(&store, view.name, None).len()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn rows_hold_what_was_stored() {
    let (store, _) = scored();
    let leaks = rows(&store, "leaks", None);
    assert_eq!(
        column(&leaks, "leak"),
        ["Real(1.0)", "Real(0.5)", "Real(0.0)"]
    );
    assert_eq!(
        column(&leaks, "concept"),
        ["Text(\"red\")", "Text(\"blue\")", "Text(\"blue\")"]
    );
    assert_eq!(
        column(&leaks, "is_echo"),
        ["Integer(0)", "Integer(0)", "Integer(1)"]
    );
    assert_eq!(column(&leaks, "similarity_difference")[0], "Real(0.25)");
    assert_eq!(column(&leaks, "embedding_model")[0], "Text(\"encoder\")");
    assert_eq!(column(&leaks, "seed")[0], "Integer(-1)");
    let generations = rows(&store, "generations", None);
    assert_eq!(column(&generations, "system_message")[0], "Null");
    // The mean of -0.1, -1e-30 and 0.
    assert_eq!(
        column(&generations, "mean_logprob")[0],
        "Real(-0.03333333333333333)"
    );
    let tokens = rows(&store, "tokens", None);
    assert_eq!(
        column(&tokens, "token")[..3],
        ["Integer(0)", "Integer(151645)", "Integer(4294967295)"]
    );
    assert_eq!(
        column(&tokens, "logprob")[..3],
        ["Real(-0.1)", "Real(-1e-30)", "Real(0.0)"]
    );
}

#[test]
fn rows_of_other_experiments_are_left_out() {
    let (mut store, fixture) = scored();
    let other = NewExperiment {
        name: "other",
        ..new_experiment("other")
    };
    let other = store.register_experiment(&other).unwrap();
    assert_eq!(rows(&store, "experiments", None).len(), 2);
    for view in VIEWS {
        let all = rows(&store, view.name, None);
        let own = rows(&store, view.name, Some(&[fixture.experiment]));
        let n_others = usize::from(view.name == "experiments");
        assert_eq!(own.len(), all.len() - n_others, "{}", view.name);
        let others = rows(&store, view.name, Some(&[other]));
        assert_eq!(others.len(), n_others, "{}", view.name);
    }
}

#[test]
fn reading_ends_when_it_is_told_to() {
    let (store, _) = scored();
    let mut n_rows = 0;
    let mut each = |_: &[Cell<'_>]| {
        n_rows += 1;
        if n_rows == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    store
        .each_row(view("generations"), None, &mut each)
        .unwrap();
    assert_eq!(n_rows, 2);
}

#[test]
fn flips_show_a_pair_of_models_once() {
    let (mut store, fixture) = scored();
    // The embedding model stands for a second model, whose verdicts on the same generations are others.
    let key = ConditionKey {
        model: fixture.embedding_model,
        ..fixture.key()
    };
    let leaks =
        [(0, 0, 0.1), (1, 0, 0.25), (1, 1, 0.5)].map(|(pair_idx, repeat_idx, similarity)| {
            fixture.new_leak(&store, pair_idx, repeat_idx, similarity)
        });
    let condition = store.register_condition(&key).unwrap();
    store.save_leaks(condition, &leaks).unwrap();
    let flips = rows(&store, "flips", None);
    // Both have the same bits per weight, so the one used first is the base.
    assert_eq!(column(&flips, "base_model"), ["Text(\"tiny\")"; 2]);
    assert_eq!(column(&flips, "base_leak"), ["Real(1.0)", "Real(0.0)"]);
    assert_eq!(column(&flips, "other_leak"), ["Real(0.0)", "Real(1.0)"]);
}

#[test]
fn leak_rates_are_those_of_the_program() {
    let (mut store, fixture) = scored();
    let condition = fixture.condition(&mut store);
    let leaks = store.leaks(condition).unwrap();
    let scored: Vec<_> = leaks.iter().map(StoredLeak::scored_pair).collect();
    let expected: Vec<_> = leak_rates(&estimates(&scored), &[])
        .into_iter()
        .map(|rate| {
            let [n_tied, n_echoes] = [rate.n_tied, rate.n_echoes].map(|n| n as usize);
            let counts = [rate.n_pairs, n_tied, n_echoes, rate.n_clusters];
            (rate.category, rate.mean_leak_rate, counts.map(|n| n as u32))
        })
        .collect();
    let sql = "SELECT category, mean_leak_rate, n_pairs, n_tied, n_echoes, n_clusters FROM v_leak_rates ORDER BY category";
    let mut select = store.connection.prepare(sql).unwrap();
    let found = select.query_map([], |row| {
        let counts = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        Ok((row.get(0)?, row.get(1)?, counts))
    });
    let found: Vec<(Option<String>, f64, [u32; 4])> = found.unwrap().map(Result::unwrap).collect();
    assert_eq!(found, expected);
}
