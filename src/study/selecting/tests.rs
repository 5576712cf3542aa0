//! The meaning of the words of the command line, the choice where nothing is asked for, and every message about either.
//!
//! Owns a notation: `2 B seed=2` is a condition of the second version of `colors` and the second model; what is found is
//! the places of the conditions and the number of notes, or the message.

use super::*;
use crate::digest::Digest;
use crate::generation::{EnumerationParams, Method};
use crate::store::{
    ConditionId, ConditionKey, ModelId, Numerics, NumericsId, SamplingId, WordingId,
};

/// The condition that the words describe, with the row `id`.
fn set(id: usize, words: &str) -> StoredCondition {
    let mut words = words.split(' ');
    let version: i64 = words.next().unwrap().parse().unwrap();
    let (model, label, quantization, bits) = match words.next().unwrap() {
        "A" => (1, "qwen", "Q4_K_M", 4.5),
        "B" => (2, "qwen", "Q8_0", 8.5),
        _ => (3, "smol", "F16", 16.0),
    };
    let mut set = StoredCondition {
        id: ConditionId::nth(id as i64),
        key: ConditionKey {
            experiment: ExperimentId::nth(version),
            model: ModelId::nth(model),
            sampling: SamplingId::UNKNOWN,
            wording: WordingId::UNNAMED,
            seed: 1,
            method: Method::Repeats,
            numerics: NumericsId::nth(1),
            metric: "sbert".to_owned(),
            embedding_model: ModelId::nth(9),
            signature: String::new(),
        },
        experiment_name: ["colors", "colors", "foods"][version as usize - 1].to_owned(),
        experiment_sha256: Digest::of(&[version as u8]).to_string(),
        label: label.to_owned(),
        quantization: quantization.to_owned(),
        model_sha256: Digest::of(quantization.as_bytes()).to_string(),
        bits_per_weight: Some(bits),
        requantized_from: None,
        sampling_values: String::new(),
        sampling_label: String::new(),
        wording: String::new(),
        wording_label: String::new(),
        wording_messages: String::new(),
        numerics: Numerics {
            schedule: "strict".to_owned(),
            llama_cpp_version: String::new(),
            logits_sha256: None,
        },
        machines: vec!["cpu".to_owned()],
        embedding_model: "encoder9".to_owned(),
        embedding_model_sha256: Digest::of(b"encoder9").to_string(),
        encoder_idx: None,
        scored_idx: 0,
        n_leaks: 10,
    };
    words.for_each(|word| change(&mut set, word));
    set
}

fn change(set: &mut StoredCondition, word: &str) {
    let key = &mut set.key;
    let (field, value) = word.split_once('=').unwrap();
    let number = || value.parse::<i64>().unwrap();
    match field {
        "seed" => key.seed = number() as u64,
        "metric" => value.clone_into(&mut key.metric),
        "signature" => value.clone_into(&mut key.signature),
        "encoder" => {
            key.embedding_model = ModelId::nth(number());
            set.embedding_model = format!("encoder{value}");
            set.embedding_model_sha256 = Digest::of(set.embedding_model.as_bytes()).to_string();
        }
        "place" => set.encoder_idx = Some(number() as u32),
        "sampling" => key.sampling = SamplingId::nth(number()),
        "wording" => {
            key.wording = WordingId::nth(number());
            set.wording_label = format!("w{value}");
        }
        "scored" => set.scored_idx = number(),
        "exact" => {
            key.method = Method::Exact(EnumerationParams {
                coverage: 0.9,
                max_rows_per_prompt: number() as u32,
                n_tail_draws: 3,
            });
        }
        "other" => {
            key.numerics = NumericsId::nth(2);
            set.numerics.schedule = "strict-other".to_owned();
        }
        "file" => {
            key.numerics = NumericsId::nth(number());
            set.numerics.schedule = "strict-wide".to_owned();
        }
        "machine" => set.machines = vec![value.to_owned()],
        _ => set.n_leaks = number() as usize,
    }
}

fn sets<const N: usize>(words: [&str; N]) -> Vec<StoredCondition> {
    let numbered = words.into_iter().enumerate();
    numbered.map(|(id, words)| set(id, words)).collect()
}

