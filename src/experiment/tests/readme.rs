//! The text that describes the format: every key has its place, every message is one that is printed.

use super::GOOD;
use crate::experiment::read;

/// The text of the blocks of `README.md` that open with this fence.
fn readme_blocks(fence: &str) -> Vec<&'static str> {
    let readme = include_str!("../../../experiments/README.md");
    let opening = format!("\n```{fence}\n");
    let blocks = readme.split(&opening).skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect()
}

/// The readme shows the very file that the tests change, and messages that the tests compare.
#[test]
fn the_readme_shows_what_is_printed() {
    assert_eq!(readme_blocks("yaml"), [GOOD.trim_end()]);
    let tests = [
        include_str!("design.rs"),
        include_str!("extends.rs"),
        include_str!("families.rs"),
        include_str!("files.rs"),
        include_str!("fillers.rs"),
        include_str!("ladders.rs"),
        include_str!("mode.rs"),
        include_str!("pairs_file.rs"),
        include_str!("samplings.rs"),
        include_str!("wordings.rs"),
        include_str!("wrong_models.rs"),
        include_str!("wrong_prompts.rs"),
        include_str!("wrong_values.rs"),
    ];
    let unindented = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let compared = tests.map(unindented).concat();
    let shown = readme_blocks("text");
    assert!(shown.len() > 30);
    for message in shown {
        assert!(compared.contains(&unindented(message)), "{message}");
    }
}

/// Every key of the format has its place in the readme, and every place is a key.
#[test]
fn the_readme_describes_every_key() {
    let readme = include_str!("../../../experiments/README.md");
    let headings = readme.lines().filter(|line| line.starts_with('#'));
    let described: Vec<_> = headings.filter_map(|line| line.split('`').nth(1)).collect();
    let sections = [
        read::TOP_LEVEL,
        read::PROMPT,
        read::WORDINGS,
        read::SAMPLING,
        read::MODELS,
        read::QUANTIZATIONS,
        read::EMBEDDING_MODEL,
        read::TEMPLATES,
        read::PAIRS,
        read::PAIRS_FILE,
    ];
    for section in sections {
        for key in section.keys {
            let name = match section.name {
                "" => (*key).to_owned(),
                name => format!("{name}.{key}"),
            };
            assert!(described.contains(&name.as_str()), "{name}");
        }
    }
}
