//! Reading what there is: catalog, log and segments, each perhaps damaged.

use super::report::RepairReport;
use crate::catalog::snapshot_file::{self, Snapshots};
use crate::catalog::{Contents, Published};
use crate::error::{Result, StoreError};
use crate::log::recovery::Known;
use crate::log::salvage::{SalvagedLog, salvage};
use crate::segment::{Segment, file_id};
use crate::store::open::catalog_error;
use crate::store::{Paths, durable};
use crate::vfs::Vfs;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// A segment file.
#[derive(Debug)]
pub(super) struct Found {
    /// `None` where trailer or checksums are damaged, so that nothing of it can be trusted.
    pub(super) segment: Option<Arc<Segment>>,
    /// Whether every chunk of it, and every part's frame, is good.
    pub(super) is_whole: bool,
}

/// What there is.
#[derive(Debug)]
pub(super) struct Evidence {
    /// The catalog or what was published of it, where it is whole and the newest the log knows of.
    pub(super) catalog: Option<Contents>,
    /// One that is whole and older: its shadows and settings still hold.
    pub(super) stale_catalog: Option<Contents>,
    /// The named snapshots that any file tells of.
    pub(super) snapshots: Snapshots,
    /// No file tells whether there are named snapshots.
    pub(super) are_snapshots_lost: bool,
    pub(super) log: SalvagedLog,
    /// The segments on the medium, by id.
    pub(super) segments: BTreeMap<u64, Found>,
    is_log_damaged: bool,
    is_catalog_damaged: bool,
}

impl Evidence {
    /// Reads everything. Adds what is damaged to the report.
    pub(super) fn gather(
        vfs: &dyn Vfs,
        paths: &Paths,
        report: &mut RepairReport,
    ) -> Result<Evidence> {
        let segments = segments(vfs, paths)?;
        let read = catalog(vfs, paths);
        let found = match read {
            Ok(contents) => contents,
            Err(error) => {
                report.damages.push(error.to_string());
                None
            }
        };
        let known = |contents: &Contents| Known {
            sealed_lsn: contents.header.sealed_lsn,
            durable_lsn: contents.header.durable_lsn,
        };
        let published = Published::read(vfs, &paths.root);
        let published = published.ok().map(|published| published.contents);
        let sequence = |contents: &Option<Contents>| {
            let contents = contents.as_ref();
            contents.map_or(0, |contents| contents.header.sequence)
        };
        let is_published_newer = sequence(&published) > sequence(&found);
        let (mut newest, mut stale) = match is_published_newer {
            true => (published, found),
            false => (found, None),
        };
        let mark = durable::read(vfs, &paths.root)?;
        let mut log = salvage(vfs, &paths.log, newest.as_ref().map(known), mark)?;
        let is_stale = sequence(&newest) < log.checkpoint;
        if stale.is_some() || newest.is_some() && is_stale && !is_published_newer {
            report.damages.push(format!(
                "{} has lost its newest state",
                paths.catalog.display()
            ));
        }
        if is_stale {
            stale = newest.take().or(stale);
        }
        let holds_something = !segments.is_empty() || !log.records.is_empty() || mark > 0;
        let is_lost = newest.is_none() && holds_something || is_published_newer;
        if is_lost && stale.is_none() && report.damages.is_empty() {
            report
                .damages
                .push(format!("{} is lost", paths.catalog.display()));
        }
        if newest.is_none() {
            log = salvage(vfs, &paths.log, None, mark)?;
        }
        let was_used = newest
            .as_ref()
            .is_some_and(|newest| newest.header.sequence > 0);
        let is_log_lost = !log.has_files && (was_used || newest.is_none() && holds_something);
        if is_log_lost {
            report
                .damages
                .push(format!("there is no log in {}", paths.log.display()));
        }
        if newest.is_some() || log.lost.is_some() {
            let damages = log.damages.iter().map(StoreError::to_string);
            report.damages.extend(damages);
        }
        let is_log_damaged = is_log_lost || !log.damages.is_empty() && newest.is_some();
        let snapshots = snapshots(vfs, paths, newest.as_ref(), stale.as_ref(), report);
        let mut evidence = Evidence {
            catalog: newest,
            stale_catalog: stale,
            are_snapshots_lost: snapshots.is_none() && holds_something,
            snapshots: snapshots.unwrap_or_default(),
            log,
            segments,
            is_log_damaged,
            is_catalog_damaged: is_published_newer || is_stale,
        };
        evidence.report_segments(vfs, paths, report);
        Ok(evidence)
    }

