//! Derived model files: found where they were made before, or made by a process of their own.
//!
//! Owns the order of the steps (space, quantizer, checks, record, name) and what a person sees of them. What
//! identifies a derived file is in `gguf::derivation`, the call of the quantizer in `llama`.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::HumanBytes;

use crate::digest::Digest;
use crate::gguf::derivation::{
    Derivation, DerivedRecord, Target, part_path, publish, read_record, record_path,
    remove_left_overs,
};
use crate::gguf::file_hash::{cached_hash_with, remember_hash};
use crate::gguf::imatrix::read_imatrix;
use crate::gguf::shelf::lock_file;
use crate::gguf::{Gguf, check_generation_model};
use crate::llama;
use crate::study::models::file::{ModelFile, read_checked};
use crate::study::session::Session;
use crate::watch::Unit;

/// How often the growing file is looked at.
const POLL: Duration = Duration::from_millis(100);
/// Left free on the disk beyond the announced size, which is not exact to the byte.
const SPARE_BYTES: u64 = 1 << 20;

/// A derived file that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) target: Target,
    /// True if the parent may be quantized already.
    pub(crate) allow_requantize: bool,
    /// A file with an importance matrix.
    pub(crate) imatrix: Option<PathBuf>,
}

/// A derived file that is here, hashed and checked.
pub(crate) struct Derived {
    pub(crate) gguf: Gguf,
    pub(crate) sha256: Digest,
    pub(crate) derivation: Derivation,
}

/// Where a derived file stands.
pub(crate) enum DerivedState {
    /// It was made before.
    Here,
    /// It has to be made, with so many bytes.
    ToMake { bytes: u64 },
}

/// Finds the derived file, or makes it once.
///
/// # Errors
/// For a parent that is quantized already unless that is allowed, a target that needs a matrix, a full disk, a file of
/// that name that is not the one that was derived, and whatever the quantizer reports.
pub(crate) fn derive(
    session: &Session,
    parent: &ModelFile,
    wish: &Wish,
) -> anyhow::Result<Derived> {
    let derivation = describe(session, parent, wish)?;
    let path = place(session, parent, &derivation);
    if !path.exists() {
        make(session, parent, wish, &derivation, &path)?;
    }
    open(session, &path, derivation)
}

/// Says whether the derived file is here, and if not, how large it would become.
pub(crate) fn state(
    session: &Session,
    parent: &ModelFile,
    wish: &Wish,
) -> anyhow::Result<DerivedState> {
    let derivation = describe(session, parent, wish)?;
    let path = place(session, parent, &derivation);
    if path.exists() {
        return Ok(DerivedState::Here);
    }
    let bytes = announced_bytes(session, parent, wish)?;
    Ok(DerivedState::ToMake { bytes })
}

/// Returns the identity of the derived file; refuses a derivation that must not or cannot be made.
fn describe(session: &Session, parent: &ModelFile, wish: &Wish) -> anyhow::Result<Derivation> {
    let label = wish.target.label;
    let is_requantized = parent
        .inspection
        .composition
        .iter()
        .any(|share| share.tensor_type.is_quantized());
    if is_requantized && !wish.allow_requantize {
        bail!(
            "{} is quantized already, so {label} would be made of rounded weights\n\
             hint: derive from F16, or allow it (`allow_requantize: true`, `--allow-requantize`)",
            parent.label()
        );
    }
    if wish.target.needs_imatrix && wish.imatrix.is_none() {
        bail!(
            "{label} cannot be made without an importance matrix\n\
             hint: name one (`imatrix: FILE`, `--imatrix FILE`)"
        );
    }
    let imatrix_sha256 = match &wish.imatrix {
        Some(path) => {
            read_imatrix(path)?;
            let digest = cached_hash_with(session.shelf.dir(), path, |_| Ok(()));
            Some(digest.with_context(|| format!("failed to read `{}`", path.display()))?)
        }
        None => None,
    };
    Ok(Derivation::new(
        wish.target,
        &parent.quantization,
        parent.sha256,
        is_requantized,
        imatrix_sha256,
        llama::version(),
    ))
}

/// Derived files lie on the shelf, in the folder of the model's name, wherever the parent lies.
fn place(session: &Session, parent: &ModelFile, derivation: &Derivation) -> PathBuf {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let stem: String = parent
        .name
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    let stem = stem.trim_start_matches('.');
    let folder = session.shelf.dir().join(stem);
    folder.join(derivation.file_name(stem))
}

