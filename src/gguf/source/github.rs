//! Single files from a public repository of GitHub at a fixed commit.
//!
//! Owns the address under which GitHub gives out raw files. Receiving, resuming and proving a file are those of the hub's
//! files; no token is sent.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::hub::{Hub, HubOptions};
use super::variable::variable;
use super::{FetchEvent, Reporter, SourceError};
use crate::gguf::file_hash::hash_file;
use crate::gguf::manifest::{HubSource, ManifestFile};

const DEFAULT_ENDPOINT: &str = "https://raw.githubusercontent.com";

/// The address of the raw files: `SEEP_GITHUB_ENDPOINT`, for a mirror, or GitHub's own.
pub fn github_endpoint() -> String {
    let given = variable("SEEP_GITHUB_ENDPOINT").and_then(|value| value.into_string().ok());
    given.unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned())
}

/// Makes sure that `file` of the repository lies at `path` and is the right one; false where it did already.
///
/// # Errors
/// The reason given by the server or this machine, or that the file there is another one.
pub fn fetch_from_github(
    endpoint: &str,
    source: &HubSource,
    file: &ManifestFile,
    path: &Path,
    events: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<bool, SourceError> {
    if hash_file(path).is_ok_and(|found| found == file.sha256) {
        return Ok(false);
    }
    let options = HubOptions::new(endpoint, None, None);
    let never = AtomicBool::new(false);
    let mut reporter = Reporter::new(events, &never, file.bytes);
    reporter.source(&format!(
        "github.com/{} at {}",
        source.repository, source.revision
    ));
    let folder = path.parent().unwrap_or(Path::new("."));
    Hub::raw(source, &options, folder)?.fetch(file, path, &mut reporter)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::gguf::source::fixture::{Events, REVISION, Reply, TestHub, files_below};

    const CONTENT: &[u8] = b"a workbook of a few bytes";

    fn source() -> HubSource {
        HubSource {
            repository: "owner/data".to_owned(),
            revision: REVISION.to_owned(),
        }
    }

    fn file() -> ManifestFile {
        ManifestFile {
            name: "a/b c.xlsx".replace(' ', "_"),
            bytes: CONTENT.len() as u64,
            sha256: Digest::of(CONTENT),
        }
    }

    #[test]
    fn a_file_comes_from_the_pinned_commit_once() {
        let server = TestHub::with_content(CONTENT);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("published/b.xlsx");
        let events = Events::default();
        let fetch = || {
            let endpoint = server.endpoint();
            fetch_from_github(&endpoint, &source(), &file(), &path, &mut events.sink()).unwrap()
        };
        assert!(fetch());
        assert!(!fetch());
        let seen: Vec<_> = server.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].path, format!("/owner/data/{REVISION}/a/b_c.xlsx"));
        assert_eq!(seen[0].authorization, None);
        assert_eq!(files_below(folder.path()), ["published/b.xlsx"]);
        let expected = format!("source github.com/owner/data at {REVISION}");
        assert_eq!(events.lines.take(), [expected]);
        // A file that was changed since is fetched again.
        std::fs::write(&path, "changed").unwrap();
        assert!(fetch());
        assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
    }

    #[test]
    fn another_file_is_refused_and_leaves_nothing() {
        let mut other = CONTENT.to_vec();
        other[0] = b'A';
        let cases: [(TestHub, &str); 2] = [
            (
                TestHub::start(move |request, _| Reply::content(&other, request)),
                "what it gave as `a/b_c.xlsx` was removed again",
            ),
            (
                TestHub::start(|_, _| Reply::status("404 Not Found")),
                "answered 404",
            ),
        ];
        for (server, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("b.xlsx");
            let endpoint = server.endpoint();
            let fetched = fetch_from_github(&endpoint, &source(), &file(), &path, &mut |_| {});
            let error = fetched.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(files_below(folder.path()), Vec::<String>::new());
        }
    }
}
