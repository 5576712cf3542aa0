//! Measures: the figures of a pair whose means and differences are shown.
//!
//! Owns their names, which stand in JSON, exports and docs alike, their ranges, and the value that each has where nothing
//! leaks. `docs/validity.md` defines them.

use super::estimate::PairEstimate;
use super::specificity::SiblingFigures;

/// A figure of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// The probability of a leak.
    LeakRate,
    /// The same comparison for generations whose prompt held another concept.
    PlaceboRate,
    /// The leak rate less the placebo rate.
    SpecificLeakage,
    /// The part of it that repeats the concept or the prompt.
    Repetition,
    /// The rest of it.
    Association,
    /// How often the test generation is closer to its concept than siblings' generations are.
    Specificity,
    /// The part of specificity above one half that repeats the concept or the prompt.
    SpecificityRepetition,
    /// The rest of that.
    SpecificityAssociation,
    /// Test generations that hold the concept, less control generations that do.
    EchoOverControl,
    /// Test generations that hold the concept, less siblings' generations that do.
    EchoOverSiblings,
}

impl Measure {
    /// The measures of pairs with siblings, in the order in which they are shown.
    pub const OF_SIBLINGS: [Self; 9] = [
        Self::PlaceboRate,
        Self::SpecificLeakage,
        Self::Repetition,
        Self::Association,
        Self::Specificity,
        Self::SpecificityRepetition,
        Self::SpecificityAssociation,
        Self::EchoOverControl,
        Self::EchoOverSiblings,
    ];

    /// The measures whose differences between conditions are shown, besides that of the leak rate.
    pub const COMPARED: [Self; 6] = [
        Self::Specificity,
        Self::SpecificityRepetition,
        Self::SpecificityAssociation,
        Self::SpecificLeakage,
        Self::Repetition,
        Self::Association,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeakRate => "mean_leak_rate",
            Self::PlaceboRate => "placebo_rate",
            Self::SpecificLeakage => "specific_leakage",
            Self::Repetition => "repetition",
            Self::Association => "association",
            Self::Specificity => "specificity",
            Self::SpecificityRepetition => "specificity_repetition",
            Self::SpecificityAssociation => "specificity_association",
            Self::EchoOverControl => "echo_over_control",
            Self::EchoOverSiblings => "echo_over_siblings",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::LeakRate => "Mean Leak-Rate",
            Self::PlaceboRate => "placebo",
            Self::SpecificLeakage => "specific leakage",
            Self::Repetition => "repetition",
            Self::Association => "association",
            Self::Specificity => "specificity",
            Self::SpecificityRepetition => "specificity by repetition",
            Self::SpecificityAssociation => "specificity by association",
            Self::EchoOverControl => "echoes over control",
            Self::EchoOverSiblings => "echoes over siblings",
        }
    }

    /// True if it is a difference of two rates, in points, and not a rate in percent.
    pub fn is_in_points(self) -> bool {
        !matches!(self, Self::LeakRate | Self::PlaceboRate | Self::Specificity)
    }

    /// True of the measures that are tested to be within a margin, and category by category.
    pub fn has_margin(self) -> bool {
        matches!(
            self,
            Self::LeakRate | Self::SpecificLeakage | Self::Specificity
        )
    }

    /// Its smallest and largest value.
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::LeakRate | Self::PlaceboRate | Self::Specificity => (0.0, 1.0),
            Self::SpecificityRepetition | Self::SpecificityAssociation => (-0.5, 0.5),
            _ => (-1.0, 1.0),
        }
    }

    /// Its value for a pair, of which shown figures are the hundredfold; None where it takes siblings and the pair has
    /// none.
    pub fn value(self, pair: &PairEstimate) -> Option<f64> {
        if self == Self::LeakRate {
            return Some(pair.leak_probability);
        }
        let specific = pair.specific?;
        let siblings = specific.siblings?;
        let (leak, echo, control_echo) =
            (pair.leak_probability, specific.echo, specific.control_echo);
        Some(self.of_siblings(leak, echo, control_echo, &siblings))
    }

    pub(super) fn of_siblings(
        self,
        leak: f64,
        echo: f64,
        control_echo: f64,
        siblings: &SiblingFigures,
    ) -> f64 {
        match self {
            Self::LeakRate => leak,
            Self::PlaceboRate => siblings.placebo,
            Self::SpecificLeakage => leak - siblings.placebo,
            Self::Repetition => siblings.repetition,
            Self::Association => leak - siblings.placebo - siblings.repetition,
            Self::Specificity => siblings.specificity,
            Self::SpecificityRepetition => siblings.specificity_repetition,
            Self::SpecificityAssociation => {
                siblings.specificity - 0.5 - siblings.specificity_repetition
            }
            Self::EchoOverControl => echo - control_echo,
            Self::EchoOverSiblings => echo - siblings.sibling_echo,
        }
    }
}
