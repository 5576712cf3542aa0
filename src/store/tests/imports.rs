//! Imports: what is shared, what is refused, and that leaks of imported generations are as any others.

use super::records::{families, run_model};
use crate::digest::Digest;
use crate::generation::RepeatCounts;
use crate::leakage::{Leak, estimates, leak_rates};
use crate::store::fixture::Fixture;
use crate::store::{
    Comparison, ConditionKey, IMPORTED_SEED, Imported, NewImport, NewImportedPair, NewImportedRow,
    NewLeak, Source, Store, StoreError, StoredLeak, WordingId,
};

const PROMPTS: [&str; 3] = ["He is", "He likes red. He is", "He likes blue. He is"];

/// Three rows with two repeats each, whose texts begin with `word`; the last repeat of the last row is missing.
fn rows<'a>(texts: &'a [String], columns: &'a [String]) -> Vec<NewImportedRow<'a>> {
    let rows = PROMPTS.iter().zip(texts.chunks(2)).enumerate();
    rows.map(|(row_idx, (prompt, texts))| NewImportedRow {
        number: row_idx + 2,
        prompt,
        columns,
        generations: vec![Some(&texts[0]), (row_idx < 2).then_some(&texts[1])],
    })
    .collect()
}

fn texts(word: &str) -> Vec<String> {
    (0..6).map(|n| format!("{word} {n} 👩‍🚀")).collect()
}

fn pairs() -> [NewImportedPair<'static>; 2] {
    ["red", "blue"].map(|concept| NewImportedPair {
        concept,
        concept_family: None,
        category: "1",
        template_id: None,
        test_row_idx: if concept == "red" { 1 } else { 2 },
        control_row_idx: 0,
    })
}

/// Imports a file of these texts.
fn import(store: &mut Store, model: &str, word: &str) -> Result<Imported, StoreError> {
    import_pairs(store, model, word, &pairs())
}

fn import_pairs(
    store: &mut Store,
    model: &str,
    word: &str,
    pairs: &[NewImportedPair<'_>],
) -> Result<Imported, StoreError> {
    let texts = texts(word);
    let columns = ["g_1".to_owned(), "g_2".to_owned()];
    store.insert_import(&NewImport {
        experiment: "published",
        model,
        sha256: Digest::of(word.as_bytes()),
        later_sheet: None,
        path: "a b.xlsx",
        mapping: "prompt: prompt\n",
        columns: &columns,
        rows: &rows(&texts, &columns),
        pairs,
        n_findings: 1,
        command_line: "seep import",
        seep_version: "0.1.0",
        seep_commit: "0123456789ab",
        seep_is_dirty: false,
    })
}

fn n_rows(store: &Store) -> [i64; 6] {
    let tables = [
        "experiments",
        "models",
        "imports",
        "prompts",
        "experiment_pairs",
        "generations",
    ];
    tables.map(|table| {
        let sql = format!("SELECT count(*) FROM {table}");
        store
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .unwrap()
    })
}

#[test]
fn importing_again_adds_nothing() {
    let mut store = Store::open_in_memory().unwrap();
    let first = import(&mut store, "a", "x").unwrap();
    assert_eq!(
        (first.n_new_pairs, first.n_new_generations, first.is_known),
        (2, 5, false)
    );
    let once = n_rows(&store);
    assert_eq!(once, [1, 1, 1, 3, 2, 5]);
    let again = import(&mut store, "a", "x").unwrap();
    assert_eq!(
        (again.n_new_pairs, again.n_new_generations, again.is_known),
        (0, 0, true)
    );
    assert_eq!(n_rows(&store), once);
}

/// A database of an earlier build knows no families; what else it holds stays as it is.
#[test]
fn importing_again_brings_families_up_to_date() {
    let mut store = Store::open_in_memory().unwrap();
    import(&mut store, "a", "x").unwrap();
    let once = n_rows(&store);
    assert_eq!(families(&store), [None, None]);
    let [red, blue] = pairs();
    let red = NewImportedPair {
        concept_family: Some("warm"),
        ..red
    };
    let again = import_pairs(&mut store, "a", "x", &[red, blue]).unwrap();
    assert_eq!((again.n_new_pairs, again.is_known), (0, true));
    assert_eq!(families(&store), [Some("warm".to_owned()), None]);
    assert_eq!(n_rows(&store), once);
    // A file that names no families takes none away from another one's pairs.
    import(&mut store, "a", "x").unwrap();
    assert_eq!(families(&store), [Some("warm".to_owned()), None]);
}

#[test]
fn models_of_one_experiment_share_its_pairs() {
    let mut store = Store::open_in_memory().unwrap();
    let first = import(&mut store, "a", "x").unwrap();
    let second = import(&mut store, "b", "y").unwrap();
    assert_eq!(first.experiment, second.experiment);
    assert_eq!(n_rows(&store), [1, 2, 2, 3, 2, 10]);
    let models = store.compared_models(first.experiment).unwrap();
    let names: Vec<_> = models
        .iter()
        .map(|model| {
            (
                model.label.as_str(),
                model.quantization.as_str(),
                model.bits_per_weight,
            )
        })
        .collect();
    assert_eq!(names, [("a", "imported", None), ("b", "imported", None)]);
    let found = store
        .comparisons(&models[1].source, RepeatCounts::equal(1))
        .unwrap();
    let compared = |found: &Comparison| {
        (
            found.pair_idx,
            found.repeat_idx,
            found.test.text.clone(),
            found.control.text.clone(),
        )
    };
    let text = |n: usize| texts("y")[n].clone();
    let expected = [
        (0, 0, text(2), text(0)),
        (0, 1, text(3), text(1)),
        (1, 0, text(4), text(0)),
    ];
    assert_eq!(found.iter().map(compared).collect::<Vec<_>>(), expected);
    assert_eq!(
        (found[2].concept.as_str(), models[1].source.seed),
        ("blue", IMPORTED_SEED)
    );
}

#[test]
fn other_generations_of_the_same_repeat_are_refused() {
    let mut store = Store::open_in_memory().unwrap();
    import(&mut store, "a", "x").unwrap();
    let before = n_rows(&store);
    let error = import(&mut store, "a", "y").unwrap_err();
    let expected = "failed to store the import in the database `:memory:`: the model `a` has another generation for \
        repeat 1 of `He likes red. He is` and its control already\nhint: give the model of this file another name";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert_eq!(n_rows(&store), before);
}

#[test]
fn leaks_of_imported_generations_are_as_others() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let experiment = import(&mut store, "a", "x").unwrap().experiment;
    let source = store.compared_models(experiment).unwrap()[0].source;
    let condition = store
        .register_condition(&ConditionKey {
            experiment,
            model: source.model,
            sampling: source.sampling,
            seed: source.seed,
            numerics: source.numerics,
            ..fixture.key()
        })
        .unwrap();
    let leaks: Vec<NewLeak> = store
        .comparisons(&source, RepeatCounts::equal(1))
        .unwrap()
        .iter()
        .map(|found| NewLeak {
            pair_idx: found.pair_idx,
            repeat_idx: found.repeat_idx,
            test_generation: found.test.id,
            control_generation: found.control.id,
            similarity_test: 0.5,
            similarity_control: 0.25,
            leak: Leak::Leak,
            is_echo: false,
        })
        .collect();
    store.save_leaks(condition, &leaks).unwrap();
    let found = store.leaks(condition).unwrap();
    let scored: Vec<_> = found.iter().map(StoredLeak::scored_pair).collect();
    let rate = &leak_rates(&estimates(&scored), &[])[0];
    assert_eq!(
        (rate.n_pairs, rate.mean_leak_rate, rate.n_clusters),
        (3, 100.0, 1)
    );
    // The verdicts name the same generations as the import, so nothing is compared twice.
    assert_eq!(
        store
            .comparisons(&source, RepeatCounts::equal(1))
            .unwrap()
            .len(),
        3
    );
}

