//! The report in a real browser: a small page of hostile texts, and a large one.
//!
//! Owns both databases; `report.py` beside this file opens the pages that the program makes of them. Not part of a
//! plain `cargo test`, because a browser must be installed; `just test-report` runs it, and it fails without one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../integration/filling.rs"]
mod filling;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use filling::{Extent, FilledModel, Filling};

/// What a model may say to break a page.
const HOSTILE: [&str; 6] = [
    "</script><script>document.title = 'run'</script>",
    "<img src=x onerror=\"document.title='run'\"> <!-- ' \" & ]]> -->",
    "a red safe\u{202e}txt.exe\u{2066}\u{200f} \u{1b}[31m {{ 7 * 7 }}",
    "\u{2028}\u{feff}sky blue. été!",
    "javascript:document.title='run'",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} red",
];

fn hostile(n: usize) -> String {
    match HOSTILE.get(n) {
        Some(text) => (*text).to_owned(),
        None => format!("endless {n} ").repeat(1000),
    }
}

/// Sentences of which no two are alike, about as long as generations are.
fn bland(n: usize) -> String {
    let words = [
        "scarf", "teacher", "river", "lawyer", "window", "garden", "apple", "engine",
    ];
    let word = |power: u32| words[n / 8usize.pow(power) % words.len()];
    format!("a {} and the {} of {} {n}.", word(0), word(1), word(2))
}

fn fill(path: &Path, extent: Extent, models: &[(&str, &str, f64)], text: &dyn Fn(usize) -> String) {
    let mut filling = Filling::start(path, extent);
    for (idx, (label, quantization, bits_per_weight)) in models.iter().enumerate() {
        filling.add_model(FilledModel {
            label,
            quantization,
            bits_per_weight: *bits_per_weight,
            n_leaks: 2 + idx % 2,
            text,
        });
    }
}

fn report(db: &Path, page: &Path) {
    let started = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_seep"))
        .args(["report".as_ref(), "--db".as_ref(), db.as_os_str()])
        .args(["-o".as_ref(), page.as_os_str()])
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let seconds = started.elapsed().as_secs_f64();
    let megabytes = std::fs::metadata(page).unwrap().len() as f64 / 1e6;
    println(&format!(
        "{}: {megabytes:.1} MB, written in {seconds:.1} s",
        page.display()
    ));
}

#[expect(clippy::print_stdout, reason = "figures for whoever runs the test")]
fn println(line: &str) {
    println!("{line}");
}

#[test]
fn the_report_works_in_a_browser() {
    let python = std::env::var("SEEP_BROWSER_PYTHON");
    let python = python.expect("`just test-report` sets SEEP_BROWSER_PYTHON");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let small = Extent {
        n_pairs: 60,
        n_repeats: 3,
        n_texts: 12,
    };
    let models = [
        ("tiny <b>", "Q8_0", 8.5),
        ("tiny <b>", "Q4_0", 4.5),
        ("other", "Q4_0", 4.6),
    ];
    fill(&path("small.sqlite"), small, &models, &hostile);
    report(&path("small.sqlite"), &path("small.html"));
    let large = Extent {
        n_pairs: 4000,
        n_repeats: 5,
        n_texts: 2000,
    };
    let models = [
        ("first", "F16", 16.0),
        ("first", "Q8_0", 8.5),
        ("first", "Q4_0", 4.5),
        ("first", "Q2_K", 2.6),
        ("second", "F16", 16.0),
        ("second", "Q8_0", 8.5),
        ("second", "Q4_0", 4.5),
        ("second", "Q2_K", 2.6),
    ];
    fill(&path("large.sqlite"), large, &models, &bland);
    report(&path("large.sqlite"), &path("large.html"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/report.py");
    let status = Command::new(python)
        .arg(script)
        .args([path("small.html"), path("large.html")])
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}
