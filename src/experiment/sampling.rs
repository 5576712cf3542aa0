//! The section `sampling`: the values of every sampling, the repeats and the seed.
//!
//! Owns which values may stand there, sweeps (a list where one value is expected) and their product.
//! `preset` knows the values of a preset; the defaults of a model are found by those who hold the manifest.

use super::node::{Node, Value};
use super::preset::{Preset, SamplingDefaults};
use super::problem::Problem;
use super::read::{Fields, NumberRange, Reader, SAMPLING, shortened};
use super::source::Position;
use super::suggest::did_you_mean;
use crate::generation::{DrawMethod, EnumerationParams, RepeatCounts, SamplingParams, StopRule};

/// Repeats that an experiment can ask for.
pub(crate) const REPEATS_MAX: u32 = 10_000;
/// Tokens that a generation can have.
const TOKENS_MAX: u64 = 4096;
/// Samplings that sweeps can multiply to.
const SAMPLINGS_MAX: usize = 1000;

const NOT_NEGATIVE: NumberRange = NumberRange {
    words: "of 0 or more",
    holds: |number| number >= 0.0,
};
const POSITIVE: NumberRange = NumberRange {
    words: "above 0",
    holds: |number| number > 0.0,
};
const ABOVE_0_TO_1: NumberRange = NumberRange {
    words: "above 0, at most 1",
    holds: |number| number > 0.0 && number <= 1.0,
};
const FROM_0_BELOW_1: NumberRange = NumberRange {
    words: "of 0 or more, below 1",
    holds: |number| (0.0..1.0).contains(&number),
};

/// The values that a preset can give, each with an example.
const PRESET_KEYS: [(&str, &str); 5] = [
    ("temperature", "0.5"),
    ("top_k", "0"),
    ("top_p", "1.0"),
    ("min_p", "0.0"),
    ("repetition_penalty", "1.0"),
];
/// The values that always stand in the file.
const OWN_KEYS: [(&str, &str); 4] = [
    ("max_tokens", "10"),
    ("stop", "sentence_end"),
    ("repeats", "5"),
    ("seed", "1"),
];

/// The section `sampling`.
#[derive(Debug, Clone)]
pub(crate) struct Sampling {
    pub(crate) grid: SamplingGrid,
    pub(crate) n_repeats: u32,
    /// None where it is not written: as many as of test prompts.
    pub(crate) n_control_repeats: Option<u32>,
    pub(crate) seed: u64,
    pub(crate) enumeration: Option<EnumerationParams>,
}

/// The values of all samplings: one of each kind, several where it is swept.
///
/// `None` stands for the value of the preset.
#[derive(Debug, Clone)]
pub(crate) struct SamplingGrid {
    pub(crate) preset: Option<(Preset, Position)>,
    temperature: Option<Vec<f64>>,
    top_k: Option<Vec<u32>>,
    top_p: Option<Vec<f64>>,
    min_p: Option<Vec<f64>>,
    repetition_penalty: Option<Vec<f64>>,
    max_tokens: Vec<u32>,
    stop: Vec<StopRule>,
    draws: Vec<DrawMethod>,
}

impl SamplingGrid {
    /// Where the file asks for values that differ by model; None where it has all it needs.
    pub(crate) fn model_defaults_position(&self) -> Option<&Position> {
        let is_complete = self.temperature.is_some()
            && self.top_k.is_some()
            && self.top_p.is_some()
            && self.min_p.is_some()
            && self.repetition_penalty.is_some();
        let preset = self.preset.as_ref().filter(|_| !is_complete);
        let (_, position) = preset.filter(|(preset, _)| *preset == Preset::ModelDefaults)?;
        Some(position)
    }

