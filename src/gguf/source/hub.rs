//! Files from the Hugging Face hub, or a mirror of it.
//!
//! Owns the hub's address, cache and token, and receiving a file that may have arrived in part.
//! The client is hf-hub's. Its own download is not used: it writes into the hub's cache, so that every model would
//! take its space twice, never checks the content, waits for a silent server without end, and appends a full answer
//! to what is there when a server ignores the range asked for. So the requests are its, with its address; who gets the
//! token, which redirects are followed and what is done with the answer is ours.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use ureq::Body;
use ureq::http::Response;
use url::Url;

use super::part::{CopyError, PartFile, part_path, receive_file};
use super::variable::{as_path, variable};
use super::{Reporter, SourceError};
use crate::gguf::file_hash::hash_file_with;
use crate::gguf::manifest::{HubSource, ManifestFile};

/// Redirects that are followed for one file; the hub needs two.
const REDIRECTS_MAX: usize = 10;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// The hub and what is known about it.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Address without a final `/`.
    pub endpoint: String,
    /// The folder `hub` of the hub's cache, shared with other programs; only read. None if there is no home folder.
    pub cache: Option<PathBuf>,
    /// Sent to the endpoint only, over https.
    pub token: Option<Token>,
    /// How long finding the host and connecting to it may take each; its answer must begin after twice that time.
    pub patience: Duration,
    /// How long a transfer may stand still; a slow one is never cut.
    pub stall: Duration,
}

/// A secret: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The secret in `text`, without the white space around it; none if nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

impl HubOptions {
    /// The options from the variables of the hub's own tools: `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE` (once
    /// `HUGGINGFACE_HUB_CACHE`), `HF_TOKEN` and `HF_TOKEN_PATH`.
    ///
    /// hf-hub reads the first two by itself, but not the others, and panics where there is no home folder.
    pub fn from_env() -> Self {
        Self::from_variables(variable, env::home_dir())
    }

    /// As `from_env`, with what it reads from the environment.
    fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        user_home: Option<PathBuf>,
    ) -> Self {
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let path = |name: &str| variable(name).map(as_path);
        let user_cache = path("XDG_CACHE_HOME").or_else(|| Some(user_home?.join(".cache")));
        let home = path("HF_HOME").or_else(|| Some(user_cache?.join("huggingface")));
        let in_home = |name: &str| Some(home.as_ref()?.join(name));
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| in_home("hub"));
        let token_file = path("HF_TOKEN_PATH").or_else(|| in_home("token"));
        let token = text("HF_TOKEN").or_else(|| fs::read_to_string(token_file?).ok());
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        Self::new(&endpoint, cache, token.as_deref().and_then(Token::new))
    }

    /// Options with the usual times.
    pub fn new(endpoint: &str, cache: Option<PathBuf>, token: Option<Token>) -> Self {
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache,
            token,
            // Longer than the 5 s after which a resolver repeats a lost question.
            patience: Duration::from_secs(7),
            stall: Duration::from_secs(60),
        }
    }
}

/// Finds `file` in the hub's cache and puts it in its place: a hard link where possible, else a copy.
///
/// Returns false if the cache has no such file. A link shares the bytes with the cache, and outlives it.
pub(crate) fn take_from_cache(
    source: &HubSource,
    options: &HubOptions,
    file: &ManifestFile,
    final_path: &Path,
    reporter: &mut Reporter<'_>,
) -> Result<bool, SourceError> {
    let Some(cached) = find_in_cache(source, options, file) else {
        return Ok(false);
    };
    let on_bytes = |bytes| reporter.reading(&file.name, bytes);
    if hash_file_with(&cached, on_bytes).map_err(SourceError::io(&cached))? != file.sha256 {
        reporter.note(&format!(
            "`{}` in the hub's cache is another file and is not used",
            cached.display()
        ));
        return Ok(false);
    }
    reporter.note(&format!("`{}` is taken from the hub's cache", file.name));
    if let Some(folder) = final_path.parent() {
        fs::create_dir_all(folder).map_err(SourceError::io(folder))?;
    }
    if fs::hard_link(&cached, final_path).is_ok() {
        // What an earlier attempt left is of no use any more; that there is nothing is the usual case.
        let _ = fs::remove_file(part_path(final_path));
        return Ok(true);
    }
    receive_file(final_path, file, reporter, |part, reporter| {
        part.restart()?;
        let reader = fs::File::open(&cached).map_err(SourceError::io(&cached))?;
        part.copy_from(reader, reporter)
            .map_err(|error| match error {
                CopyError::Read(error) => SourceError::io(&cached)(error),
                CopyError::Local(error) => error,
            })?;
        match part.len() {
            found if found == file.bytes => Ok(()),
            // It was cut while it was read.
            found => Err(SourceError::Size {
                file: cached.display().to_string(),
                expected: file.bytes,
                found,
            }),
        }
    })?;
    Ok(true)
}

