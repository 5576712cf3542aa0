//! Tests of imports: the layouts, the findings, the files that are refused.

use std::path::Path;
use std::time::{Duration, Instant};

use super::fixture::{Folder, Value, rows};
use super::{FindingKind, ImportedFile, ImportedPair, Mapping, Sheet, summary_of};

/// The layout of the published colour workbooks: an index without a name, controls that are empty.
const COLORS: &str = "
    - | template_id | prompt | n_control | concept | is_control_item | generation_1 | generation_2 | category
    0 | 1 | He is | - | none | true | tall | old | 1
    1 | 1 | He likes cats. He is | - | cats | true | a vet | a vet | 1
    2 | 1 | He likes red. He is | 0 | red | - | a fireman | angry | 1
    3 | 2 | He likes blue. He is | 0 | blue | - | sad | sad | 2
";

/// The layout of the original prompts: the word `none`, and a concept that is empty.
const ORIGINAL: &str = "
    - | prompt | generation_1 | n_control | concept
    0 | He is | tall | none | -
    1 | He likes red. He is | a fireman | 0 | red
";

fn pair(concept: &str, category: &str, template_id: &str, test_row_idx: usize) -> ImportedPair {
    ImportedPair {
        concept: concept.to_owned(),
        concept_family: None,
        category: category.to_owned(),
        template_id: Some(template_id.to_owned()),
        test_row_idx,
        control_row_idx: 0,
    }
}

#[test]
fn the_layout_of_the_colour_workbooks_is_read() {
    let folder = Folder::new();
    let read = ImportedFile::read(&folder.workbook(&rows(COLORS)), &Mapping::published()).unwrap();
    assert_eq!(
        read.pairs,
        [pair("red", "1", "1", 2), pair("blue", "2", "2", 3)]
    );
    assert_eq!(read.columns, ["generation_1", "generation_2"]);
    let row = &read.rows[2];
    assert_eq!(
        (row.number, row.prompt.as_str()),
        (4, "He likes red. He is")
    );
    let generations: Vec<_> = row.generations.iter().map(Option::as_deref).collect();
    assert_eq!(generations, [Some("a fireman"), Some("angry")]);
    assert_eq!(read.findings, []);
    assert_eq!(read.n_unused_rows(), 1);
    let sheet = Sheet {
        name: "Sheet1".to_owned(),
        idx: 0,
        n_sheets: 1,
    };
    assert_eq!(read.sheet, Some(sheet));
}

#[test]
fn the_layout_of_the_original_prompts_is_read() {
    let folder = Folder::new();
    let path = folder.workbook(&rows(ORIGINAL));
    let read = ImportedFile::read(&path, &Mapping::published()).unwrap();
    let expected = ImportedPair {
        template_id: None,
        ..pair("red", ImportedPair::NO_CATEGORY, "", 1)
    };
    assert_eq!(read.pairs, [expected]);
    assert_eq!(read.findings, []);
}

#[test]
fn all_formats_say_the_same() {
    let folder = Folder::new();
    let commas = "\u{feff}prompt,generation_1,n_control,concept\nHe is,\"tall, old\",none,\n\"He likes red. He is\",a \"\"\nfireman,0.0,red\n";
    let commas = commas.replace("a \"\"\nfireman", "\"a \"\"\nfireman\"");
    let tabs = commas
        .replace("\"tall, old\"", "TALL")
        .replace(',', "\t")
        .replace("TALL", "tall, old");
    let jsonl = "{\"prompt\": \"He is\", \"generation\": [\"tall, old\"], \"n_control\": null}\n\n\
        {\"prompt\": \"He likes red. He is\", \"generation\": [\"a \\\"\\nfireman\"], \"n_control\": 0, \"concept\": \"red\"}\n";
    let files = [
        ("a.csv", commas.as_str()),
        ("a.TSV", &tabs),
        ("a.jsonl", jsonl),
    ];
    for (name, text) in files {
        let read = ImportedFile::read(&folder.file(name, text), &Mapping::published()).unwrap();
        let generations: Vec<_> = read
            .rows
            .iter()
            .map(|row| row.generations.clone())
            .collect();
        let expected = ["tall, old", "a \"\nfireman"].map(|text| vec![Some(text.to_owned())]);
        assert_eq!(generations, expected, "{name}");
        assert_eq!(
            (read.pairs.len(), read.pairs[0].control_row_idx),
            (1, 0),
            "{name}"
        );
        assert_eq!(read.findings, [], "{name}");
    }
}