    /// Whether there is anything to repair.
    pub(super) fn is_damaged(&self) -> bool {
        let is_new = self.segments.is_empty() && self.log.numbers.is_empty();
        let used = self.used();
        let is_bad = |id: &u64| self.segments.get(id).is_none_or(|found| !found.is_whole);
        self.is_log_damaged
            || self.is_catalog_damaged
            || used.iter().any(is_bad)
            || self.catalog.is_none() && !is_new
    }

    /// The ids of the segments in use: those that the catalog names, for phexts or for named snapshots,
    /// or all where it is lost.
    pub(super) fn used(&self) -> BTreeSet<u64> {
        match &self.catalog {
            Some(contents) => contents.segments(),
            None => self.segments.keys().copied().collect(),
        }
    }

    fn report_segments(&mut self, vfs: &dyn Vfs, paths: &Paths, report: &mut RepairReport) {
        for id in self.used() {
            let path = paths.segments.join(crate::segment::file_name(id));
            let Some(found) = self.segments.get_mut(&id) else {
                report
                    .damages
                    .push(format!("{} is missing", path.display()));
                continue;
            };
            let damages = found.segment.as_ref().map(|segment| damages(vfs, segment));
            let damages = damages.unwrap_or_default();
            if !found.is_whole && damages.is_empty() {
                report
                    .damages
                    .push(format!("{} has no whole frame", path.display()));
            }
            found.is_whole &= damages.is_empty();
            report.damages.extend(damages);
        }
    }
}

/// The catalog; `None` where there is none or it holds nothing.
fn catalog(vfs: &dyn Vfs, paths: &Paths) -> Result<Option<Contents>> {
    let entries = match vfs.scan_catalog(&paths.catalog) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(|e| catalog_error("read", &paths.catalog, e))?,
    };
    if entries.is_empty() {
        return Ok(None);
    }
    Contents::read(&paths.catalog, entries).map(Some)
}

/// The named snapshots: as the newest catalog says, or the file of them, which is not behind an older
/// catalog. `None` where nothing is known of any.
fn snapshots(
    vfs: &dyn Vfs,
    paths: &Paths,
    newest: Option<&Contents>,
    stale: Option<&Contents>,
    report: &mut RepairReport,
) -> Option<Snapshots> {
    if let Some(newest) = newest {
        return Some(newest.snapshots.clone());
    }
    let read = snapshot_file::read(vfs, &paths.root).unwrap_or_else(|error| {
        report.damages.push(error.to_string());
        None
    });
    read.or_else(|| stale.map(|stale| stale.snapshots.clone()))
}

fn segments(vfs: &dyn Vfs, paths: &Paths) -> Result<BTreeMap<u64, Found>> {
    let names = match vfs.list(&paths.segments) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names.map_err(|e| StoreError::io("list", &paths.segments, e))?,
    };
    let ids = names.iter().filter_map(|name| file_id(name));
    let open = |id| {
        let whole = Segment::open(vfs, &paths.segments, id);
        let is_whole = whole.is_ok();
        let segment = match whole {
            // What another version means by its bytes is not known.
            Err(StoreError::Version { .. }) => None,
            whole => whole
                .or_else(|_| Segment::open_damaged(vfs, &paths.segments, id))
                .ok(),
        };
        (id, Found { segment, is_whole })
    };
    Ok(ids.map(open).collect())
}

/// Every damaged place of a segment. Chunks that are damaged on the medium are barred.
fn damages(vfs: &dyn Vfs, segment: &Arc<Segment>) -> Vec<String> {
    let mut damages = Vec::new();
    let damaged = |chunk, error: StoreError| {
        segment.mark_bad(chunk);
        damages.push(error.to_string());
    };
    let read = segment.check_on_medium(vfs, 0..segment.chunks(), |_| {}, damaged);
    damages.extend(read.err().map(|error| error.to_string()));
    let frames = (0..segment.parts()).filter_map(|index| segment.part(index).err());
    damages.extend(frames.map(|error| error.to_string()));
    damages
}
