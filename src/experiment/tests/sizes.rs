//! Files that are small and ask for much: each is refused in time that grows with the file.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::*;

/// The refusal of a file, which takes seconds at most.
fn refused_at_once(yaml: &str) -> String {
    let started = Instant::now();
    let refused = load(yaml).unwrap_err().to_string();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    refused
}

/// 50,000 unknown keys took half a minute: each was compared with all others, and its line counted from the start.
#[test]
fn many_problems_take_no_longer_each_than_one() {
    let keys: String = (0..50_000).fold(String::new(), |mut text, n| {
        writeln!(text, "k{n}: {{a: 1}}").unwrap();
        text
    });
    let refused = refused_at_once(&format!("{GOOD}{keys}"));
    assert!(refused.contains("error: unknown key `k99`\n"), "{refused}");
    assert!(refused.ends_with("\n\nand 49900 more\n\n50000 problems in x.yaml; nothing was run"));
    let doubled = "k: 1\n".repeat(50_000);
    refused_at_once(&format!("{GOOD}{doubled}"));
    // All in one line, and each a problem that shows its text.
    let numbers = "1, ".repeat(50_000);
    let refused = refused_at_once(&GOOD.replace("[red, blue]", &format!("[{numbers}]")));
    assert!(refused.contains("found the number `1`"), "{refused}");
}

#[test]
fn products_are_bounded_before_they_are_made() {
    let concepts: Vec<String> = (0..20_000).map(|n| format!("c{n}")).collect();
    let concepts = concepts.join(", ");
    let many = GOOD.replace("[red, blue]", &format!("[red, {concepts}]"));
    let template = |n: usize| {
        format!("  - {{id: t{n}, category: c, test: \"{{concept}} t{n}\", control: \"t{n}\"}}\n")
    };
    let templates: String = (0..20_000).map(template).collect();
    let many_templates = many.replace("templates:\n", &format!("templates:\n{templates}"));
    let refused = refused_at_once(&many_templates);
    assert!(
        refused.contains(" prompt pairs are too many\n"),
        "{refused}"
    );
    let own = format!("fillers: [{}]\ntemplates:\n", concepts.replace('c', "f"));
    let refused = refused_at_once(&many.replace("templates:\n", &(own + &templates)));
    assert!(refused.contains(" are too many\n"), "{refused}");
    let long = many.replace(
        "{concept}. He works",
        &format!("{{concept}}. {} He works", "x ".repeat(50_000)),
    );
    let refused = refused_at_once(&long);
    let expected = "error: the prompts of all templates together are too long\n";
    assert!(refused.contains(expected), "{refused}");
}

#[test]
fn more_generations_than_can_be_planned_are_refused() {
    let concepts: Vec<String> = (0..20_000).map(|n| format!("c{n}")).collect();
    let many = GOOD.replace("[red, blue]", &format!("[red, {}]", concepts.join(", ")));
    let experiment = load(&many).unwrap();
    let overrides = Overrides {
        repeats: Some(10_000),
        ..Overrides::default()
    };
    let refused = experiment.clone().with_overrides(&overrides).unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.starts_with("the experiment asks each model for 2000"),
        "{refused}"
    );
    let limited = Overrides {
        limit: Some(10),
        ..overrides
    };
    experiment.with_overrides(&limited).unwrap();
}
