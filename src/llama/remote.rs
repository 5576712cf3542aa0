//! A model in a process of its own.
//!
//! Owns what the program sees of it: the vocabulary, a decoder, and the vectors of an encoder. Where the process is gone,
//! every further question has that as its error.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use std::ops::Range;

use memmap2::Mmap;

use super::process::{Process, Region};
use super::protocol::{Answer, Question, Step, StringVectors};
use super::{DecoderConfig, EncoderConfig, LlamaError, VocabularyToken, Weights};
use crate::engine::{Decoder, EngineError, Row, SeqId};

/// A model that a process of its own has loaded.
#[derive(Debug)]
pub struct Model {
    process: Mutex<Process>,
    n_vocab: u32,
    n_ctx_train: u32,
}

impl Model {
    /// Loads a checked model file in a new process.
    ///
    /// # Errors
    /// `Load` with the reason from llama.cpp's log, `Ended` where it ended the process.
    pub fn load(path: &Path, weights: Weights) -> Result<Self, LlamaError> {
        let process = Process::start();
        let mut process = process.map_err(|error| LlamaError::Load {
            path: path.to_owned(),
            reason: format!("no process could be started for it: {error}"),
        })?;
        let question = Question::Load {
            path: path.as_os_str().as_bytes().to_vec(),
            weights,
        };
        match process.ask(&question)? {
            Answer::Loaded {
                n_vocab,
                n_ctx_train,
            } => Ok(Self {
                process: Mutex::new(process),
                n_vocab,
                n_ctx_train,
            }),
            answer => Err(unexpected(&answer)),
        }
    }

    /// The length of a logits row.
    pub fn n_vocab(&self) -> u32 {
        self.n_vocab
    }

    /// The number of positions the model was trained for.
    pub fn n_ctx_train(&self) -> u32 {
        self.n_ctx_train
    }

    /// All tokens, by their ids.
    ///
    /// # Errors
    /// `Ended` where the process is gone.
    pub fn vocabulary(&self) -> Result<Vec<VocabularyToken>, LlamaError> {
        match self.process().ask(&Question::Vocabulary)? {
            Answer::Vocabulary(tokens) => Ok(tokens),
            answer => Err(unexpected(&answer)),
        }
    }

    /// llama.cpp's own tokenization of plain text: nothing added, no special token recognised.
    ///
    /// # Errors
    /// `Ended` where the process is gone.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>, LlamaError> {
        match self.process().ask(&Question::Tokenize(text.to_owned()))? {
            Answer::Tokens(tokens) => Ok(tokens),
            answer => Err(unexpected(&answer)),
        }
    }

    /// The error that the process ended with; None while it lives.
    pub fn ended(&self) -> Option<LlamaError> {
        let mut process = self.process();
        process.has_ended().then(|| process.end())
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A generation model ready to evaluate rows.
pub struct LlamaDecoder<'m> {
    model: &'m Model,
    number: u32,
    region: Region,
    logits: Mmap,
    /// Which rows of the last batch have logits.
    outputs: Vec<bool>,
}

impl<'m> LlamaDecoder<'m> {
    /// Makes a llama context: one KV cache for all sequences, flash attention on.
    ///
    /// # Errors
    /// `Refused` for a size llama.cpp cannot take, `Context` when memory does not suffice.
    pub fn new(model: &'m Model, config: DecoderConfig) -> Result<Self, LlamaError> {
        let n_bytes = config.n_rows as usize * model.n_vocab as usize * size_of::<f32>();
        let mut process = model.process();
        let shared = process.share(n_bytes.max(1));
        let (region, logits) =
            shared.map_err(|error| LlamaError::Refused(format!("memory for logits: {error}")))?;
        // Places in the shared file are as unlike as decoders that are open.
        let number = u32::try_from(region.first_byte >> 16)
            .map_err(|error| LlamaError::Refused(error.to_string()))?;
        process.tell(&Question::OpenDecoder {
            number,
            config,
            first_byte: region.first_byte,
        })?;
        drop(process);
        Ok(Self {
            model,
            number,
            region,
            logits,
            outputs: Vec::new(),
        })
    }