/// The cache keeps large files under their hash, and every file under its commit.
fn find_in_cache(source: &HubSource, options: &HubOptions, file: &ManifestFile) -> Option<PathBuf> {
    let cache = Cache::new(options.cache.clone()?).repo(repo(source));
    let candidates = [
        cache.pointer_path(&source.revision).join(&file.name),
        cache.blob_path(&file.sha256.to_string()),
    ];
    let real = candidates
        .into_iter()
        .filter_map(|path| path.canonicalize().ok());
    real.into_iter().find(|path| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == file.bytes)
    })
}

fn repo(source: &HubSource) -> Repo {
    Repo::with_revision(
        source.repository.clone(),
        RepoType::Model,
        source.revision.clone(),
    )
}

/// One repository of the hub, ready to be asked.
pub(crate) struct Hub<'a> {
    options: &'a HubOptions,
    repo: ApiRepo,
    /// The address above the files, where it is not the hub's.
    raw_root: Option<String>,
}

impl<'a> Hub<'a> {
    /// Prepares the client; nothing is contacted yet. `folder` is where no cache exists.
    pub(crate) fn new(
        source: &HubSource,
        options: &'a HubOptions,
        folder: &Path,
    ) -> Result<Self, SourceError> {
        let cache = options.cache.clone().unwrap_or_else(|| folder.join("hub"));
        let builder = ApiBuilder::from_cache(Cache::new(cache))
            .with_endpoint(options.endpoint.clone())
            // The client would send it to every port of the host, and without https too.
            .with_token(None)
            .with_progress(false)
            .with_user_agent(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let api = builder.build().map_err(|error| SourceError::Unreachable {
            endpoint: options.endpoint.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            options,
            repo: api.repo(repo(source)),
            raw_root: None,
        })
    }

    /// The same for a server that gives out a repository's files at `endpoint/repository/revision/file`.
    pub(crate) fn raw(
        source: &HubSource,
        options: &'a HubOptions,
        folder: &Path,
    ) -> Result<Self, SourceError> {
        let root = [&options.endpoint, &source.repository, &source.revision];
        Ok(Self {
            raw_root: Some(root.map(String::as_str).join("/")),
            ..Self::new(source, options, folder)?
        })
    }

    fn url(&self, name: &str) -> String {
        match &self.raw_root {
            Some(root) => format!("{root}/{name}"),
            None => self.repo.url(name),
        }
    }

    /// Fetches one file to its final place.
    pub(crate) fn fetch(
        &self,
        file: &ManifestFile,
        final_path: &Path,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), SourceError> {
        if self.options.token.is_some() && self.token_for(&self.url(&file.name)).is_none() {
            let endpoint = &self.options.endpoint;
            reporter.note(&format!(
                "the token is sent over https only, and not to `{endpoint}`"
            ));
        }
        receive_file(final_path, file, reporter, |part, reporter| {
            self.receive_all(file, part, reporter)
        })
    }

    /// Asks again from where a transfer broke, as long as each attempt brings at least one byte.
    fn receive_all(
        &self,
        file: &ManifestFile,
        part: &mut PartFile<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), SourceError> {
        while part.missing_bytes() > 0 {
            let missing_bytes = part.missing_bytes();
            match self.receive(file, part, reporter) {
                Err(error @ SourceError::Interrupted { .. })
                    if part.missing_bytes() < missing_bytes =>
                {
                    reporter.note(&format!("{error}; going on from there"));
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// One request for what is missing. On success the file is complete.
    fn receive(
        &self,
        file: &ManifestFile,
        part: &mut PartFile<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), SourceError> {
        let url = self.url(&file.name);
        let response = self.ask_along(&url, part.len())?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let answer = Answer {
            status: response.status().as_u16(),
            content_range: header("content-range").map(str::to_owned),
            content_length: header("content-length").and_then(|length| length.parse().ok()),
        };
        answer.check(&url, file, part)?;
        self.copy(response.into_body().into_reader(), file, part, reporter)
    }

    /// The answer to the request for all bytes from `start` on, wherever the server sends for it.
    fn ask_along(&self, url: &str, start: u64) -> Result<Response<Body>, SourceError> {
        let mut response = self.ask(url, start)?;
        let mut url = Url::parse(url).ok();
        for _ in 0..REDIRECTS_MAX {
            let location = response.headers().get("location");
            let location = location.filter(|_| response.status().is_redirection());
            let location = location.and_then(|location| location.to_str().ok());
            url = location.and_then(|location| url?.join(location).ok());
            match &url {
                Some(url) => response = self.ask(url.as_str(), start)?,
                None => break,
            }
        }
        Ok(response)
    }

    fn ask(&self, url: &str, start: u64) -> Result<Response<Body>, SourceError> {
        // hf-hub gives its prepared requests out for one address only; the address is replaced.
        let mut request = self
            .repo
            .info_request()
            .uri(url)
            .header("Range", format!("bytes={start}-"));
        if let Some(Token(token)) = self.token_for(url) {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let config = request
            .config()
            .max_redirects(0)
            .http_status_as_error(false)
            // Ranges count encoded bytes, so the file must come as it is.
            .accept_encoding("identity")
            .timeout_resolve(Some(self.options.patience))
            .timeout_connect(Some(self.options.patience))
            .timeout_send_request(Some(self.options.patience))
            .timeout_recv_response(Some(2 * self.options.patience))
            .timeout_per_read(Some(self.options.stall));
        // A proxy cannot reach what only this machine sees.
        let config = if is_loopback(url) {
            config.proxy(None)
        } else {
            config
        };
        let answer = config.build().call();
        answer.map_err(|error| SourceError::Unreachable {
            endpoint: self.options.endpoint.clone(),
            reason: error.to_string(),
        })
    }

    /// The token, where `url` may have it: that of the endpoint itself, at its port and over https.
    ///
    /// An endpoint that is given as `http://127.0.0.1` is a mirror or a tunnel on this machine: what is sent to it leaves
    /// the machine in no readable form. The name `localhost` may stand for another machine.
    fn token_for(&self, url: &str) -> Option<&Token> {
        let endpoint = Url::parse(&self.options.endpoint).ok()?;
        let is_endpoint = Url::parse(url).is_ok_and(|url| url.origin() == endpoint.origin());
        let is_safe = endpoint.scheme() == "https" || endpoint.host_str() == Some("127.0.0.1");
        self.options
            .token
            .as_ref()
            .filter(|_| is_endpoint && is_safe)
    }

    fn copy(
        &self,
        reader: impl std::io::Read,
        file: &ManifestFile,
        part: &mut PartFile<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), SourceError> {
        let reason = match part.copy_from(reader, reporter) {
            Ok(()) if part.missing_bytes() == 0 => return Ok(()),
            Ok(()) => "the server ended it".to_owned(),
            Err(CopyError::Local(error)) => return Err(error),
            Err(CopyError::Read(error)) => error.to_string(),
        };
        Err(SourceError::Interrupted {
            done_bytes: part.len(),
            total_bytes: file.bytes,
            reason,
        })
    }
}

/// The part of a server's answer that says what its body is.
struct Answer {
    status: u16,
    content_range: Option<String>,
    content_length: Option<u64>,
}

impl Answer {
    /// Accepts the rest of the right file, or all of it; in the latter case what had arrived is thrown away.
    fn check(
        &self,
        url: &str,
        file: &ManifestFile,
        part: &mut PartFile<'_>,
    ) -> Result<(), SourceError> {
        let total_bytes = match self.status {
            206 => match self.content_range.as_deref().and_then(parse_content_range) {
                Some((start, total_bytes)) if start == part.len() => Some(total_bytes),
                _ => {
                    return Err(SourceError::Status {
                        url: url.to_owned(),
                        status: self.status,
                    });
                }
            },
            200 => self.content_length,
            // The range starts at or behind the end of a shorter file.
            416 => self
                .content_range
                .as_deref()
                .and_then(|range| range.rsplit('/').next()?.parse().ok()),
            status => {
                return Err(SourceError::Status {
                    url: url.to_owned(),
                    status,
                });
            }
        };
        match total_bytes {
            Some(found) if found != file.bytes => Err(SourceError::Size {
                file: file.name.clone(),
                expected: file.bytes,
                found,
            }),
            _ if self.status == 416 => Err(SourceError::Status {
                url: url.to_owned(),
                status: 416,
            }),
            _ if self.status == 200 => part.restart(),
            _ => Ok(()),
        }
    }
}

/// First byte and total size in `bytes 100-199/200`.
fn parse_content_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()?))
}

fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| {
        let rest = host.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    })
}

#[cfg(test)]
mod tests;