    /// Every combination of the values; the last kind that is swept varies fastest.
    ///
    /// `model_defaults` are needed where `model_defaults_position` is somewhere.
    pub(crate) fn expand(&self, model_defaults: Option<&SamplingDefaults>) -> Vec<SamplingParams> {
        let defaults = match self.preset {
            Some((Preset::TransformersDefaults, _)) => Some(&SamplingDefaults::TRANSFORMERS),
            Some((Preset::ModelDefaults, _)) | None => model_defaults,
        };
        let top_k = or_default(&self.top_k, defaults.map(|d| d.top_k));
        let top_p = or_default(&self.top_p, defaults.map(|d| d.top_p));
        let min_p = or_default(&self.min_p, defaults.map(|d| d.min_p));
        let penalty = defaults.map(|d| d.repetition_penalty);
        let repetition_penalty = or_default(&self.repetition_penalty, penalty);
        let mut samplings: Vec<SamplingParams> =
            or_default(&self.temperature, defaults.map(|d| d.temperature))
                .into_iter()
                .map(only_temperature)
                .collect();
        vary(&mut samplings, &top_k, |params, value| params.top_k = value);
        vary(&mut samplings, &top_p, |params, value| params.top_p = value);
        vary(&mut samplings, &min_p, |params, value| params.min_p = value);
        vary(&mut samplings, &repetition_penalty, |params, value| {
            params.repetition_penalty = value;
        });
        vary(&mut samplings, &self.max_tokens, |params, value| {
            params.max_tokens = value;
        });
        vary(&mut samplings, &self.stop, |params, value| {
            params.stop = value;
        });
        vary(&mut samplings, &self.draws, |params, value| {
            params.draws = value;
        });
        samplings
    }

    /// The largest of all samplings.
    pub(crate) fn max_tokens(&self) -> u32 {
        let largest = self.max_tokens.iter().copied().max();
        largest.expect("an empty list was refused")
    }

    /// True if each sampling, by the values in the file, leaves few enough tokens to follow all of them.
    fn cuts_off(&self) -> bool {
        let may_be = |values: &Option<Vec<f64>>, value| {
            let values = values.as_ref();
            values.is_none_or(|values| values.contains(&value))
        };
        let n_max = EnumerationParams::N_CHILDREN_MAX;
        let keeps_more = |&top_k: &u32| top_k == 0 || top_k as usize > n_max;
        let top_k = self.top_k.as_ref();
        !(top_k.is_some_and(|values| values.iter().any(keeps_more))
            && may_be(&self.top_p, 1.0)
            && may_be(&self.min_p, 0.0))
    }

    /// True if a sentence's end is a rule by which texts end.
    pub(crate) fn ends_sentences(&self) -> bool {
        self.stop.contains(&StopRule::SentenceEnd)
    }

    pub(crate) fn n_samplings(&self) -> usize {
        let n = |values: &Option<Vec<f64>>| values.as_ref().map_or(1, Vec::len);
        [
            n(&self.temperature),
            self.top_k.as_ref().map_or(1, Vec::len),
            n(&self.top_p),
            n(&self.min_p),
            n(&self.repetition_penalty),
            self.max_tokens.len(),
            self.stop.len(),
            self.draws.len(),
        ]
        .iter()
        .fold(1, |product, n| product.saturating_mul(*n))
    }
}

fn or_default<T: Clone>(values: &Option<Vec<T>>, default: Option<T>) -> Vec<T> {
    let from_preset = || default.map(|value| vec![value]);
    let values = values.clone().or_else(from_preset);
    values.expect("a value that is not written was asked of a preset, which gives it")
}

/// This temperature, and otherwise the probabilities as they are.
fn only_temperature(temperature: f64) -> SamplingParams {
    SamplingParams {
        temperature,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        max_tokens: 1,
        stop: StopRule::None,
        draws: DrawMethod::GumbelMax,
    }
}

/// Each of the samplings with each of the values.
fn vary<T: Clone>(
    samplings: &mut Vec<SamplingParams>,
    values: &[T],
    set: impl Fn(&mut SamplingParams, T),
) {
    let combinations = samplings
        .iter()
        .flat_map(|sampling| values.iter().map(move |value| (sampling, value)));
    *samplings = combinations
        .map(|(sampling, value)| {
            let mut sampling = sampling.clone();
            set(&mut sampling, value.clone());
            sampling
        })
        .collect();
}

/// The values of one key, each of a sweep.
enum Values<T> {
    Absent,
    /// A problem has been reported.
    Wrong,
    These(Vec<T>),
}

impl<T> Values<T> {
    fn of(read: Option<Vec<T>>) -> Self {
        read.map_or(Self::Wrong, Self::These)
    }

    /// None where a problem has been reported; `Some(None)` where the preset gives the value.
    fn or_preset(self, has_preset: bool) -> Option<Option<Vec<T>>> {
        match self {
            Self::These(values) => Some(Some(values)),
            Self::Absent if has_preset => Some(None),
            Self::Absent | Self::Wrong => None,
        }
    }
}

