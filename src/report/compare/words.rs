//! The comparison in words.
//!
//! Owns what is said of a difference and of a trend. A direction is claimed only where the interval leaves out zero
//! and the corrected p-value is small; where not, what the data allow is said instead.

use crate::leakage::Comparison;
use crate::results::ModelTrend;

/// A corrected p-value up to this goes with the 95 % interval.
const P_VALUE_MAX: f64 = 0.05;
/// With fewer clusters an interval tends to be too narrow.
const N_CLUSTERS_FEW: usize = 20;

/// Says what a comparison found, in a sentence or two; `n_comparisons` are corrected for.
pub(in crate::report) fn difference_words(
    base: &str,
    other: &str,
    unit: &str,
    comparison: Option<&Comparison>,
    n_comparisons: usize,
) -> String {
    let Some(found) = comparison else {
        return format!(
            "{other}: nothing to compare, no prompt has verdicts here and under {base}."
        );
    };
    let verdict = verdict_words(base, other, unit, found, n_comparisons);
    let mut text = verdict + ".";
    if found.n_base_only + found.n_other_only > 0 {
        text += &format!(
            " Left out: {} prompts of {base} and {} of {other}, which the other does not have.",
            found.n_base_only, found.n_other_only
        );
    }
    text
}

fn verdict_words(
    base: &str,
    other: &str,
    unit: &str,
    found: &Comparison,
    n_comparisons: usize,
) -> String {
    let Some(interval) = found.interval else {
        return format!(
            "{other}: cannot tell, all prompts share one {unit}, so nothing shows how far the difference would vary"
        );
    };
    let range = format!(
        "{} to {} points",
        points(interval.lower),
        points(interval.upper)
    );
    if interval.lower <= 0.0 && 0.0 <= interval.upper {
        return format!(
            "{other}: cannot tell at this size whether it leaks more or less than {base}; anything from {range} is compatible with the data"
        );
    }
    let direction = if found.difference > 0.0 {
        "more"
    } else {
        "less"
    };
    let size = format!("{:.1} points", found.difference.abs());
    if found.holm_p_value <= P_VALUE_MAX {
        return format!("{other} leaks {direction} than {base}, by {size} (95 % interval {range})");
    }
    let p_value = p_value_text(found.holm_p_value);
    let after = match n_comparisons {
        1 => format!("p is {p_value}"),
        n => format!("p is {p_value} after correction for {n} comparisons"),
    };
    format!(
        "{other}: cannot tell for sure; it leaks {direction} than {base} by {size} here (95 % interval {range}), but {after}"
    )
}

/// Says what is certain of a difference of exact rates for the prompts at hand, in a sentence.
pub(in crate::report) fn certain_words(base: &str, other: &str, lower: f64, upper: f64) -> String {
    let range = format!("{} to {} points", points(lower), points(upper));
    let what = match (lower > 0.0, upper < 0.0) {
        (true, _) => format!("certainly leaks more than {base} on these prompts"),
        (_, true) => format!("certainly leaks less than {base} on these prompts"),
        (false, false) if lower == 0.0 && upper == 0.0 => {
            format!("certainly leaks as much as {base} on these prompts")
        }
        (false, false) => format!(
            "what was not enumerated leaves open whether it leaks more or less than {base} on these prompts"
        ),
    };
    format!("{other}: {what} ({range}).")
}

/// Returns a warning where clusters are few; None where they are not.
pub(in crate::report) fn few_clusters_words(n_clusters: usize, unit: &str) -> Option<String> {
    let words = format!(
        "Only {n_clusters} clusters ({unit}s): intervals tend to be too narrow below {N_CLUSTERS_FEW}"
    );
    // Each choice of signs has a mirror image, so two of 2^n are as far from zero as the one found.
    let p_value_min = 2.0 / 2f64.powi(n_clusters.min(64) as i32);
    match n_clusters {
        0 | 1 | N_CLUSTERS_FEW.. => None,
        _ if p_value_min > P_VALUE_MAX => {
            Some(format!("{words}, and no p can be below {p_value_min:.3}."))
        }
        _ => Some(words + "."),
    }
}

/// Says what a trend found, in a sentence.
pub(in crate::report) fn trend_words(found: &ModelTrend) -> String {
    let trend = &found.trend;
    let scope = format!(
        "{} over {} levels from {:.2} to {:.2} bits per weight, {} prompts",
        found.model, trend.n_levels, found.bits_min, found.bits_max, trend.n_prompts
    );
    let slope = points(trend.slope);
    let Some(interval) = trend.interval else {
        return format!(
            "{scope}: {slope} points for each bit more, without an interval: there is a single cluster."
        );
    };
    let range = format!(
        "95 % interval {} to {}",
        points(interval.lower),
        points(interval.upper)
    );
    if interval.lower <= 0.0 && 0.0 <= interval.upper {
        return format!(
            "{scope}: cannot tell whether leakage rises or falls with bits; {slope} points for each bit more, {range}."
        );
    }
    let direction = if trend.slope > 0.0 { "rises" } else { "falls" };
    let size = trend.slope.abs();
    format!(
        "{scope}: leakage {direction} with bits, by {size:.1} points for each bit more ({range})."
    )
}

/// A difference in points, with its sign.
pub(in crate::report) fn points(points: f64) -> String {
    let text = format!("{points:+.1}");
    if text == "-0.0" {
        "+0.0".to_owned()
    } else {
        text
    }
}

pub(in crate::report) fn p_value_text(p_value: f64) -> String {
    if p_value < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{p_value:.3}")
    }
}
