//! The machine and the build that made a generation.
//!
//! Owns what is recorded with each run: processor, cores, memory, operating system, version and commit of the program.

use std::fmt;
use std::sync::OnceLock;

use sysinfo::System;

/// The machine a run ran on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Physical cores.
    pub n_cores: u32,
    /// Main memory in bytes.
    pub memory_bytes: u64,
    /// Operating system and its version.
    pub os: String,
}

impl Machine {
    /// The machine this program runs on.
    pub fn here() -> Self {
        let mut system = System::new();
        system.refresh_memory();
        system.refresh_cpu_all();
        let cpu = system
            .cpus()
            .first()
            .map_or("unknown", |cpu| cpu.brand().trim());
        let n_cores = System::physical_core_count().unwrap_or(1);
        Self {
            cpu: cpu.to_owned(),
            n_cores: u32::try_from(n_cores).unwrap_or(1).max(1),
            memory_bytes: system.total_memory(),
            os: System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_owned()),
        }
    }
}

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The sources that the program was built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// The commit; `unknown` outside a checkout.
    pub commit: &'static str,
    /// True if the sources differed from the commit.
    pub is_dirty: bool,
}

static BUILD: OnceLock<Build> = OnceLock::new();

/// Takes the build from the program, which says it once, before anything else.
///
/// The library does not find it out itself: then each commit would compile all of it again.
pub fn set_build(build: Build) {
    // A second program in one process does not exist, so there is no other value to lose.
    BUILD.get_or_init(|| build);
}

/// The build that the program gave; in the library's own tests there is none, and the commit is `unknown`.
pub fn build() -> Build {
    *BUILD.get().unwrap_or(&Build {
        commit: "unknown",
        is_dirty: false,
    })
}

impl fmt::Display for Build {
    /// The commit, with `-dirty` behind it if the sources differed from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dirty = if self.is_dirty { "-dirty" } else { "" };
        write!(f, "{}{dirty}", self.commit)
    }
}
