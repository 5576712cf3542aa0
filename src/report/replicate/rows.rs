//! Conclusions by row: what each seed and each arithmetic says of one question, and if they agree.
//!
//! Owns which questions there are, when an answer stands, and its words. The claims are those of `seep compare`.

use itertools::Itertools as _;

use crate::leakage::{Claim, Comparison, Direction, Measure};
use crate::report::compare::conclusions::Conclusion;
use crate::results::{ComparisonReport, ReplicatedGroup, Replication};
use crate::stats::Interval;

/// The figures by which a condition is compared with its base.
const COMPARED: [Measure; 3] = [
    Measure::Specificity,
    Measure::SpecificLeakage,
    Measure::LeakRate,
];

/// A question and its answers.
pub(super) struct Row<'r> {
    /// The condition.
    pub(super) name: &'r str,
    /// The condition that it is compared with; None where the question is if it leaks.
    pub(super) base: Option<&'r str>,
    pub(super) measure: Measure,
    /// The answer of each column; None where it has none.
    pub(super) cells: Vec<Option<Cell>>,
    pub(super) pooled: Option<Cell>,
    pub(super) n_pooled: usize,
}

/// An answer: a figure in percent or a difference in points.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) value: f64,
    pub(super) interval: Option<Interval>,
    pub(super) verdict: Verdict,
}

/// The claim of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// On which side of 50 % the specificity of a condition lies.
    Claim(Option<Direction>),
    /// On which side of its base a condition lies.
    Difference(Conclusion),
}

/// The answers of a row together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is only one answer.
    Once,
    /// All of so many answers claim the same.
    Stands(usize),
    /// All of so many answers claim nothing.
    CannotTell(usize),
    /// They claim different things: each with the number of columns that claim it.
    Differs(Vec<(Verdict, usize)>),
}

impl Verdict {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Claim(Some(Direction::Above)) => "leaks",
            Self::Claim(Some(Direction::Below)) => "keeps away",
            Self::Claim(None) => "cannot tell",
            Self::Difference(conclusion) => conclusion.short_words(),
        }
    }

    fn is_claim(self) -> bool {
        !matches!(
            self,
            Self::Claim(None) | Self::Difference(Conclusion::CannotTell)
        )
    }
}

impl Standing {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Once => "seen once".to_owned(),
            Self::Stands(n) => format!("stands: {n} of {n}"),
            Self::CannotTell(n) => format!("cannot tell: {n} of {n}"),
            Self::Differs(verdicts) => format!("does not: {}", counted(verdicts)),
        }
    }

    /// Its name for programs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Once => "seen once",
            Self::Stands(_) => "stands",
            Self::CannotTell(_) => "cannot tell",
            Self::Differs(_) => "does not stand",
        }
    }
}

fn counted(verdicts: &[(Verdict, usize)]) -> String {
    let counted = verdicts.iter();
    let counted = counted.map(|(verdict, n)| format!("{} in {n}", verdict.words()));
    counted.collect::<Vec<_>>().join(", ")
}

impl Row<'_> {
    /// The figure's name for people.
    pub(super) fn figure(&self) -> &'static str {
        self.measure.title()
    }

    /// The claims, each with its number of columns, in the order of the columns; what claims nothing comes last.
    pub(super) fn verdicts(&self) -> Vec<(Verdict, usize)> {
        let mut found: Vec<(Verdict, usize)> = Vec::new();
        for cell in self.cells.iter().flatten() {
            match found
                .iter_mut()
                .find(|(verdict, _)| *verdict == cell.verdict)
            {
                Some((_, n)) => *n += 1,
                None => found.push((cell.verdict, 1)),
            }
        }
        found.sort_by_key(|(verdict, _)| !verdict.is_claim());
        found
    }

    pub(super) fn standing(&self) -> Standing {
        match &self.verdicts()[..] {
            [] | [(_, 1)] => Standing::Once,
            [(verdict, n)] if verdict.is_claim() => Standing::Stands(*n),
            [(_, n)] => Standing::CannotTell(*n),
            several => Standing::Differs(several.to_vec()),
        }
    }

    /// The answer as a clause, such as `a leaks more than b`; that of a question without `verdict`, such as `if a leaks`.
    pub(super) fn clause(&self, verdict: Option<Verdict>) -> String {
        let name = self.name;
        let Some(base) = self.base else {
            return match verdict {
                Some(Verdict::Claim(Some(Direction::Below))) => {
                    format!("{name} keeps away from its concept")
                }
                Some(_) => format!("{name} leaks"),
                None => format!("if {name} leaks"),
            };
        };
        let (more, either) = match verdict {
            Some(verdict) => (verdict.words(), ""),
            None => ("more or less", "if "),
        };
        match self.measure {
            Measure::Specificity => format!("{either}{name} leaks {more} than {base}"),
            Measure::LeakRate if verdict.is_some() => {
                format!("{name} has a {more} Leak-Rate than {base}")
            }
            Measure::LeakRate => format!("if {name} has a higher or lower Leak-Rate than {base}"),
            measure => format!("{either}{name} has {more} {} than {base}", measure.title()),
        }
    }

    /// The same with the number of columns of each claim.
    fn differing_clause(&self) -> String {
        format!("{} ({})", self.clause(None), counted(&self.verdicts()))
    }
}

