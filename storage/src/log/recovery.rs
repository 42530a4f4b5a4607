//! Reading the log back after a stop or a crash.
//!
//! A record that does not parse is one of two things. At or below the highest LSN known durable
//! anywhere (in a later record, a later file, the catalog, or the durable mark) it is damage to
//! acknowledged data: opening is refused, with file and offset. Above it, it is a torn tail, never
//! acknowledged: the log ends there, even if good records follow, because pages of unsynced records
//! reach the medium in any order.
//!
//! Blind spots, both above the durable LSN of catalog and mark only, so after a power cut, which may
//! leave an older mark: damage to the last group of records, with nothing written after it, looks like
//! a torn tail; and a file that lost its end looks like a log that ended there.

use super::record::{FRAME_BYTES, HEADER_BYTES, Header};
use super::{LogWriter, Lsn, Payload, Record, file_number, file_path, remove_spare};
use crate::error::{Result, StoreError};
use crate::vfs::{File, Vfs};
use bytes::Bytes;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What the log held.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The records above the sealed LSN, in order.
    pub(crate) records: Vec<(Lsn, Payload)>,
    /// The last LSN in the log, or the sealed LSN where the log has none above it.
    pub(crate) last_lsn: Lsn,
    /// The highest manifest sequence that a checkpoint record names.
    pub(crate) checkpoint: u64,
    /// The last file, ready to go on; `None` where there is no file.
    pub(crate) writer: Option<LogWriter>,
    /// The numbers of all files, ascending.
    pub(crate) numbers: Vec<u64>,
    /// Where a torn tail was cut off.
    pub(crate) truncated: Option<(PathBuf, u64)>,
}

/// What other files say of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// Everything up to here is in segments: the catalog says so.
    pub(crate) sealed_lsn: Lsn,
    /// Everything up to here was durable in the log: the catalog or the durable mark says so.
    pub(crate) durable_lsn: Lsn,
}

/// What is wrong with a file whose header is damaged.
pub(super) const NO_HEADER: &str = "its header is not a log header";

#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    pub(super) bytes: Bytes,
}

impl LogFile {
    /// Whether this last file was begun in vain: the sync of its header failed, so that the file before
    /// it, which holds the record that would have been its first, was written on. It was removed then,
    /// and a crash may have lost that.
    pub(super) fn is_left_behind(&self, before: &LogFile) -> bool {
        let first = self.header.first_lsn;
        (before.header.first_lsn..before.end_lsn()).contains(&first)
            && holds_no_record(self.header.number, &self.bytes)
    }

    /// The LSN behind the last record that parses.
    fn end_lsn(&self) -> Lsn {
        let mut next = self.header.first_lsn;
        let mut at = HEADER_BYTES;
        while let Some(record) = Record::decode(self.header.salt, &self.bytes[at..])
            && record.lsn == next
        {
            next += 1;
            at += record.framed_len();
        }
        next
    }
}

/// Takes out a last file that was begun in vain.
pub(super) fn take_left_behind(files: &mut Vec<LogFile>) -> Option<LogFile> {
    match files.as_slice() {
        [.., before, last] if last.is_left_behind(before) => files.pop(),
        _ => None,
    }
}

/// What the log holds, found without changing a byte of it.
#[derive(Debug)]
pub(crate) struct Examined {
    /// The records above the sealed LSN, in order.
    pub(crate) records: Vec<(Lsn, Payload)>,
    /// As [`Recovered::last_lsn`].
    pub(crate) last_lsn: Lsn,
    /// As [`Recovered::checkpoint`].
    pub(crate) checkpoint: u64,
    /// Where a torn tail starts.
    pub(crate) torn_tail: Option<(PathBuf, u64)>,
    files: Vec<LogFile>,
    /// A file that a crash left without its header, or that was begun in vain.
    unfinished: Option<PathBuf>,
    /// For each file that is not sealed, by its index, where its records end.
    reads: Vec<(usize, Read)>,
}

impl LogFile {
    /// A file whose header is told by something else than the file.
    pub(super) fn with_header(path: PathBuf, header: Header, bytes: Bytes) -> LogFile {
        LogFile {
            path,
            header,
            bytes,
        }
    }
}

impl Examined {
    /// Whether there is a log at all.
    pub(crate) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Bytes in all files, reserved space included.
    pub(crate) fn byte_len(&self) -> u64 {
        self.files.iter().map(|file| file.bytes.len() as u64).sum()
    }
}

