//! Files as other programs write them, and broken ones: each is read right, or refused with the place of the fault.

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

use super::fixture::Folder;
use super::{ImportedFile, Mapping, summary_of};

fn read(folder: &Folder, name: &str, text: &str) -> ImportedFile {
    ImportedFile::read(&folder.file(name, text), &Mapping::published()).unwrap()
}

fn refusal(folder: &Folder, name: &str, text: impl AsRef<[u8]>) -> String {
    folder.refusal(&folder.file(name, text), &Mapping::published())
}

fn generations(read: &ImportedFile) -> Vec<Vec<&str>> {
    let rows = read.rows.iter();
    rows.map(|row| {
        let texts = row.generations.iter().map(Option::as_deref);
        texts.map(|text| text.unwrap_or("-")).collect()
    })
    .collect()
}

/// A generation with a quote that nobody closed took the rest of the file into one cell, without a word.
#[test]
fn an_unclosed_quote_names_the_line_where_it_opened() {
    let folder = Folder::new();
    let header = "prompt,concept,n_control,generation_1\nHe is,none,none,clerk\n";
    let not_closed = "the quote that opens in this line is not closed";
    let cases = [
        (
            "He likes red. He is,red,0,\"painter\nHe likes blue. He is,blue,0,sailor\n",
            not_closed,
        ),
        ("\"He likes red. He is,red,0,painter", not_closed),
        ("He likes red. He is,red,0,\"painter\"\"\r\n", not_closed),
        (
            "He likes red. He is,red,0,\"painter\nHe likes blue. He is,blue,0,\"sailor\"\n",
            "the quote that opens in this line is closed in the middle of a text, in line 4",
        ),
        (
            "He likes red. He is,red,0,\"a \"good\" painter\"\n",
            "the quote that opens in this line is closed in the middle of a text",
        ),
    ];
    for (rows, reason) in cases {
        let found = refusal(&folder, "a.csv", format!("{header}{rows}"));
        let expected = format!("`a.csv`, line 3: {reason}\nhint: ");
        assert!(found.starts_with(&expected), "{rows}: {found}");
    }
}

/// Places were counted wrongly where lines end in CRLF, after blank lines and within quotes.
#[test]
fn places_are_those_of_an_editor() {
    let folder = Folder::new();
    let rows = [
        "prompt,concept,n_control,generation_1",
        "",
        "He is,none,none,\"a clerk",
        "",
        "or two\"",
        "",
        "He likes red. He is,red,none,painter",
        "",
    ];
    for end in ["\n", "\r\n", "\r"] {
        for mark in ["", "\u{feff}"] {
            let text = format!(
                "{mark}{}He likes blue. He is,blue,0,",
                rows.map(|row| format!("{row}{end}")).concat()
            );
            let read = read(&folder, "a.csv", &text);
            let numbers: Vec<usize> = read.rows.iter().map(|row| row.number).collect();
            assert_eq!(numbers, [3, 7, 9], "{end:?}");
            assert_eq!(generations(&read)[0], [format!("a clerk{end}{end}or two")]);
            let lines = summary_of(&read.findings);
            assert!(
                lines[0].starts_with("line 7 (index 1), column `n_control`: "),
                "{lines:?}"
            );
            assert!(
                lines[1].starts_with("line 9 (index 2), column `generation_1`: "),
                "{lines:?}"
            );
            let uneven = format!("{text}{end}a,b{end}");
            let found = refusal(&folder, "b.csv", uneven);
            let expected = "`b.csv`, line 10: 2 fields, where the header has 4\n";
            assert!(found.starts_with(expected), "{found}");
        }
    }
}

/// Spreadsheets of many countries write semicolons; texts hold commas, and a title stands above the header.
#[test]
fn the_header_tells_delimiter_and_where_the_table_begins() {
    let folder = Folder::new();
    let table = "prompt;concept;n_control;generation_1\nHe is, as we know, a;none;none;clerk, or not\nHe likes red. He is;red;0;a painter\n";
    let expected = [["clerk, or not"], ["a painter"]];
    for name in ["a.csv", "a.tsv"] {
        assert_eq!(generations(&read(&folder, name, table)), expected);
    }
    let tabs = table.replace(';', "\t");
    assert_eq!(generations(&read(&folder, "b.csv", &tabs)), expected);
    let titled = format!("Generations, of 3 models, made in May\n\n;;;\n{table}");
    let titled = read(&folder, "c.csv", &titled);
    assert_eq!(generations(&titled), expected);
    assert_eq!(
        (titled.rows[0].number, titled.pairs[0].control_row_idx),
        (5, 0)
    );
    let path = folder.path("d.xlsx");
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.write(0, 0, "Generations of 3 models").unwrap();
    for (row_idx, row) in (2..).zip(table.lines()) {
        for (column_idx, text) in (0..).zip(row.split(';')) {
            sheet.write(row_idx, column_idx, text).unwrap();
        }
    }
    workbook.save(&path).unwrap();
    let read = ImportedFile::read(&path, &Mapping::published()).unwrap();
    assert_eq!(generations(&read), expected);
    assert_eq!(read.rows[0].number, 4);
}

