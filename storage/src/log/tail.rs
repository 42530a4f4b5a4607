//! Reading the log beside the process that writes it.
//!
//! Nothing is cut, written or synced. A record counts only where something proves that it is
//! durable: the mark or the catalog (given by the caller), a record behind it that carries its LSN,
//! or a later file. What is not proven may be a write under way, and is left out. The log is read
//! after the proofs were, so that all that they name must be there.

use super::record::{HEADER_BYTES, Header};
use super::recovery::{LogFile, take_left_behind};
use super::{Lsn, Payload, Record, file_number, file_path};
use crate::error::{Result, StoreError};
use crate::vfs::Vfs;
use std::io::{self, Read};
use std::path::Path;

/// What the log proves.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The durable records above the sealed LSN, in order.
    pub(crate) records: Vec<(Lsn, Payload)>,
    /// The last of them, or the sealed LSN.
    pub(crate) last_lsn: Lsn,
}

/// Reads the durable records above `sealed_lsn` of the log in `directory`; all up to `durable_lsn`
/// are known to be.
pub(crate) fn read_tail(
    vfs: &dyn Vfs,
    directory: &Path,
    sealed_lsn: Lsn,
    durable_lsn: Lsn,
) -> Result<Tail> {
    let mut files = read_files(vfs, directory)?;
    take_left_behind(&mut files);
    let mut tail = Tail {
        records: Vec::new(),
        last_lsn: sealed_lsn,
    };
    let mut expected = None;
    for (index, file) in files.iter().enumerate() {
        let first = file.header.first_lsn;
        let next_file = files.get(index + 1).map(|next| next.header.first_lsn);
        if next_file.is_some_and(|next| next <= sealed_lsn + 1) {
            continue;
        }
        let continues = expected.unwrap_or(first.min(sealed_lsn + 1));
        if first != continues {
            let what = format!("records {continues} to {} are missing before it", first - 1);
            return Err(StoreError::corrupt(&file.path, 0, what));
        }
        let proven = next_file.map_or(durable_lsn, |next| next - 1);
        read_records(file, sealed_lsn, proven, &mut tail)?;
        expected = Some(tail.last_lsn + 1);
    }
    if tail.last_lsn < durable_lsn {
        let what = format!(
            "the log ends with record {}, but record {durable_lsn} was durable",
            tail.last_lsn
        );
        return Err(StoreError::corrupt(directory, 0, what));
    }
    Ok(tail)
}

fn read_files(vfs: &dyn Vfs, directory: &Path) -> Result<Vec<LogFile>> {
    let names = vfs
        .list(directory)
        .map_err(|e| StoreError::io("list", directory, e))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| file_number(name)).collect();
    numbers.sort_unstable();
    let mut files = Vec::new();
    for &number in &numbers {
        let path = file_path(directory, number);
        let mut bytes = Vec::new();
        match vfs.read(&path).and_then(|mut f| f.read_to_end(&mut bytes)) {
            // Sealed meanwhile. If a record is missed, the gap tells.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            read => read.map_err(|e| StoreError::io("read", &path, e))?,
        };
        match Header::decode(&path, number, &bytes)? {
            Some(header) => files.push(LogFile {
                path,
                header,
                bytes: bytes.into(),
            }),
            // It is being created, and holds no record yet.
            None if numbers.last() == Some(&number) => {}
            None => {
                let what = "its header is not a log header";
                return Err(StoreError::corrupt(&path, 0, what));
            }
        }
    }
    Ok(files)
}