fn selection(asked: &str) -> Selection {
    let value = |flag: &str| {
        let mut words = asked.split(' ').filter_map(|word| word.split_once('='));
        Some(words.find(|(name, _)| *name == flag)?.1.to_owned())
    };
    Selection {
        experiment: value("experiment"),
        metric: value("metric"),
        embedding_model: value("encoder"),
        seed: value("seed").map(|seed| seed.parse().unwrap()),
        rates: value("rates").map(|_| RateKind::Exact),
    }
}

fn found(selected: anyhow::Result<Selected<'_>>) -> String {
    let selected = match selected {
        Ok(selected) => selected,
        Err(error) => return error.to_string(),
    };
    let places = selected.sets.iter().map(|set| set.id.to_string());
    let places: Vec<String> = places.collect();
    format!("{}; {} notes", places.join(" "), selected.notes.len())
}

fn compared(sets: &[StoredCondition], words: &str, asked: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    found(named(sets, &words, &selection(asked)))
}

fn reported(sets: &[StoredCondition], asked: &str) -> String {
    found(of_experiment(sets, &selection(asked)))
}

fn shown(sets: &[StoredCondition], asked: &str) -> String {
    found(all(sets, &[], &selection(asked)))
}

#[track_caller]
fn check_start(text: &str, start: &str) {
    assert!(text.starts_with(start), "{text}");
}

/// The first two models.
const BOTH: &str = "qwen:Q4_K_M qwen:Q8_0";

#[test]
fn conditions_are_named_in_several_ways() {
    let sets = sets(["1 A", "1 B", "1 C"]);
    let digest = &sets[1].model_sha256[..8];
    let by_digest = format!("smol:F16 {digest} QWEN:q4_k_m");
    assert_eq!(
        compared(&sets, "qwen:Q4_K_M qwen:q8_0 smol", ""),
        "0 1 2; 0 notes"
    );
    assert_eq!(compared(&sets, &by_digest, ""), "2 1 0; 0 notes");
    let qwen = all(&sets, &["qwen".to_owned()], &selection(""));
    assert_eq!(found(qwen), "0 1; 0 notes");
}

#[test]
fn words_that_mean_nothing_are_answered_with_what_there_is() {
    let sets = sets(["1 A", "1 B", "1 C"]);
    let there = "there are leaks of qwen:Q4_K_M, qwen:Q8_0, smol:F16";
    let unknown = |word: &str, hint: &str| {
        format!("no leaks are stored of the model `{word}`\nhint: {hint}{there}")
    };
    let several =
        "`qwen` has several quantizations: qwen:Q4_K_M, qwen:Q8_0\nhint: name one of them";
    let twice = "`smol:F16` is named twice\nhint: name different conditions";
    for (words, expected) in [
        (
            "qwen:Q4_K smol",
            unknown("qwen:Q4_K", "did you mean `qwen:Q4_K_M`? "),
        ),
        ("llama smol", unknown("llama", "")),
        ("smoll qwen:Q8_0", unknown("smoll", "did you mean `smol`? ")),
        ("qwen smol", several.to_owned()),
        ("smol smol:F16", twice.to_owned()),
    ] {
        assert_eq!(compared(&sets, words, ""), expected);
    }
    for (asked, expected) in [
        (
            "experiment=color",
            "of the experiment `color`\nhint: did you mean `colors`? there are leaks of colors",
        ),
        (
            "metric=sberd",
            "with the metric `sberd`\nhint: did you mean `sbert`? there are sbert",
        ),
        ("seed=7", "with the seed 7\nhint: there are 1"),
    ] {
        let expected = format!("no leaks are stored {expected}");
        assert_eq!(reported(&sets, asked), expected);
        assert_eq!(shown(&sets, asked), expected);
    }
    let none = "no exact leaks are stored\nhint: there are leaks of repeats";
    assert_eq!(reported(&sets, "rates=exact"), none);
}

#[test]
fn files_of_one_name_are_told_by_their_digests() {
    let mut sets = sets(["1 A", "1 A", "1 C"]);
    sets[1].key.model = ModelId::nth(4);
    sets[1].model_sha256 = "0123456789abcdef".to_owned();
    let expected = "there are several model files of the name `qwen:Q4_K_M`\nhint: name one by its sha256: 0123456789ab, ";
    check_start(&compared(&sets, "qwen smol", ""), expected);
    assert_eq!(compared(&sets, "0123456789ab smol", ""), "1 2; 0 notes");
}

