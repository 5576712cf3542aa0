//! The models of a run that could not be used, which keeps no other from being.
//!
//! Owns which errors are about one model alone, and how a model that is left out is told.

use crate::results::MissingModel;
use crate::store::StoreError;
use crate::study::session::{Interrupted, Session};

/// The models that are left out, in the order in which that was found.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    models: Vec<MissingModel>,
    /// How many of them have been told.
    n_told: usize,
    first_error: Option<anyhow::Error>,
}

impl LeftOut {
    /// A value of the model called `name`; None where it is left out because of this error.
    ///
    /// # Errors
    /// An error that is not about this model alone.
    pub(crate) fn kept<T>(
        &mut self,
        name: &str,
        result: anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        let error = match result {
            Ok(value) => return Ok(Some(value)),
            Err(error) if is_about_one_model(&error) => error,
            Err(error) => return Err(error),
        };
        self.models.push(MissingModel {
            name: name.to_owned(),
            error: format!("{error:#}"),
        });
        self.first_error.get_or_insert(error);
        Ok(None)
    }

    /// The same values where there are any; who is left out is told.
    ///
    /// # Errors
    /// The first error where all models are left out.
    pub(crate) fn unless_all<T>(
        &mut self,
        session: &Session,
        values: Vec<T>,
    ) -> anyhow::Result<Vec<T>> {
        if let Some(error) = self.first_error.take_if(|_| values.is_empty()) {
            return Err(error);
        }
        self.tell(session);
        Ok(values)
    }

    /// Tells who is left out and was not told yet.
    pub(crate) fn tell(&mut self, session: &Session) {
        for MissingModel { name, error } in &self.models[self.n_told..] {
            session.note(format_args!("{name} is left out: {error}"));
        }
        self.n_told = self.models.len();
    }

    pub(crate) fn into_models(self) -> Vec<MissingModel> {
        self.models
    }
}

/// False of what would keep any other model from being used too: a signal, and what befalls the database.
fn is_about_one_model(error: &anyhow::Error) -> bool {
    let is_common = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<Interrupted>() || cause.is::<StoreError>()
    };
    !error.chain().any(is_common)
}
