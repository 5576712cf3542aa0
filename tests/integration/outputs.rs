//! What comes out: where files go, what reading needs, and text that a terminal would obey.
//!
//! Owns no format; those are tested in `export`.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::harness::TestEnv;

/// What reads, each on the database that is there.
const READING: [&str; 6] = [
    "list --db d/filled.sqlite",
    "show --db d/filled.sqlite --limit 1",
    "compare tiny:Q8_0 tiny:Q2_K --db d/filled.sqlite",
    "replicate filled --db d/filled.sqlite",
    "report --db d/filled.sqlite -o -",
    "export --table leaks --format csv --db d/filled.sqlite",
];

/// True if the tests may do everything, so that no mode of a file keeps them from writing.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// The command as somebody who may read all and write nothing.
fn as_reader(env: &TestEnv, arguments: &str) -> Command {
    let seep = env.command(arguments);
    if !is_root() {
        return seep;
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(seep.get_program())
        .args(seep.get_args())
        .current_dir(env.path(""));
    command
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Reports of a database on a medium or in a folder of somebody else failed with "is read-only".
#[test]
fn reading_needs_no_right_to_write() {
    let env = TestEnv::filled();
    fs::create_dir(env.path("d")).unwrap();
    fs::rename(env.path("filled.sqlite"), env.path("d/filled.sqlite")).unwrap();
    let before = fs::read(env.path("d/filled.sqlite")).unwrap();
    set_mode(&env.path("d/filled.sqlite"), 0o444);
    set_mode(&env.path("d"), 0o555);
    set_mode(&env.path(""), 0o755);
    for arguments in READING {
        env.run(&mut as_reader(&env, arguments)).ok();
    }
    set_mode(&env.path("d"), 0o755);
    assert_eq!(fs::read_dir(env.path("d")).unwrap().count(), 1);
    assert!(before == fs::read(env.path("d/filled.sqlite")).unwrap());
}

/// What others add to a database is used by it without a word: a trigger changes what is stored.
#[test]
fn what_others_added_to_a_database_is_named() {
    let env = TestEnv::filled();
    let database = rusqlite::Connection::open(env.path("filled.sqlite")).unwrap();
    let sql = "CREATE TRIGGER t AFTER INSERT ON leaks BEGIN SELECT 1; END";
    database.execute_batch(sql).unwrap();
    drop(database);
    let said = env.seep("list --db filled.sqlite").ok().stderr;
    assert_eq!(
        said,
        "filled.sqlite holds what seep did not make: trigger `t`\n"
    );
}

/// A link was replaced by a file, and a pipe or a device by one that nobody reads.
#[test]
fn an_output_that_is_no_file_is_written_into() {
    let env = TestEnv::filled();
    fs::create_dir(env.path("real")).unwrap();
    env.write("real/there.csv", "old");
    symlink("real/there.csv", env.path("link.csv")).unwrap();
    symlink("real/made.html", env.path("link.html")).unwrap();
    env.seep("export --table leaks -o link.csv --db filled.sqlite")
        .ok();
    env.seep("report -o link.html --db filled.sqlite").ok();
    for (link, file) in [
        ("link.csv", "real/there.csv"),
        ("link.html", "real/made.html"),
    ] {
        assert!(env.path(link).is_symlink(), "{link}");
        assert!(fs::read(env.path(file)).unwrap().len() > 100, "{file}");
    }
    for arguments in [
        "export --table leaks --format csv -o /dev/stdout --db filled.sqlite",
        "report -o /dev/stdout --db filled.sqlite",
        "report -o - --db filled.sqlite",
    ] {
        assert!(env.seep(arguments).ok().stdout.len() > 100, "{arguments}");
    }
    let pipe = env.path("pipe.csv");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = Command::new("cat")
        .arg(&pipe)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    env.seep("export --table leaks -o pipe.csv --db filled.sqlite")
        .ok();
    assert!(reader.wait_with_output().unwrap().stdout.len() > 100);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

/// Exports that ended early left half a folder; a planted link was followed, and its file emptied.
#[test]
fn an_export_appears_whole_or_not_at_all() {
    let env = TestEnv::filled();
    env.write("precious", "mine");
    for part in ["out.csv.part", "page.html.part"] {
        symlink("precious", env.path(part)).unwrap();
    }
    env.seep("export --table leaks -o out.csv --db filled.sqlite")
        .ok();
    env.seep("report -o page.html --figures figures --db filled.sqlite")
        .ok();
    assert_eq!(fs::read_to_string(env.path("precious")).unwrap(), "mine");
    env.seep("export -o tables/ --format csv --db filled.sqlite")
        .ok();
    let n_tables = fs::read_dir(env.path("tables")).unwrap().count();
    assert!(n_tables > 5);
    // What a killed export left goes with the next one.
    env.write(".out.csv.abcdef.part", "half");
    env.seep("export --table leaks -o out.csv --db filled.sqlite")
        .ok();
    let left = env
        .files()
        .into_iter()
        .filter(|name| name.contains(".part"));
    assert_eq!(left.collect::<Vec<_>>(), ["out.csv.part", "page.html.part"]);
    // An export that is ended in the middle leaves no folder of this name.
    let seep = env.command("");
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -f 8; \"$0\" export -o half/ --format csv --db filled.sqlite",
        ])
        .arg(seep.get_program())
        .current_dir(env.path(""));
    assert_ne!(env.run(&mut command).exit_code, Some(0));
    assert!(!env.path("half").exists());
    env.seep("export -o half/ --format csv --db filled.sqlite")
        .ok();
    assert_eq!(fs::read_dir(env.path("half")).unwrap().count(), n_tables);
    assert_eq!(
        fs::read_dir(env.path(""))
            .unwrap()
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .starts_with(".half")
            })
            .count(),
        0
    );
}

