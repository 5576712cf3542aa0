//! Many strings, encoded in small batches by several contexts side by side.
//!
//! Owns which strings are evaluated together and which context takes which batch. A vector depends on neither.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{LlamaEncoder, LlamaError};
use crate::llama::StringVectors;

impl LlamaEncoder<'_> {
    /// The vectors of each of `strings`, one or where `each_token` one for each of its tokens; the work is shared out among
    /// `encoders`, and `on_done` is told the number done after each batch.
    pub fn side_by_side(
        encoders: &[Mutex<Self>],
        strings: &[Vec<u32>],
        each_token: bool,
        on_done: &(dyn Fn(usize) + Sync),
    ) -> Vec<StringVectors> {
        let batches = pack(strings);
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let nothing = || Err(LlamaError::Refused("no context is open".to_owned()));
        let results: Vec<StringVectors> = strings.iter().map(|_| nothing()).collect();
        let results = Mutex::new(results);
        std::thread::scope(|scope| {
            for encoder in encoders {
                scope.spawn(|| {
                    let mut encoder = encoder.lock().unwrap_or_else(PoisonError::into_inner);
                    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let vectors = encoder.batch(strings, batch, each_token);
                        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                        for (&place, vectors) in batch.iter().zip(vectors) {
                            results[place] = vectors;
                        }
                        drop(results);
                        on_done(done.fetch_add(batch.len(), Ordering::Relaxed) + batch.len());
                    }
                });
            }
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The vectors of the strings at these places; a failure is the failure of each of them.
    fn batch(
        &mut self,
        strings: &[Vec<u32>],
        places: &[usize],
        each_token: bool,
    ) -> Vec<StringVectors> {
        let batch: Vec<&[u32]> = places.iter().map(|&place| &*strings[place]).collect();
        let encoded = match each_token {
            true => self.encode_tokens(&batch),
            false => self
                .encode(&batch)
                .map(|of_strings| of_strings.into_iter().map(|it| vec![it]).collect()),
        };
        match encoded {
            Ok(vectors) => vectors.into_iter().map(Ok).collect(),
            Err(error) => places.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

/// The places of strings that are evaluated together, short ones first: neighbours of like length fill a batch best.
fn pack(strings: &[Vec<u32>]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..strings.len()).collect();
    order.sort_by_key(|&place| strings[place].len());
    let mut batches = Vec::new();
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let n_packed = LlamaEncoder::n_packed(rest.iter().map(|&place| strings[place].len()));
        let (batch, after) = rest.split_at(n_packed);
        batches.push(batch.to_vec());
        rest = after;
    }
    batches
}
