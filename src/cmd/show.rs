//! `seep show`: paging through what models made of the prompts.

use super::program::quiet_session;
use super::{Status, pager};
use crate::cli::ShowRowsArgs;
use crate::progress;
use crate::report;
use crate::study::Showing;

/// Pages through the pairs that are meant.
pub(super) fn show(args: &ShowRowsArgs) -> anyhow::Result<Status> {
    let showing = Showing {
        experiment: args.experiment.clone(),
        models: args.models.clone().unwrap_or_default(),
        metric: args.metric.clone(),
        embedding_model: args.embedding_model.clone(),
        seed: args.seed,
        concept: args.concept.clone(),
        category: args.category.clone(),
        leaks: args.leaks,
        echoes: args.echoes,
        flips: args.flips,
    };
    let mut pairs = quiet_session("".as_ref()).show(&args.db, &showing)?;
    let n_found = pairs.len();
    pairs.truncate(args.limit.unwrap_or(usize::MAX));
    let n_shown = pairs.len();
    if n_shown == 0 {
        progress::note("no prompt is like that");
    } else {
        pager::show(&report::pairs(&pairs, pager::is_coloured()))?;
        progress::note(format_args!("{n_shown} of {n_found} prompt pairs"));
    }
    Ok(Status::Done)
}
