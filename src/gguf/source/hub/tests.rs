//! Tests of the hub source against a small hub on this machine.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

use super::*;
use crate::digest::Digest;
use crate::gguf::shelf::{FetchError, Shelf};
use crate::gguf::source::fixture::{
    Events, REVISION, Reply, Seen, TestHub, closed_endpoint, entry, files_below, hub_sources,
    options,
};
use crate::gguf::source::{FetchEvent, FetchOptions};

const CONTENT: &[u8] = b"a model of a few bytes";

struct Outcome {
    dir: tempfile::TempDir,
    result: Result<Vec<PathBuf>, FetchError>,
    lines: Vec<String>,
}

impl Outcome {
    /// The text of the error, with the hub's address replaced by `HUB`.
    fn error(&self, hub: &str) -> String {
        self.result
            .as_ref()
            .unwrap_err()
            .to_string()
            .replace(hub, "HUB")
    }
}

/// Fetches a model with the content above, of which `part` has arrived before.
fn fetch_with(options: &FetchOptions, part: Option<&[u8]>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    if let Some(part) = part {
        fs::create_dir(dir.path().join("tiny")).unwrap();
        fs::write(dir.path().join("tiny/tiny.gguf.part"), part).unwrap();
    }
    let events = Events::default();
    let entry = entry(&[("tiny.gguf", CONTENT)], &hub_sources());
    let result = Shelf::new(dir.path()).fetch(&entry, options, &mut events.sink());
    if let Ok(paths) = &result {
        assert_eq!(fs::read(&paths[0]).unwrap(), CONTENT);
        assert_eq!(
            files_below(dir.path()),
            [".hashes.json", "tiny/.lock", "tiny/tiny.gguf"]
        );
    }
    Outcome {
        dir,
        result,
        lines: events.lines.take(),
    }
}

fn fetch(hub: &TestHub, part: Option<&[u8]>) -> Outcome {
    fetch_with(&options(&hub.endpoint()), part)
}

fn starts(hub: &TestHub) -> Vec<Option<usize>> {
    hub.seen().iter().map(|seen| seen.start).collect()
}

#[test]
fn file_comes_from_the_pinned_revision() {
    let hub = TestHub::with_content(CONTENT);
    fetch(&hub, None).result.unwrap();
    let paths: Vec<String> = hub.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, [format!("/owner/tiny/resolve/{REVISION}/tiny.gguf")]);
}

#[test]
fn part_of_an_earlier_run_is_continued() {
    let hub = TestHub::with_content(CONTENT);
    fetch(&hub, Some(&CONTENT[..7])).result.unwrap();
    assert_eq!(starts(&hub), [Some(7)]);
}

#[test]
fn complete_part_needs_no_request() {
    let hub = TestHub::with_content(CONTENT);
    fetch(&hub, Some(CONTENT)).result.unwrap();
    assert_eq!(hub.seen().len(), 0);
}

#[test]
fn transfer_that_breaks_goes_on_where_it_broke() {
    let hub = TestHub::start(|request, request_idx| match request_idx {
        0..3 => Reply::content(CONTENT, request).cut_after(5),
        _ => Reply::content(CONTENT, request),
    });
    let outcome = fetch(&hub, None);
    outcome.result.unwrap();
    assert_eq!(starts(&hub), [Some(0), Some(5), Some(10), Some(15)]);
    assert!(
        outcome.lines[1].starts_with("the connection broke at 5 bytes of 22 bytes: "),
        "{:?}",
        outcome.lines
    );
}

#[test]
fn transfer_that_brings_nothing_more_is_given_up_and_kept() {
    let hub = TestHub::start(|request, request_idx| match request_idx {
        0 => Reply::content(CONTENT, request).cut_after(5),
        _ => Reply::content(CONTENT, request).cut_after(0),
    });
    let outcome = fetch(&hub, None);
    assert!(
        outcome
            .error("http://")
            .contains("the connection broke at 5 bytes of 22 bytes: ")
    );
    assert_eq!(starts(&hub), [Some(0), Some(5)]);
    assert_eq!(
        fs::read(outcome.dir.path().join("tiny/tiny.gguf.part")).unwrap(),
        &CONTENT[..5]
    );
}

#[test]
fn server_that_ignores_the_range_starts_the_file_again() {
    let hub = TestHub::start(|request, _| Reply::content(CONTENT, &without_range(request)));
    fetch(&hub, Some(&CONTENT[..7])).result.unwrap();
    assert_eq!(hub.seen().len(), 1);
}

