//! People against a metric, as a table and as JSON.
//!
//! Owns words and layout; the figures stand in [`AnnotationReport`] already.

use serde::Serialize;

use super::columns::plain_table;
use super::objects::IntervalObject;
use crate::leakage::{JudgeAgreement, JudgedRate};
use crate::results::{AnnotationReport, PeopleAgreement};
use crate::stats::{ClusteredAgreement, Interval};

const INTERVAL: &str = "95 % interval";
const LEGEND: &str = "agreement: share of items of which both say the same of leak, tie and no leak; `same` is a tie. kappa: how far that is beyond\n\
     chance (Cohen). decided: items of which both say leak or no leak, and the agreement about these. The intervals treat all items\n\
     that share a control prompt as one cluster. The Leak-Rates are of the same items.";

/// The reports as a person reads them.
pub fn annotation_table(reports: &[AnnotationReport]) -> String {
    let texts: Vec<String> = reports.iter().map(report_text).collect();
    format!("{}\n{LEGEND}\n", texts.join("\n"))
}

fn report_text(report: &AnnotationReport) -> String {
    let AnnotationReport {
        experiment, metric, ..
    } = report;
    let seed = report
        .seed
        .map_or("imported".to_owned(), |seed| format!("seed {seed}"));
    let people = format!("by {metric}");
    let columns = [
        "annotator",
        "condition",
        "items",
        "agreement",
        INTERVAL,
        "kappa",
        INTERVAL,
        "decided",
        "agreement",
        "Leak-Rate",
        INTERVAL,
        &people,
        INTERVAL,
    ];
    let rows = report.people.iter().map(people_cells).collect();
    let table = plain_table(&columns, rows, &|column_idx| column_idx >= 2);
    let mut text = format!("{experiment}: people against {metric}, {seed}\n{table}\n");
    if !report.between.is_empty() {
        let columns = [
            "annotators",
            "items",
            "agreement",
            INTERVAL,
            "kappa",
            INTERVAL,
            "decided",
            "agreement",
        ];
        let rows = report.between.iter().map(|it| {
            let mut cells = vec![it.annotators.join(", ")];
            cells.extend(agreement_cells(&it.agreement));
            cells
        });
        let table = plain_table(&columns, rows.collect(), &|column_idx| column_idx >= 1);
        text += &format!("\nBetween annotators:\n{table}\n");
    }
    if report.n_without_verdict > 0 {
        text += &format!(
            "{} answers are left out: the verdicts on these generations are no longer stored.\n",
            report.n_without_verdict
        );
    }
    text + &format!("Signature: {}\n", report.signature)
}

fn people_cells(row: &PeopleAgreement) -> Vec<String> {
    let everyone = || "all".to_owned();
    let found = &row.agreement;
    let mut cells = vec![
        row.annotator.clone().unwrap_or_else(everyone),
        row.condition.clone().unwrap_or_else(everyone),
    ];
    cells.extend(agreement_cells(found));
    for rate in [&found.person_rate, &found.other_rate] {
        cells.push(format!("{:.1} %", rate.rate));
        cells.push(interval_text(rate.interval, 1.0, 1));
    }
    cells
}

/// Items, agreement, kappa, and both again where both judges decided.
fn agreement_cells(found: &JudgeAgreement) -> Vec<String> {
    let share = |found: &ClusteredAgreement| format!("{:.1} %", 100.0 * found.share.mean);
    let kappa = found.all.kappa;
    let none = || "none".to_owned();
    let decided = found.decided.as_ref();
    vec![
        found.n_items.to_string(),
        share(&found.all),
        interval_text(found.all.share.interval, 100.0, 1),
        kappa.map_or_else(none, |kappa| format!("{:.2}", kappa.value)),
        interval_text(kappa.and_then(|kappa| kappa.interval), 1.0, 2),
        decided.map_or(0, |decided| decided.share.n).to_string(),
        decided.map_or_else(none, share),
    ]
}

fn interval_text(interval: Option<Interval>, unit: f64, decimals: usize) -> String {
    interval.map_or("none".to_owned(), |Interval { lower, upper }| {
        let (lower, upper) = (unit * lower, unit * upper);
        format!("{lower:.decimals$} to {upper:.decimals$}")
    })
}

/// The reports as one JSON document, ending with a newline.
pub fn annotation_json(reports: &[AnnotationReport]) -> String {
    let annotations = reports.iter().map(ReportObject::from).collect();
    let text = serde_json::to_string_pretty(&Document { annotations })
        .expect("plain strings and numbers always serialise");
    text + "\n"
}

#[derive(Serialize)]
struct Document<'a> {
    annotations: Vec<ReportObject<'a>>,
}

#[derive(Serialize)]
struct ReportObject<'a> {
    experiment: &'a str,
    experiment_sha256: &'a str,
    metric: &'a str,
    signature: &'a str,
    /// Null where generations were imported.
    seed: Option<u64>,
    n_without_verdict: usize,
    people: Vec<PeopleObject<'a>>,
    between_annotators: Vec<BetweenObject<'a>>,
}

impl<'a> From<&'a AnnotationReport> for ReportObject<'a> {
    fn from(report: &'a AnnotationReport) -> Self {
        let people = report.people.iter().map(|row| PeopleObject {
            annotator: row.annotator.as_deref(),
            condition: row.condition.as_deref(),
            agreement: (&row.agreement).into(),
            human: (&row.agreement.person_rate).into(),
            metric: (&row.agreement.other_rate).into(),
        });
        let between = report.between.iter().map(|row| BetweenObject {
            annotators: &row.annotators,
            agreement: (&row.agreement).into(),
        });
        Self {
            experiment: &report.experiment,
            experiment_sha256: &report.experiment_sha256,
            metric: &report.metric,
            signature: &report.signature,
            seed: report.seed,
            n_without_verdict: report.n_without_verdict,
            people: people.collect(),
            between_annotators: between.collect(),
        }
    }
}

