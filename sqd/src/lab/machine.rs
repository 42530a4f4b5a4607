//! The machine that figures were taken on, and what memory they took.

use phext_storage::vfs::{RealVfs, Vfs};
use serde::Serialize;
use std::io::Read;
use std::path::Path;

/// What a report says of the machine; `unknown` where the system does not tell.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) kernel: String,
}

impl Machine {
    /// This one.
    pub(super) fn describe() -> Machine {
        let unknown = || "unknown".to_owned();
        Machine {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease")
                .map_or_else(unknown, |s| s.trim().to_owned()),
        }
    }
}

/// The most memory that this process has held so far, in bytes.
pub(super) fn peak_bytes() -> Option<u64> {
    let kilobytes = field("/proc/self/status", "VmHWM")?;
    let kilobytes: u64 = kilobytes.trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path)?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn read(path: &str) -> Option<String> {
    let mut text = String::new();
    RealVfs
        .read(Path::new(path))
        .ok()?
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_and_this_process_memory() {
        assert!(Machine::describe().cores > 0);
        assert!(peak_bytes().is_none_or(|bytes| bytes > 100_000));
    }
}