#[test]
fn controls_can_be_named_by_their_prompt() {
    let folder = Folder::new();
    let text = "prompt: p\nconcept: c\ncontrol: {prompt: k}\ngenerations: [b, a]\n";
    let mapping = Mapping::parse(Path::new("m.yaml"), text).unwrap();
    let path = folder.file("a.csv", "p,c,k,a,b\nred is,red,it is,1,2\nit is,,,3,4\n");
    let read = ImportedFile::read(&path, &mapping).unwrap();
    assert_eq!(
        (read.pairs[0].test_row_idx, read.pairs[0].control_row_idx),
        (0, 1)
    );
    assert_eq!(
        read.rows[1].generations,
        [Some("4".to_owned()), Some("3".to_owned())]
    );
    let fewer = mapping.clone().with_repeats(vec!["a".to_owned()]);
    assert_eq!(ImportedFile::read(&path, &fewer).unwrap().columns, ["a"]);
    let path = folder.file("b.csv", "p,c,k,a,b\nred is,red,It is,1,2\nit is,,,3,4\n");
    let expected = "1 row of `b.csv` cannot be imported\n  line 2 (index 0), column `k`: no row has the control prompt `It is`\n\
        hint: a control is named by its prompt, which has a row of its own, letter by letter the same";
    assert_eq!(folder.refusal(&path, &mapping), expected);
}

#[test]
fn every_finding_names_row_and_column() {
    let cases = [
        (
            "-|5|She likes green. She is|-|green|-|a|b|1",
            "row 6 (index 4), column `n_control` (D6): the test prompt with the concept `green` has no control prompt; it is left out",
        ),
        (
            "-|5|She likes green. She is|0|none|-|a|b|1",
            "row 6 (index 4), column `concept` (E6): the row has a control but no concept; it is left out",
        ),
        (
            "-|1|He likes red. He is|0|red|-|a|b|1",
            "row 6 (index 4), column `prompt` (C6): the same concept, test prompt and control prompt stand in an earlier row; it is left out",
        ),
        (
            "-|5|-|0|red|-|a|b|1",
            "row 6 (index 4), column `prompt` (C6): the row has no prompt; it is left out",
        ),
        (
            "-|5|She likes green. She is|0|green|-|-|b|1",
            "row 6 (index 4), column `generation_1` (G6): there is no generation; this repeat has no verdict",
        ),
        (
            "-|5|She likes tall. She is|1|cats|-|a|b|1",
            "row 6 (index 4), column `n_control` (D6): the control prompt in row 3 holds the concept `cats`",
        ),
        (
            "-|5|She likes green. She is|0|greens|-|a|b|1",
            "row 6 (index 4), column `concept` (E6): the test prompt does not hold its concept `greens`",
        ),
        (
            "-|5|She likes green. She is|2|green|-|a|b|1",
            "row 6 (index 4), column `n_control` (D6): the control prompt in row 4 is itself a test prompt",
        ),
        (
            "-|5|He likes red. He is|0|likes|-|a|b|1",
            "row 6 (index 4), column `prompt` (C6): the test prompt stands in row 4 already",
        ),
        (
            "-|5|She likes green. She is|0|green|-|true|b|1",
            "row 6 (index 4), column `generation_1` (G6): the cell holds a truth value; `TRUE` is taken",
        ),
    ];
    let folder = Folder::new();
    for (row, expected) in cases {
        let found = folder.findings(&rows(&format!("{COLORS}{row}")));
        assert!(
            found.iter().any(|line| line == expected),
            "{row}: {found:#?}"
        );
    }
}

/// The workbook of prompts has no generations, and those of others do not matter.
#[test]
fn prompts_are_read_without_their_generations() {
    let folder = Folder::new();
    let mapping = Mapping::published().of_prompts();
    let mut rows = rows(COLORS);
    rows[3][6] = Value::None;
    let read = ImportedFile::read(&folder.workbook(&rows), &mapping).unwrap();
    assert_eq!((read.columns.len(), read.pairs.len()), (0, 2));
    assert_eq!(read.findings, []);
    assert!(read.rows.iter().all(|row| row.generations.is_empty()));
    let text = "prompt: prompt\nconcept: concept\ncontrol: {row_index: n_control}\n";
    let own = folder.file("m.yaml", text);
    assert_eq!(
        Mapping::load_of_prompts(&own).unwrap().text(),
        text,
        "generations need not be named"
    );
}

