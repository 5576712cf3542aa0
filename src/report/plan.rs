//! The plan of a run as a table.
//!
//! Owns words and layout; every figure stands in [`RunPlan`] already.

use indicatif::HumanBytes;

use super::columns::plain_table;
use super::table::mode_text;
use crate::results::{ComparisonPlan, Cost, DesignAdvice, DesignBalance, RunPlan};
use crate::watch::duration;

/// The plan as a person reads it.
pub fn plan_table(plan: &RunPlan) -> String {
    let made = match plan.enumeration {
        Some(_) => "enumerations",
        None => "generations",
    };
    let columns = [
        "model",
        "quantization",
        "here",
        "to fetch",
        made,
        "stored",
        "missing",
        "prompt tokens",
        "memory",
        "time",
        "from",
    ];
    let rows = plan.models.iter().map(|model| {
        vec![
            model.model.clone(),
            model.quantization.clone().unwrap_or_default(),
            model.state.clone(),
            HumanBytes(model.fetch_bytes).to_string(),
            model.n_generations.to_string(),
            model.n_stored.to_string(),
            model.n_missing.to_string(),
            model
                .n_prompt_tokens
                .map_or("-".to_owned(), |n| n.to_string()),
        ]
        .into_iter()
        .chain(cost_cells(model.cost.as_ref()))
        .collect()
    });
    format!(
        "{}: {}, {}\n{}{}\n{}\n\n{}\n{}{}",
        plan.experiment,
        prompt_counts(plan),
        mode_text(
            [plan.n_repeats, plan.n_control_repeats],
            plan.enumeration.as_ref()
        ),
        plan.balance.as_ref().map_or_else(String::new, balance_line),
        plain_table(&columns, rows.collect(), &|column_idx| (3..10)
            .contains(&column_idx)),
        totals(plan),
        comparison_table(plan),
        shares_table(plan),
        plan.advice.as_ref().map_or_else(String::new, advice_table)
    )
}

/// How many templates meet how many concepts, and how often each concept and each two of them come.
fn balance_line(balance: &DesignBalance) -> String {
    let range = |[least, most]: [usize; 2]| match least == most {
        true => least.to_string(),
        false => format!("{least} to {most}"),
    };
    let together = balance.n_templates_of_two.map_or_else(String::new, |n| {
        format!(", each pair of concepts together {} times", range(n))
    });
    format!(
        "{} templates x {} of {} concepts, each concept {} times{together}\n",
        balance.n_templates,
        range(balance.n_concepts_of_template),
        balance.n_concepts,
        range(balance.n_templates_of_concept),
    )
}

fn prompt_counts(plan: &RunPlan) -> String {
    let fillers = match plan.n_filler_prompts {
        0 => String::new(),
        1 => "1 filler prompt, ".to_owned(),
        n => format!("{n} filler prompts, "),
    };
    format!(
        "{} prompt pairs, {fillers}{} distinct prompts",
        plan.n_prompt_pairs, plan.n_prompts
    )
}

fn cost_cells(cost: Option<&Cost>) -> [String; 3] {
    let none = || "-".to_owned();
    [
        cost.map_or_else(none, |cost| HumanBytes(cost.memory_bytes).to_string()),
        cost.map_or_else(none, |cost| duration(cost.seconds)),
        cost.and_then(|cost| cost.seconds_from.clone())
            .unwrap_or_else(none),
    ]
}

/// Returns the time, the memory and the disk space that the whole run takes.
fn totals(plan: &RunPlan) -> String {
    let known = duration(plan.seconds);
    let time = match plan.n_models_without_time {
        0 => known,
        _ if plan.models.iter().all(|model| model.cost.is_none()) => {
            "unknown, because no model is here".to_owned()
        }
        n => format!("{known} and that of {n} models that are not here"),
    };
    let memory = plan.memory_bytes.map_or("unknown".to_owned(), |bytes| {
        let is_too_much = bytes > plan.machine_memory_bytes;
        let warning = if is_too_much {
            ", which is too much"
        } else {
            ""
        };
        let (bytes, machine) = (HumanBytes(bytes), HumanBytes(plan.machine_memory_bytes));
        format!("{bytes} of {machine}{warning}")
    });
    format!(
        "Time {time}, without loading, the self-check and embedding; disk {}; memory {memory}.",
        HumanBytes(plan.disk_bytes)
    )
}