/// Escape sequences of names of files, of metadata, of tables and of errors reached the terminal.
#[test]
fn nothing_that_a_terminal_obeys_leaves_the_program() {
    let env = TestEnv::with_tiny_models();
    let evil = "\u{1b}]0;t\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let name = format!("{evil}.csv");
    let row = format!("He likes {evil}. He is,0,{evil},{evil}x,{evil}");
    env.write(
        &name,
        &format!("prompt,n_control,concept,generation_1,category\nHe is,,none,tall,1\n{row}\n"),
    );
    let seep = |arguments: &str, last: &str| {
        let mut command = env.command(arguments);
        let ran = env.run(command.arg(last));
        for said in [&ran.stdout, &ran.stderr] {
            let obeyed = said
                .chars()
                .find(|c| *c != '\n' && seep::visible::is_obeyed(*c));
            assert_eq!(obeyed, None, "{arguments}: {said:?}");
        }
        ran
    };
    seep(&format!("import --db x.sqlite --experiment e{evil}"), &name).ok();
    seep(
        "score --db x.sqlite --embedding-model encoder.gguf",
        "--offline",
    )
    .ok();
    let list = seep("list --db x.sqlite --format json", "--quiet").ok();
    let names = &list.json()["experiments"][0]["experiment"];
    assert_eq!(names.as_str().unwrap(), format!("e{evil}"));
    for arguments in [
        "list --db x.sqlite",
        "show --db x.sqlite",
        "compare a b --db x.sqlite",
    ] {
        seep(arguments, "--quiet");
    }
    for arguments in [
        "run",
        "models show",
        "models derive",
        "list --db",
        "--limit",
        "import --experiment e --mapping",
    ] {
        assert_ne!(seep(arguments, &name).exit_code, Some(0));
    }
}

/// A name with a character that XML does not have was no figure, and a word that is no Unicode ended the program.
#[test]
fn figures_survive_any_unicode() {
    use crate::filling::{FilledModel, Filling};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let env = TestEnv::empty();
    let mut filling = Filling::start(&env.path("x.sqlite"), crate::harness::FILLED);
    let labels = [
        "\u{ffff}\u{fffe}\0\u{b}",
        "日本語 👩\u{200d}🔬 ﷽",
        "e\u{301}\u{301}\u{301} עברית \u{10ffff}\u{e000}",
        "<&>\"'",
    ];
    for (bits, label) in (2..).zip(labels) {
        filling.add_model(FilledModel {
            label,
            quantization: "Q4_0",
            bits_per_weight: f64::from(bits),
            n_leaks: 2,
            text: &|n| format!("{label} says {n}"),
        });
    }
    drop(filling);
    let mut command = env.command("report --db x.sqlite -o page.html --figures");
    env.run(command.arg(OsStr::from_bytes(b"figures\xff"))).ok();
    let n_figures = fs::read_dir(env.path("").join(OsStr::from_bytes(b"figures\xff")))
        .unwrap()
        .count();
    assert!(n_figures >= 3 && n_figures.is_multiple_of(3), "{n_figures}");
}
