//! What can still be read of a log that recovery refuses.
//!
//! Commits depend on those before them, so that only the prefix up to the first damage is of use:
//! what follows it is whole perhaps, and lost all the same. Its LSNs are named. A damaged header costs
//! nothing where the records say what it said ([`lost_header`]).

use super::lost_header;
use super::recovery::{Known, LogFile, NO_HEADER, durable_after, examine, read_file};
use super::{Lsn, Payload, Record, file_number, file_path};
use crate::error::{Result, StoreError};
use crate::log::record::HEADER_BYTES;
use crate::vfs::Vfs;
use std::io;
use std::path::Path;

/// What a log holds that may be damaged.
#[derive(Debug, Default)]
pub(crate) struct SalvagedLog {
    /// The records above the sealed LSN up to the first damage, in order.
    pub(crate) records: Vec<(Lsn, Payload)>,
    /// The first LSN that the log may hold; `None` where there is no file.
    pub(crate) first_lsn: Option<Lsn>,
    /// The last LSN of the prefix, at least the sealed one.
    pub(crate) last_lsn: Lsn,
    /// The highest catalog sequence that a checkpoint names.
    pub(crate) checkpoint: u64,
    /// The numbers of all files, ascending.
    pub(crate) numbers: Vec<u64>,
    /// Whether there is a file that can be read.
    pub(crate) has_files: bool,
    /// Why recovery would refuse, and files without a readable header.
    pub(crate) damages: Vec<StoreError>,
    /// Acknowledged records that are lost, first and last.
    pub(crate) lost: Option<(Lsn, Lsn)>,
    /// Whether the file is lost that new records went to, so that nothing in the log tells how many it
    /// held.
    pub(crate) is_end_lost: bool,
}

/// Reads the log in `directory`, which was durable up to `mark`. Changes nothing. Without what the
/// catalog says of the log everything there is, is read.
///
/// # Errors
/// Failures to read the directory or a file, and [`StoreError::Version`].
pub(crate) fn salvage(
    vfs: &dyn Vfs,
    directory: &Path,
    catalog: Option<Known>,
    mark: Lsn,
) -> Result<SalvagedLog> {
    let names = match vfs.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names.map_err(|e| StoreError::io("list", directory, e))?,
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| file_number(name)).collect();
    numbers.sort_unstable();
    let mut salvaged = SalvagedLog::default();
    let mut files = Vec::new();
    let mut headless = Vec::new();
    for &number in &numbers {
        let path = file_path(directory, number);
        match read_file(vfs, &path, number)? {
            Ok(file) => files.push(file),
            Err(bytes) => {
                headless.push(number);
                let bytes = bytes.into();
                let header = lost_header::derive(number, &bytes, catalog.is_some());
                files.extend(header.map(|header| LogFile::with_header(path, header, bytes)));
            }
        }
    }
    salvaged.numbers = numbers;
    salvaged.has_files = !files.is_empty();
    salvaged.first_lsn = files.iter().map(|file| file.header.first_lsn).min();
    let unsealed = salvaged
        .first_lsn
        .map_or(0, |first| first.saturating_sub(1));
    let known = catalog.unwrap_or(Known {
        sealed_lsn: unsealed,
        durable_lsn: 0,
    });
    let known = Known {
        durable_lsn: known.durable_lsn.max(mark),
        ..known
    };
    let refused = match salvaged.numbers.is_empty() {
        true => None,
        false => examine(vfs, directory, known).err(),
    };
    if let Some(error) = refused {
        let newest = salvaged.numbers.last();
        salvaged.is_end_lost = files
            .last()
            .is_none_or(|file| newest != Some(&file.header.number));
        salvaged.add_damages(error, directory, &headless)?;
    }
    salvaged.is_end_lost |= !salvaged.has_files;
    salvaged.last_lsn = known.sealed_lsn;
    let mut walk = Walk {
        next: known.sealed_lsn + 1,
        is_broken: false,
        highest: known.durable_lsn,
        salvaged,
    };
    for (index, file) in files.iter().enumerate() {
        walk.read(file);
        if let Some(next) = files.get(index + 1) {
            // A file was begun when all before it was durable.
            walk.highest = walk.highest.max(next.header.first_lsn - 1);
        }
    }
    let Walk {
        next,
        highest,
        mut salvaged,
        ..
    } = walk;
    salvaged.last_lsn = next - 1;
    if highest >= next {
        salvaged.lost = Some((next, highest));
    }
    Ok(salvaged)
}

impl SalvagedLog {
    /// Adds what recovery said, and each file that has no header; recovery stops at the first.
    fn add_damages(
        &mut self,
        refused: StoreError,
        directory: &Path,
        headless: &[u64],
    ) -> Result<()> {
        if !refused.is_damage() {
            return Err(refused);
        }
        let files = headless
            .iter()
            .map(|&number| StoreError::corrupt(&file_path(directory, number), 0, NO_HEADER));
        self.damages.extend(files);
        let said = refused.to_string();
        if self.damages.iter().all(|known| known.to_string() != said) {
            self.damages.push(refused);
        }
        Ok(())
    }
}

struct Walk {
    /// The next LSN of the prefix.
    next: Lsn,
    /// Whether the prefix has ended.
    is_broken: bool,
    /// The highest LSN known to have been durable.
    highest: Lsn,
    salvaged: SalvagedLog,
}

impl Walk {
    fn read(&mut self, file: &LogFile) {
        let mut at = HEADER_BYTES;
        let mut expected = file.header.first_lsn;
        self.is_broken |= expected > self.next;
        while let Some(record) = Record::decode(file.header.salt, &file.bytes[at..]) {
            let payload = Payload::decode(&file.bytes.slice_ref(record.payload));
            let Some(payload) = payload.filter(|_| record.lsn == expected) else {
                break;
            };
            if let Payload::Checkpoint { sequence } = payload {
                self.salvaged.checkpoint = self.salvaged.checkpoint.max(sequence);
            }
            self.highest = self.highest.max(record.durable_lsn);
            if record.lsn == self.next && !self.is_broken {
                self.salvaged.records.push((record.lsn, payload));
                self.next += 1;
            }
            expected += 1;
            at += record.framed_len();
        }
        self.highest = self.highest.max(durable_after(file, at, expected));
    }
}
