//! Faults that were found and mended, one test each, with the story of each above it.
//!
//! Owns no feature: how a part behaves is tested where that part is. Here stands what it once did wrong.

use rust_xlsxwriter::Workbook;

use crate::harness::TestEnv;

/// Writes a workbook with a sheet for each, of a control and a test prompt in a layout of its own.
fn write_sheets(env: &TestEnv, sheets: &[(&str, [&str; 2])]) {
    let mut workbook = Workbook::new();
    for (name, generations) in sheets {
        let sheet = workbook.add_worksheet().set_name(*name).unwrap();
        let header = [
            "prompt",
            "n_control",
            "concept",
            "generation_1",
            "other_prompt",
        ];
        let control = ["He is", "", "", generations[0], "She is"];
        let test = [
            "He likes red. He is",
            "0",
            "red",
            generations[1],
            "She likes red. She is",
        ];
        for (row, cells) in (0..).zip([header, control, test]) {
            for (column, text) in (0..).zip(cells) {
                match text.parse::<f64>() {
                    Ok(number) => drop(sheet.write(row, column, number).unwrap()),
                    Err(_) => drop(sheet.write(row, column, text).unwrap()),
                }
            }
        }
    }
    workbook.save(env.path("a.xlsx")).unwrap();
}

/// A mapping of those columns, with what else is given.
fn write_mapping(env: &TestEnv, name: &str, prompt: &str, more: &str) {
    let columns = "concept: concept\ncontrol: {row_index: n_control}\ngenerations: [generation_1]";
    env.write(name, &format!("prompt: {prompt}\n{columns}\n{more}"));
}

/// The prompt and the text of each generation that an experiment compares, control before test.
fn compared(env: &TestEnv, experiment: &str) -> Vec<String> {
    env.record("db/seep.sqlite").column(&format!(
        "SELECT user_message || ': ' || text
         FROM imported_pairs
             JOIN experiments ON experiments.id = experiment_id
             JOIN generations ON generations.id IN (test_generation_id, control_generation_id)
             JOIN prompts ON prompts.id = prompt_id
         WHERE experiments.name = '{experiment}' ORDER BY import_row"
    ))
}

/// An imported generation was known by file, model, row, column and repeat. Two sheets of one workbook agree in all of
/// them, so that the second was scored with the texts of the first; a cell that a second mapping gave another prompt
/// kept its first.
#[test]
fn sheets_and_prompt_columns_of_one_workbook_are_told_apart() {
    let env = TestEnv::empty();
    let sheets = [("one", ["tall", "angry"]), ("two", ["old", "a fireman"])];
    write_sheets(&env, &sheets);
    write_mapping(&env, "one.yaml", "prompt", "sheet: one\n");
    write_mapping(&env, "two.yaml", "prompt", "sheet: two\n");
    write_mapping(&env, "other.yaml", "other_prompt", "");
    let import = |name: &str| {
        env.seep(&format!(
            "import a.xlsx --experiment {name} --mapping {name}.yaml"
        ))
        .ok()
    };
    for name in ["one", "two", "other"] {
        import(name);
    }
    assert_eq!(
        compared(&env, "one"),
        ["He is: tall", "He likes red. He is: angry"]
    );
    assert_eq!(
        compared(&env, "two"),
        ["He is: old", "He likes red. He is: a fireman"]
    );
    assert_eq!(
        compared(&env, "other"),
        ["She is: tall", "She likes red. She is: angry"]
    );
    // The only sheets that were known before there were several keep their identity, whatever names them.
    let request = |cell: &str| {
        let identity = format!("seep imported generation 1|{cell}");
        seep::digest::Digest::of(identity.as_bytes()).to_string()
    };
    let file = seep::digest::Digest::of(&std::fs::read(env.path("a.xlsx")).unwrap());
    let record = env.record("db/seep.sqlite");
    assert_eq!(
        record.value::<String>("SELECT request_id FROM generations WHERE text = 'tall'"),
        request(&format!(
            "file={file}|model=\"a\"|row=2|column=\"generation_1\"|repeat=0"
        ))
    );
    for name in ["one", "two", "other"] {
        let ran = import(name);
        assert!(
            ran.stderr
                .ends_with("a.xlsx: imported before; nothing was added\n"),
            "{}",
            ran.stderr
        );
        assert_eq!(record.n_generations(), 6, "{name}");
    }
    record.check_integrity();
}
