//! Log files that are used again.
//!
//! A sync takes less where the file's space was written before: in space that was only reserved the
//! file system has to note as well that it holds something now, which nearly doubles what a group of 16
//! KiB waits. So while memtables fill, a log file whose records are in segments is kept and becomes
//! the next one.
//!
//! ```text
//! 00000007.log  all sealed      -> spare         renamed, directory synced
//! spare         a log is wanted -> spare         header of number 9 that has not begun, synced
//!                               -> 00000009.log  renamed, directory synced
//! 00000009.log  begins          -> 00000009.log  header with the first LSN, synced
//! ```
//!
//! Nothing is written to it before the name it had is durably gone, so that no crash leaves other
//! bytes under it. What it held stays behind the end of its new records, and never parses: the salt is
//! another one. Opening removes a spare.

use crate::error::{Result, StoreError};
use crate::log::file_path;
use crate::vfs::Vfs;
use std::io;
use std::path::{Path, PathBuf};

/// The name of a log file that holds nothing and can be written to again.
const NAME: &str = "spare";

/// A log file that is not written to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OldLog {
    pub(crate) number: u64,
    /// Where its records end, as far as that is known.
    pub(crate) end: u64,
    /// How many bytes of it were written, from its start; 0 where that is not known.
    pub(crate) written: u64,
}

/// A log file that is kept for its space.
#[derive(Debug)]
pub(crate) struct Spare {
    /// How many of its bytes were written, from its start.
    pub(super) written: u64,
}

impl Spare {
    /// Keeps a log file whose records are in segments, in the place of the spare there was. The caller
    /// syncs the directory before it uses it. `None` where the file is gone.
    pub(crate) fn keep(vfs: &dyn Vfs, directory: &Path, old: OldLog) -> Result<Option<Spare>> {
        let path = file_path(directory, old.number);
        match vfs.rename(&path, &spare_path(directory)) {
            Ok(()) => Ok(Some(Spare {
                written: old.written,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("rename", &path, error)),
        }
    }
}

/// Removes the spare, if there is one.
pub(crate) fn remove_spare(vfs: &dyn Vfs, directory: &Path) -> Result<()> {
    let path = spare_path(directory);
    match vfs.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", &path, error))
        }
        _ => Ok(()),
    }
}

