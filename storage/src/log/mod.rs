//! The write-ahead log: what was acknowledged and not yet sealed into segments.
//!
//! ```text
//! log/00000007.log   header | record | record | ... | zeros, or what the file held before
//! record             length u32 | crc32c u32 | lsn u64 | durable lsn u64 | payload
//! ```
//!
//! One record is one atomic batch. A record carries the highest LSN already known durable when it
//! was written, which is the evidence that tells damage from a torn tail (see [`recovery`]). All
//! checksums cover the file's random salt, so stale bytes never parse. Byte tables: docs/FORMAT.md.

mod lost_header;
mod payload;
mod record;
pub(crate) mod recovery;
pub(crate) mod salvage;
mod spare;
pub(crate) mod tail;
mod writer;

pub(crate) use payload::{Group, Operation, Payload};
pub(crate) use record::{MAX_PAYLOAD_BYTES, Record};
pub(crate) use spare::{OldLog, Spare, remove_spare};
pub(crate) use writer::{KEPT_BUFFER_BYTES, LogWriter, NewLog, Unbegun};

use std::path::{Path, PathBuf};

/// A log sequence number: batches count from 1; 0 means none.
pub type Lsn = u64;

/// The highest one that a log file may name: a greater one was not written, and could not be counted on from.
const MAX_LSN: Lsn = i64::MAX as u64;

/// The path of log file `number` in `directory`.
pub(crate) fn file_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(file_name(number))
}

fn file_name(number: u64) -> String {
    format!("{number:08}.log")
}

/// The number of a log file from its name.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".log")?.parse().ok()?;
    // `1.log` and `+1.log` are not ours.
    (file_name(number) == name).then_some(number)
}