/// The questions: if each condition leaks, and if it leaks more or less than its base.
pub(super) fn rows(found: &Replication) -> Vec<Row<'_>> {
    let groups = || found.groups.iter();
    let claims = groups().flat_map(|group| group.names.iter().map(|name| claim_row(group, name)));
    let differences = groups().flat_map(|group| {
        let others = group.names[1..].iter();
        others
            .cartesian_product(COMPARED)
            .map(|(name, measure)| difference_row(group, name, measure))
    });
    let rows = claims.chain(differences);
    rows.filter(|row| row.cells.iter().any(Option::is_some))
        .collect()
}

fn claim_row<'r>(group: &'r ReplicatedGroup, name: &'r str) -> Row<'r> {
    row(group, (name, None), Measure::Specificity, &|report| {
        claim_cell(report, name)
    })
}

fn difference_row<'r>(group: &'r ReplicatedGroup, name: &'r str, measure: Measure) -> Row<'r> {
    let base = Some(group.names[0].as_str());
    row(group, (name, base), measure, &|report| {
        let mut comparisons = report.comparisons.iter();
        let found = comparisons.find(|it| it.name == name)?;
        let found = match measure {
            Measure::LeakRate => found.comparison.as_ref()?,
            measure => found.specific.as_ref()?.by(measure),
        };
        Some(difference_cell(found, measure))
    })
}

fn row<'r>(
    group: &ReplicatedGroup,
    (name, base): (&'r str, Option<&'r str>),
    measure: Measure,
    cell: &dyn Fn(&ComparisonReport) -> Option<Cell>,
) -> Row<'r> {
    let reports = group.reports.iter();
    Row {
        name,
        base,
        measure,
        cells: reports.map(|report| cell(report.as_ref()?)).collect(),
        pooled: group.pooled.as_ref().and_then(cell),
        n_pooled: group.n_pooled,
    }
}

/// None of a condition without siblings, of which nothing is claimed.
fn claim_cell(report: &ComparisonReport, name: &str) -> Option<Cell> {
    let found = report.conditions.iter().find(|it| it.name == name)?;
    let figure = found.specific.as_ref()?.figure(Measure::Specificity);
    let direction = match found.claim {
        Claim::Leaks(_) => Some(Direction::Above),
        Claim::Avoids => Some(Direction::Below),
        _ => None,
    };
    Some(Cell {
        value: figure.value,
        interval: figure.interval,
        verdict: Verdict::Claim(direction),
    })
}

fn difference_cell(found: &Comparison, measure: Measure) -> Cell {
    Cell {
        value: found.difference,
        interval: found.interval,
        verdict: Verdict::Difference(Conclusion::by(measure, found)),
    }
}

/// Says which answers stand, which do not and which no column gives, a sentence each.
pub(super) fn answer(rows: &[Row<'_>], n_columns: usize) -> Vec<String> {
    if n_columns < 2 {
        return vec![
            "Seen once: `seep run FILE --seed N` adds a seed, `--with` the database of another machine."
                .to_owned(),
        ];
    }
    let stands = rows.iter().filter_map(|row| match row.standing() {
        Standing::Stands(_) => Some(row.clause(Some(row.verdicts().first()?.0))),
        _ => None,
    });
    let differs = rows.iter().filter_map(|row| match row.standing() {
        Standing::Differs(_) => Some(row.differing_clause()),
        _ => None,
    });
    let listed = |clauses: Vec<String>| match clauses.is_empty() {
        true => "nothing".to_owned(),
        false => clauses.join("; "),
    };
    let mut sentences = vec![
        format!("Stands every time: {}.", listed(stands.collect())),
        format!("Does not stand: {}.", listed(differs.collect())),
    ];
    let unknown = unknown_clauses(rows);
    if !unknown.is_empty() {
        sentences.push(format!("Cannot be told any time: {}.", listed(unknown)));
    }
    sentences
}

/// The questions that no column answers; those about two conditions together.
fn unknown_clauses(rows: &[Row<'_>]) -> Vec<String> {
    let unknown = rows.iter();
    let unknown = unknown.filter(|row| matches!(row.standing(), Standing::CannotTell(_)));
    let by_subject = unknown.chunk_by(|row| (row.name, row.base));
    let clauses = by_subject.into_iter().map(|((name, base), rows)| {
        let figures = rows.map(Row::figure).join(", ");
        match base {
            Some(base) => format!("if {name} lies above or below {base} by {figures}"),
            None => format!("if {name} leaks"),
        }
    });
    clauses.collect()
}