pub(super) fn spare_path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::HEADER_BYTES;
    use crate::log::recovery::{Known, Recovered, recover};
    use crate::log::{LogWriter, Lsn, NewLog, Payload, Record};
    use crate::vfs::{Fault, MemoryVfs};

    const RESERVE: u64 = 4096;

    fn directory() -> PathBuf {
        PathBuf::from("log")
    }

    /// Appends records, each its own commit.
    fn append(writer: &mut LogWriter, lsns: std::ops::RangeInclusive<Lsn>) {
        for lsn in lsns {
            let mut payload = Vec::new();
            Payload::Checkpoint { sequence: lsn }.encode(&mut payload);
            writer.push(&Record {
                lsn,
                durable_lsn: lsn - 1,
                payload: &payload,
            });
            writer.prepare().unwrap();
            writer.flush().unwrap();
        }
    }

    /// A spare that was log file 1, of four hundred records, and the medium.
    fn spare() -> (MemoryVfs, Spare) {
        let vfs = MemoryVfs::new();
        let mut writer = LogWriter::create(&vfs, &directory(), 1, 1, RESERVE).unwrap();
        append(&mut writer, 1..=400);
        let spare = Spare::keep(&vfs, &directory(), writer.retire()).unwrap();
        vfs.sync_dir(&directory()).unwrap();
        (vfs, spare.unwrap())
    }

    /// Log file 2, which was file 1 before and begins with record 401.
    fn reused() -> (MemoryVfs, LogWriter) {
        let (vfs, spare) = spare();
        let new = NewLog::reuse(&vfs, &directory(), 2, RESERVE, &spare).unwrap();
        let writer = new.begin(&vfs, 401).unwrap();
        (vfs, writer)
    }

    fn recovered(vfs: &MemoryVfs) -> Result<Recovered> {
        let known = Known {
            sealed_lsn: 400,
            durable_lsn: 400,
        };
        recover(vfs, &directory(), known, RESERVE)
    }

    fn path() -> PathBuf {
        file_path(&directory(), 2)
    }

    #[test]
    fn what_the_file_held_before_is_not_read() {
        for count in [0, 1, 3, 399, 400, 900] {
            let (vfs, mut writer) = reused();
            append(&mut writer, 401..=400 + count);
            let recovered = recovered(&vfs).unwrap();
            assert_eq!(recovered.last_lsn, 400 + count);
            assert_eq!(recovered.records.len() as u64, count);
            assert!(recovered.truncated.is_none(), "{:?}", recovered.truncated);
            let length = vfs.bytes(&path()).len() as u64;
            assert_eq!(length, writer.len(), "nothing is left behind the end");
        }
    }

    #[test]
    fn its_space_is_not_written_twice() {
        let (vfs, mut writer) = reused();
        let before = vfs.bytes(&path()).len();
        append(&mut writer, 401..=420);
        let now = vfs.bytes(&path());
        assert_eq!(now.len(), before);
        assert!(now[writer.len() as usize..].iter().any(|&byte| byte != 0));
    }

    #[test]
    fn a_torn_record_over_older_ones_is_a_torn_tail() {
        let (vfs, mut writer) = reused();
        append(&mut writer, 401..=402);
        let end = writer.len();
        append(&mut writer, 403..=403);
        vfs.damage(&path(), end as usize + 24, 1);
        let recovered = recovered(&vfs).unwrap();
        assert_eq!(recovered.last_lsn, 402);
        assert_eq!(recovered.truncated, Some((path(), end)));
    }

    #[test]
    fn damage_to_a_durable_record_is_told_from_older_bytes() {
        let (vfs, mut writer) = reused();
        append(&mut writer, 401..=403);
        vfs.damage(&path(), HEADER_BYTES + 24, 1);
        let error = recovered(&vfs).unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { offset, .. } if offset == HEADER_BYTES as u64),
            "{error}"
        );
    }

    /// The header is written twice, and may be torn between any of its bytes.
    #[test]
    fn a_file_that_has_not_begun_is_removed() {
        let (vfs, spare) = spare();
        let new = NewLog::reuse(&vfs, &directory(), 2, RESERVE, &spare).unwrap();
        let waiting = vfs.bytes(&path());
        new.begin(&vfs, 401).unwrap();
        let begun = vfs.bytes(&path());
        for torn in 0..HEADER_BYTES {
            for new_first in [false, true] {
                let (first, rest) = match new_first {
                    true => (&begun, &waiting),
                    false => (&waiting, &begun),
                };
                let bytes = [&first[..torn], &rest[torn..]].concat();
                let is_whole = bytes[..HEADER_BYTES] == begun[..HEADER_BYTES];
                let vfs = MemoryVfs::new();
                LogWriter::create(&vfs, &directory(), 1, 401, RESERVE).unwrap();
                vfs.put(&path(), bytes);
                let known = Known {
                    sealed_lsn: 400,
                    durable_lsn: 400,
                };
                let recovered = recover(&vfs, &directory(), known, RESERVE).unwrap();
                assert_eq!(recovered.numbers.contains(&2), is_whole, "torn at {torn}");
                assert_eq!(recovered.last_lsn, 400);
            }
        }
    }

    #[test]
    fn a_damaged_header_of_a_file_with_records_refuses_to_open() {
        for at in 0..HEADER_BYTES {
            let (vfs, mut writer) = reused();
            append(&mut writer, 401..=403);
            vfs.damage(&path(), at, 1);
            assert!(recovered(&vfs).is_err(), "byte {at} of the header");
        }
    }

    #[test]
    fn opening_removes_a_spare() {
        let (vfs, _spare) = spare();
        LogWriter::create(&vfs, &directory(), 2, 401, RESERVE).unwrap();
        recovered(&vfs).unwrap();
        let names: Vec<PathBuf> = vfs.files().into_iter().map(|(path, _)| path).collect();
        assert_eq!(names, [path()]);
    }

    #[test]
    fn a_spare_that_cannot_be_used_is_removed() {
        for failing in 0.. {
            let (vfs, spare) = spare();
            let at = vfs.operations() + failing;
            let kind = io::ErrorKind::Other;
            vfs.set_fault(Some(Fault::Fail { at, kind }));
            let new = NewLog::reuse(&vfs, &directory(), 2, RESERVE, &spare);
            if new.is_ok() {
                assert!(failing >= 4, "it writes, syncs, renames and syncs");
                return;
            }
            assert!(vfs.files().is_empty(), "operation {failing}");
        }
    }

    #[test]
    fn what_a_file_does_not_need_is_given_back() {
        let (vfs, mut writer) = reused();
        append(&mut writer, 401..=401);
        writer.give_back().unwrap();
        assert_eq!(vfs.bytes(&path()).len() as u64, writer.len());
        append(&mut writer, 402..=403);
        assert_eq!(recovered(&vfs).unwrap().last_lsn, 403);
    }
}
