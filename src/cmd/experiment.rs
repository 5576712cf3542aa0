//! The arguments that name an experiment, as the values they mean.

use crate::cli::ExperimentArgs;
use crate::experiment::{Experiment, Overrides};
use crate::study::{Loading, Session};

/// Loads an experiment with what the command line changes about it.
pub(super) fn load(session: &Session, args: &ExperimentArgs) -> anyhow::Result<Experiment> {
    session.load(
        &args.file,
        &Loading {
            db: args.places.db.clone(),
            is_offline: args.offline,
            is_strict: args.strict,
            overrides: Overrides {
                models: args.models.clone(),
                repeats: args.repeats,
                control_repeats: args.control_repeats,
                seed: args.seed,
                limit: args.limit,
                gpu_layers: args.gpu_layers,
                generalises_concepts: args.generalise.is_some(),
            },
        },
    )
}
