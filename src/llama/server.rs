//! The process of a model: it answers questions until its stdin is closed.
//!
//! Owns the contexts and the memory that it shares with the program: logits are copied there, so that a row of a hundred
//! thousand numbers goes through no pipe.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, BufReader, Stdin, Stdout};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use memmap2::{MmapMut, MmapOptions};

use super::local::{LlamaDecoder, LlamaEncoder, Model};
use super::protocol::{Answer, Question, Reply, Step, VocabularyToken, receive, send};
use super::{Backend, LlamaError};
use crate::engine::Decoder as _;

/// A decoder, and the place of its logits.
struct Shown<'m> {
    decoder: LlamaDecoder<'m>,
    logits: MmapMut,
}

/// The contexts of a model.
struct Contexts<'m> {
    backend: &'m Backend,
    model: &'m Model,
    shared: PathBuf,
    decoders: HashMap<u32, Shown<'m>>,
    encoders: Vec<Mutex<LlamaEncoder<'m>>>,
}

/// Answers the questions on stdin on stdout, until stdin is closed. `shared` is the number of the open file for logits.
///
/// # Errors
/// Where the conversation breaks off, as it does when the program is gone.
pub fn serve(shared: u32) -> anyhow::Result<()> {
    let mut questions = BufReader::new(io::stdin());
    let mut replies = io::stdout();
    let backend = Backend::init()?;
    let Question::Load { path, weights } = receive(&mut questions)? else {
        anyhow::bail!("the first question is not which model");
    };
    let loaded = Model::load(&backend, Path::new(OsStr::from_bytes(&path)), weights);
    let model = match loaded {
        Ok(model) => model,
        Err(error) => return Ok(send(&mut replies, &Reply::Err(error))?),
    };
    let loaded = Answer::Loaded {
        n_vocab: model.n_vocab(),
        n_ctx_train: model.n_ctx_train(),
    };
    send(&mut replies, &Reply::Ok(loaded))?;
    let contexts = Contexts {
        backend: &backend,
        model: &model,
        shared: PathBuf::from(format!("/dev/fd/{shared}")),
        decoders: HashMap::new(),
        encoders: Vec::new(),
    };
    contexts.answer_all(questions, &mut replies)
}

impl<'m> Contexts<'m> {
    fn answer_all(
        mut self,
        mut questions: BufReader<Stdin>,
        replies: &mut Stdout,
    ) -> anyhow::Result<()> {
        loop {
            let question = match receive(&mut questions) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                question => question?,
            };
            let reply = self.answer(question, replies);
            send(replies, &reply)?;
        }
    }

    fn answer(&mut self, question: Question, replies: &mut Stdout) -> Reply {
        match question {
            Question::Load { .. } => Err(refused("a second model")),
            Question::Vocabulary => Ok(Answer::Vocabulary(self.vocabulary())),
            Question::Tokenize(text) => Ok(Answer::Tokens(self.model.tokenize(&text))),
            Question::OpenDecoder {
                number,
                config,
                first_byte,
            } => {
                let decoder = LlamaDecoder::new(self.backend, self.model, config)?;
                let n_bytes =
                    config.n_rows as usize * self.model.n_vocab() as usize * size_of::<f32>();
                let logits = map(&self.shared, first_byte, n_bytes)?;
                self.decoders.insert(number, Shown { decoder, logits });
                Ok(Answer::Done)
            }
            Question::CloseDecoder(number) => {
                self.decoders.remove(&number);
                Ok(Answer::Done)
            }
            Question::Decode { number, step } => {
                let shown = self.decoders.get_mut(&number);
                shown
                    .ok_or_else(|| refused("a decoder that is not open"))?
                    .take(step)
            }
            Question::OpenEncoders { config, n_contexts } => {
                // Contexts of one model must be made one after the other; llama.cpp allows no parallel creation.
                let new = |_| {
                    Ok(Mutex::new(LlamaEncoder::new(
                        self.backend,
                        self.model,
                        config,
                    )?))
                };
                self.encoders = (0..n_contexts)
                    .map(new)
                    .collect::<Result<_, LlamaError>>()?;
                Ok(Answer::Done)
            }
            Question::Encode {
                strings,
                each_token,
            } => {
                let replies = Mutex::new(replies);
                let on_done = |n_done: usize| {
                    let mut replies = replies.lock().unwrap_or_else(PoisonError::into_inner);
                    // Where nobody reads any more, the next question is the end.
                    let _ = send(&mut *replies, &Reply::Ok(Answer::Encoding(n_done)));
                };
                let encoded =
                    LlamaEncoder::side_by_side(&self.encoders, &strings, each_token, &on_done);
                Ok(Answer::Encoded(encoded))
            }
        }
    }

    fn vocabulary(&self) -> Vec<VocabularyToken> {
        let token = |token| VocabularyToken {
            bytes: self.model.token_bytes(token),
            is_eog: self.model.is_eog(token),
        };
        (0..self.model.n_vocab()).map(token).collect()
    }
}

impl Shown<'_> {
    fn take(&mut self, step: Step) -> Reply {
        let decoder = &mut self.decoder;
        let taken = match step {
            Step::Evaluate(rows) => return self.evaluate(&rows),
            Step::Share {
                from,
                to,
                positions,
            } => decoder.share(from, to, positions),
            Step::Release { seq, positions } => decoder.release(seq, positions),
            Step::KeepOnly(seq) => decoder.keep_only(seq),
            Step::Clear => {
                decoder.clear();
                Ok(())
            }
        };
        taken.map_err(|error| refused(&error.to_string()))?;
        Ok(Answer::Done)
    }

    /// The logits of the outputs go to their rows' places in the shared file.
    fn evaluate(&mut self, rows: &[crate::engine::Row]) -> Reply {
        self.decoder.evaluate_rows(rows)?;
        for (row_idx, _) in rows.iter().enumerate().filter(|(_, row)| row.output) {
            let logits = self.decoder.logits(row_idx);
            let logits = logits.map_err(|error| refused(&error.to_string()))?;
            let first = row_idx * size_of_val(logits);
            let place = &mut self.logits[first..first + size_of_val(logits)];
            for (bytes, logit) in place.chunks_exact_mut(size_of::<f32>()).zip(logits) {
                bytes.copy_from_slice(&logit.to_ne_bytes());
            }
        }
        Ok(Answer::Done)
    }
}

fn refused(what: &str) -> LlamaError {
    LlamaError::Refused(what.to_owned())
}

/// So many bytes of the shared file, for reading and writing.
fn map(shared: &Path, first_byte: u64, n_bytes: usize) -> Result<MmapMut, LlamaError> {
    let file = OpenOptions::new().read(true).write(true).open(shared);
    let mapped = file.and_then(|file| {
        // SAFETY: The file has no name, so that only the two processes of this conversation have it. The program reads
        // it between an answer and its next question, and this process writes it between a question and its answer.
        unsafe {
            MmapOptions::new()
                .offset(first_byte)
                .len(n_bytes)
                .map_mut(&file)
        }
    });
    mapped.map_err(|error| refused(&format!("memory for logits: {error}")))
}
