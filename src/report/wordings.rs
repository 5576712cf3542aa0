//! The sentences about wordings: what a mean over them is, and how far they move a figure beside quantization.
//!
//! Owns these words. They describe: no claim is made here.

use itertools::Itertools as _;

use crate::leakage::{LeakRate, Measure};

/// A condition of an experiment with several wordings.
#[derive(Clone)]
pub(super) struct Worded<'a> {
    /// The model's name, with its sampling where there are several.
    pub(super) model: String,
    pub(super) quantization: &'a str,
    pub(super) wording: &'a str,
    pub(super) rate: &'a LeakRate,
}

/// Explains the means over these wordings; None where there is no mean.
pub(super) fn mean_note(names: Option<&[String]>) -> Option<String> {
    names.map(|names| format!(
        "Mean over these {} wordings ({}): each pair counts once, with the mean over wordings of its mean over repeats. The wordings are\n\
         fixed: the interval is for the choice of prompts, with the same clusters, and speaks of no other wording.",
        names.len(),
        names.join(", ")
    ))
}

/// Says for each model how far figures differ between wordings, and between quantizations; empty with one wording.
pub(super) fn spread_words(conditions: &[Worded<'_>]) -> Vec<String> {
    let models = conditions.iter().map(|it| &it.model).unique();
    let lines = models.flat_map(|model| {
        let of_model = conditions.iter().filter(|it| it.model == *model);
        let of_model: Vec<&Worded<'_>> = of_model.collect();
        let measures = [Measure::Specificity, Measure::LeakRate];
        measures.map(|measure| spread_of_model(model, &of_model, measure))
    });
    let lines: Vec<String> = lines.flatten().collect();
    if lines.is_empty() {
        return lines;
    }
    let legend = "Ranges describe these estimates, and draws alone make them wider than 0; more levels, wider ranges.";
    lines.into_iter().chain([legend.to_owned()]).collect()
}

fn spread_of_model(model: &str, of_model: &[&Worded<'_>], measure: Measure) -> Option<String> {
    let ranges = |fixed: fn(&Worded<'_>) -> String| {
        let levels = of_model.iter().map(|it| fixed(it)).unique();
        let ranges = levels.filter_map(|level| {
            let values = of_model.iter().filter(|it| fixed(it) == level);
            let values: Vec<f64> = values.filter_map(|it| value(it.rate, measure)).collect();
            let (lowest, highest) = values
                .iter()
                .copied()
                .minmax_by(f64::total_cmp)
                .into_option()?;
            (values.len() > 1).then(|| {
                (
                    values.len(),
                    format!("{:.1} points ({level})", highest - lowest),
                )
            })
        });
        let (n, ranges): (Vec<usize>, Vec<String>) = ranges.unzip();
        Some((n.into_iter().max()?, ranges.join(", ")))
    };
    let (n_wordings, by_wording) = ranges(|it| it.quantization.to_owned())?;
    if of_model.iter().all(|it| it.wording.is_empty()) {
        return None;
    }
    let by_quantization = ranges(|it| it.wording.to_owned())
        .map(|(n, ranges)| format!("; over {n} quantizations in one wording by {ranges}"));
    Some(format!(
        "{model}: {} ranges over {n_wordings} wordings under one quantization by {by_wording}{}.",
        match measure {
            Measure::LeakRate => "the Mean Leak-Rate",
            measure => measure.title(),
        },
        by_quantization.unwrap_or_default()
    ))
}

/// The figure of all categories together.
fn value(rate: &LeakRate, measure: Measure) -> Option<f64> {
    match measure {
        Measure::LeakRate => Some(rate.mean_leak_rate),
        measure => Some(rate.specific.as_ref()?.figure(measure).value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(mean_leak_rate: f64) -> LeakRate {
        LeakRate {
            category: None,
            mean_leak_rate,
            interval: None,
            n_pairs: 10,
            n_tied: 0.0,
            n_echoes: 0.0,
            n_clusters: 5,
            is_compared: false,
            specific: None,
            anchors: None,
            fillers: None,
            exact: None,
        }
    }

    #[test]
    fn ranges_are_over_wordings_and_over_quantizations() {
        let rates = [50.0, 56.5, 53.0, 58.0].map(rate);
        let of = |quantization, wording, rate| Worded {
            model: "m".to_owned(),
            quantization,
            wording,
            rate,
        };
        let conditions = [
            of("Q4_K_M", "plain", &rates[0]),
            of("Q4_K_M", "brief", &rates[1]),
            of("Q2_K", "plain", &rates[2]),
            of("Q2_K", "brief", &rates[3]),
        ];
        let over_wordings = "m: the Mean Leak-Rate ranges over 2 wordings under one quantization by 6.5 points (Q4_K_M)";
        let both = format!(
            "{over_wordings}, 5.0 points (Q2_K); over 2 quantizations in one wording by 3.0 points (plain), 1.5 points (brief)."
        );
        assert_eq!(spread_words(&conditions)[0], both);
        assert_eq!(
            spread_words(&conditions[..2])[0],
            format!("{over_wordings}.")
        );
        assert_eq!(spread_words(&conditions[..1]), [] as [String; 0]);
        // With one wording the quantizations are compared elsewhere.
        let unnamed = [of("Q4_K_M", "", &rates[0]), of("Q2_K", "", &rates[2])];
        assert_eq!(spread_words(&unnamed), [] as [String; 0]);
    }
}
