//! Published workbooks: from a name such as `published:colors` to files beside the database.
//!
//! Owns where they lie and what is said while they are fetched. Which there are, `import` knows.

use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::gguf::manifest::{HubSource, ManifestFile};
use crate::gguf::source::{FetchEvent, fetch_from_github, github_endpoint, is_forbidden};
use crate::import::{
    PUBLISHED_COMMIT, PUBLISHED_PREFIX, PUBLISHED_REPOSITORY, PublishedWorkbook,
    published_workbooks,
};
use crate::study::session::Session;

/// The files that a person named: paths as they are, published workbooks fetched where they are missing.
pub(crate) fn files(
    session: &Session,
    named: &[PathBuf],
    db: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        let name = path.to_str();
        match name.and_then(|name| name.strip_prefix(PUBLISHED_PREFIX)) {
            None => files.push(path.clone()),
            Some(name) => {
                for workbook in published_workbooks(name).map_err(anyhow::Error::msg)? {
                    files.push(fetch(session, workbook, db, false)?);
                }
            }
        }
    }
    Ok(files)
}

/// Where a workbook lies, once it is there and the right one.
pub(crate) fn fetch(
    session: &Session,
    workbook: &PublishedWorkbook,
    db: &Path,
    is_offline: bool,
) -> anyhow::Result<PathBuf> {
    let folder = db.parent().unwrap_or(Path::new("")).join("published");
    let path = folder.join(format!("{}.xlsx", workbook.stem));
    let by_other_means = || {
        let (file, path) = (workbook.path(), path.display());
        format!(
            "hint: fetch {file} from https://github.com/{PUBLISHED_REPOSITORY} by other means and \
             save it as `{path}`"
        )
    };
    if is_offline || is_forbidden() {
        let found = std::fs::read(&path).is_ok_and(|bytes| Digest::of(&bytes) == workbook.sha256());
        anyhow::ensure!(
            found,
            "the published workbook `{}` is not here, and nothing is fetched with `--offline`\n{}",
            workbook.stem,
            by_other_means()
        );
        return Ok(path);
    }
    let source = HubSource {
        repository: PUBLISHED_REPOSITORY.to_owned(),
        revision: PUBLISHED_COMMIT.to_owned(),
    };
    let file = ManifestFile {
        name: workbook.path(),
        bytes: workbook.bytes,
        sha256: workbook.sha256(),
    };
    let stem = workbook.stem;
    let mut events = |event: FetchEvent<'_>| match event {
        FetchEvent::Source { source } => session.note(format_args!("{stem}: from {source}")),
        FetchEvent::Note { text } => session.note(format_args!("{stem}: {text}")),
        FetchEvent::Received { .. } | FetchEvent::Checking { .. } => {}
    };
    let fetched = fetch_from_github(&github_endpoint(), &source, &file, &path, &mut events);
    fetched.map_err(|error| {
        let (error, hint) = (anyhow::Error::from(error), by_other_means());
        anyhow::anyhow!("failed to fetch the published workbook `{stem}`: {error:#}\n{hint}")
    })?;
    Ok(path)
}