/// Reads the log in `directory`, cuts off a torn tail, and makes what it accepted durable.
pub(crate) fn recover(
    vfs: &dyn Vfs,
    directory: &Path,
    known: Known,
    reserve_bytes: u64,
) -> Result<Recovered> {
    let examined = examine(vfs, directory, known)?;
    if let Some(path) = &examined.unfinished {
        vfs.remove(path)
            .map_err(|e| StoreError::io("remove", path, e))?;
    }
    remove_spare(vfs, directory)?;
    let mut recovered = Recovered {
        numbers: examined
            .files
            .iter()
            .map(|file| file.header.number)
            .collect(),
        records: examined.records,
        last_lsn: examined.last_lsn,
        checkpoint: examined.checkpoint,
        writer: None,
        truncated: examined.torn_tail,
    };
    for (index, read) in &examined.reads {
        make_durable(vfs, &examined.files[*index], read)?;
    }
    if let Some((index, read)) = examined.reads.last() {
        if let Some((path, offset)) = &recovered.truncated {
            tracing::warn!(path = %path.display(), offset, "cutting a torn tail off the log");
        }
        let writer = resume(vfs, &examined.files[*index], read.end, reserve_bytes)?;
        recovered.writer = Some(writer);
    }
    vfs.sync_dir(directory)
        .map_err(|e| StoreError::io("sync", directory, e))?;
    Ok(recovered)
}

/// Reads the log in `directory`. Changes nothing.
pub(crate) fn examine(vfs: &dyn Vfs, directory: &Path, known: Known) -> Result<Examined> {
    let (mut files, unfinished) = read_files(vfs, directory)?;
    let unfinished = unfinished.or_else(|| Some(take_left_behind(&mut files)?.path));
    let mut examined = Examined {
        records: Vec::new(),
        last_lsn: known.sealed_lsn,
        checkpoint: 0,
        torn_tail: None,
        files: Vec::new(),
        unfinished,
        reads: Vec::new(),
    };
    let mut expected = None;
    for (index, file) in files.iter().enumerate() {
        let first = file.header.first_lsn;
        let next_file = files.get(index + 1).map(|next| next.header.first_lsn);
        if next_file.is_some_and(|next| next <= known.sealed_lsn + 1) {
            // All of it is sealed: its removal was lost in a crash, perhaps not that of its
            // neighbours.
            continue;
        }
        let continues = expected.unwrap_or(first.min(known.sealed_lsn + 1));
        if first != continues {
            let what = format!("records {continues} to {} are missing before it", first - 1);
            return Err(StoreError::corrupt(&file.path, 0, what));
        }
        // A file was begun when all before it was durable, and what follows is in that file.
        let proven = next_file.map_or(known.durable_lsn, |next| next - 1);
        let read = read_records(file, known.sealed_lsn, proven, &mut examined)?;
        expected = Some(read.next);
        if next_file.is_none() && has_torn_tail(file, &read) {
            examined.torn_tail = Some((file.path.clone(), read.end as u64));
        }
        examined.reads.push((index, read));
    }
    examined.last_lsn = expected.map_or(known.sealed_lsn, |next| (next - 1).max(known.sealed_lsn));
    if examined.last_lsn < known.durable_lsn {
        let what = format!(
            "the log ends with record {}, but record {} was durable",
            examined.last_lsn, known.durable_lsn
        );
        return Err(StoreError::corrupt(directory, 0, what));
    }
    examined.files = files;
    Ok(examined)
}

/// Reads all files. Gives the path of one that a crash left without its header, apart.
fn read_files(vfs: &dyn Vfs, directory: &Path) -> Result<(Vec<LogFile>, Option<PathBuf>)> {
    let names = vfs
        .list(directory)
        .map_err(|e| StoreError::io("list", directory, e))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| file_number(name)).collect();
    numbers.sort_unstable();
    let mut files = Vec::new();
    let mut unfinished = None;
    for &number in &numbers {
        let path = file_path(directory, number);
        match read_file(vfs, &path, number)? {
            Ok(file) => files.push(file),
            Err(bytes) if numbers.last() == Some(&number) && holds_no_record(number, &bytes) => {
                unfinished = Some(path);
            }
            Err(_) => {
                return Err(StoreError::corrupt(&path, 0, NO_HEADER));
            }
        }
    }
    Ok((files, unfinished))
}

