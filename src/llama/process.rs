//! The process of a model, as the program sees it.
//!
//! Owns its start, the questions to it, and what is said where it is gone: by a signal of llama.cpp's abort, by the system
//! for want of memory, or by itself. It does not hear Ctrl-C, which ends the work and not the process, and it ends with
//! the program, however that ends, because its stdin is closed then.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};

use memmap2::{Mmap, MmapOptions};
use rustix::io::FdFlags;

use super::LlamaError;
use super::protocol::{Answer, Question, Reply, receive, send};

/// Lines of stderr that are kept: those of an abort, without what came before.
const N_LAST_WORDS: usize = 3;
/// Every page size divides it.
const ALIGNMENT: u64 = 1 << 16;
/// The signal by which a system that is short of memory ends a process.
const SIGKILL: i32 = 9;
/// This one, and that by which a person does.
const OUTER_SIGNALS: [Option<i32>; 2] = [Some(SIGKILL), Some(15)];

/// The program whose hidden command serves a model, where it is not this one.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Says which program serves models, for those that are not seep itself, such as tests; the first call counts.
pub fn set_program(path: PathBuf) {
    let _ = PROGRAM.set(path);
}

/// A part of the shared file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region {
    pub(super) first_byte: u64,
    n_bytes: u64,
}

/// A process that serves a model.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    questions: BufWriter<ChildStdin>,
    replies: BufReader<ChildStdout>,
    last_words: Option<JoinHandle<String>>,
    /// The memory for logits.
    shared: File,
    n_shared_bytes: u64,
    /// Parts of it that no decoder uses any more.
    free: Vec<Region>,
    /// Set when it is gone.
    ended: Option<LlamaError>,
}

impl Process {
    pub(super) fn start() -> io::Result<Self> {
        let shared = nameless_file()?;
        rustix::io::fcntl_setfd(&shared, FdFlags::empty())?;
        let program = PROGRAM
            .get()
            .cloned()
            .map_or_else(std::env::current_exe, Ok)?;
        let mut child = Command::new(program)
            .arg("serve-model")
            .arg(shared.as_raw_fd().to_string())
            // An abort of llama.cpp would otherwise start a debugger, where there is one.
            .env("GGML_NO_BACKTRACE", "1")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("a child has no pipes"));
        };
        Ok(Self {
            child,
            questions: BufWriter::new(stdin),
            replies: BufReader::new(stdout),
            last_words: Some(thread::spawn(|| last_words(stderr))),
            shared,
            n_shared_bytes: 0,
            free: Vec::new(),
            ended: None,
        })
    }

    /// The answer to a question.
    pub(super) fn ask(&mut self, question: &Question) -> Reply {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        match send(&mut self.questions, question) {
            Ok(()) => self.receive(),
            Err(_) => Err(self.end()),
        }
    }

    /// The next reply.
    pub(super) fn receive(&mut self) -> Reply {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        receive(&mut self.replies).unwrap_or_else(|_| Err(self.end()))
    }

    /// As [`Self::ask`], where only success is an answer.
    pub(super) fn tell(&mut self, question: &Question) -> Result<(), LlamaError> {
        self.ask(question).map(|_: Answer| ())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Ends it; returns how it ended.
    pub(super) fn end(&mut self) -> LlamaError {
        // It may have ended by itself just now, and then its own end is told.
        let by_itself = self.child.try_wait().ok().flatten();
        let status = by_itself.or_else(|| self.exit_soon());
        let said = self.last_words.take().and_then(|it| it.join().ok());
        let ended = LlamaError::Ended {
            is_from_outside: status.is_some_and(|it| OUTER_SIGNALS.contains(&it.signal())),
            how: status.map_or("it could not be waited for".to_owned(), how),
            said: said
                .filter(|it| !it.is_empty())
                .unwrap_or("it said nothing".to_owned()),
        };
        self.ended.get_or_insert(ended).clone()
    }

    /// Its pipes are closed: it is dying, or it must.
    fn exit_soon(&mut self) -> Option<ExitStatus> {
        for _ in 0..50 {
            if let Some(status) = self.child.try_wait().ok()? {
                return Some(status);
            }
            thread::sleep(std::time::Duration::from_millis(2));
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }

    /// Memory that it can write and the program read.
    pub(super) fn share(&mut self, n_bytes: usize) -> io::Result<(Region, Mmap)> {
        let n_bytes = (n_bytes as u64).next_multiple_of(ALIGNMENT);
        let place = self.free.iter().position(|free| free.n_bytes >= n_bytes);
        let region = place.map_or_else(
            || Region {
                first_byte: self.n_shared_bytes,
                n_bytes,
            },
            |place| self.free.swap_remove(place),
        );
        self.n_shared_bytes = self.n_shared_bytes.max(region.first_byte + region.n_bytes);
        self.shared.set_len(self.n_shared_bytes)?;
        let options = MmapOptions::new()
            .offset(region.first_byte)
            .len(n_bytes as usize)
            .clone();
        // SAFETY: The file has no name, so that only the two processes of this conversation have it. The other one writes
        // it between a question and its answer, and this one reads it between an answer and its next question.
        Ok((region, unsafe { options.map(&self.shared) }?))
    }

    pub(super) fn give_back(&mut self, region: Region) {
        self.free.push(region);
    }
}

impl Drop for Process {
    /// Its memory is free afterwards: two models at a time may be more than there is room for.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file in memory, or where the system has none such, one without a name on the disk.
fn nameless_file() -> io::Result<File> {
    #[cfg(target_os = "linux")]
    return Ok(rustix::fs::memfd_create("seep", rustix::fs::MemfdFlags::CLOEXEC)?.into());
    #[cfg(not(target_os = "linux"))]
    return tempfile::tempfile();
}

/// The last lines that it writes, once it has ended; all of them go to the log.
fn last_words(stderr: ChildStderr) -> String {
    let mut last = VecDeque::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        tracing::debug!(target: "llama.cpp", "{line}");
        if !line.is_empty() {
            last.push_back(line);
        }
        if last.len() > N_LAST_WORDS {
            last.pop_front();
        }
    }
    last.make_contiguous().join("; ")
}

fn how(status: ExitStatus) -> String {
    match status.signal() {
        Some(SIGKILL) => format!("{status}, as a system does that is short of memory"),
        _ => status.to_string(),
    }
}
