//! Opening a store in a process of its own, which shows how long that takes and how much memory it
//! needs, undisturbed by the other engines.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Args;
use phext_benches::report::peers::Resident;
use phext_storage::coordinate::Coordinate;
use serde::{Deserialize, Serialize};

use crate::engine::{Kind, Outcome, Sizing};
use crate::key::Key;
use crate::tally::Tally;

/// How this program calls itself to open one store.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The engine whose store is opened.
    #[arg(long, hide = true)]
    pub(crate) inspect: Option<String>,
    #[arg(long, hide = true, default_value = ".")]
    inspect_directory: PathBuf,
    #[arg(long, hide = true, default_value = "1.1.1/1.1.1/1.1.1")]
    inspect_key: String,
    #[arg(long, hide = true, default_value_t = 0)]
    inspect_data_bytes: u64,
    /// Read all records as well, for the memory that this needs.
    #[arg(long, hide = true)]
    inspect_scan: bool,
}

/// What opening showed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Until the store was open.
    pub(crate) open_ns: u64,
    /// Until the first text was read, opening included.
    pub(crate) first_text_ns: u64,
    /// Memory then.
    pub(crate) after_open: Resident,
    /// Memory after a scan, if there was one.
    pub(crate) after_scan: Option<Resident>,
}

impl Inspect {
    /// Opens, reads, and prints what that showed.
    ///
    /// # Errors
    /// Where the engine fails or does not have the key.
    pub(crate) fn run(&self, kind: &Kind) -> Outcome {
        let key = Key::new(Coordinate::parse(&self.inspect_key)?);
        let sizing = Sizing {
            data_bytes: self.inspect_data_bytes,
        };
        let start = Instant::now();
        let engine = (kind.open)(&self.inspect_directory, sizing)?;
        let open_ns = start.elapsed().as_nanos() as u64;
        let mut tally = Tally::default();
        engine.reader()?.point(&key, &mut tally)?;
        let first_text_ns = start.elapsed().as_nanos() as u64;
        if tally.records != 1 {
            return Err(format!("{} is not in the store", self.inspect_key).into());
        }
        let after_open = resident()?;
        let after_scan = if self.inspect_scan {
            engine.reader()?.scan(&mut tally)?;
            Some(resident()?)
        } else {
            None
        };
        let opened = Opened {
            open_ns,
            first_text_ns,
            after_open,
            after_scan,
        };
        println!("{}", serde_json::to_string(&opened)?);
        Ok(())
    }
}

/// The memory of this process.
fn resident() -> Outcome<Resident> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let bytes = |name: &str| -> Outcome<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kilobytes: u64 = kilobytes
            .ok_or("the system does not tell resident memory")?
            .parse()?;
        Ok(kilobytes * 1024)
    };
    Ok(Resident {
        heap: bytes("RssAnon:")?,
        mapped: bytes("RssFile:")?,
    })
}

/// Opens a store in another process. The store must be closed in this one.
///
/// # Errors
/// Where the other process fails.
pub(crate) fn measure(
    kind: &Kind,
    directory: &Path,
    sizing: Sizing,
    key: &Coordinate,
    scan: bool,
) -> Outcome<Opened> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--inspect", kind.name, "--inspect-key", &key.to_string()])
        .arg("--inspect-directory")
        .arg(directory)
        .args(["--inspect-data-bytes", &sizing.data_bytes.to_string()]);
    if scan {
        command.arg("--inspect-scan");
    }
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("opening {} in another process: {said}", kind.name).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