/// Reads the header of a derived file that is here, and compares its content with its record.
fn open(session: &Session, path: &Path, derivation: Derivation) -> anyhow::Result<Derived> {
    let hint = "remove it; it is derived again when it is needed";
    let record = read_record(path).filter(|record| record.derivation == derivation);
    let Some(record) = record else {
        bail!(
            "`{}` has no record that says how it was derived\nhint: {hint}",
            path.display()
        );
    };
    let sha256 = cached_hash_with(session.shelf.dir(), path, |_| Ok(()))
        .with_context(|| format!("failed to read `{}`", path.display()))?;
    if sha256.to_string() != record.sha256 {
        bail!(
            "`{}` is not the file that was derived: its sha256 is `{sha256}` instead of `{}`\nhint: {hint}",
            path.display(),
            record.sha256
        );
    }
    Ok(Derived {
        gguf: read_checked(path, check_generation_model)?,
        sha256,
        derivation,
    })
}

/// Makes the file at `path`, unless another process made it meanwhile.
fn make(
    session: &Session,
    parent: &ModelFile,
    wish: &Wish,
    derivation: &Derivation,
    path: &Path,
) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .with_context(|| format!("failed to make the folder `{}`", folder.display()))?;
    let _lock = lock(session, folder)?;
    if path.exists() {
        return Ok(());
    }
    for left_over in remove_left_overs(folder)? {
        session.note(format_args!(
            "removed `{}`, left by a derivation that was ended",
            left_over.display()
        ));
    }
    let needed_bytes = announced_bytes(session, parent, wish)?;
    let free_bytes = fs4::available_space(folder)
        .with_context(|| format!("failed to look at the disk of `{}`", folder.display()))?;
    check_space(free_bytes, needed_bytes, path)?;
    let part = part_path(path);
    let made = make_part(session, parent, wish, derivation, &part, needed_bytes)
        .and_then(|sha256| finish(session, derivation, &part, path, sha256));
    if made.is_err() {
        // What it leaves is removed by the next derivation, if not by this one.
        let _ = fs::remove_file(&part);
    }
    made
}

fn lock(session: &Session, folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(".derive.lock");
    let io_error =
        |error| anyhow::Error::new(error).context(format!("failed to lock `{}`", path.display()));
    let mut is_told = false;
    lock_file(&path, io_error, &mut || {
        session.check_interrupted()?;
        if !is_told {
            session.note("another process is deriving a file of this model; waiting for it");
            is_told = true;
        }
        Ok(())
    })
}

/// Refuses to begin what the disk has no room for.
fn check_space(free_bytes: u64, needed_bytes: u64, path: &Path) -> anyhow::Result<()> {
    if free_bytes > needed_bytes + SPARE_BYTES {
        return Ok(());
    }
    bail!(
        "the disk is too full to derive `{}`: it takes {}, and {} are free\n\
         hint: make room, or put the model files on another disk (`--models-dir`)",
        path.display(),
        HumanBytes(needed_bytes),
        HumanBytes(free_bytes)
    )
}

/// Runs the quantizer into `part` and checks what came out; its hash.
fn make_part(
    session: &Session,
    parent: &ModelFile,
    wish: &Wish,
    derivation: &Derivation,
    part: &Path,
    needed_bytes: u64,
) -> anyhow::Result<Digest> {
    let label = format!("{} {}", parent.name, derivation.label());
    session.note(format_args!(
        "{label}: deriving {} with {}",
        HumanBytes(needed_bytes),
        derivation.quantizer
    ));
    let progress = session.begin(format!("{label}: deriving"), needed_bytes, Unit::Bytes);
    let mut child = Quantizer::start(session, parent, wish, part, false)?;
    while !child.has_ended()? {
        if let Err(interrupted) = session.check_interrupted() {
            child.kill();
            return Err(interrupted.into());
        }
        progress.set(size(part).min(needed_bytes));
        thread::sleep(POLL);
    }
    child
        .finish()
        .with_context(|| failed_write(part, needed_bytes, &label))?;
    progress.finish(size(part));
    let gguf = read_checked(part, check_generation_model)?;
    let made = crate::gguf::Inspection::of(&gguf).quantization;
    if made.as_deref() != Some(wish.target.label) {
        bail!(
            "the quantizer made {made:?} instead of {}",
            wish.target.label
        );
    }
    cached_hash_with(session.shelf.dir(), part, |_| Ok(()))
        .with_context(|| format!("failed to read `{}`", part.display()))
}