fn comparison_table(plan: &RunPlan) -> String {
    if plan.comparisons.is_empty() {
        return "There is one model, so nothing to compare.".to_owned();
    }
    let columns = [
        "base",
        "other",
        "Leak-Rate",
        "specificity",
        "specific leakage",
        "from",
    ];
    let rows = plan.comparisons.iter().map(|comparison| {
        vec![
            comparison.base.clone(),
            comparison.other.clone(),
            points_cell(
                Some(comparison.standard_error),
                comparison.detectable_points,
            ),
            points_cell(
                comparison.specificity_standard_error,
                comparison.specificity_detectable_points,
            ),
            points_cell(
                comparison.specific_leakage_standard_error,
                comparison.specific_leakage_detectable_points,
            ),
            source_text(comparison),
        ]
    });
    format!(
        "The smallest difference in points that is found with a power of 80 %, after Holm's correction over the comparisons with its base; in brackets the standard error to expect:\n{}\n{}",
        plain_table(&columns, rows.collect(), &|column_idx| (2..5)
            .contains(&column_idx)),
        siblings_sentence(plan)
    )
}

/// The detectable difference with its standard error; a dash where the measure has no pairs.
fn points_cell(standard_error: Option<f64>, points: Option<f64>) -> String {
    standard_error.map_or("-".to_owned(), |standard_error| {
        let points = points.map_or("none".to_owned(), |points| format!("{points:.1}"));
        format!("{points} ({standard_error:.1})")
    })
}

fn source_text(comparison: &ComparisonPlan) -> String {
    let is_prior_beside = comparison.siblings_basis == Some("prior");
    let beside = if is_prior_beside {
        "; prior of specificity"
    } else {
        ""
    };
    match comparison.n_stored {
        0 => "prior".to_owned(),
        n if comparison.is_exact => format!("{n} stored leak probabilities each{beside}"),
        n => format!("{n} stored verdicts each{beside}"),
    }
}

/// Where the variance of the differences comes from; nothing where nothing is stored.
fn shares_table(plan: &RunPlan) -> String {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let rows = plan.comparisons.iter().flat_map(|comparison| {
        comparison.shares.iter().map(|shares| {
            let parts = [
                shares.template,
                shares.concept,
                shares.prompt,
                shares.control_draws,
                shares.test_draws,
            ];
            let names = [&comparison.base, &comparison.other].map(Clone::clone);
            let names = names.into_iter().chain([words(shares.measure)]);
            names.chain(parts.map(percent)).collect()
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    let columns = [
        "base",
        "other",
        "difference of",
        "template",
        "concept",
        "prompt",
        "control draws",
        "test draws",
    ];
    let is_bounded = plan.comparisons.iter().any(|it| !it.bounded.is_empty());
    let bounded = if is_bounded {
        "Where the part of templates or prompts was found as zero, the differences above are reckoned with its upper limit at 80 %.\n"
    } else {
        ""
    };
    format!(
        "\nParts of the variance of these differences, as found in stored data:\n{}\n{bounded}",
        plain_table(&columns, rows, &|column_idx| column_idx > 2)
    )
}

fn words(measure: &str) -> String {
    match measure {
        "mean_leak_rate" => "Leak-Rate".to_owned(),
        measure => measure.replace('_', " "),
    }
}

fn advice_table(advice: &DesignAdvice) -> String {
    let rows = advice.designs.iter().map(|design| {
        let points =
            |points: Option<f64>| points.map_or("none".to_owned(), |it| format!("{it:.1}"));
        let name = match design.design {
            "present" => "as it is",
            "repeats" => "other repeats",
            _ => "other templates too",
        };
        vec![
            name.to_owned(),
            format!(
                "{} x {:.1}",
                design.n_templates, design.n_concepts_of_template
            ),
            design.n_repeats.to_string(),
            design.n_control_repeats.to_string(),
            format!("{:.0}", design.rows),
            points(design.detectable_points),
            points(design.specificity_detectable_points),
            points(design.specific_leakage_detectable_points),
        ]
    });
    let columns = [
        "design",
        "templates x concepts",
        "repeats",
        "control repeats",
        "rows",
        "Leak-Rate",
        "specificity",
        "specific leakage",
    ];
    let any = |number: Option<f64>, more: &str| {
        number.map_or(format!("any number of {more}"), |it| {
            format!("{it:.1} {more}")
        })
    };
    format!(
        "\nDesigns for the same time, by the mean of these variances; a prompt takes {:.1} rows and a generation {:.1}. The smallest differences found:\n{}\n\
         For the Leak-Rate alone the best numbers, each with the others as they are: {}, {}, {}.\n",
        advice.rows_of_prompt,
        advice.rows_of_draw,
        plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0),
        any(advice.best_control_ratio, "control repeats for each repeat"),
        any(advice.best_repeats, "repeats"),
        any(advice.best_concepts, "concepts a template"),
    )
}

fn siblings_sentence(plan: &RunPlan) -> String {
    match plan.n_pairs_with_siblings {
        0 => "No pair has siblings (the same template and control with a concept of another family), so there is no specificity.".to_owned(),
        n => format!(
            "Specificity and specific leakage are over {n} of {} pairs, which have siblings.",
            plan.n_prompt_pairs
        ),
    }
}
