//! The machine and the build that made a generation.
//!
//! Owns what is recorded with each run: processor, cores, memory, operating system, version and commit of the program.
//! Cores and memory are those that the process may use, which a scheduler of jobs or a container makes less than the
//! machine has; threads and plans are measured by the same figures.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;

use sysinfo::System;

/// The machine a run ran on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Physical cores; fewer where an affinity mask or a quota of a control group leaves the process fewer processors.
    pub n_cores: u32,
    /// Main memory in bytes, or the limit of the process's control group where that is less.
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
        // The standard library counts the processors of the affinity mask, and no more than the quota allows.
        let n_allowed = thread::available_parallelism().map_or(usize::MAX, usize::from);
        let n_cores = System::physical_core_count().unwrap_or(1).min(n_allowed);
        let memory_limit = memory_limit(Path::new("/")).unwrap_or(u64::MAX);
        Self {
            cpu: cpu.to_owned(),
            n_cores: u32::try_from(n_cores).unwrap_or(1).max(1),
            memory_bytes: system.total_memory().min(memory_limit),
            os: System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_owned()),
        }
    }
}

/// The least limit of memory, in bytes, of the control groups that the process is in; None without one. `root` stands
/// for `/`.
///
/// A group of either version has the limits of those above it too. In a container its own path may not be there: then
/// what is mounted is the group.
fn memory_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let (mounts, file): (&[&str], _) = match controllers {
            "" => (&["", "unified"], "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (&["memory"], "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let mounts = mounts
            .iter()
            .map(|mount| root.join("sys/fs/cgroup").join(mount));
        mounts.filter_map(|mount| least(&mount, group, file)).min()
    });
    limits.min()
}

/// The least number in `file` of a group and of those above it, below `mount`; a word such as `max` is none.
fn least(mount: &Path, group: &str, file: &str) -> Option<u64> {
    let groups = Path::new(group.trim_start_matches('/')).ancestors();
    let texts = groups.filter_map(|group| fs::read_to_string(mount.join(group).join(file)).ok());
    texts.filter_map(|text| text.trim().parse().ok()).min()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(groups: &str, files: &[(&str, &str)], expected: Option<u64>) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files.iter().chain(&[("proc/self/cgroup", groups)]) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(memory_limit(root.path()), expected, "{groups} {files:?}");
    }

    /// The memory of the whole machine was recorded and planned with, and a job was killed for want of it.
    #[test]
    fn the_memory_of_the_job_counts() {
        let own = "sys/fs/cgroup/a/job/memory.max";
        let above = "sys/fs/cgroup/a/memory.max";
        check(
            "0::/a/job\n",
            &[(own, "2000\n"), (above, "max\n")],
            Some(2000),
        );
        check(
            "0::/a/job\n",
            &[(own, "max\n"), (above, "1000\n")],
            Some(1000),
        );
        check("0::/a/job\n", &[(own, "max\n")], None);
        // A container sees its own group as the root.
        check(
            "0::/../b\n",
            &[("sys/fs/cgroup/memory.max", "7\n")],
            Some(7),
        );
        let old = "sys/fs/cgroup/memory/a/memory.limit_in_bytes";
        check(
            "5:cpu:/a\n4:hugetlb,memory:/a\n",
            &[(old, "3000\n")],
            Some(3000),
        );
        let hybrid = "sys/fs/cgroup/unified/a/memory.max";
        check("4:cpu:/a\n0::/a\n", &[(hybrid, "5\n")], Some(5));
        check("", &[], None);
    }
}