/// Returns the message for a failure of the quantizer, which does not say itself that the disk is full.
fn failed_write(part: &Path, needed_bytes: u64, label: &str) -> String {
    let written_bytes = size(part);
    let free_bytes = fs4::available_space(part.parent().unwrap_or(part)).unwrap_or(u64::MAX);
    let mut text = format!(
        "failed to derive {label} after {} of {}",
        HumanBytes(written_bytes),
        HumanBytes(needed_bytes)
    );
    if free_bytes < needed_bytes.saturating_sub(written_bytes) {
        text += &format!(": the disk is full ({} are free)", HumanBytes(free_bytes));
    }
    text
}

fn finish(
    session: &Session,
    derivation: &Derivation,
    part: &Path,
    path: &Path,
    sha256: Digest,
) -> anyhow::Result<()> {
    let record = DerivedRecord {
        derivation: derivation.clone(),
        sha256: sha256.to_string(),
    };
    publish(part, path, &record).with_context(|| {
        format!(
            "failed to write `{}` and its record `{}`",
            path.display(),
            record_path(path).display()
        )
    })?;
    remember_hash(session.shelf.dir(), path, sha256);
    Ok(())
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// The size the file will have, to within some kilobytes: its tensors behind a header like its parent's.
fn announced_bytes(session: &Session, parent: &ModelFile, wish: &Wish) -> anyhow::Result<u64> {
    let child = Quantizer::start(session, parent, wish, Path::new("nothing"), true)?;
    let said = child.finish().with_context(|| {
        format!(
            "failed to plan {} from {}",
            wish.target.label,
            parent.label()
        )
    })?;
    let tensors: u64 = said
        .trim()
        .parse()
        .with_context(|| format!("the quantizer announced {said:?} bytes"))?;
    let first = parent
        .gguf
        .tensors()
        .iter()
        .map(|tensor| tensor.offset)
        .min();
    Ok(tensors + first.unwrap_or(0))
}

/// The process in which the quantizer runs.
struct Quantizer {
    child: Child,
}

impl Quantizer {
    fn start(
        session: &Session,
        parent: &ModelFile,
        wish: &Wish,
        output: &Path,
        dry_run: bool,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("failed to find the program itself")?;
        let mut command = Command::new(program);
        command
            .arg("quantize")
            .arg(parent.gguf.path())
            .arg(output)
            .args(["--to", wish.target.label])
            .args(["--threads", &session.n_threads.to_string()]);
        if wish.allow_requantize {
            command.arg("--allow-requantize");
        }
        if let Some(imatrix) = &wish.imatrix {
            command.arg("--imatrix").arg(imatrix);
        }
        if dry_run {
            command.arg("--dry-run");
        }
        // An abort of llama.cpp would otherwise start a debugger, where there is one.
        let child = command
            .env("GGML_NO_BACKTRACE", "1")
            .env_remove("RUST_LOG")
            // Held open for as long as this process lives: the child ends when it is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("failed to start the quantizer")?;
        Ok(Self { child })
    }

    fn has_ended(&mut self) -> anyhow::Result<bool> {
        let status = self.child.try_wait();
        Ok(status
            .context("failed to wait for the quantizer")?
            .is_some())
    }

    fn kill(mut self) {
        // It may have ended by itself just now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end; what it printed.
    fn finish(mut self) -> anyhow::Result<String> {
        // Waiting through the child would close its stdin first, which ends it. It writes a line or two at most.
        let mut stdout = String::new();
        let mut stderr = String::new();
        let pipes = (self.child.stdout.take(), self.child.stderr.take());
        if let (Some(mut out), Some(mut err)) = pipes {
            out.read_to_string(&mut stdout)?;
            err.read_to_string(&mut stderr)?;
        }
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            thread::sleep(Duration::from_millis(1));
        };
        if status.success() {
            return Ok(stdout);
        }
        let said = stderr.trim().trim_start_matches("error: ");
        match status.code() {
            Some(_) => bail!("{said}"),
            None => bail!("the quantizer was ended ({status}): {said}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_is_called_by_its_name() {
        let path = Path::new("gguf/m/m-q2_k-from-f16-00000000.gguf");
        assert!(check_space((1 << 20) + 2001, 2000, path).is_ok());
        assert!(check_space(1 << 20, 2000, path).is_err());
        let said = check_space(1 << 20, 3 << 20, path).unwrap_err().to_string();
        let expected = "the disk is too full to derive `gguf/m/m-q2_k-from-f16-00000000.gguf`: \
                        it takes 3.00 MiB, and 1.00 MiB are free\nhint: make room,";
        assert!(said.starts_with(expected), "{said}");
    }
}