/// The numbers of control repeats around a wrong one that go with the repeats.
pub(crate) fn nearest(counts: RepeatCounts) -> String {
    let fits = |control: &u32| {
        RepeatCounts {
            control: *control,
            ..counts
        }
        .divide()
    };
    let below = (1..counts.control).rev().find(fits);
    let above = (counts.control + 1..=REPEATS_MAX).find(fits);
    let both = below.into_iter().chain(above);
    both.map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(" and ")
}

impl Reader {
    pub(crate) fn sampling(&mut self, top: &Fields<'_>) -> Option<Sampling> {
        let fields = self.fields(top.get("sampling")?, &SAMPLING, "temperature: 0.5")?;
        let preset = self.preset(&fields);
        let lacks_preset = fields.lacks("preset");
        self.require_values(&fields, lacks_preset);
        let temperature = self.swept_numbers(&fields, "temperature", &NOT_NEGATIVE);
        let top_k = self.swept_counts(&fields, "top_k", 0, u32::MAX.into());
        let top_p = self.swept_numbers(&fields, "top_p", &ABOVE_0_TO_1);
        let min_p = self.swept_numbers(&fields, "min_p", &FROM_0_BELOW_1);
        let repetition_penalty = self.swept_numbers(&fields, "repetition_penalty", &POSITIVE);
        let max_tokens = self.swept_counts(&fields, "max_tokens", 1, TOKENS_MAX);
        let stop = fields.get("stop").and_then(|node| self.stop(node));
        let n_repeats = self.sampling_count(&fields, "repeats", 1, REPEATS_MAX.into());
        let seed = self.sampling_count(&fields, "seed", 0, u64::MAX);
        let n_repeats = n_repeats.and_then(|n_repeats| u32::try_from(n_repeats).ok());
        let enumeration = self.enumeration(&fields, n_repeats);
        let n_control_repeats = self.control_repeats(&fields, n_repeats);
        let draws = self.draws(&fields, enumeration.flatten().is_some());
        let has_preset = preset.is_some();
        let grid = SamplingGrid {
            preset,
            temperature: temperature.or_preset(has_preset)?,
            top_k: top_k.or_preset(has_preset)?,
            top_p: top_p.or_preset(has_preset)?,
            min_p: min_p.or_preset(has_preset)?,
            repetition_penalty: repetition_penalty.or_preset(has_preset)?,
            max_tokens: max_tokens.or_preset(false)??,
            stop: stop?,
            draws: draws?,
        };
        self.refuse_too_many(&fields, &grid)?;
        if !grid.cuts_off() {
            self.warn_of_whole_coverage(&fields, enumeration?);
        }
        Some(Sampling {
            grid,
            n_repeats: n_repeats?,
            n_control_repeats: n_control_repeats?,
            seed: seed?,
            enumeration: enumeration?,
        })
    }

    /// `Some(None)` where it is not written.
    fn control_repeats(
        &mut self,
        fields: &Fields<'_>,
        n_repeats: Option<u32>,
    ) -> Option<Option<u32>> {
        let Some(node) = fields.get("control_repeats") else {
            return Some(None);
        };
        let name = "sampling.control_repeats";
        let control = self.whole_number(node, name, 1..=REPEATS_MAX.into())?;
        let control = u32::try_from(control).ok()?;
        let counts = RepeatCounts {
            test: n_repeats?,
            control,
        };
        if counts.divide() {
            return Some(Some(control));
        }
        let message = format!(
            "of `repeats: {}` and `control_repeats: {control}` neither divides the other",
            counts.test
        );
        self.report(
            Problem::error(&node.position, message)
                .label("each generation has to be compared equally often")
                .hint(format!("the nearest are {}", nearest(counts))),
        );
        None
    }