    fn take(&self, step: Step) -> Result<(), EngineError> {
        let number = self.number;
        Ok(self
            .model
            .process()
            .tell(&Question::Decode { number, step })?)
    }
}

impl Decoder for LlamaDecoder<'_> {
    fn evaluate(&mut self, rows: &[Row]) -> Result<(), EngineError> {
        self.outputs.clear();
        self.take(Step::Evaluate(rows.to_vec()))?;
        self.outputs.extend(rows.iter().map(|row| row.output));
        Ok(())
    }

    fn logits(&self, row_idx: usize) -> Result<&[f32], EngineError> {
        if self.outputs.get(row_idx) != Some(&true) {
            let refused = format!("logits of row {row_idx}, which is no output");
            return Err(LlamaError::Refused(refused).into());
        }
        let n_bytes = self.model.n_vocab as usize * size_of::<f32>();
        let row = &self.logits[row_idx * n_bytes..(row_idx + 1) * n_bytes];
        Ok(bytemuck::cast_slice(row))
    }

    fn share(&mut self, from: SeqId, to: SeqId, positions: Range<u32>) -> Result<(), EngineError> {
        self.take(Step::Share {
            from,
            to,
            positions,
        })
    }

    fn release(&mut self, seq: SeqId, positions: Range<u32>) -> Result<(), EngineError> {
        self.take(Step::Release { seq, positions })
    }

    fn keep_only(&mut self, seq: SeqId) -> Result<(), EngineError> {
        self.take(Step::KeepOnly(seq))
    }

    fn clear(&mut self) {
        // It cannot fail but by the end of the process, which the next evaluation tells.
        let _ = self.take(Step::Clear);
    }
}

impl Drop for LlamaDecoder<'_> {
    fn drop(&mut self) {
        let mut process = self.model.process();
        let _ = process.tell(&Question::CloseDecoder(self.number));
        process.give_back(self.region);
    }
}

/// An encoder ready to embed strings, several side by side.
#[derive(Debug)]
pub struct Encoders<'m> {
    model: &'m Model,
}

impl<'m> Encoders<'m> {
    /// Makes so many contexts, each of which encodes on its own.
    ///
    /// # Errors
    /// `Refused` for more tokens than the model has positions, `Context` when memory does not suffice.
    pub fn new(
        model: &'m Model,
        config: EncoderConfig,
        n_contexts: u32,
    ) -> Result<Self, LlamaError> {
        let open = Question::OpenEncoders { config, n_contexts };
        model.process().tell(&open)?;
        Ok(Self { model })
    }

    /// The vectors of each of `strings`: one, the mean over its tokens, or where `each_token` one for each; not normalised.
    /// `on_done` hears how many strings are done and says if the work goes on; None where it does not, and the process is
    /// gone then.
    ///
    /// # Errors
    /// `Ended` where the process is gone; the errors of single strings stand in their places.
    pub fn encode(
        &self,
        strings: Vec<Vec<u32>>,
        each_token: bool,
        on_done: &dyn Fn(usize) -> bool,
    ) -> Result<Option<Vec<StringVectors>>, LlamaError> {
        let mut process = self.model.process();
        let question = Question::Encode {
            strings,
            each_token,
        };
        let mut answer = process.ask(&question)?;
        loop {
            match answer {
                Answer::Encoding(n_done) if on_done(n_done) => {}
                Answer::Encoding(_) => {
                    process.end();
                    return Ok(None);
                }
                Answer::Encoded(vectors) => return Ok(Some(vectors)),
                other => return Err(unexpected(&other)),
            }
            answer = process.receive()?;
        }
    }
}

fn unexpected(answer: &Answer) -> LlamaError {
    LlamaError::Refused(format!("an answer to another question: {answer:.50?}"))
}