/// A space in the last cell of a sheet asked for 550 GB and ended the program.
#[test]
fn a_stray_cell_costs_nothing_or_is_named() {
    let folder = Folder::new();
    let path = folder.path("a.xlsx");
    let cases = [
        ((1_048_575, 16_383), " ", None),
        ((1_048_575, 0), "x", Some("A1048576, 1048573 rows")),
        ((1, 16_383), "x", Some("XFD2, 16380 columns")),
        ((200, 0), "\u{a0}", None),
    ];
    for ((row, column), text, stray) in cases {
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet();
        let rows = [
            ["prompt", "concept", "n_control", "generation_1"],
            ["He is", "none", "none", "clerk"],
            ["He likes red. He is", "red", "0", "painter"],
        ];
        sheet.write_row_matrix(0, 0, rows).unwrap();
        sheet.write(row, column, text).unwrap();
        workbook.save(&path).unwrap();
        match stray {
            None => {
                let read = ImportedFile::read(&path, &Mapping::published()).unwrap();
                assert_eq!((read.rows.len(), read.findings), (2, vec![]));
            }
            Some(stray) => {
                let expected = format!(
                    "`a.xlsx` has a stray cell {stray} away from all before it\n\
                     hint: delete it, or the rows and columns up to it"
                );
                assert_eq!(folder.refusal(&path, &Mapping::published()), expected);
            }
        }
    }
}

