//! The date that chat templates are told where they ask for it.
//!
//! Owns where it comes from, and the only look at the clock for it: what the experiment says, else the day of its first
//! run, which the database has. So a prompt is the same on every day and for every model of an experiment.

use std::fmt;

use anyhow::{Context as _, ensure};
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use crate::experiment::Experiment;
use crate::store::Store;

/// A date, and why it is this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PromptDate {
    date: Date,
    is_given: bool,
}

impl PromptDate {
    /// The date of an experiment that has been run into `store`, or is about to be.
    pub(crate) fn of(experiment: &Experiment, store: Option<&Store>) -> anyhow::Result<Self> {
        let first = match store {
            Some(store) => first_run(experiment, store)?,
            None => None,
        };
        // In UTC, as the database has its times: what a model is asked must not depend on where the machine stands.
        let today = || Timestamp::now().to_zoned(TimeZone::UTC).date();
        Ok(Self {
            date: experiment.date().or(first).unwrap_or_else(today),
            is_given: experiment.date().is_some(),
        })
    }

    pub(crate) fn date(self) -> Date {
        self.date
    }

    /// Refuses to go on where midnight passed, or another process came first, before the experiment was stored.
    pub(crate) fn check_recorded(
        self,
        experiment: &Experiment,
        store: &Store,
    ) -> anyhow::Result<()> {
        let recorded = Self::of(experiment, Some(store))?;
        ensure!(
            recorded == self,
            "a new day began while the experiment was prepared: its prompts show {}, and its date is {}\n\
             hint: run it again",
            self.date,
            recorded.date
        );
        Ok(())
    }
}

impl fmt::Display for PromptDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = if self.is_given {
            "as the experiment says"
        } else {
            "the date of the experiment's first run"
        };
        write!(f, "{} is used, {origin}", self.date)
    }
}

/// The day on which an experiment of this name was stored first; an edited file keeps it.
fn first_run(experiment: &Experiment, store: &Store) -> anyhow::Result<Option<Date>> {
    let Some(moment) = store.first_run_at(experiment.name())? else {
        return Ok(None);
    };
    let day = moment.split('T').next().unwrap_or_default();
    let date = day.parse().with_context(|| {
        let path = store.path().display();
        format!("the database `{path}` has `{moment}` as the time of a first run")
    })?;
    Ok(Some(date))
}
