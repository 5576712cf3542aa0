//! `seep report` on a database that the test writes. What a browser makes of the page, `tests/browser` shows.

use std::fs;

use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::{FILLED, Ran, TestEnv};

fn report(env: &TestEnv, arguments: &str) -> Ran {
    env.seep(&format!("report --db filled.sqlite {arguments}"))
}

fn rows(page: &str) -> Value {
    let json = page.split("id=\"rows-json\">").nth(1).unwrap();
    serde_json::from_str(json.split("</script>").next().unwrap()).unwrap()
}

#[test]
fn everything_that_is_stored_is_in_the_page() {
    let env = TestEnv::filled();
    let ran = report(&env, "-o out/page.html");
    assert_eq!(
        (ran.exit_code, ran.stdout.as_str()),
        (Some(0), ""),
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains("wrote out/page.html ("),
        "{}",
        ran.stderr
    );
    let page = fs::read_to_string(env.path("out/page.html")).unwrap();
    let rows = rows(&page);
    assert_eq!(rows["pairs"].as_array().unwrap().len(), FILLED.n_pairs);
    // The file with most bits per weight is the base, wherever it stands.
    let bases: Vec<_> = rows["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["name"].as_str().unwrap(), c["is_base"] == true))
        .collect();
    assert_eq!(
        bases,
        [
            ("tiny:Q4_0", false),
            ("tiny:Q8_0", true),
            ("tiny:Q2_K", false)
        ]
    );
    for expected in [
        "tiny:Q2_K has a Mean Leak-Rate higher than tiny:Q8_0, by ",
        "temperature",
        "strict-pad8-vbf16",
        "seep run filled.yaml",
        " report --db filled.sqlite -o out&#x2f;page.html",
        "<td>mit</td>",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    assert!(!env.files().contains(&"out/page.html.part".to_owned()));
}

#[test]
fn the_base_can_be_chosen() {
    let env = TestEnv::filled();
    let ran = report(&env, "--base Q2_K");
    assert_eq!(ran.exit_code, Some(2));
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    let ran = report(
        &env,
        "--base tiny:q2_k --unit template --seed 1 --metric sbert --experiment filled",
    );
    assert_eq!(ran.exit_code, Some(0), "{ran:?}");
    let page = fs::read_to_string(env.path("report.html")).unwrap();
    assert_eq!(rows(&page)["conditions"][2]["is_base"], true);
    assert!(page.contains("tiny:Q8_0 has a Mean Leak-Rate lower than tiny:Q2_K, by "));
}

#[test]
fn figures_are_files_of_their_own() {
    let env = TestEnv::filled();
    let ran = report(&env, "--figures figures");
    assert_eq!(ran.exit_code, Some(0), "{ran:?}");
    for name in [
        "leak-rate-by-bits",
        "leak-rate-by-category",
        "leak-rate-grid",
        "difference-to-base",
        "flips",
        "repeats",
        "echoes",
        "concepts-1",
        "concepts-1-less-2",
    ] {
        for form in ["svg", "pdf", "png"] {
            let path = env.path(&format!("figures/{name}.{form}"));
            assert!(fs::metadata(&path).unwrap().len() > 1000, "{path:?}");
        }
    }
}

#[test]
fn what_cannot_be_reported_is_said() {
    let env = TestEnv::filled();
    let refused = |arguments: &str, expected: &str| {
        let ran = report(&env, arguments);
        assert_eq!((ran.exit_code, ran.stdout.as_str()), (Some(2), ""));
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    };
    refused(
        "--experiment fillet",
        "hint: did you mean `filled`? there are leaks of filled",
    );
    refused(
        "--metric sbirt",
        "hint: did you mean `sbert`? there are sbert",
    );
    refused(
        "--seed 2",
        "no leaks are stored with the seed 2\nhint: there are 1",
    );
    refused(
        "--base tiny",
        "`tiny` has several quantizations: tiny:Q2_K, tiny:Q4_0, tiny:Q8_0",
    );
    refused(
        "-o filled.sqlite/page.html",
        "failed to write the report `filled.sqlite/page.html`",
    );
    let ran = env.seep("report --db none.sqlite");
    assert!(
        ran.stderr.contains("there is no database `none.sqlite`"),
        "{}",
        ran.stderr
    );
    assert!(!env.path("none.sqlite").exists());
}

/// A report chose its most striking leaks by the lead over the control alone, so that nearly all were of another concept,
/// and left out echoes of the test generation only, which moves a rate by itself.
#[test]
fn a_report_compares_with_other_concepts() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(4, 3));
    env.seep("run x.yaml").ok();
    let page = |name: &str| {
        env.seep(&format!("report -o {name}")).ok();
        fs::read_to_string(env.path(name)).unwrap()
    };
    let before = page("before.html");
    for shown in [
        "id=\"specificity\"",
        "id=\"leak-rate-parts\"",
        "without echoes on either side",
    ] {
        assert!(before.contains(shown), "{shown}");
    }
    let database = rusqlite::Connection::open(env.path("db/seep.sqlite")).unwrap();
    let change = |sql: &str| assert!(database.execute(sql, []).unwrap() > 0, "{sql}");
    change("UPDATE specificities SET margin = 0.125, control_echo = 1");
    let after = page("after.html");
    assert!(after.contains("margin 0.125"));
    let echoes = after.split("id=\"echoes\"").nth(1).unwrap();
    let row = echoes.split("<tbody>").nth(1).unwrap();
    assert!(
        row.split("</tr>")
            .next()
            .unwrap()
            .ends_with("<td>none</td>"),
        "{row}"
    );
    change("UPDATE specificities SET margin = -0.125");
    assert!(!page("none.html").contains("id=\"examples\""));
}
