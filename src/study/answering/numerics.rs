//! The numerics under which the answers of a condition stand.
//!
//! Owns the choice: a condition holds answers of one arithmetic only. This machine's is known from the digest of the
//! self-check, or from an earlier run on the same processor. A condition that an earlier build began, which recorded no
//! digest, is gone on with as such, because its answers cannot be told apart any more; whoever reads it is told.

use super::loaded::Loaded;
use crate::digest::Digest;
use crate::llama;
use crate::store::{Here, ModelId, Numerics, NumericsId, Store};
use crate::study::asking::{Planned, Prepared};
use crate::study::session::Session;

fn numerics(prepared: &Prepared, logits_sha256: Option<Digest>) -> Numerics {
    Numerics {
        schedule: prepared.context.schedule.clone(),
        llama_cpp_version: llama::version(),
        logits_sha256,
    }
}

/// The numerics of answers of a build that recorded no digest, if there are any of this condition.
fn undigested(store: &Store, planned: &Planned) -> anyhow::Result<Option<NumericsId>> {
    let Numerics {
        schedule,
        llama_cpp_version,
        ..
    } = numerics(&planned.prepared, None);
    let Some(found) = store.undigested(&schedule, &llama_cpp_version)? else {
        return Ok(None);
    };
    let n_answers = store.n_answers(planned.method, &planned.request_ids())?;
    Ok(n_answers
        .iter()
        .any(|(id, _)| *id == found)
        .then_some(found))
}

/// The numerics of a condition as they are known without loading its model; None where they are not.
pub(crate) fn expected(
    session: &Session,
    store: &Store,
    planned: &Planned,
    model: ModelId,
) -> anyhow::Result<Option<NumericsId>> {
    if let Some(found) = undigested(store, planned)? {
        return Ok(Some(found));
    }
    let here = Here {
        cpu: &session.machine.cpu,
        system_info: &llama::system_info(),
        llama_cpp_version: &llama::version(),
    };
    let prepared = &planned.prepared;
    let (schedule, device) = (&prepared.context.schedule, &prepared.placement.device);
    Ok(store.known_numerics(&here, model, schedule, device)?)
}

/// The numerics that this machine computes a loaded model with, and those under which the answers of the condition stand.
pub(crate) fn settled(
    session: &Session,
    store: &mut Store,
    planned: &Planned,
    loaded: &Loaded,
    expected: Option<NumericsId>,
) -> anyhow::Result<(NumericsId, NumericsId)> {
    let digest = loaded.check.as_ref().map(|check| check.logits_digest);
    let here = store.register_numerics(&numerics(&planned.prepared, digest))?;
    let label = planned.prepared.label();
    if let Some(undigested) = undigested(store, planned)? {
        session.note(format_args!(
            "{label}: stored by a build that did not record how logits were computed; it is not known that all were \
             computed alike"
        ));
        return Ok((here, undigested));
    }
    let of_others = store.n_answers(planned.method, &planned.request_ids())?;
    let n_others: usize = of_others
        .iter()
        .filter(|(id, _)| *id != here)
        .map(|(_, n)| n)
        .sum();
    if n_others > 0 && expected != Some(here) {
        session.note(format_args!(
            "{label}: {n_others} stored answers were computed by other arithmetic (another processor, build or schedule); \
             they stay as they are, and this condition gets its own"
        ));
    }
    Ok((here, here))
}

/// The numerics under which most answers of a condition stand, wherever they were computed; None without any.
pub(crate) fn of_most_answers(
    store: &Store,
    planned: &Planned,
) -> anyhow::Result<Option<NumericsId>> {
    let n_answers = store.n_answers(planned.method, &planned.request_ids())?;
    Ok(n_answers.first().map(|(id, _)| *id))
}