/// Reads a file; gives its bytes where it has no header of its own.
pub(super) fn read_file(
    vfs: &dyn Vfs,
    path: &Path,
    number: u64,
) -> Result<std::result::Result<LogFile, Vec<u8>>> {
    let mut bytes = Vec::new();
    vfs.read(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|e| StoreError::io("read", path, e))?;
    Ok(match Header::decode(path, number, &bytes)? {
        Some(header) => Ok(LogFile {
            path: path.to_path_buf(),
            header,
            bytes: bytes.into(),
        }),
        None => Err(bytes),
    })
}

/// Whether this is what a crash left of a file that had not begun. A header is durable before the first
/// record is written, so such a file has none.
fn holds_no_record(number: u64, bytes: &[u8]) -> bool {
    let records = bytes.get(HEADER_BYTES..).unwrap_or_default();
    match Header::salt_of_reused(number, bytes) {
        Some(salt) => (0..records.len()).all(|at| Record::decode(salt, &records[at..]).is_none()),
        None => records.iter().all(|&byte| byte == 0),
    }
}

/// Whether behind the records lies a part of one more, which was never acknowledged.
fn has_torn_tail(file: &LogFile, read: &Read) -> bool {
    let tail = &file.bytes[read.end..];
    if !file.header.is_reused {
        return tail.iter().any(|&byte| byte != 0);
    }
    // What the file held before is of records that came before this one.
    tail.get(8..16) == Some(&read.next.to_le_bytes()[..])
}

/// Where the records of a file end.
#[derive(Debug)]
struct Read {
    /// The next LSN expected.
    next: Lsn,
    /// The end of the last record.
    end: usize,
    /// The end of the last record that is known to have been durable when it was written; 0 where
    /// there is none, because then nothing shows that the header was.
    durable_end: usize,
}

/// Reads the records of a file, of which all up to `proven` are known to have been durable.
fn read_records(
    file: &LogFile,
    sealed_lsn: Lsn,
    proven: Lsn,
    examined: &mut Examined,
) -> Result<Read> {
    let mut ends = Vec::new();
    let mut claimed = proven;
    let mut next = file.header.first_lsn;
    let mut at = HEADER_BYTES;
    while let Some(record) = Record::decode(file.header.salt, &file.bytes[at..]) {
        if record.lsn != next {
            break;
        }
        let payload = file.bytes.slice_ref(record.payload);
        let payload = Payload::decode(&payload).ok_or_else(|| {
            StoreError::corrupt(&file.path, at as u64, "the record's content does not parse")
        })?;
        if let Payload::Checkpoint { sequence } = payload {
            examined.checkpoint = examined.checkpoint.max(sequence);
        }
        if record.lsn > sealed_lsn {
            examined.records.push((record.lsn, payload));
        }
        claimed = claimed.max(record.durable_lsn);
        next += 1;
        at += record.framed_len();
        ends.push(at);
    }
    let durable = claimed.max(durable_after(file, at, next));
    if durable >= next {
        let what = format!("record {next} does not parse, but record {durable} was durable");
        return Err(StoreError::corrupt(&file.path, at as u64, what));
    }
    let durable_records = (durable + 1).saturating_sub(file.header.first_lsn) as usize;
    let durable_end = match durable_records.min(ends.len()) {
        0 => 0,
        records => ends[records - 1],
    };
    Ok(Read {
        next,
        end: at,
        durable_end,
    })
}

/// The highest durable LSN that any whole record after `at` carries.
pub(super) fn durable_after(file: &LogFile, at: usize, next: Lsn) -> Lsn {
    let bytes = &file.bytes;
    let mut highest = 0;
    let mut position = at;
    while let Some(offset) = bytes[position..].iter().position(|&byte| byte != 0) {
        // A record's first non-zero byte lies in its length field, so it may start up to three
        // bytes before it.
        let found = position + offset;
        let candidates = found.saturating_sub(3).max(position)..=found;
        let record = candidates
            .rev()
            .find_map(|start| plausible(file, start, next));
        position = match record {
            Some((end, durable_lsn)) => {
                highest = highest.max(durable_lsn);
                end
            }
            None => found + 1,
        };
    }
    highest
}