    /// The ways to draw a token; tails of enumerations are drawn in one way only.
    fn draws(&mut self, fields: &Fields<'_>, is_exact: bool) -> Option<Vec<DrawMethod>> {
        let example = "[gumbel_max, inverse_cdf]";
        let ways = match self.swept(fields, "draws", example, Self::draw_method) {
            Values::Absent if is_exact => vec![DrawMethod::InverseCdf],
            Values::Absent => vec![DrawMethod::GumbelMax],
            Values::Wrong => return None,
            Values::These(ways) => ways,
        };
        if is_exact
            && ways != [DrawMethod::InverseCdf]
            && let Some(node) = fields.get("draws")
        {
            self.report(
                Problem::error(&node.position, "`mode: exact` draws by `inverse_cdf` only")
                    .label("continuations are enumerated, and only tails are drawn")
                    .hint("remove this key, or write `draws: inverse_cdf`"),
            );
            return None;
        }
        Some(ways)
    }

    fn draw_method(&mut self, node: &Node, name: &str) -> Option<DrawMethod> {
        let names = DrawMethod::ALL.map(DrawMethod::as_str);
        let expected = "`gumbel_max` or `inverse_cdf`";
        let Value::String(word) = &node.value else {
            self.wrong_type(node, name, expected, Some("draws: gumbel_max"));
            return None;
        };
        let found = DrawMethod::from_name(word);
        if found.is_none() {
            let meant = did_you_mean(word, names);
            let message = format!("unknown way of drawing `{}`", shortened(word));
            self.report(
                Problem::error(&node.position, message)
                    .label(format!("expected {expected}"))
                    .maybe_hint(meant.map(|meant| format!("did you mean `{meant}`?"))),
            );
        }
        found
    }

    /// Reports what is missing: with a preset, only what it cannot give.
    fn require_values(&mut self, fields: &Fields<'_>, lacks_preset: bool) {
        if lacks_preset {
            let keys = [PRESET_KEYS.as_slice(), &OWN_KEYS].concat();
            self.require(fields, "`sampling`", &keys);
        } else {
            self.require(fields, "`sampling`, which no preset gives", &OWN_KEYS);
        }
    }

    fn refuse_too_many(&mut self, fields: &Fields<'_>, grid: &SamplingGrid) -> Option<()> {
        let n_samplings = grid.n_samplings();
        if n_samplings <= SAMPLINGS_MAX {
            return Some(());
        }
        let message = format!("the sweeps multiply to {n_samplings} samplings");
        self.report(
            Problem::error(&fields.start, message)
                .label(format!("expected at most {SAMPLINGS_MAX}"))
                .hint("several smaller experiments share what they have in common"),
        );
        None
    }

    fn swept_numbers(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        range: &NumberRange,
    ) -> Values<f64> {
        self.swept(fields, key, "[0.5, 1.0]", |reader, node, name| {
            reader.number(node, name, range)
        })
    }

    fn swept_counts(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        least: u64,
        most: u64,
    ) -> Values<u32> {
        self.swept(fields, key, "[10, 20]", |reader, node, name| {
            let number = reader.whole_number(node, name, least..=most)?;
            u32::try_from(number).ok()
        })
    }

    fn sampling_count(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        least: u64,
        most: u64,
    ) -> Option<u64> {
        self.whole_number(fields.get(key)?, &format!("sampling.{key}"), least..=most)
    }

    /// One value, or the values of a list, each once.
    fn swept<T: PartialEq>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        example: &str,
        read: impl Fn(&mut Self, &Node, &str) -> Option<T>,
    ) -> Values<T> {
        let Some(node) = fields.get(key) else {
            return Values::Absent;
        };
        let name = format!("sampling.{key}");
        if !matches!(node.value, Value::List(_)) {
            return Values::of(read(self, node, &name).map(|value| vec![value]));
        }
        let example = format!("{key}: {example}");
        let Some(items) = self.list(node, &name, &example) else {
            return Values::Wrong;
        };
        let values: Vec<_> = items.iter().map(|item| read(self, item, &name)).collect();
        self.refuse_equal(items, &values, &name);
        Values::of(values.into_iter().collect())
    }

    /// Reports values of a sweep that come twice: they would be one condition.
    pub(crate) fn refuse_equal<T: PartialEq>(
        &mut self,
        items: &[Node],
        values: &[Option<T>],
        name: &str,
    ) {
        for (idx, value) in values.iter().enumerate() {
            let earlier = values[..idx].iter().position(|other| other == value);
            if let (Some(first), true) = (earlier, value.is_some()) {
                let message = format!("`{name}` has the same value twice");
                self.report(
                    Problem::error(&items[idx].position, message)
                        .label("the second")
                        .earlier(&items[first].position, "the first"),
                );
            }
        }
    }
}
