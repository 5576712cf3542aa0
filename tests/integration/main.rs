//! Tests of the whole: the product and llama.cpp on files that the tests write.
//!
//! Owns the list of modules; what several of them need lies in `tiny` and `llama_child`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod damaged;
mod llama_child;
mod tiny;