/// A whole record at `start` that may follow `next`, cheaply rejected where it cannot be one.
fn plausible(file: &LogFile, start: usize, next: Lsn) -> Option<(usize, Lsn)> {
    let frame = file.bytes.get(start..start + FRAME_BYTES)?;
    let lsn = Lsn::from_le_bytes(frame[8..16].try_into().expect("eight bytes"));
    let most = next + file.bytes.len() as u64;
    if !(next..=most).contains(&lsn) {
        return None;
    }
    let record = Record::decode(file.header.salt, &file.bytes[start..])?;
    Some((start + record.framed_len(), record.durable_lsn))
}

/// Makes the accepted part of a file durable.
///
/// Records that nothing proves durable are written again first, and with them a header that no
/// durable record follows. Where their sync failed before the process stopped, the system may hold
/// them in memory as if they were on the medium: a sync alone would not write them.
fn make_durable(vfs: &dyn Vfs, log: &LogFile, read: &Read) -> Result<()> {
    let file = open(vfs, &log.path)?;
    let unproven = &log.bytes[read.durable_end..read.end];
    if !unproven.is_empty() {
        file.write_at(read.durable_end as u64, unproven)
            .map_err(|e| StoreError::io("write", &log.path, e))?;
    }
    file.sync_data()
        .map_err(|e| StoreError::io("sync", &log.path, e))
}

/// Cuts the last file behind its records and makes it ready for more.
fn resume(vfs: &dyn Vfs, log: &LogFile, end: usize, reserve_bytes: u64) -> Result<LogWriter> {
    let file = open(vfs, &log.path)?;
    // Also drops reserved space, which is reserved again as records are appended, and what a file that
    // is used again held before.
    file.truncate(end as u64)
        .map_err(|e| StoreError::io("truncate", &log.path, e))?;
    file.sync_data()
        .map_err(|e| StoreError::io("sync", &log.path, e))?;
    let path = log.path.clone();
    Ok(LogWriter::resume(
        file,
        path,
        log.header,
        end as u64,
        reserve_bytes,
    ))
}

