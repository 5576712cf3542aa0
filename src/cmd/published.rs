//! Published workbooks: from a name such as `published:colors` to files beside the database.
//!
//! Owns where they lie and what is said while they are fetched. Which there are, `import` knows.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::gguf::manifest::{HubSource, ManifestFile};
use crate::gguf::source::{FetchEvent, fetch_from_github, github_endpoint};
use crate::import::{
    PUBLISHED_COMMIT, PUBLISHED_PREFIX, PUBLISHED_REPOSITORY, PublishedWorkbook,
    published_workbooks,
};
use crate::progress;

/// The files that a person named: paths as they are, published workbooks fetched where they are missing.
pub(super) fn files(named: &[PathBuf], db: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        let name = path.to_str();
        match name.and_then(|name| name.strip_prefix(PUBLISHED_PREFIX)) {
            None => files.push(path.clone()),
            Some(name) => {
                for workbook in published_workbooks(name).map_err(anyhow::Error::msg)? {
                    files.push(fetch(workbook, db)?);
                }
            }
        }
    }
    Ok(files)
}

fn fetch(workbook: &PublishedWorkbook, db: &Path) -> anyhow::Result<PathBuf> {
    let folder = db.parent().unwrap_or(Path::new("")).join("published");
    let path = folder.join(format!("{}.xlsx", workbook.stem));
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
        FetchEvent::Source { source } => progress::note(format_args!("{stem}: from {source}")),
        FetchEvent::Note { text } => progress::note(format_args!("{stem}: {text}")),
        FetchEvent::Received { .. } | FetchEvent::Checking { .. } => {}
    };
    fetch_from_github(&github_endpoint(), &source, &file, &path, &mut events).with_context(
        || {
            format!(
                "failed to fetch the published workbook `{stem}`\nhint: fetch {} from \
                 https://github.com/{PUBLISHED_REPOSITORY} by other means and import it as a file",
                file.name
            )
        },
    )?;
    Ok(path)
}