#[test]
fn white_space_around_a_concept_makes_no_difference() {
    let folder = Folder::new();
    let mut rows = rows(COLORS);
    rows[3][4] = Value::Text(" red ".to_owned());
    assert_eq!(folder.findings(&rows), Vec::<String>::new());
}

#[test]
fn swapped_concepts_are_recognised() {
    let swapped = COLORS
        .replace("| 0 | red |", "| 0 | BLUE |")
        .replace("| 0 | blue |", "| 0 | red |");
    let expected = [
        "row 4 (index 2), column `concept` (E4): the concepts seem swapped: the prompt holds `red`, the one in row 5 holds `BLUE`",
        "row 5 (index 3), column `concept` (E5): the concepts seem swapped: the prompt holds `BLUE`, the one in row 4 holds `red`",
    ];
    assert_eq!(Folder::new().findings(&rows(&swapped)), expected);
}

#[test]
fn formulas_errors_and_emojis_are_taken_as_they_stand() {
    let folder = Folder::new();
    let mut rows = rows(COLORS);
    rows[3][6] = Value::Formula("=CONCAT(\"a \",\"cat\")", "a cat");
    rows[3][7] = Value::Text("👩‍🚀 naïve \u{202e}x".to_owned());
    rows[4][6] = Value::Formula("=nothing()", "#NAME?");
    let path = folder.workbook(&rows);
    let read = ImportedFile::read(&path, &Mapping::published()).unwrap();
    let generations = read.rows[2].generations.iter().map(Option::as_deref);
    let expected = [Some("a cat"), Some("👩‍🚀 naïve \u{202e}x")];
    assert_eq!(generations.collect::<Vec<_>>(), expected);
    let lines = summary_of(&read.findings);
    let formula =
        "row 4 (index 2), column `generation_1` (G4): the cell holds a formula; `a cat` is taken";
    assert!(lines.iter().any(|line| line == formula), "{lines:#?}");
    let error =
        "row 5 (index 3), column `generation_1` (G5): the cell holds a formula; it counts as empty";
    assert!(lines.iter().any(|line| line == error), "{lines:#?}");
    assert_eq!(read.rows[3].generations[0], None);
}

#[test]
fn a_workbook_may_begin_anywhere() {
    let folder = Folder::new();
    let mut shifted = vec![vec![]; 2];
    for row in rows(COLORS) {
        let before = vec![Value::None; 3];
        shifted.push(before.into_iter().chain(row).collect());
    }
    shifted[5][9] = Value::Formula("=1", "x");
    let expected =
        "row 6 (index 2), column `generation_1` (J6): the cell holds a formula; `x` is taken";
    assert_eq!(folder.findings(&shifted), [expected]);
}

#[test]
fn an_empty_row_counts_as_a_row() {
    let folder = Folder::new();
    let mut rows = rows(COLORS);
    rows.insert(2, vec![]);
    // Index 2 is the row of the cats, although it is the second with a prompt.
    rows[4][3] = Value::Number(2.0);
    let path = folder.workbook(&rows);
    let read = ImportedFile::read(&path, &Mapping::published()).unwrap();
    let pair = &read.pairs[0];
    assert_eq!((pair.test_row_idx, pair.control_row_idx), (2, 1));
    let expected = "row 3 (index 1), column `prompt` (C3): the row is empty; it is left out";
    assert_eq!(summary_of(&read.findings), [expected]);
}

#[test]
fn controls_that_point_nowhere_are_refused() {
    let cases = [
        (
            "900",
            "the control index 900 is out of range: the rows are 0 to 3",
        ),
        ("-1", "the control `-1` is no row index"),
        ("0.5", "the control `0.5` is no row index"),
        ("He is", "the control `He is` is no row index"),
        ("2", "the control is the row itself"),
    ];
    let folder = Folder::new();
    for (control, reason) in cases {
        let text = COLORS.replace("| 0 | red |", &format!("| {control} | red |"));
        let path = folder.workbook(&rows(&text));
        let expected = format!(
            "1 row of `a.xlsx` cannot be imported\n  row 4 (index 2), column `n_control` (D4): {reason}\n\
             hint: a control is named by the index of its row: the first row below the header has the index 0"
        );
        assert_eq!(folder.refusal(&path, &Mapping::published()), expected);
    }
}