#[test]
fn the_latest_version_of_one_experiment_is_taken() {
    let versions = sets(["1 A", "1 B", "2 A", "2 B", "3 A", "3 B"]);
    assert_eq!(compared(&versions[..5], BOTH, ""), "2 3; 1 notes");
    let first = format!("experiment={}", &versions[0].experiment_sha256[..12]);
    assert_eq!(compared(&versions, BOTH, &first), "0 1; 0 notes");
    assert_eq!(reported(&versions, &first), "0 1; 0 notes");
    assert_eq!(reported(&versions, ""), "4 5; 1 notes");
    assert_eq!(reported(&versions, "experiment=colors"), "2 3; 1 notes");
    // A version that lacks a model is not the latest with both.
    assert_eq!(compared(&versions[..3], BOTH, ""), "0 1; 0 notes");
    let expected = "several experiments have leaks of these models: colors, foods\nhint: choose one with `--experiment`";
    assert_eq!(compared(&versions, BOTH, ""), expected);
    let expected = "no experiment has leaks of all of these models:\n  qwen:Q4_K_M: colors (";
    check_start(&compared(&sets(["1 A", "3 B"]), BOTH, ""), expected);
}

#[test]
fn a_version_with_what_is_asked_for_comes_first() {
    let sets = sets([
        "1 A metric=x",
        "1 B metric=x",
        "1 A",
        "1 B",
        "2 A seed=2",
        "2 B seed=2",
    ]);
    assert_eq!(compared(&sets, BOTH, ""), "4 5; 1 notes");
    for (asked, expected) in [
        ("metric=x", "0 1; 0 notes"),
        ("seed=1 metric=sbert", "2 3; 0 notes"),
    ] {
        assert_eq!(compared(&sets, BOTH, asked), expected);
        assert_eq!(reported(&sets, asked), expected);
    }
}

#[test]
fn metric_and_seed_of_named_conditions_are_those_that_all_have() {
    let some = sets([
        "1 A",
        "1 A seed=2",
        "1 B seed=2",
        "1 B seed=2 metric=bertscore",
    ]);
    let none = "no leaks are stored of all of these models with the";
    assert_eq!(compared(&some, BOTH, ""), "1 2; 0 notes");
    let expected = format!("{none} metric `bertscore`\nhint: all of them have sbert");
    assert_eq!(compared(&some, BOTH, "metric=bertscore"), expected);
    let expected = format!("{none} seed 1\nhint: all of them have 2");
    assert_eq!(compared(&some, BOTH, "seed=1"), expected);
    for (words, expected) in [
        (
            ["1 A seed=10", "1 A seed=2", "1 B seed=2", "1 B seed=10"],
            "there are several seeds: 2, 10\nhint: choose one with `--seed`",
        ),
        (
            [
                "1 A metric=x",
                "1 A metric=y",
                "1 B metric=x",
                "1 B metric=y",
            ],
            "there are several metrics: x, y\nhint: choose one with `--metric`",
        ),
        (
            ["1 A", "1 A seed=3", "1 B seed=2", "1 B seed=4"],
            "these models have no seed in common\n",
        ),
    ] {
        check_start(&compared(&sets(words), BOTH, ""), expected);
    }
}

#[test]
fn sbert_and_the_seed_of_most_are_reported() {
    let sets = sets([
        "1 A",
        "2 A metric=bertscore",
        "2 A seed=2",
        "2 A seed=3",
        "2 B seed=3",
    ]);
    assert_eq!(reported(&sets, ""), "3 4; 3 notes");
    assert_eq!(shown(&sets, ""), "0 1 2 3 4; 0 notes");
}