/// Takes the records of a file of which all up to `proven` are durable.
fn read_records(file: &LogFile, sealed_lsn: Lsn, proven: Lsn, tail: &mut Tail) -> Result<()> {
    let mut found = Vec::new();
    let mut durable = proven;
    let mut next = file.header.first_lsn;
    let mut at = HEADER_BYTES;
    while let Some(record) = Record::decode(file.header.salt, &file.bytes[at..]) {
        if record.lsn != next {
            break;
        }
        durable = durable.max(record.durable_lsn);
        found.push((next, at, file.bytes.slice_ref(record.payload)));
        next += 1;
        at += record.framed_len();
    }
    if next <= proven {
        let what = format!("record {next} does not parse, but record {proven} was durable");
        return Err(StoreError::corrupt(&file.path, at as u64, what));
    }
    for (lsn, at, payload) in found {
        if lsn <= sealed_lsn || lsn > durable {
            continue;
        }
        let payload = Payload::decode(&payload).ok_or_else(|| {
            let what = "the record's content does not parse";
            StoreError::corrupt(&file.path, at as u64, what)
        })?;
        tail.records.push((lsn, payload));
        tail.last_lsn = lsn;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogWriter;
    use crate::vfs::MemoryVfs;
    use std::path::PathBuf;

    fn directory() -> PathBuf {
        PathBuf::from("log")
    }

    fn push(writer: &mut LogWriter, lsn: Lsn, durable_lsn: Lsn) {
        let mut payload = Vec::new();
        Payload::Checkpoint { sequence: lsn }.encode(&mut payload);
        writer.push(&Record {
            lsn,
            durable_lsn,
            payload: &payload,
        });
        writer.prepare().unwrap();
        writer.flush().unwrap();
    }

    /// Records 1 to 3 in one group, 4 on its own.
    fn log() -> (MemoryVfs, LogWriter) {
        let vfs = MemoryVfs::new();
        let mut writer = LogWriter::create(&vfs, &directory(), 1, 1, 4096).unwrap();
        for (lsn, durable_lsn) in [(1, 0), (2, 0), (3, 0), (4, 3)] {
            push(&mut writer, lsn, durable_lsn);
        }
        (vfs, writer)
    }

    fn lsns(vfs: &MemoryVfs, sealed: Lsn, durable: Lsn) -> Result<Vec<Lsn>> {
        let tail = read_tail(vfs, &directory(), sealed, durable)?;
        assert_eq!(
            tail.last_lsn,
            tail.records.last().map_or(sealed, |(lsn, _)| *lsn)
        );
        Ok(tail.records.into_iter().map(|(lsn, _)| lsn).collect())
    }

    #[test]
    fn only_what_is_proven_counts() {
        let (vfs, mut writer) = log();
        assert_eq!(lsns(&vfs, 0, 0).unwrap(), [1, 2, 3], "by record 4");
        assert_eq!(lsns(&vfs, 1, 4).unwrap(), [2, 3, 4], "by the mark");
        assert_eq!(lsns(&vfs, 4, 4).unwrap(), [0; 0], "all sealed");
        push(&mut writer, 5, 4);
        assert_eq!(lsns(&vfs, 0, 0).unwrap(), [1, 2, 3, 4], "by record 5");
        LogWriter::create(&vfs, &directory(), 2, 6, 4096).unwrap();
        assert_eq!(lsns(&vfs, 3, 0).unwrap(), [4, 5], "by the next file");
    }

    #[test]
    fn a_last_file_that_was_begun_in_vain_is_left_out() {
        let (vfs, _) = log();
        LogWriter::create(&vfs, &directory(), 2, 3, 4096).unwrap();
        assert_eq!(lsns(&vfs, 0, 4).unwrap(), [1, 2, 3, 4]);
        assert_eq!(lsns(&vfs, 2, 4).unwrap(), [3, 4]);
    }

    #[test]
    fn what_is_proven_must_be_there() {
        let (vfs, _) = log();
        assert!(lsns(&vfs, 0, 5).is_err());
        vfs.damage(&file_path(&directory(), 1), HEADER_BYTES + 10, 1);
        assert!(lsns(&vfs, 0, 1).is_err());
        assert_eq!(lsns(&vfs, 0, 0).unwrap(), [0; 0], "nothing proves it");
        let vfs = MemoryVfs::new();
        LogWriter::create(&vfs, &directory(), 2, 6, 4096).unwrap();
        assert!(lsns(&vfs, 4, 4).is_err(), "record 5 is missing");
        assert_eq!(lsns(&vfs, 5, 5).unwrap(), [0; 0]);
    }

    #[test]
    fn nothing_is_changed_by_reading() {
        let (vfs, _) = log();
        vfs.create(&file_path(&directory(), 2)).unwrap();
        let before = (vfs.operations(), vfs.files());
        assert_eq!(lsns(&vfs, 0, 4).unwrap(), [1, 2, 3, 4]);
        assert_eq!(before, (vfs.operations(), vfs.files()));
    }
}
