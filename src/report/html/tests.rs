//! The page of a hand-written report: its words and data, and what hostile texts can do to it.
//!
//! `tests/browser` shows what a browser makes of the page.

use serde_json::Value;

use super::fixture::{HOSTILE, data, endless, exact_data};
use super::*;
use crate::leakage::ConceptMatrix;
use crate::report::figure_files;
use crate::report::text::visible;
use crate::results::ReportData;

fn page() -> String {
    page_of(&data())
}

fn page_of(data: &ReportData) -> String {
    let mut page = Vec::new();
    Report::new(data).write_html(&mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// Returns the text between `from` and the first `to` behind it.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.split(from).nth(1).unwrap();
    rest.split(to).next().unwrap()
}

fn rows_of(page: &str) -> Value {
    let json = between(page, "id=\"rows-json\">", "</script>");
    serde_json::from_str(json).unwrap()
}

/// Everything the page says, without its drawings; `cargo insta review` shows a change of wording.
#[test]
fn the_words_of_the_page_are_these() {
    let report = Report::new(&data());
    let mut context = serde_json::to_value(&report.context).unwrap();
    let rows: Value = serde_json::from_str(&report.context.rows_json).unwrap();
    context["rows_json"] = rows;
    let charts = context["charts"].as_array_mut().unwrap();
    for (chart, described) in charts.iter_mut().zip(report.figures()) {
        chart["svg"] = Value::from(described.description.as_str());
    }
    // The policy holds hashes of the style sheet and the script, which are no words.
    context["policy"] = Value::Null;
    let words = serde_json::to_string_pretty(&context).unwrap();
    insta::assert_snapshot!(words.replace(endless().trim(), "(10,000 characters)"));
}

/// The same of a report on exact rates, without what has the same words.
#[test]
fn the_words_of_exact_rates_are_these() {
    let report = Report::new(&exact_data());
    let context = serde_json::to_value(&report.context).unwrap();
    let rows: Value = serde_json::from_str(&report.context.rows_json).unwrap();
    let chart = |chart: &Value| (chart["caption"].clone(), chart["table"].clone());
    let charts = context["charts"].as_array().unwrap().iter();
    let charts: Vec<(Value, Value)> = charts.map(chart).collect();
    let said = serde_json::json!({
        "facts": context["facts"], "answer": context["answer"], "charts": charts,
        "examples": context["examples"], "pairs": rows["pairs"], "is_exact": rows["is_exact"],
    });
    insta::assert_snapshot!(serde_json::to_string_pretty(&said).unwrap());
}

#[test]
fn hostile_text_stays_text() {
    for page in [page(), page_of(&exact_data())] {
        check_hostile_text(&page);
    }
}

fn check_hostile_text(page: &str) {
    assert_eq!(page.matches("<script").count(), 2, "the rows and our own");
    assert_eq!(page.matches("</script").count(), 2);
    for tag in [
        "<img",
        "<b>expression",
        "<i>",
        "<!--",
        "</pre><",
        "large<&>",
    ] {
        assert!(!page.contains(tag), "{tag}");
    }
    let is_obeyed =
        |c: &char| c.is_control() && *c != '\n' || ('\u{2028}'..='\u{202e}').contains(c);
    assert_eq!(page.chars().find(is_obeyed), None);
}

#[test]
fn hostile_text_is_read_back_as_it_was() {
    let rows = rows_of(&page());
    let texts: Vec<&str> = rows["texts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect();
    for text in HOSTILE.into_iter().chain([endless().as_str()]) {
        assert!(texts.contains(&visible(text).as_str()), "{text:?}");
    }
}

#[test]
fn equal_repeats_are_one_group() {
    let rows = rows_of(&page());
    let text = |number: &Value| rows["texts"][number.as_u64().unwrap() as usize].clone();
    let groups = |pair: usize, condition: usize| {
        rows["pairs"][pair]["groups"][condition]
            .as_array()
            .unwrap()
            .clone()
    };
    let first = groups(0, 0);
    assert_eq!(
        (text(&first[0]), text(&first[1])),
        ("a".into(), "a control".into())
    );
    assert_eq!(first[2..], [400, 300, 2, 0, 2].map(Value::from));
    // Similarities are rounded before they are compared, so 0.3004 is a tie.
    assert_eq!(groups(1, 1)[7..][2..], [300, 300, 1, 0, 1].map(Value::from));
    assert_eq!(rows["pairs"][0]["flips"], serde_json::json!([null, 2, 0]));
}

#[test]
fn nothing_is_loaded_and_nothing_else_runs() {
    let page = page();
    let policy =
        between(&page, "Content-Security-Policy\" content=\"", "\"").replace("&#x27;", "'");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    for loading in [
        "src=\"",
        "href=\"http",
        "url(",
        "@import",
        "srcset",
        "<link",
        "onclick",
        "style=\"",
    ] {
        assert!(!page.contains(loading), "{loading}");
    }
    assert_eq!(between(&page, "<style>", "</style>"), STYLE);
    assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
}

#[test]
fn without_a_comparison_or_a_second_category_their_figures_are_left_out() {
    let mut data = data();
    data.conditions.truncate(1);
    data.conditions[0].leak_rates.truncate(2);
    data.comparisons.clear();
    let report = Report::new(&data);
    let names: Vec<&str> = report
        .figures()
        .map(|figure| figure.name.as_str())
        .collect();
    let expected = [
        "specificity",
        "leak-rate-parts",
        "specificity-by-bits",
        "leak-rate-by-bits",
        "repeats",
        "echoes",
        "concepts-1",
    ];
    assert_eq!(names, expected);
}

/// Without siblings a page shows no more than Leak-Rates, and says that these tell no leakage.
#[test]
fn without_siblings_leak_rates_are_shown_and_no_leakage_is_told() {
    let mut data = data();
    let rates = data.conditions.iter_mut().flat_map(|it| &mut it.leak_rates);
    rates.for_each(|rate| rate.specific = None);
    let others = data.comparisons.iter_mut().flat_map(|it| &mut it.others);
    others.for_each(|other| other.found.specific = None);
    let report = Report::new(&data);
    let names: Vec<&str> = report.figures().map(|it| it.name.as_str()).collect();
    let expected = [
        "leak-rate-by-bits",
        "leak-rate-by-category",
        "leak-rate-grid",
        "difference-to-base",
    ];
    assert_eq!(names[..4], expected);
    for figure in report.figures().take(4) {
        let is_said = figure
            .caption
            .contains("nothing tells leakage from what any word in the slot does");
        assert!(is_said, "{}", figure.caption);
    }
    let page = page_of(&data);
    assert!(!page.contains("50 % is no leakage"));
}

/// No caption calls 50 % of a Leak-Rate no leakage.
#[test]
fn no_leakage_is_said_of_specificity_alone() {
    for data in [data(), exact_data()] {
        for figure in Report::new(&data).figures() {
            let says = figure.caption.contains("no leakage");
            let is_of_specificity =
                figure.name.starts_with("specificity") || figure.name == "leak-rate-parts";
            assert!(!says || is_of_specificity, "{}", figure.caption);
        }
    }
}

/// Two conditions of one file have the same bits per weight, and a cell of the grid has room for one.
#[test]
fn samplings_of_one_file_are_rows_of_a_figure() {
    let mut data = data();
    let file = data.conditions[0].model.clone();
    for condition in &mut data.conditions {
        condition.model = file.clone();
    }
    let report = Report::new(&data);
    let names: Vec<&str> = report.figures().map(|it| it.name.as_str()).collect();
    assert_eq!(names[..2], ["specificity", "leak-rate-parts"]);
    for wanted in ["leak-rate-by-condition", "leak-rate-by-category"] {
        assert!(names.contains(&wanted), "{names:?}");
    }
    for other in ["specificity-by-bits", "leak-rate-by-bits", "leak-rate-grid"] {
        assert!(!names.contains(&other), "{names:?}");
    }
    let heading = |data: &ReportData| words::answer(data)[1].heading.clone();
    assert_eq!(heading(&data), "Do the sampling values change it?");
    data.conditions[1].model.sha256 = "another".to_owned();
    assert_eq!(
        heading(&data),
        "Does quantization, size or a sampling value change it?"
    );
}

#[test]
fn a_condition_without_verdicts_says_so() {
    let mut data = data();
    data.conditions[1].leak_rates.clear();
    data.conditions[1].leaks.clear();
    let words = words::answer(&data);
    assert_eq!(words[0].sentences[1], "small:Q4_0: no verdict is stored.");
}

#[test]
fn figures_are_written_in_three_forms_with_their_font() {
    let folder = tempfile::tempdir().unwrap();
    let report = Report::new(&data());
    let figures: Vec<&Figure> = report.figures().collect();
    let paths = figure_files(&figures, folder.path()).unwrap();
    assert_eq!(paths.len(), 3 * figures.len());
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        match path.extension().unwrap().to_str().unwrap() {
            "svg" => assert!(holds(b"@font-face") && holds(b"<desc"), "{path:?}"),
            "pdf" => assert!(
                bytes.starts_with(b"%PDF") && holds(b"/FontFile"),
                "{path:?}"
            ),
            _ => assert!(bytes.starts_with(b"\x89PNG"), "{path:?}"),
        }
    }
}

/// One colour is one value in all maps that are compared with each other.
#[test]
fn maps_of_conditions_have_one_scale() {
    let mut data = data();
    let largest = |data: &ReportData, name: &str| {
        let report = Report::new(data);
        let map = report.figures().find(|it| it.name == name).unwrap();
        let labels = map.for_page();
        ["50", "100", "200"].map(|value| labels.contains(&format!(">{value}</text>")))
    };
    let expected = [true; 3];
    assert_eq!(largest(&data, "concepts-2"), expected);
    let cells = &mut data.conditions[1].matrix.as_mut().unwrap().cells;
    cells
        .iter_mut()
        .flatten()
        .for_each(|cell| *cell = cell.map(|value| value / 100.0));
    assert_eq!(largest(&data, "concepts-2"), expected);
    data.conditions[0].matrix = None;
    assert_eq!(largest(&data, "concepts-2"), [false; 3]);
}

/// A table of many columns would take more tags than numbers.
#[test]
fn the_numbers_of_a_large_map_are_lines_of_text() {
    let mut data = data();
    let concepts: Vec<String> = (0..20).map(|idx| format!("concept {idx}")).collect();
    let cells = vec![vec![Some(0.012); 20]; 20];
    data.conditions[0].matrix = Some(ConceptMatrix {
        concepts,
        cells,
        n_templates: 3,
    });
    let page = page_of(&data);
    let lines = between(&page, "tabindex=\"0\">in the prompt\tconcept 0\t", "</pre>");
    assert_eq!(lines.lines().count(), 21);
    assert!(lines.ends_with("\t+12\n"), "{lines}");
    data.conditions[0].matrix = None;
    assert!(!page_of(&data).contains("<pre class=\"file tabbed"));
}