/// Verdicts may be thrown away: what is compared is found by the prompts of a pair.
#[test]
fn generations_of_a_run_can_be_compared_without_verdicts() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let models = store.compared_models(fixture.experiment).unwrap();
    assert_eq!(models, [], "no run has asked for the model");
    store
        .save_run_model(
            fixture.run,
            fixture.model,
            fixture.sampling,
            WordingId::UNNAMED,
            &run_model(),
        )
        .unwrap();
    let models = store.compared_models(fixture.experiment).unwrap();
    assert_eq!((models.len(), models[0].bits_per_weight), (1, Some(6.5)));
    assert_eq!(models[0].source, fixture.key().source());
    let found = store
        .comparisons(&models[0].source, RepeatCounts::equal(2))
        .unwrap();
    let places: Vec<_> = found
        .iter()
        .map(|found| (found.pair_idx, found.repeat_idx))
        .collect();
    let expected = [0, 1].map(|pair| [0, 1, 2, 3].map(|verdict| (pair, verdict)));
    assert_eq!(places, expected.concat());
    let leak = fixture.new_leak(&store, 1, 0, 0.5);
    assert_eq!(
        (found[4].test.id, found[4].control.id),
        (leak.test_generation, leak.control_generation)
    );
    let other = Source {
        seed: 7,
        ..models[0].source
    };
    assert_eq!(
        store.comparisons(&other, RepeatCounts::equal(1)).unwrap(),
        []
    );
    let experiments = store.experiments().unwrap();
    assert_eq!((experiments.len(), experiments[0].is_imported), (1, false));
}

#[test]
fn a_prompt_without_messages_is_another_one() {
    let mut store = Store::open_in_memory().unwrap();
    import(&mut store, "a", "x").unwrap();
    let new = crate::store::NewPrompt {
        system_message: None,
        user_message: PROMPTS[0],
    };
    let registered = store.register_prompts(&[new, new]).unwrap();
    assert_eq!(registered[0], registered[1]);
    assert_eq!(n_rows(&store)[3], 4);
}

#[test]
fn rows_that_are_neither_made_nor_imported_are_refused() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..1);
    import(&mut store, "a", "x").unwrap();
    let changes = [
        "UPDATE generations SET run_id = NULL WHERE run_id IS NOT NULL",
        "UPDATE generations SET tokens = NULL WHERE run_id IS NOT NULL",
        "UPDATE generations SET temperature = NULL WHERE run_id IS NOT NULL",
        "UPDATE generations SET import_id = 1 WHERE run_id IS NOT NULL",
        "UPDATE generations SET import_row = NULL WHERE import_id IS NOT NULL",
        "UPDATE models SET bits_per_weight = NULL WHERE kind = 'file'",
    ];
    for change in changes {
        assert!(store.connection.execute(change, []).is_err(), "{change}");
    }
}