#[test]
fn leaks_of_repeats_and_exact_ones_are_not_mixed() {
    let all = sets(["1 A exact=40", "1 B", "1 B exact=40", "1 A"]);
    let expected = "an exact rate is not compared with one of repeats: exact leaks alone are stored of `qwen:Q4_K_M`, leaks of repeats alone of `qwen:Q8_0`\n";
    check_start(&compared(&all[..2], BOTH, ""), expected);
    // The exact leaks, and what is left out.
    assert_eq!(compared(&all[..3], BOTH, ""), "0 2; 1 notes");
    let expected = "these conditions have leaks of repeats and exact leaks\nhint: choose with `--rates repeats` or `--rates exact`";
    assert_eq!(compared(&all, BOTH, ""), expected);
    assert_eq!(compared(&all, BOTH, "rates=exact"), "0 2; 0 notes");
    assert_eq!(reported(&all, "rates=exact"), "0 2; 0 notes");
    assert_eq!(reported(&all, ""), "1 3; 1 notes");
    assert_eq!(reported(&sets(["1 A", "2 A exact=40"]), ""), "1; 1 notes");
}

#[test]
fn enumerations_are_those_that_most_conditions_have() {
    let all = sets([
        "1 A exact=4",
        "1 A exact=9",
        "1 B exact=4",
        "1 B exact=9",
        "1 C exact=4",
    ]);
    assert_eq!(compared(&all[..4], BOTH, ""), "1 3; 1 notes");
    assert_eq!(reported(&all, ""), "0 2 4; 1 notes");
    let expected = "the continuations of these conditions were enumerated differently far:\n  qwen:Q4_K_M: coverage 0.9, 4 rows, 3 draws of the tail\n  qwen:Q8_0: coverage 0.9, 9 ";
    check_start(
        &compared(&sets(["1 A exact=4", "1 B exact=9"]), BOTH, ""),
        expected,
    );
}

#[test]
fn similarities_are_those_that_all_were_given() {
    let all = sets([
        "1 A signature=a",
        "1 B signature=a",
        "1 A signature=b n=5",
        "1 B signature=b",
        "1 A signature=c n=99",
    ]);
    assert_eq!(compared(&all, BOTH, ""), "0 1; 1 notes");
    assert_eq!(reported(&all, ""), "0 1; 1 notes");
    for (other, field) in [
        ("1 B signature=b", "signatures"),
        ("1 B encoder=8", "embedding models"),
    ] {
        let apart = sets(["1 A", other]);
        let expected =
            format!("the leaks of these models were found with different {field}\nhint: ");
        check_start(&compared(&apart, BOTH, ""), &expected);
        check_start(&reported(&apart, ""), &expected);
        // Each is shown for itself.
        assert_eq!(shown(&apart, ""), "0 1; 0 notes");
    }
}

#[test]
fn another_arithmetic_is_said() {
    let sets = sets(["1 A other=1", "1 A", "1 B other=1", "1 C"]);
    // Of two ways with as many verdicts the one that all have.
    assert_eq!(compared(&sets[..3], BOTH, ""), "0 2; 1 notes");
    let selected = named(
        &sets[1..],
        &["qwen:Q4_K_M", "smol", "qwen:Q8_0"],
        &selection(""),
    );
    let expected = "qwen:Q4_K_M and qwen:Q8_0 were computed by different arithmetic: schedule strict and strict-other";
    assert_eq!(selected.unwrap().notes, [expected]);
    assert!(is_file_alone(&sets[1], &sets[2]));
    assert!(!is_file_alone(&sets[0], &sets[1]));
}

/// Of two files the digests differ, and widened weights; what they can have in common is the machine.
#[test]
fn files_are_computed_alike_by_one_machine() {
    let sets = sets([
        "1 A file=4 machine=x",
        "1 B file=5 machine=x",
        "1 B file=6 machine=y",
    ]);
    assert_eq!(compared(&sets[..2], BOTH, ""), "0 1; 0 notes");
    // That of the machine that both have is taken, though the other is later.
    assert_eq!(compared(&sets, BOTH, ""), "0 1; 1 notes");
    let apart = [sets[0].clone(), sets[2].clone()];
    let selected = named(&apart, &["qwen:Q4_K_M", "qwen:Q8_0"], &selection(""));
    let expected = "qwen:Q4_K_M and qwen:Q8_0 were computed by different arithmetic: x against y";
    assert_eq!(selected.unwrap().notes, [expected]);
}