#[test]
fn missing_columns_are_named_with_what_was_meant() {
    let folder = Folder::new();
    let text = ORIGINAL
        .replace("n_control", "n_controls")
        .replace("generation_1", "generated");
    let expected = "`a.xlsx` has no columns `n_control`, `generation_1`\n\
        hint: did you mean `n_controls`? its columns are: `prompt`, `generated`, `n_controls`, `concept`; other names are given with a mapping (experiments/IMPORT.md)";
    let path = folder.workbook(&rows(&text));
    assert_eq!(folder.refusal(&path, &Mapping::published()), expected);
    let gap = COLORS.replace("generation_2", "generation_3");
    let path = folder.workbook(&rows(&gap));
    let refusal = folder.refusal(&path, &Mapping::published());
    assert!(
        refusal.starts_with("`a.xlsx` has no column `generation_2`\n"),
        "{refusal}"
    );
    let doubled = COLORS.replace("template_id", "prompt");
    let path = folder.workbook(&rows(&doubled));
    let expected = "`a.xlsx` has two columns `prompt`\nhint: rename one of them";
    assert_eq!(folder.refusal(&path, &Mapping::published()), expected);
}

#[test]
fn files_that_are_something_else_are_refused() {
    let folder = Folder::new();
    let files: [(&str, &[u8], &str); 9] = [
        (
            "a.xlsx",
            b"prompt,concept\n",
            "`a.xlsx` is no xlsx workbook: ",
        ),
        ("b.xlsx", b"", "`b.xlsx` is no xlsx workbook: "),
        (
            "a.txt",
            b"",
            "`a.txt` has no known format\nhint: a file to import ends in",
        ),
        (
            "a.csv",
            b"prompt,n_control\n",
            "`a.csv` has no rows\nhint: ",
        ),
        (
            "b.csv",
            b"a,b\n1,2\n1\n",
            "`b.csv`, line 3: 1 fields, where the header has 2\nhint: ",
        ),
        (
            "c.csv",
            b"a,b\n1,\xff\n",
            "`c.csv`, line 2: the text is no UTF-8\nhint: save the file",
        ),
        (
            "a.jsonl",
            b"{}\n[]\n",
            "`a.jsonl`, line 2: no JSON object: ",
        ),
        (
            "b.jsonl",
            b"{\"a\": {}}\n",
            "`b.jsonl` has no columns `prompt`, `concept`, `n_control`, `generation_1`\nhint: ",
        ),
        ("c.jsonl", b"\n \n", "`c.jsonl` has no rows\nhint: "),
    ];
    for (name, bytes, expected) in files {
        let refusal = folder.refusal(&folder.file(name, bytes), &Mapping::published());
        assert!(refusal.starts_with(expected), "{refusal}");
        assert!(refusal.contains("\nhint: "), "{refusal}");
    }
    let refusal = folder.refusal(&folder.path("none.xlsx"), &Mapping::published());
    assert!(
        refusal.starts_with("failed to read `none.xlsx`: "),
        "{refusal}"
    );
}

#[test]
fn a_file_of_controls_only_is_refused() {
    let folder = Folder::new();
    let text = ORIGINAL.replace("| 0 | red", "| none | red");
    let expected = "`a.xlsx` has no prompt pair\n  row 3 (index 1), column `n_control` (D3): \
        the test prompt with the concept `red` has no control prompt; it is left out\n\
        hint: a test prompt is a row with a concept and a control";
    let path = folder.workbook(&rows(&text));
    assert_eq!(folder.refusal(&path, &Mapping::published()), expected);
}