/// A small archive may unpack to more than any memory holds.
#[test]
fn a_workbook_is_bounded_before_it_is_unpacked() {
    use std::io::Write as _;
    let folder = Folder::new();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("xl/sharedStrings.xml", options).unwrap();
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..=1024 {
        archive.write_all(&zeros).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert!(bytes.len() < 1 << 23);
    let found = refusal(&folder, "a.xlsx", bytes);
    let expected = "`a.xlsx` cannot be held in memory: its unpacked bytes are too many\nhint: ";
    assert!(found.starts_with(expected), "{found}");
}

/// A date came through as the number of days since 1900.
#[test]
fn dates_stay_dates() {
    let folder = Folder::new();
    let path = folder.path("a.xlsx");
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let header = [
        "prompt",
        "concept",
        "n_control",
        "generation_1",
        "generation_2",
        "generation_3",
    ];
    sheet.write_row(0, 0, header).unwrap();
    for (row, text, concept, control) in [
        (1, "He is", "none", "none"),
        (2, "He likes red. He is", "red", "0"),
    ] {
        sheet.write_row(row, 0, [text, concept, control]).unwrap();
        let when = ExcelDateTime::parse_from_str("2024-05-01T12:59:02").unwrap();
        let day = ExcelDateTime::parse_from_str("2024-05-01").unwrap();
        let time = ExcelDateTime::parse_from_str("06:30:00").unwrap();
        for (column, (value, format)) in
            (3..).zip([(day, "d/m/yy"), (when, "d/m/yy hh:mm"), (time, "hh:mm")])
        {
            let format = Format::new().set_num_format(format);
            sheet
                .write_with_format(row, column, &value, &format)
                .unwrap();
        }
    }
    workbook.save(&path).unwrap();
    let read = ImportedFile::read(&path, &Mapping::published()).unwrap();
    let expected = ["2024-05-01", "2024-05-01 12:59:02", "06:30:00"];
    assert_eq!(generations(&read), [expected, expected]);
    let lines = summary_of(&read.findings);
    let expected = "row 2 (index 0), column `generation_1` (D2): the cell holds a date or time; `2024-05-01` is taken";
    assert_eq!(lines[0], expected);
}

/// Python writes `NaN` for an empty cell and half a surrogate pair for a broken emoji; both were refused.
#[test]
fn json_of_python_is_read() {
    let folder = Folder::new();
    let text = r#"{"prompt":"NaN is","concept":NaN,"n_control":NaN,"generation":["\"NaN\" \ud83d\udd25", "Infinity"]}
{"prompt":"He likes red. NaN is","concept":"red","n_control":0.0,"generation":["painter \ud83d", -Infinity]}
"#;
    let read = read(&folder, "a.jsonl", text);
    assert_eq!(
        generations(&read),
        [
            ["\"NaN\" 🔥", "Infinity"],
            ["painter \u{fffd}", "-Infinity"]
        ]
    );
    let expected = "line 2 (index 1), column `generation_1`: the cell holds half a surrogate pair, which is no text; `painter \u{fffd}` is taken";
    assert_eq!(summary_of(&read.findings), [expected]);
}

/// A list of objects, and keys within keys that nobody asked for, kept a whole file from being read.
#[test]
fn json_of_other_programs_is_read() {
    let folder = Folder::new();
    let list = r#"
[
  {"prompt": "He is", "generation": "clerk", "meta": {"seed": 1, "tags": ["a", {"b": []}]}},
  {"prompt": "He likes red. He is", "concept": "red", "n_control": 0, "generation": "painter"}
]
"#;
    let expected = [["clerk"], ["painter"]];
    for name in ["a.json", "a.jsonl"] {
        assert_eq!(generations(&read(&folder, name, list)), expected);
    }
    let numbers = read(&folder, "a.json", list).rows;
    assert_eq!((numbers[0].number, numbers[1].number), (3, 4));
    let lines = list.trim().trim_matches(['[', ']']).replace("},\n", "}\n");
    assert_eq!(generations(&read(&folder, "b.jsonl", &lines)), expected);
    let choices = list.replace(
        "\"generation\": \"clerk\"",
        "\"generation\": [{\"text\": \"clerk\"}]",
    );
    let choices = choices.replace(
        "\"generation\": \"painter\"",
        "\"generation\": [{\"text\": \"painter\"}]",
    );
    let found = refusal(&folder, "c.json", &choices);
    assert!(found.contains("has no column `generation_1`\n"), "{found}");
    assert!(found.contains("`generation_1.text`"), "{found}");
    let found = refusal(&folder, "d.json", list.replace("\"red\",", "\"red\""));
    let expected = "`d.json`, line 4: no JSON object: expected `,` or `}`, at byte ";
    assert!(found.starts_with(expected), "{found}");
    let far = "{\"generation_1\": 1, \"generation_16000\": 1}\n".repeat(9);
    let found = refusal(&folder, "e.jsonl", far);
    assert!(found.len() < 4000, "{found}");
    let many = (0..20_000)
        .map(|n| format!("{{\"k{n}\": [1]}}\n"))
        .collect::<String>();
    let found = refusal(&folder, "e.jsonl", many);
    let expected = "`e.jsonl`, line 16385: more than 16384 keys, or ";
    assert!(
        found.starts_with(expected) || found.contains("16777216 values"),
        "{found}"
    );
}

/// Other replications have both prompts of a pair in one row.
#[test]
fn a_table_with_a_pair_in_each_row_needs_no_mapping() {
    let folder = Folder::new();
    let table = "id,concept,category,control_prompt,test_prompt,control_generation,test_generation\n\
        1,red,color,He is,He likes red. He is,a clerk,a painter\n\
        2,blue,color,He is,He likes blue. He is,a clerk,a sailor\n\
        3,green,color,He is,He likes green. He is,,a gardener\n\
        4,tea,drink,She has tea,She likes tea. She has,tea,tea\n";
    let read = read(&folder, "a.csv", table);
    let pairs = read.pairs.iter().map(|pair| {
        let row = |idx: usize| {
            let row = &read.rows[idx];
            (
                row.number,
                row.prompt.as_str(),
                row.generations[0].as_deref(),
                row.columns[0].as_str(),
            )
        };
        (
            pair.concept.as_str(),
            pair.category.as_str(),
            row(pair.test_row_idx),
            row(pair.control_row_idx),
        )
    });
    let clerk = |line| (line, "He is", Some("a clerk"), "control_generation");
    let test = |line, prompt, text| (line, prompt, Some(text), "test_generation");
    let expected = [
        (
            "red",
            "color",
            test(2, "He likes red. He is", "a painter"),
            clerk(2),
        ),
        (
            "blue",
            "color",
            test(3, "He likes blue. He is", "a sailor"),
            clerk(2),
        ),
        (
            "green",
            "color",
            test(4, "He likes green. He is", "a gardener"),
            (4, "He is", None, "control_generation"),
        ),
        (
            "tea",
            "drink",
            test(5, "She likes tea. She has", "tea"),
            (5, "She has tea", Some("tea"), "control_generation"),
        ),
    ];
    assert_eq!(pairs.collect::<Vec<_>>(), expected);
    assert!(
        read.mapping.contains("text: control_prompt"),
        "{}",
        read.mapping
    );
    let expected = [
        "line 4 (index 2), column `control_generation`: there is no generation; this repeat has no verdict",
        "line 5 (index 3), column `control_prompt`: the control prompt in row 5 holds the concept `tea`",
    ];
    assert_eq!(summary_of(&read.findings), expected);
    let of_prompts = Mapping::published().of_prompts();
    let read = ImportedFile::read(&folder.path("a.csv"), &of_prompts).unwrap();
    assert_eq!(
        (read.rows.len(), read.pairs.len(), read.columns.len()),
        (6, 4, 0)
    );
}

#[test]
fn a_pair_in_each_row_has_as_many_repeats_on_both_sides() {
    let folder = Folder::new();
    let json = r#"[{"concept": "red", "control_prompt": "He is", "test_prompt": "He likes red. He is",
        "control_generation": ["a", "b"], "test_generation": ["c", "d"]}]"#;
    let path = folder.file("b.json", json);
    let read = ImportedFile::read(&path, &Mapping::published()).unwrap();
    assert_eq!(generations(&read), [["c", "d"], ["a", "b"]]);
    let uneven = json.replace("[\"a\", \"b\"]", "[\"a\"]");
    let found = refusal(&folder, "c.json", uneven);
    let expected =
        "`c.json` has 2 columns of generations of test prompts and 1 of control prompts\nhint: ";
    assert!(found.starts_with(expected), "{found}");
}