/// A condition keeps its row when it is scored again, and is the latest all the same.
#[test]
fn the_similarities_that_were_scored_last_are_taken() {
    let sets = sets([
        "1 A scored=5",
        "1 B scored=6",
        "1 A signature=round1 scored=3",
        "1 B signature=round1 scored=4",
    ]);
    assert_eq!(compared(&sets, BOTH, ""), "0 1; 1 notes");
}

/// Of one model more was scored, and the other was scored last with a signature that both have.
#[test]
fn tables_do_not_mix_similarities() {
    let sets = sets([
        "1 A n=11 scored=5",
        "1 B scored=2",
        "1 A signature=round1 scored=3",
        "1 B signature=round1 scored=4",
        "1 C signature=round2 scored=6",
    ]);
    assert_eq!(shown(&sets[..4], ""), "0 1; 1 notes");
    // Where no similarities are those of all, each condition stands for itself.
    assert_eq!(shown(&sets, ""), "0 3 4; 1 notes");
}

#[test]
fn each_model_is_compared_with_its_file_of_most_bits() {
    let stored = sets(["1 A", "1 B", "1 C"]);
    let sets: Vec<&StoredCondition> = stored.iter().collect();
    assert_eq!(bases(&sets, None).unwrap(), [(1, vec![0])]);
    assert_eq!(bases(&sets[1..], None).unwrap(), [(0, vec![1])]);
    assert_eq!(bases(&sets[..1], None).unwrap(), []);
    for word in ["smol", "SMOL:f16", &stored[2].model_sha256[..12]] {
        assert_eq!(bases(&sets, Some(word)).unwrap(), [(2, vec![0, 1])]);
    }
    let error = bases(&sets, Some("qwen")).unwrap_err().to_string();
    check_start(&error, "`qwen` has several quantizations: ");
}

/// A difference is either one of files or one of sampling values, unless a base is asked for.
#[test]
fn files_are_compared_under_the_same_sampling() {
    let ladder = sets([
        "1 A sampling=1",
        "1 A sampling=2",
        "1 B sampling=1",
        "1 B sampling=2",
    ]);
    let sets: Vec<&StoredCondition> = ladder.iter().collect();
    assert_eq!(bases(&sets, None).unwrap(), [(2, vec![0]), (3, vec![1])]);
    // Of a single file the first sampling is the base.
    assert_eq!(bases(&sets[2..], None).unwrap(), [(0, vec![1])]);
}

#[test]
fn other_metrics_are_those_on_the_same_generations() {
    let stored = sets([
        "1 A",
        "1 B",
        "1 A metric=x",
        "1 B metric=x",
        "1 B metric=y",
        "1 A metric=z other=1",
        "1 B metric=z other=1",
    ]);
    let found = other_similarities(&stored, &[&stored[1], &stored[0]]);
    assert_eq!(found, [[&stored[3], &stored[2]]]);
}

/// The encoder that the experiment names first is taken, whatever was scored last and however much.
#[test]
fn the_primary_encoder_is_taken() {
    let sets = sets([
        "1 A encoder=5 place=0 scored=1",
        "1 B encoder=5 place=0 scored=2",
        "1 A encoder=6 place=1 scored=3",
        "1 B encoder=6 place=1 scored=4",
        "1 A encoder=7 scored=5 n=99",
        "1 B encoder=7 scored=6 n=99",
    ]);
    for found in [
        compared(&sets, BOTH, ""),
        reported(&sets, ""),
        shown(&sets, ""),
    ] {
        assert_eq!(found, "0 1; 1 notes");
    }
    let selected = named(&sets, &["qwen:Q4_K_M", "qwen:Q8_0"], &selection("")).unwrap();
    let expected = "the figures are by the encoder encoder5, which the experiment names first; `--embedding-model` shows those by encoder6, encoder7";
    assert_eq!(selected.notes, [expected]);
    // Where one condition lacks the first, the next that all have is taken.
    assert_eq!(reported(&sets[1..], ""), "2 3; 1 notes");
    // Where the experiment names none, those of most verdicts are.
    assert_eq!(reported(&sets[4..], ""), "4 5; 0 notes");
}