#[test]
fn wrong_mappings_are_refused() {
    let good = "prompt: p\nconcept: c\ncontrol: {row_index: k}\ngenerations: [g]\n";
    let cases = [
        (
            good.replace("prompt: p", "promt: p"),
            "unknown field `promt`",
        ),
        (good.replace("concept: c\n", ""), "missing field `concept`"),
        (
            good.replace("[g]", "[]"),
            "`generations` is missing or empty",
        ),
        (
            good.replace("generations: [g]\n", ""),
            "`generations` is missing or empty",
        ),
        (
            good.replace("row_index: k", ""),
            "`control` needs one of `row_index`, `prompt` and `text`",
        ),
        (
            good.replace("k}", "k, prompt: p}"),
            "`control` needs one of `row_index`, `prompt` and `text`",
        ),
        (
            good.replace("row_index: k}", "text: k}"),
            "`control.generations` stands beside `control.text`",
        ),
        (
            good.replace("k}", "k, generations: [h]}"),
            "`control.generations` stands beside `control.text`",
        ),
    ];
    let folder = Folder::new();
    for (text, expected) in cases {
        let path = folder.file("m.yaml", text);
        let message = folder.message(&Mapping::load(&path).unwrap_err());
        let start = "the mapping `m.yaml` cannot be used: ";
        assert!(message.starts_with(start), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let text = format!("{good}sheet: other\n");
    let mapping = Mapping::load(&folder.file("m.yaml", text)).unwrap();
    let refusal = folder.refusal(&folder.workbook(&rows(COLORS)), &mapping);
    assert_eq!(
        refusal,
        "`a.xlsx` has no sheet `other`\nhint: its sheets are: Sheet1"
    );
}

#[test]
fn a_hundred_thousand_rows_are_read_in_seconds() {
    let folder = Folder::new();
    let mut rows = rows(COLORS);
    rows.truncate(2);
    for n in 0..100_000 {
        let concept = format!("c{n}");
        let prompt = format!("He likes c{n}. He is");
        let generation = Value::Text(format!("a man of {n}"));
        let control = Value::Number(0.0);
        let [id, category] = [1.0, 2.0].map(Value::Number);
        let (none, prompt, concept) = (Value::None, Value::Text(prompt), Value::Text(concept));
        rows.push(vec![
            none.clone(),
            id,
            prompt,
            control,
            concept,
            none.clone(),
            generation,
            none,
            category,
        ]);
    }
    let path = folder.workbook(&rows);
    let started = Instant::now();
    let read = ImportedFile::read(&path, &Mapping::published()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(60));
    assert_eq!((read.rows.len(), read.pairs.len()), (100_001, 100_000));
    let is_missing = |kind| kind == FindingKind::MissingGeneration;
    assert!(read.findings.iter().all(|found| is_missing(found.kind)));
    let lines = summary_of(&read.findings);
    assert_eq!(
        (lines.len(), lines[20].as_str()),
        (21, "99980 more missing generations")
    );
}

/// The mapping of the published workbooks with these families.
fn with_families(families: &str) -> String {
    let text = Mapping::published().text().to_owned();
    format!("{text}concept_families: {families}\n")
}

#[test]
fn a_mapping_names_families() {
    let folder = Folder::new();
    let path = folder.workbook(&rows(COLORS));
    let cases = [
        ("{warm: [RED, blue]}", ["warm", "warm"]),
        ("{red: [blue]}", ["red", "red"]),
        ("{Red: [red]}", ["Red", "-"]),
        ("{}", ["-", "-"]),
    ];
    for (named, expected) in cases {
        let mapping = Mapping::parse(Path::new("m.yaml"), &with_families(named)).unwrap();
        let read = ImportedFile::read(&path, &mapping).unwrap();
        let found = read.pairs.iter();
        let found = found.map(|pair| pair.concept_family.as_deref().unwrap_or("-"));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{named}");
        assert_eq!(read.findings, [], "{named}");
    }
}

#[test]
fn a_member_of_a_family_that_no_pair_has_is_a_finding() {
    let folder = Folder::new();
    let path = folder.workbook(&rows(COLORS));
    let named = with_families("{red: [bleu, tangerine]}");
    let mapping = Mapping::parse(Path::new("m.yaml"), &named).unwrap();
    let read = ImportedFile::read(&path, &mapping).unwrap();
    assert_eq!(read.pairs[0].concept_family.as_deref(), Some("red"));
    let place = "row 2 (index 0), column `concept` (E2)";
    let absent = "of `concept_families` is the concept of no pair";
    let expected = [
        format!("{place}: `bleu` {absent}; did you mean `blue`?"),
        format!("{place}: `tangerine` {absent}"),
    ];
    assert_eq!(summary_of(&read.findings), expected);
}

#[test]
fn wrong_families_of_a_mapping_are_refused() {
    let cases = [
        (
            "[red]",
            "expected a mapping from the name of each family to a list of its members",
        ),
        (
            "{red: blue}",
            "concept_families.red: invalid type: string \"blue\", expected a sequence",
        ),
        ("{red: [[a]]}", "expected a string"),
        ("{red: []}", "the family `red` has no members"),
        (
            "{red: [\"\"]}",
            "the family `red` holds a word that is empty or has white space at an end",
        ),
        ("{red: [a, A]}", "`A` is listed twice in the family `red`"),
        (
            "{red: [a], blue: [a]}",
            "`a` is in the families `red` and `blue`",
        ),
        ("{red: [a], red: [b]}", "the family `red` comes twice"),
    ];
    for (named, expected) in cases {
        let refused = Mapping::parse(Path::new("m.yaml"), &with_families(named));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(expected), "{named}: {refused}");
    }
}