fn without_range(request: &Seen) -> Seen {
    let mut request = request.clone();
    request.start = None;
    request
}

#[test]
fn damaged_part_is_fetched_again_from_the_start() {
    let hub = TestHub::with_content(CONTENT);
    let outcome = fetch(&hub, Some(b"damaged"));
    outcome.result.unwrap();
    assert_eq!(starts(&hub), [Some(7), Some(0)]);
    assert_eq!(
        outcome.lines[1..],
        ["`tiny.gguf` was damaged by an earlier attempt; starting it again".to_owned()]
    );
}

#[test]
fn part_longer_than_the_file_is_thrown_away() {
    let hub = TestHub::with_content(CONTENT);
    fetch(&hub, Some(&[0; 100])).result.unwrap();
    assert_eq!(starts(&hub), [Some(0)]);
}

#[test]
fn token_goes_to_the_hub_but_not_to_where_it_redirects() {
    let endpoint = Mutex::new(String::new());
    let endpoint: &'static Mutex<String> = Box::leak(Box::new(endpoint));
    let hub = TestHub::start(move |request, _| {
        if request.path.starts_with("/storage") {
            return Reply::content(CONTENT, request);
        }
        // Another name of this machine: to a client, another host.
        let other = endpoint.lock().unwrap().replace("127.0.0.1", "localhost");
        Reply::redirect(format!("{other}/storage/tiny"))
    });
    *endpoint.lock().unwrap() = hub.endpoint();
    let mut options = options(&hub.endpoint());
    options.hub.token = Token::new(" secret\n");
    fetch_with(&options, Some(&CONTENT[..3])).result.unwrap();
    let seen = hub.seen();
    assert_eq!(seen[0].authorization.as_deref(), Some("Bearer secret"));
    assert_eq!(
        (seen[1].authorization.as_deref(), seen[1].start),
        (None, Some(3))
    );
    assert!(!format!("{options:?}").contains("secret"));
}

/// A token went to any port of the host, and to hosts that are reached without https.
#[test]
fn token_goes_to_no_other_port_and_nowhere_without_https() {
    let storage = TestHub::with_content(CONTENT);
    let elsewhere = format!("{}/storage/tiny", storage.endpoint());
    let hub = TestHub::start(move |request, _| match request.path.as_str() {
        "/renamed" => Reply::redirect(elsewhere.clone()),
        _ => Reply::redirect("/renamed".to_owned()),
    });
    let mut options = options(&hub.endpoint());
    options.hub.token = Token::new("secret");
    fetch_with(&options, None).result.unwrap();
    for seen in hub.seen() {
        assert_eq!(seen.authorization.as_deref(), Some("Bearer secret"));
    }
    assert_eq!((hub.seen().len(), storage.seen().len()), (2, 1));
    assert_eq!(storage.seen()[0].authorization, None);
    options.hub.endpoint = storage.endpoint().replace("127.0.0.1", "localhost");
    let outcome = fetch_with(&options, None);
    outcome.result.unwrap();
    assert_eq!(storage.seen()[1].authorization, None);
    let said = outcome.lines.join("\n");
    assert!(said.contains("the token is sent over https only, and not to `http://localhost"));
}

#[test]
fn what_a_failing_hub_prints() {
    let check = |reply: fn(&Seen, usize) -> Reply, expected: &str| {
        let hub = TestHub::start(reply);
        let outcome = fetch(&hub, None);
        let start = "no source gives `tiny` Q8_0 (22 bytes)\n  hub owner/tiny: ";
        assert_eq!(outcome.error(&hub.endpoint()), format!("{start}{expected}"));
        assert_eq!(hub.seen().len(), 1);
    };
    check(
        |_, _| Reply::status("404 Not Found"),
        "`HUB/owner/tiny/resolve/abc4567890123456789012345678901234567890/tiny.gguf` answered 404 \
         (no such repository, revision or file)",
    );
    check(
        |_, _| Reply::status("401 Unauthorized"),
        "`HUB/owner/tiny/resolve/abc4567890123456789012345678901234567890/tiny.gguf` answered 401\n    \
         hint: set `HF_TOKEN` to a token that may read this repository",
    );
    check(
        |_, _| Reply::status("500 Oops"),
        "`HUB/owner/tiny/resolve/abc4567890123456789012345678901234567890/tiny.gguf` answered 500",
    );
    check(
        |request, _| Reply::content(b"another model", request),
        "`tiny.gguf` has 13 bytes there instead of 22",
    );
    // The hashes are those of sha256sum.
    check(
        |request, _| Reply::content(b"a model of a few BYTES", request),
        "what it gave as `tiny.gguf` was removed again: its sha256 is \
         `80141776a6bf0bed88c22916f7b8b2a226751bbb2d5c196788045895f4e3240a` instead of \
         `5e6a70920cb50ecfe70e5b5d43c0cb906f584d733534d61655fa14e9da001625`",
    );
}

