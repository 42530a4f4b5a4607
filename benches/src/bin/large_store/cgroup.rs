//! A memory control group, of either version, made for one run and removed with the value.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A control group with a limit of memory.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
    limit_bytes: u64,
    files: &'static Files,
}

/// What a version calls its files.
#[derive(Debug)]
struct Files {
    root: &'static str,
    limit: &'static str,
    most: &'static str,
}

const VERSIONS: [Files; 2] = [
    Files {
        root: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        most: "memory.max_usage_in_bytes",
    },
    Files {
        root: "/sys/fs/cgroup",
        limit: "memory.max",
        most: "memory.peak",
    },
];

impl Cgroup {
    /// Makes a group of this many 2^20 bytes.
    pub(super) fn create(megabytes: u64) -> io::Result<Cgroup> {
        let files = VERSIONS
            .iter()
            .find(|files| Path::new(files.root).join("cgroup.procs").exists())
            .ok_or_else(|| io::Error::other("no control groups are mounted"))?;
        let name = format!("sqd-large-store-{}", std::process::id());
        let group = Cgroup {
            path: Path::new(files.root).join(name),
            limit_bytes: megabytes << 20,
            files,
        };
        std::fs::create_dir(&group.path)?;
        write(
            &group.path.join(files.limit),
            &group.limit_bytes.to_string(),
        )?;
        Ok(group)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts this process into a group.
    pub(super) fn enter(path: &Path) -> io::Result<()> {
        write(&path.join("cgroup.procs"), &std::process::id().to_string())
    }

    /// The most memory that the group has used.
    pub(super) fn most(&self) -> io::Result<String> {
        let bytes = std::fs::read_to_string(self.path.join(self.files.most))?;
        Ok(format!("{} bytes used, page cache included", bytes.trim()))
    }
}

impl fmt::Display for Cgroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes of memory, page cache included",
            self.limit_bytes
        )
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir(&self.path) {
            eprintln!("{} stays: {error}", self.path.display());
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the files of a control group are not files of a store"
)]
fn write(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, text)
}