#[test]
fn an_encoder_is_named_in_several_ways() {
    let sets = sets([
        "1 A encoder=5 place=0",
        "1 B encoder=5 place=0",
        "1 A encoder=6 place=1",
        "1 B encoder=6 place=1",
        "1 A encoder=7",
    ]);
    let digest = &sets[2].embedding_model_sha256[..8];
    for word in ["encoder6", "own/encoder6.gguf", "./encoder6/", digest] {
        let asked = format!("encoder={word}");
        assert_eq!(compared(&sets, BOTH, &asked), "2 3; 0 notes");
        assert_eq!(reported(&sets, &asked), "2 3; 0 notes");
        assert_eq!(shown(&sets, &asked), "2 3; 0 notes");
    }
    let none = "no leaks are stored of all of these models with the embedding model";
    let expected = format!(
        "{none} `encoder7`\nhint: did you mean `encoder5`? all of them have encoder5, encoder6"
    );
    assert_eq!(compared(&sets, BOTH, "encoder=encoder7"), expected);
    let expected = "no leaks are stored with the embedding model `minilm`\nhint: there are encoder5, encoder6, encoder7";
    assert_eq!(reported(&sets, "encoder=minilm"), expected);
}

#[test]
fn other_encoders_come_before_other_metrics() {
    let stored = sets([
        "1 A encoder=5",
        "1 B encoder=5",
        "1 A metric=x encoder=5",
        "1 B metric=x encoder=5",
        "1 A encoder=7",
        "1 B encoder=7",
        "1 A encoder=6 place=1",
        "1 B encoder=6 place=1",
        "1 B encoder=8",
    ]);
    let found = other_similarities(&stored, &[&stored[0], &stored[1]]);
    let places = [[6, 7], [4, 5], [2, 3]];
    assert_eq!(found, places.map(|places| places.map(|idx| &stored[idx])));
}

/// Each base with all that is compared with it, such as `0: 2; 1: 3`.
fn linked(sets: &[StoredCondition], wanted: Option<&str>) -> String {
    let sets: Vec<&StoredCondition> = sets.iter().collect();
    let bases = bases(&sets, wanted).unwrap().into_iter();
    let lines = bases.map(|(base, others)| {
        let others = others.iter().map(usize::to_string).join(" ");
        format!("{base}: {others}")
    });
    lines.collect::<Vec<_>>().join("; ")
}

#[test]
fn wordings_are_compared_with_like() {
    let several = sets([
        "1 A wording=1",
        "1 A wording=2",
        "1 A wording=-1",
        "1 B wording=1",
        "1 B wording=2",
        "1 B wording=-1",
    ]);
    // Of the files of a model that with most bits is the base, of a mean the mean.
    assert_eq!(linked(&several, None), "3: 0; 4: 1; 5: 2");
    assert_eq!(linked(&several, Some("qwen:Q4_K_M")), "0: 3; 1: 4; 2: 5");
    assert_eq!(linked(&several, Some("qwen:Q4_K_M w1")), "0: 1 3 4");
    // Of a single file the first wording is the base, as the first sampling is.
    assert_eq!(linked(&several[..3], None), "0: 1");
    // Where the base has one wording, all are compared with it.
    let one = [several[0].clone(), several[3].clone(), several[4].clone()];
    assert_eq!(linked(&one, Some("qwen:Q4_K_M")), "0: 1 2");
}

#[test]
fn a_file_is_named_in_all_its_wordings() {
    let stored = sets([
        "1 A wording=1",
        "1 A wording=2",
        "1 B wording=1",
        "1 B wording=2",
        "1 B wording=1 seed=2",
    ]);
    assert_eq!(compared(&stored, BOTH, ""), "0 1 2 3; 0 notes");
    let words = ["qwen:Q4_K_M w2", "qwen:Q8_0 w1"];
    let one = named(&stored, &words, &selection("seed=1"));
    assert_eq!(found(one), "1 2; 0 notes");
    let words = ["qwen:Q4_K_M", "qwen:Q4_K_M w2"];
    let twice = named(&stored, &words, &selection("seed=1"));
    let expected = "`qwen:Q4_K_M w2` is named twice\nhint: name different conditions";
    assert_eq!(found(twice), expected);
}