fn open(vfs: &dyn Vfs, path: &Path) -> Result<Box<dyn File>> {
    vfs.open(path).map_err(|e| StoreError::io("open", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::MemoryVfs;

    const NOTHING: Known = Known {
        sealed_lsn: 0,
        durable_lsn: 0,
    };

    const RESERVE: u64 = 4096;

    fn directory() -> PathBuf {
        PathBuf::from("log")
    }

    /// A log of `count` records, each its own commit, where record n's payload names checkpoint n.
    fn log_of(vfs: &MemoryVfs, count: u64) -> Vec<u64> {
        let mut writer = LogWriter::create(vfs, &directory(), 1, 1, RESERVE).unwrap();
        let mut ends = vec![writer.len()];
        for lsn in 1..=count {
            let mut payload = Vec::new();
            Payload::Checkpoint { sequence: lsn }.encode(&mut payload);
            writer.push(&Record {
                lsn,
                durable_lsn: lsn - 1,
                payload: &payload,
            });
            writer.prepare().unwrap();
            writer.flush().unwrap();
            ends.push(writer.len());
        }
        ends
    }

    fn recover_all(vfs: &MemoryVfs, known: Known) -> Result<Recovered> {
        recover(vfs, &directory(), known, RESERVE)
    }

    #[test]
    fn a_log_reads_back() {
        let vfs = MemoryVfs::new();
        log_of(&vfs, 5);
        let recovered = recover_all(
            &vfs,
            Known {
                sealed_lsn: 2,
                durable_lsn: 2,
            },
        )
        .unwrap();
        let lsns: Vec<Lsn> = recovered.records.iter().map(|(lsn, _)| *lsn).collect();
        assert_eq!(lsns, [3, 4, 5]);
        assert_eq!((recovered.last_lsn, recovered.checkpoint), (5, 5));
        assert!(recovered.truncated.is_none());
    }

    #[test]
    fn an_empty_directory_is_an_empty_log() {
        let recovered = recover_all(&MemoryVfs::new(), NOTHING).unwrap();
        assert_eq!(recovered.last_lsn, 0);
        assert!(recovered.writer.is_none());
    }

    #[test]
    fn a_damaged_last_record_is_a_torn_tail() {
        let vfs = MemoryVfs::new();
        let ends = log_of(&vfs, 3);
        vfs.damage(&file_path(&directory(), 1), ends[2] as usize + 20, 1);
        let recovered = recover_all(&vfs, NOTHING).unwrap();
        assert_eq!(recovered.last_lsn, 2);
        assert_eq!(recovered.truncated.map(|(_, offset)| offset), Some(ends[2]));
    }

    #[test]
    fn a_damaged_record_that_was_durable_refuses_to_open() {
        for damaged in 0..2 {
            let vfs = MemoryVfs::new();
            let ends = log_of(&vfs, 3);
            vfs.damage(&file_path(&directory(), 1), ends[damaged] as usize + 9, 4);
            let error = recover_all(&vfs, NOTHING).unwrap_err();
            let expected = ends[damaged];
            assert!(
                matches!(&error, StoreError::Corrupt { offset, .. } if *offset == expected),
                "{error}"
            );
        }
    }

    #[test]
    fn the_catalog_is_evidence_too() {
        let vfs = MemoryVfs::new();
        let ends = log_of(&vfs, 3);
        vfs.damage(&file_path(&directory(), 1), ends[2] as usize + 9, 4);
        let error = recover_all(
            &vfs,
            Known {
                sealed_lsn: 0,
                durable_lsn: 3,
            },
        )
        .unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }));
    }

    #[test]
    fn a_missing_log_is_noticed() {
        let error = recover_all(
            &MemoryVfs::new(),
            Known {
                sealed_lsn: 4,
                durable_lsn: 6,
            },
        );
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("record 6 was durable")
        );
    }

    #[test]
    fn recovery_goes_on_where_the_tail_was_cut() {
        let vfs = MemoryVfs::new();
        let ends = log_of(&vfs, 3);
        vfs.damage(&file_path(&directory(), 1), ends[2] as usize + 20, 1);
        let mut writer = recover_all(&vfs, NOTHING).unwrap().writer.unwrap();
        let mut payload = Vec::new();
        Payload::Checkpoint { sequence: 9 }.encode(&mut payload);
        writer.push(&Record {
            lsn: 3,
            durable_lsn: 2,
            payload: &payload,
        });
        writer.prepare().unwrap();
        writer.flush().unwrap();
        let recovered = recover_all(&vfs, NOTHING).unwrap();
        assert_eq!((recovered.last_lsn, recovered.checkpoint), (3, 9));
    }

    #[test]
    fn a_last_file_that_was_begun_in_vain_is_left_out() {
        for first_lsn in 1..=9 {
            let vfs = MemoryVfs::new();
            log_of(&vfs, 6);
            LogWriter::create(&vfs, &directory(), 2, first_lsn, RESERVE).unwrap();
            let sealed = Known {
                sealed_lsn: first_lsn.min(6) - 1,
                durable_lsn: 6,
            };
            for known in [NOTHING, sealed] {
                let recovered = recover_all(&vfs.after_crash(1), known);
                if first_lsn > 7 {
                    assert!(recovered.is_err(), "records before {first_lsn} are missing");
                    continue;
                }
                let recovered = recovered.unwrap();
                let numbers = if first_lsn < 7 { vec![1] } else { vec![1, 2] };
                assert_eq!((recovered.last_lsn, recovered.numbers), (6, numbers));
                let records = 6 - known.sealed_lsn;
                assert_eq!(recovered.records.len() as u64, records);
            }
        }
    }

    #[test]
    fn a_last_file_with_a_record_of_the_one_before_refuses_to_open() {
        let vfs = MemoryVfs::new();
        log_of(&vfs, 6);
        let mut writer = LogWriter::create(&vfs, &directory(), 2, 4, RESERVE).unwrap();
        let mut payload = Vec::new();
        Payload::Checkpoint { sequence: 9 }.encode(&mut payload);
        writer.push(&Record {
            lsn: 4,
            durable_lsn: 3,
            payload: &payload,
        });
        writer.prepare().unwrap();
        writer.flush().unwrap();
        assert!(recover_all(&vfs, NOTHING).is_err());
    }

    #[test]
    fn sealed_files_may_lack_their_neighbours() {
        let vfs = MemoryVfs::new();
        for (number, first_lsn) in [(1, 1), (3, 7), (4, 9)] {
            LogWriter::create(&vfs, &directory(), number, first_lsn, RESERVE).unwrap();
        }
        let check = |sealed_lsn, expected| {
            let known = Known {
                sealed_lsn,
                durable_lsn: sealed_lsn,
            };
            let found = recover_all(&vfs, known).ok();
            assert_eq!(found.map(|r| (r.last_lsn, r.numbers)), expected);
        };
        check(8, Some((8, vec![1, 3, 4])));
        check(7, None);
        check(5, None);
    }
}
