//! The machine and the build that made a generation.
//!
//! Owns what is recorded with each run: processor, cores, memory, operating system, version and commit of the program.

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
/// The commit the program was built from, with `-dirty` behind it for uncommitted changes; `unknown` outside a checkout.
pub const COMMIT: &str = env!("SEEP_COMMIT");