/// A link in the place of a file that is made on the way was followed, and what it stands for cut and overwritten.
#[cfg(unix)]
#[test]
fn planted_links_are_not_followed() {
    let hub = TestHub::with_content(CONTENT);
    let dir = tempfile::tempdir().unwrap();
    let precious = dir.path().join("precious");
    fs::write(&precious, "mine").unwrap();
    fs::create_dir(dir.path().join("tiny")).unwrap();
    for name in ["tiny/tiny.gguf.part", "tiny/.lock"] {
        std::os::unix::fs::symlink(&precious, dir.path().join(name)).unwrap();
    }
    let entry = entry(&[("tiny.gguf", CONTENT)], &hub_sources());
    let fetched = Shelf::new(dir.path()).fetch(&entry, &options(&hub.endpoint()), &mut |_| {});
    assert_eq!(fs::read(&fetched.unwrap()[0]).unwrap(), CONTENT);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
}

#[test]
fn wrong_download_leaves_nothing_behind() {
    let hub = TestHub::with_content(b"a model of a few BYTES");
    let outcome = fetch(&hub, None);
    assert!(outcome.result.is_err());
    assert_eq!(files_below(outcome.dir.path()), ["tiny/.lock"]);
}

#[test]
fn hub_that_is_not_there() {
    let endpoint = closed_endpoint();
    let error = fetch_with(&options(&endpoint), None).error(&endpoint);
    assert!(
        error.contains("hub owner/tiny: cannot reach `HUB`: io: Connection refused"),
        "{error}"
    );
}

