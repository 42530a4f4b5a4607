//! The machine a benchmark ran on, for its head line and its JSON.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// CPU, kernel and file system.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Model name of the CPU.
    pub cpu: String,
    /// Logical cores this process may use.
    pub cores: usize,
    /// Operating system release.
    pub kernel: String,
    /// Type of the file system that holds the data.
    pub file_system: String,
}

impl Machine {
    /// Describes this machine and the file system under `data`. What cannot be found out is
    /// `unknown`: a benchmark does not fail for it.
    #[must_use]
    pub fn describe(data: &Path) -> Self {
        Self {
            cpu: cpu().unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            file_system: file_system(data).unwrap_or_else(unknown),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cpu,
            cores,
            kernel,
            file_system,
        } = self;
        write!(f, "{cpu}, {cores} cores, kernel {kernel}, {file_system}")
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

fn cpu() -> Option<String> {
    let info = read("/proc/cpuinfo")?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(": ").map(|(_, model)| model.to_owned())
}

/// The type of the mount with the longest mount point above `data`.
fn file_system(data: &Path) -> Option<String> {
    let data = data.canonicalize().ok()?;
    let mounts = read("/proc/self/mounts")?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| data.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

/// Resident memory of a process in bytes; `None` where it is gone.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = read(&format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Seconds that the processor has worked for this process, all threads together, to a hundredth; 0
/// where the system does not say.
#[must_use]
pub fn processor_seconds() -> f64 {
    let ticks = || {
        let stat = read("/proc/self/stat")?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
        Some(ticks(11)? + ticks(12)?)
    };
    ticks().unwrap_or(0.0) / 100.0
}

/// Waits until no thread of this process has anything to do, at most for `limit`; says on standard error
/// where that was not enough. What a store compacts after its writes would otherwise slow down whatever is
/// measured next.
pub fn wait_for_rest(limit: Duration) {
    const WINDOW: Duration = Duration::from_millis(100);
    const BUSY_SECONDS: f64 = 0.02;
    let start = Instant::now();
    let mut before = processor_seconds();
    while start.elapsed() < limit {
        std::thread::sleep(WINDOW);
        let now = processor_seconds();
        if now - before < BUSY_SECONDS {
            return;
        }
        before = now;
    }
    eprintln!(
        "this process was not at rest after {limit:?}: what it still does slows down what is measured next"
    );
}

/// Bytes of all files under a directory.
///
/// # Errors
/// Where a directory in it cannot be read.
pub fn bytes_on_disk(directory: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() {
            bytes_on_disk(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(total)
}

/// Bytes that the file system has allocated to all files under a directory: reserved space counts,
/// holes do not.
///
/// # Errors
/// Where a directory in it cannot be read.
pub fn allocated_bytes(directory: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() {
            allocated_bytes(&entry.path())?
        } else {
            // The unit is fixed, whatever the file system's block is.
            metadata.blocks() * 512
        };
    }
    Ok(total)
}

/// Processor time used so far, by everything and by some processes, in clock ticks.
///
/// The difference between two readings says how busy the machine was with something else. That
/// matters more than noise usually does: on idle cores a request costs two wake-ups, which a core
/// kept awake by a stranger does not need, while a new connection per request suffers from the
/// stranger's time slices. The ratio of two servers then changes several-fold.
#[derive(Debug, Clone, Copy)]
pub struct ProcessorTime {
    all: u64,
    ours: u64,
}

impl ProcessorTime {
    /// Reads the clocks of the machine, of this process and of `others`. Interrupt time belongs
    /// to nobody and is left out. Zero where the system does not tell.
    #[must_use]
    pub fn read(others: &[u32]) -> Self {
        let own = std::process::id();
        let ours = others
            .iter()
            .chain([&own])
            .filter_map(|&pid| process_ticks(pid))
            .sum();
        Self {
            all: machine_ticks().unwrap_or(0),
            ours,
        }
    }

    /// Processors kept busy by strangers between an earlier reading and this one, `seconds`
    /// apart: 1.0 is one core all the time.
    #[must_use]
    pub fn strangers_since(self, earlier: Self, seconds: f64) -> f64 {
        let all = self.all.saturating_sub(earlier.all);
        let ours = self.ours.saturating_sub(earlier.ours);
        all.saturating_sub(ours) as f64 / TICKS_PER_SECOND / seconds
    }
}

/// `USER_HZ`, which Linux fixes for everything under /proc.
const TICKS_PER_SECOND: f64 = 100.0;

/// User, nice, system and stolen time of all processors.
fn machine_ticks() -> Option<u64> {
    let stat = read("/proc/stat")?;
    let ticks: Vec<u64> = stat
        .lines()
        .next()?
        .split_ascii_whitespace()
        .skip(1)
        .map_while(|field| field.parse().ok())
        .collect();
    Some(ticks.iter().take(3).sum::<u64>() + ticks.get(7)?)
}

/// User and system time of a process. Its name, in parentheses, may hold spaces.
fn process_ticks(pid: u32) -> Option<u64> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::ProcessorTime;
    use std::time::{Duration, Instant};

    #[test]
    fn own_work_is_not_a_strangers() {
        let (before, started) = (ProcessorTime::read(&[]), Instant::now());
        while started.elapsed() < Duration::from_millis(200) {
            std::hint::spin_loop();
        }
        let after = ProcessorTime::read(&[]);
        assert!(after.ours >= before.ours + 5, "the loop's own time is seen");
    }
}
