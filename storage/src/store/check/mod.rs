//! Checking a store that no process has open, without changing a byte of it.
//!
//! | pass | finds |
//! |---|---|
//! | catalog | values that are not what was written, a state older than the log knows |
//! | `MANIFEST`, `SNAPSHOTS`, `DURABLE` | bytes that are not what was written, a log that ends too early |
//! | log | records that do not parse at or below what was durable |
//! | segments, from the medium | chunks whose checksum does not match |
//! | parts | sections that contradict each other, texts that contradict their records |
//! | phexts | shadows out of range, wrong counts, coordinates that are current twice |
//!
//! Damage does not end the check: it goes on and lists every place. What is cached of a segment is
//! released behind the check, so that checking much does not evict what others read.

mod findings;
mod phexts;

pub use findings::Damage;
pub(super) use findings::Findings;

use super::open::{catalog_error, take_lock};
use super::{Paths, durable};
use crate::catalog::{Contents, Header, Published, snapshot_file};
use crate::error::{Result, StoreError};
use crate::log::recovery::{Known, examine};
use crate::segment::{Part, Segment, file_id, file_name, is_absent};
use crate::vfs::{RealVfs, Vfs};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How far a check is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// Bytes checked. Those of segments count twice: against their checksums, then for what they say.
    pub done: u64,
    /// Bytes to check in all.
    pub total: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Bytes of the segments that were checked.
    pub segment_bytes: u64,
    /// Number of those segments.
    pub segments: u64,
    /// Bytes of the log, reserved space included.
    pub log_bytes: u64,
    /// Log records that are not in segments yet.
    pub log_records: u64,
    /// Phexts in the catalog.
    pub phexts: u64,
    /// Current scrolls in segments.
    pub scrolls: u64,
    /// A torn tail of the log, which the next opening cuts off: writes that were never acknowledged.
    pub torn_tail: Option<(PathBuf, u64)>,
    /// Segment files that nothing names; the next opening removes them.
    pub unused: Vec<PathBuf>,
    /// Every damaged place, by file and offset. Empty where all is good.
    pub damages: Vec<Damage>,
}

/// Checks the store in a directory of the system's file system. See [`check_with`].
///
/// # Errors
/// As [`check_with`].
pub fn check(directory: &Path, progress: impl FnMut(CheckProgress)) -> Result<CheckReport> {
    check_with(&RealVfs, directory, progress)
}

/// Checks every byte of the store in `directory`, which no process may have open, and what the
/// bytes say. Changes nothing.
///
/// # Errors
/// [`StoreError::Locked`] where a process has the store, failures to read, and [`StoreError::Version`],
/// none of which say anything of what is stored. Damage is no error: the report lists it, and with it
/// what the medium cannot read.
pub fn check_with(
    vfs: &dyn Vfs,
    directory: &Path,
    progress: impl FnMut(CheckProgress),
) -> Result<CheckReport> {
    let paths = Paths::new(directory);
    let _lock = take_lock(vfs, &paths)?;
    let mut check = Check {
        vfs,
        paths: &paths,
        findings: Findings::default(),
        report: CheckReport::default(),
        is_used: false,
        progress: CheckProgress { done: 0, total: 0 },
        tell: progress,
    };
    let contents = check.check_catalog();
    let published = check.check_copies(contents.as_ref());
    check.findings.fail()?;
    let is_used = |contents: &&Contents| contents.header.sequence > 0;
    // Behind a lost catalog, its published copy says which of the log's files are needed.
    let known = contents.as_ref().filter(is_used).or(published.as_ref());
    check.is_used = known.is_some();
    check.check_log(known.map(|contents| contents.header));
    check.findings.fail()?;
    check.check_segments(contents.as_ref())?;
    if let Some(contents) = &contents {
        check.check_phexts(contents);
        check.findings.fail()?;
    }
    check.report.damages = check.findings.into_damages();
    Ok(check.report)
}

/// A check under way.
struct Check<'a, F> {
    vfs: &'a dyn Vfs,
    paths: &'a Paths,
    findings: Findings,
    report: CheckReport,
    /// Whether something other than an empty catalog says that the store was written to.
    is_used: bool,
    progress: CheckProgress,
    tell: F,
}