#[test]
fn silent_hub_is_left_in_time() {
    let hub = TestHub::start(|_, _| Reply::Silence);
    let start = std::time::Instant::now();
    let error = fetch(&hub, None).error(&hub.endpoint());
    assert!(
        error.ends_with("cannot reach `HUB`: timeout: receive response"),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn hub_is_not_contacted_when_offline() {
    let hub = TestHub::with_content(CONTENT);
    let mut options = options(&hub.endpoint());
    options.offline = true;
    let outcome = fetch_with(&options, None);
    assert!(matches!(outcome.result, Err(FetchError::Offline { .. })));
    assert_eq!(hub.seen().len(), 0);
}

#[test]
fn wish_to_stop_is_obeyed_and_what_arrived_is_kept() {
    let hub = TestHub::with_content(CONTENT);
    let dir = tempfile::tempdir().unwrap();
    let options = options(&hub.endpoint());
    let entry = entry(&[("tiny.gguf", CONTENT)], &hub_sources());
    let mut stop = |event: FetchEvent<'_>| {
        if let FetchEvent::Received { .. } = event {
            options.cancelled.store(true, Ordering::Relaxed);
        }
    };
    let error = Shelf::new(dir.path())
        .fetch(&entry, &options, &mut stop)
        .unwrap_err();
    assert_eq!(error.to_string(), "stopped; what arrived is kept");
    assert_eq!(
        fs::read(dir.path().join("tiny/tiny.gguf.part")).unwrap(),
        CONTENT
    );
}

#[test]
fn cache_of_the_hub_is_used_and_checked() {
    let check = |place: &str, content: &[u8], expected: bool| {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join("models--owner--tiny").join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let mut options = options(&closed_endpoint());
        options.hub.cache = Some(cache.path().to_owned());
        options.offline = true;
        let outcome = fetch_with(&options, Some(b"part"));
        assert_eq!(
            outcome.result.is_ok(),
            expected,
            "{place}: {:?}",
            outcome.lines
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    };
    let commit = format!("snapshots/{REVISION}/tiny.gguf");
    check(&commit, CONTENT, true);
    check(&format!("blobs/{}", Digest::of(CONTENT)), CONTENT, true);
    check(&commit, b"a model of a few BYTES", false);
    check(&commit, b"another model", false);
    check("snapshots/other/tiny.gguf", CONTENT, false);
}

#[test]
fn ranges_and_loopback_addresses_are_understood() {
    assert_eq!(parse_content_range("bytes 5-21/22"), Some((5, 22)));
    for text in ["bytes */22", "5-21/22", "bytes 5-21", "bytes x-21/22", ""] {
        assert_eq!(parse_content_range(text), None, "{text}");
    }
    for (endpoint, expected) in [
        ("http://127.0.0.1:80", true),
        ("http://localhost", true),
        ("http://[::1]/hub", true),
        ("https://localhost.example.org", false),
        (DEFAULT_ENDPOINT, false),
    ] {
        assert_eq!(is_loopback(endpoint), expected, "{endpoint}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Wherever earlier runs and the connection stop, the file is whole in the end and no byte is sent twice.
    #[test]
    fn file_is_whole_wherever_it_broke(arrived in 0..CONTENT.len(), cuts in vec(1..9_usize, 0..5)) {
        let sent = cuts.clone();
        let hub = TestHub::start(move |request, request_idx| {
            let reply = Reply::content(CONTENT, request);
            let left = CONTENT.len() - request.start.unwrap();
            match sent.get(request_idx) {
                Some(&cut) if cut < left => reply.cut_after(cut),
                _ => reply,
            }
        });
        fetch(&hub, Some(&CONTENT[..arrived])).result.unwrap();
        let mut expected = arrived;
        for (seen, cut) in hub.seen().iter().zip(cuts.iter().chain(&[0])) {
            prop_assert_eq!(seen.start, Some(expected));
            expected += cut;
        }
    }
}

#[test]
fn options_follow_the_environment() {
    let home = tempfile::tempdir().unwrap();
    let hub_home = home.path().join(".cache/huggingface");
    fs::create_dir_all(&hub_home).unwrap();
    fs::write(hub_home.join("token"), "stored\n").unwrap();
    let check = |variables: &[(&str, &str)], endpoint: &str, cache: &Path, token: Option<&str>| {
        let variable = |name: &str| {
            let found = variables.iter().find(|&&(key, _)| key == name);
            found.map(|(_, value)| (*value).into())
        };
        let options = HubOptions::from_variables(variable, Some(home.path().to_owned()));
        assert_eq!(options.endpoint, endpoint);
        assert_eq!(options.cache.as_deref(), Some(cache));
        assert_eq!(options.token, token.and_then(Token::new));
    };
    check(&[], DEFAULT_ENDPOINT, &hub_home.join("hub"), Some("stored"));
    check(
        &[("HF_TOKEN", "given")],
        DEFAULT_ENDPOINT,
        &hub_home.join("hub"),
        Some("given"),
    );
    check(
        &[("HF_HOME", "/hf")],
        DEFAULT_ENDPOINT,
        Path::new("/hf/hub"),
        None,
    );
    let check_hub = |variables: &[(&str, &str)], cache: &str| {
        check(variables, DEFAULT_ENDPOINT, Path::new(cache), None);
    };
    let homes = [("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/cache")];
    check_hub(&homes, "/cache");
    let old = ("HUGGINGFACE_HUB_CACHE", "/old");
    check_hub(&[homes[0], old], "/old");
    check_hub(&[homes[0], homes[1], old], "/cache");
    check_hub(&[("XDG_CACHE_HOME", "/xdg")], "/xdg/huggingface/hub");
    let tilde = env::home_dir().unwrap().join("hf/hub");
    check_hub(&[("HF_HOME", "~/hf")], tilde.to_str().unwrap());
    fs::write(home.path().join("secret"), "elsewhere\n").unwrap();
    let secret = home.path().join("secret");
    check(
        &[("HF_TOKEN_PATH", secret.to_str().unwrap())],
        DEFAULT_ENDPOINT,
        &hub_home.join("hub"),
        Some("elsewhere"),
    );
    let mirror = [("HF_ENDPOINT", "https://mirror.example.org/")];
    check(
        &mirror,
        "https://mirror.example.org",
        &hub_home.join("hub"),
        Some("stored"),
    );
    assert_eq!(HubOptions::from_variables(|_| None, None).cache, None);
}