#[derive(Serialize)]
struct PeopleObject<'a> {
    /// Null for all annotators together.
    annotator: Option<&'a str>,
    /// Null for all conditions together.
    condition: Option<&'a str>,
    #[serde(flatten)]
    agreement: AgreementObject,
    human: RateObject,
    metric: RateObject,
}

#[derive(Serialize)]
struct BetweenObject<'a> {
    annotators: &'a [String; 2],
    #[serde(flatten)]
    agreement: AgreementObject,
}

/// Agreement in three classes, and where both judges decided.
#[derive(Serialize)]
struct AgreementObject {
    n_items: usize,
    n_clusters: usize,
    #[serde(flatten)]
    all: ShareObject,
    n_decided: usize,
    /// Null where both decided about no item.
    decided: Option<ShareObject>,
}

impl From<&JudgeAgreement> for AgreementObject {
    fn from(found: &JudgeAgreement) -> Self {
        Self {
            n_items: found.n_items,
            n_clusters: found.n_clusters,
            all: (&found.all).into(),
            n_decided: found.decided.map_or(0, |decided| decided.share.n),
            decided: found.decided.as_ref().map(Into::into),
        }
    }
}

#[derive(Serialize)]
struct ShareObject {
    /// 0 to 1.
    agreement: f64,
    agreement_interval: Option<IntervalObject>,
    /// Null where both judges say one and the same thing throughout.
    kappa: Option<f64>,
    kappa_standard_error: Option<f64>,
    kappa_interval: Option<IntervalObject>,
}

impl From<&ClusteredAgreement> for ShareObject {
    fn from(found: &ClusteredAgreement) -> Self {
        Self {
            agreement: found.share.mean,
            agreement_interval: found.share.interval.map(Into::into),
            kappa: found.kappa.map(|kappa| kappa.value),
            kappa_standard_error: found.kappa.and_then(|kappa| kappa.standard_error),
            kappa_interval: found.kappa.and_then(|kappa| kappa.interval).map(Into::into),
        }
    }
}

/// A Leak-Rate by one judge, in percent.
#[derive(Serialize)]
struct RateObject {
    mean_leak_rate: f64,
    interval: Option<IntervalObject>,
}

impl From<&JudgedRate> for RateObject {
    fn from(rate: &JudgedRate) -> Self {
        Self {
            mean_leak_rate: rate.rate,
            interval: rate.interval.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakage::{JudgedItem, Leak, judge_agreement};
    use crate::results::BetweenAgreement;

    /// Of imported generations, judged by two people of whom one saw a single cluster.
    fn report() -> AnnotationReport {
        let (leak, tie, none) = (Leak::Leak, Leak::Tie, Leak::NoLeak);
        let items: Vec<JudgedItem> = [(leak, leak), (tie, leak), (none, none), (leak, none)]
            .into_iter()
            .enumerate()
            .map(|(control_prompt_idx, (person, other))| JudgedItem {
                control_prompt_idx,
                person,
                other,
            })
            .collect();
        let people = |annotator: &str, items: &[JudgedItem]| PeopleAgreement {
            annotator: Some(annotator.to_owned()),
            condition: Some("a:imported".to_owned()),
            agreement: judge_agreement(items).unwrap(),
        };
        AnnotationReport {
            experiment: "colors".to_owned(),
            experiment_sha256: "0".repeat(64),
            metric: "sbert".to_owned(),
            signature: "sbert_round3".to_owned(),
            seed: None,
            n_without_verdict: 2,
            people: vec![people("anna", &items), people("ben", &items[1..2])],
            between: vec![BetweenAgreement {
                annotators: ["anna", "ben"].map(str::to_owned),
                agreement: judge_agreement(&items[..1]).unwrap(),
            }],
        }
    }

    #[test]
    fn the_words_of_the_table_are_these() {
        let text = annotation_table(&[report()]);
        insta::assert_snapshot!(text.replace(LEGEND, "[LEGEND]"), @r"
        colors: people against sbert, imported
        annotator   condition    items   agreement   95 % interval   kappa   95 % interval   decided   agreement   Leak-Rate   95 % interval   by sbert   95 % interval
        ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        anna        a:imported       4      50.0 %    0.0 to 100.0    0.20   -1.00 to 1.00         3      66.7 %      62.5 %    0.0 to 100.0     50.0 %    0.0 to 100.0
        ben         a:imported       1       0.0 %            none    0.00            none         0        none      50.0 %            none    100.0 %            none

        Between annotators:
        annotators   items   agreement   95 % interval   kappa   95 % interval   decided   agreement
        ──────────────────────────────────────────────────────────────────────────────────────────────
        anna, ben        1     100.0 %            none    none            none         1     100.0 %
        2 answers are left out: the verdicts on these generations are no longer stored.
        Signature: sbert_round3

        [LEGEND]
        ");
    }

    #[test]
    fn what_is_not_there_is_null() {
        let json: serde_json::Value = serde_json::from_str(&annotation_json(&[report()])).unwrap();
        let report = &json["annotations"][0];
        assert!(report["seed"].is_null());
        let ben = &report["people"][1];
        assert_eq!(
            (&ben["agreement"], &ben["n_decided"]),
            (&0.0.into(), &0.into())
        );
        assert!(ben["decided"].is_null() && ben["agreement_interval"].is_null());
        assert_eq!(ben["human"]["mean_leak_rate"], 50.0);
        assert_eq!(ben["metric"]["mean_leak_rate"], 100.0);
    }
}