impl<F: FnMut(CheckProgress)> Check<'_, F> {
    /// Reads the catalog; `None` where it is damaged or lost.
    fn check_catalog(&mut self) -> Option<Contents> {
        let entries = match self.vfs.scan_catalog(&self.paths.catalog) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries.map_err(|e| catalog_error("read", &self.paths.catalog, e)),
        };
        let contents = entries.and_then(|entries| Contents::read(&self.paths.catalog, entries));
        match contents {
            Ok(contents) => Some(contents),
            Err(error) => {
                self.findings.add(error, None, None);
                None
            }
        }
    }

    /// Checks the files that repeat what the catalog says. Gives what was published of it.
    fn check_copies(&mut self, contents: Option<&Contents>) -> Option<Contents> {
        let root = &self.paths.root;
        let sequence = contents.map_or(0, |contents| contents.header.sequence);
        let published = match Published::read(self.vfs, root) {
            Ok(published) => Some(published.contents),
            Err(error) => {
                if !is_absent(&error) {
                    self.findings.add(error, None, None);
                }
                None
            }
        };
        let newer = published.as_ref().map_or(0, |copy| copy.header.sequence);
        // One that is empty is told with the segments.
        if sequence > 0 && sequence < newer {
            self.stale_catalog(sequence, newer, "what was published is of");
        }
        if let Err(error) = snapshot_file::read(self.vfs, root) {
            self.findings.add(error, None, None);
        }
        published
    }

    fn stale_catalog(&mut self, sequence: u64, newer: u64, evidence: &str) {
        let what = format!(
            "it is at change {sequence}, but {evidence} change {newer}; it has lost its newest state"
        );
        let error = StoreError::corrupt(&self.paths.catalog, 0, what);
        self.findings.add(error, None, None);
    }

    /// Checks the log, of which the header of the catalog says what is sealed.
    fn check_log(&mut self, header: Option<Header>) {
        let mark = durable::examine(self.vfs, &self.paths.root).unwrap_or_else(|error| {
            self.findings.add(error, None, None);
            0
        });
        let known = header.unwrap_or_default();
        let sequence = known.sequence;
        let known = Known {
            sealed_lsn: known.sealed_lsn,
            durable_lsn: known.durable_lsn.max(mark),
        };
        let examined = match examine(self.vfs, &self.paths.log, known) {
            Ok(examined) => examined,
            Err(error) if is_absent(&error) => return self.lost_log(sequence),
            // Nothing says which of the log's files are needed.
            Err(error) if header.is_none() && error.is_damage() => return self.is_used = true,
            Err(error) => return self.findings.add(error, None, None),
        };
        self.report.log_bytes = examined.byte_len();
        self.report.log_records = examined.records.len() as u64;
        self.is_used |= self.report.log_records > 0;
        if examined.checkpoint > sequence && header.is_some() {
            self.stale_catalog(sequence, examined.checkpoint, "the log knows of");
        }
        if !examined.has_files() {
            self.lost_log(sequence);
        }
        self.report.torn_tail = examined.torn_tail;
    }

    fn lost_log(&mut self, sequence: u64) {
        if sequence > 0 {
            let what = "there is no log file; the log was lost";
            let error = StoreError::corrupt(&self.paths.log, 0, what);
            self.findings.add(error, None, None);
        }
    }

    /// The ids of the segments on the medium; none where there is no directory.
    fn segments_on_disk(&mut self, named: Option<&BTreeSet<u64>>) -> Result<BTreeSet<u64>> {
        let directory = &self.paths.segments;
        let names = match self.vfs.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if named.is_some_and(|named| !named.is_empty()) {
                    let error = StoreError::corrupt(directory, 0, "the directory is missing");
                    self.findings.add(error, None, None);
                }
                Vec::new()
            }
            names => names.map_err(|e| StoreError::io("list", directory, e))?,
        };
        Ok(names.iter().filter_map(|name| file_id(name)).collect())
    }

    /// Checks the segments that the catalog names, or all there are where it says nothing.
    fn check_segments(&mut self, contents: Option<&Contents>) -> Result<()> {
        let directory = &self.paths.segments;
        let named = contents.map(Contents::segments);
        let on_disk = self.segments_on_disk(named.as_ref())?;
        let is_new = contents.is_some_and(|contents| contents.header.sequence == 0);
        let is_lost = is_new && (!on_disk.is_empty() || self.is_used);
        if is_lost {
            let what =
                "it is empty, but other files say that the store was used; it was lost or replaced";
            let error = StoreError::corrupt(&self.paths.catalog, 0, what);
            self.findings.add(error, None, None);
        }
        let checked = match named {
            Some(named) if !is_lost => {
                let unused = on_disk
                    .difference(&named)
                    .map(|&id| directory.join(file_name(id)));
                self.report.unused = unused.collect();
                named
            }
            _ => on_disk.clone(),
        };
        for &id in &checked {
            let metadata = self.vfs.metadata(&directory.join(file_name(id)));
            self.report.segment_bytes += metadata.map_or(0, |metadata| metadata.length);
        }
        self.report.segments = checked.intersection(&on_disk).count() as u64;
        self.progress.total = self.report.segment_bytes * 2;
        for id in checked {
            self.check_segment(id);
            self.findings.fail()?;
        }
        Ok(())
    }

    fn check_segment(&mut self, id: u64) {
        let segment = match Segment::open(self.vfs, &self.paths.segments, id) {
            Ok(segment) => segment,
            Err(error) => return self.findings.add(error, None, None),
        };
        let before = self.progress.done;
        self.check_chunks(&segment);
        for index in 0..segment.parts() {
            match segment.part(index) {
                Ok(part) => self.check_part(&part),
                Err(error) => self.findings.add(error, None, None),
            }
        }
        self.advance(before + segment.byte_len() * 2 - self.progress.done);
        let path = segment.path().to_path_buf();
        drop(segment);
        // Pages stay in the cache where this fails, and nothing else is wrong.
        let _ = self.vfs.release(&path);
    }

    fn check_chunks(&mut self, segment: &Segment) {
        let Check {
            vfs,
            findings,
            progress,
            tell,
            ..
        } = self;
        let read = |bytes| {
            progress.done += bytes;
            tell(*progress);
        };
        let damaged = |_, error| findings.add(error, None, None);
        let read = segment.check_on_medium(*vfs, 0..segment.chunks(), read, damaged);
        for outcome in [read, segment.check_tail_on_medium(*vfs)] {
            if let Err(error) = outcome {
                findings.add(error, None, None);
            }
        }
    }

    fn check_part(&mut self, part: &Arc<Part>) {
        let Check {
            findings,
            progress,
            tell,
            ..
        } = self;
        let before = progress.done;
        let share = |slots: u32| part.byte_len() * u64::from(slots) / u64::from(part.slots());
        part.check(
            &mut |coordinate, error| findings.add(error, Some(part.name()), coordinate),
            &mut |slots| {
                progress.done = before + share(slots);
                tell(*progress);
            },
        );
    }

    fn advance(&mut self, bytes: u64) {
        self.progress.done += bytes;
        (self.tell)(self.progress);
    }
}
