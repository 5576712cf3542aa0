//! The ground of the tests of fetching: a hub on this machine, wheels, a manifest of one small model.

use std::cell::RefCell;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use super::{FetchEvent, FetchOptions, HubOptions};
use crate::digest::Digest;
use crate::gguf::manifest::{Entry, Manifest};

pub(crate) const REVISION: &str = "abc4567890123456789012345678901234567890";

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    /// First byte of the range asked for.
    pub(crate) start: Option<usize>,
    pub(crate) authorization: Option<String>,
}

/// The server's answer to a request.
pub(crate) enum Reply {
    /// A status, further headers, and a body that is cut after so many bytes.
    Answer {
        status: &'static str,
        headers: Vec<String>,
        body: Vec<u8>,
        cut: Option<usize>,
    },
    /// Nothing, while the connection stays open.
    Silence,
}

impl Reply {
    pub(crate) fn status(status: &'static str) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: b"no".to_vec(),
            cut: None,
        }
    }

    /// The content from the byte asked for, as the hub's storage answers.
    pub(crate) fn content(content: &[u8], request: &Seen) -> Self {
        let Some(start) = request.start else {
            return Self::Answer {
                status: "200 OK",
                headers: Vec::new(),
                body: content.to_vec(),
                cut: None,
            };
        };
        let total = content.len();
        if start >= total {
            let headers = vec![format!("Content-Range: bytes */{total}")];
            return Self::Answer {
                status: "416 Range Not Satisfiable",
                headers,
                body: Vec::new(),
                cut: None,
            };
        }
        let headers = vec![format!(
            "Content-Range: bytes {start}-{}/{total}",
            total - 1
        )];
        Self::Answer {
            status: "206 Partial Content",
            headers,
            body: content[start..].to_vec(),
            cut: None,
        }
    }

    /// The same, but the connection ends after `n_bytes` of the body.
    pub(crate) fn cut_after(self, n_bytes: usize) -> Self {
        match self {
            Self::Answer {
                status,
                headers,
                body,
                ..
            } => Self::Answer {
                status,
                headers,
                body,
                cut: Some(n_bytes),
            },
            Self::Silence => Self::Silence,
        }
    }

    pub(crate) fn redirect(location: String) -> Self {
        let headers = vec![
            format!("Location: {location}"),
            format!("X-Repo-Commit: {REVISION}"),
            "X-Linked-Etag: \"etag\"".to_owned(),
        ];
        Self::Answer {
            status: "302 Found",
            headers,
            body: Vec::new(),
            cut: None,
        }
    }

    fn send(self, stream: &mut TcpStream) -> io::Result<()> {
        let Self::Answer {
            status,
            headers,
            body,
            cut,
        } = self
        else {
            return Ok(());
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n",
            body.len()
        )?;
        for header in headers {
            write!(stream, "{header}\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        stream.write_all(&body[..cut.unwrap_or(body.len())])
    }
}

/// A server that answers as told until it is dropped.
pub(crate) struct TestHub {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    thread: Option<JoinHandle<()>>,
}

impl TestHub {
    /// `reply` gets each request and its number, from 0.
    pub(crate) fn start(reply: impl Fn(&Seen, usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            // The connection that sends nothing comes from `drop`.
            while let Some((mut stream, request)) =
                listener.accept().ok().and_then(|(s, _)| read_request(s))
            {
                let request_idx = log.lock().unwrap().len();
                log.lock().unwrap().push(request.clone());
                match reply(&request, request_idx) {
                    Reply::Silence => held.push(stream),
                    // A client that has gone away is not the server's business.
                    answer => drop(answer.send(&mut stream)),
                }
            }
        });
        Self {
            address,
            seen,
            thread: Some(thread),
        }
    }

    /// A hub that gives every file this content.
    pub(crate) fn with_content(content: &'static [u8]) -> Self {
        Self::start(|request, _| Reply::content(content, request))
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for TestHub {
    fn drop(&mut self) {
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn read_request(stream: TcpStream) -> Option<(TcpStream, Seen)> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let mut pairs = lines.iter().filter_map(|line| line.split_once(": "));
        pairs
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let start = header("range").map(|range| {
        let start = range
            .strip_prefix("bytes=")
            .and_then(|range| range.strip_suffix('-'));
        start.unwrap().parse().unwrap()
    });
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    Some((
        reader.into_inner(),
        Seen {
            path,
            start,
            authorization: header("authorization"),
        },
    ))
}

/// An address at which nothing listens.
pub(crate) fn closed_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// The model `tiny` Q8_0 with the given files and sources (YAML flow lists).
pub(crate) fn entry(files: &[(&str, &[u8])], sources: &str) -> Entry {
    let files: Vec<String> = files
        .iter()
        .map(|(name, content)| {
            format!(
                "{{name: {name}, bytes: {}, sha256: {}}}",
                content.len(),
                Digest::of(content)
            )
        })
        .collect();
    let text = format!(
        "models: [{{name: tiny, family: test, parameters: 1, kind: generation, licence: MIT, sources: {sources}, \
         quantizations: [{{quantization: Q8_0, files: [{}]}}]}}]",
        files.join(", ")
    );
    let manifest = Manifest::parse(&text, "fixture").unwrap();
    manifest.entries()[0].clone()
}

/// The hub as the only source.
pub(crate) fn hub_sources() -> String {
    format!("[{{hub: {{repository: owner/tiny, revision: {REVISION}}}}}]")
}

/// Options that contact `endpoint` only, quick to give up, and a Python that does not exist.
pub(crate) fn options(endpoint: &str) -> FetchOptions {
    let mut hub = HubOptions::new(endpoint, None, None);
    hub.patience = Duration::from_millis(200);
    hub.stall = Duration::from_millis(400);
    FetchOptions {
        offline: false,
        python: "/nonexistent/python3".into(),
        hub,
        cancelled: Arc::default(),
    }
}

/// Collects notes and sources as lines, and checks that the bytes shown never go back.
#[derive(Default)]
pub(crate) struct Events {
    pub(crate) lines: RefCell<Vec<String>>,
    shown_bytes: std::cell::Cell<u64>,
}

impl Events {
    pub(crate) fn sink(&self) -> impl FnMut(FetchEvent<'_>) {
        |event| match event {
            FetchEvent::Source { source } => {
                self.shown_bytes.set(0);
                self.lines.borrow_mut().push(format!("source {source}"));
            }
            FetchEvent::Note { text } => self.lines.borrow_mut().push(text.to_owned()),
            FetchEvent::Received {
                done_bytes,
                total_bytes,
                ..
            } => {
                assert!(self.shown_bytes.get() <= done_bytes && done_bytes <= total_bytes);
                self.shown_bytes.set(done_bytes);
            }
            FetchEvent::Checking { .. } => {}
        }
    }
}

/// A folder of wheels, and a Python whose pip knows only these.
pub(crate) struct Wheelhouse {
    pub(crate) dir: TempDir,
}

impl Wheelhouse {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Adds version 1.0 of `package` with one member besides what makes it a wheel.
    pub(crate) fn add(&self, package: &str, member: &str, content: &[u8]) -> PathBuf {
        let path = self
            .dir
            .path()
            .join(format!("{package}-1.0-py3-none-any.whl"));
        let mut wheel = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        let info = format!("{package}-1.0.dist-info");
        let metadata = format!("Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n");
        let tags =
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        let members: [(String, &[u8]); 4] = [
            (member.to_owned(), content),
            (format!("{info}/METADATA"), metadata.as_bytes()),
            (format!("{info}/WHEEL"), tags.as_bytes()),
            (format!("{info}/RECORD"), b""),
        ];
        for (name, content) in members {
            wheel
                .start_file(name, SimpleFileOptions::default())
                .unwrap();
            wheel.write_all(content).unwrap();
        }
        wheel.finish().unwrap();
        path
    }

    /// A program that runs this machine's Python with the wheels as pip's only index.
    pub(crate) fn python(&self) -> PathBuf {
        let links = self.dir.path().display();
        let setting = format!("PIP_NO_INDEX=1 PIP_FIND_LINKS='{links}' PIP_CONFIG_FILE=/dev/null");
        script(
            &self.dir.path().join("python"),
            &format!("{setting} exec python3 \"$@\""),
        )
    }
}

/// Writes an executable shell script.
///
/// Another process writes it: a file that this one holds open for writing could be inherited by a child that another
/// test starts at this moment, and the system refuses to execute a file that is open for writing.
pub(crate) fn script(path: &Path, text: &str) -> PathBuf {
    let mut writer = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer
        .stdin
        .take()
        .unwrap()
        .write_all(format!("#!/bin/sh\n{text}\n").as_bytes())
        .unwrap();
    assert!(writer.wait().unwrap().success());
    path.to_owned()
}

/// All names below `dir`, sorted, without folders.
pub(crate) fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
