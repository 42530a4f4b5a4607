//! Reading what there is: catalog, log and segments, each perhaps damaged.

use super::report::RepairReport;
use crate::catalog::snapshot_file::{self, Snapshots};
use crate::catalog::{Contents, Published, published_path};
use crate::error::{Result, StoreError};
use crate::log::Lsn;
use crate::log::recovery::Known;
use crate::log::salvage::{SalvagedLog, salvage};
use crate::segment::{Segment, file_id, is_absent};
use crate::store::check::{Damage, Findings};
use crate::store::open::catalog_error;
use crate::store::{Paths, durable};
use crate::vfs::Vfs;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
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
    /// Files that are damaged and only repeat what others say: the next opening writes them anew.
    pub(super) damaged_copies: Vec<PathBuf>,
    is_log_damaged: bool,
    is_catalog_damaged: bool,
}

impl Evidence {
    /// Reads everything. Adds what is damaged to the report.
    ///
    /// # Errors
    /// What says nothing of what is stored: failures to read it, and versions that this program does
    /// not know.
    pub(super) fn gather(
        vfs: &dyn Vfs,
        paths: &Paths,
        report: &mut RepairReport,
    ) -> Result<Evidence> {
        let segments = segments(vfs, paths)?;
        let found = report.unless_damaged(catalog(vfs, paths))?.flatten();
        let copies = Copies::read(vfs, paths, report)?;
        let sequence = |contents: &Option<Contents>| {
            let contents = contents.as_ref();
            contents.map_or(0, |contents| contents.header.sequence)
        };
        let is_published_newer = sequence(&copies.published) > sequence(&found);
        let (mut newest, mut stale) = match is_published_newer {
            true => (copies.published, found),
            false => (found, None),
        };
        let known = newest.as_ref().map(|contents| Known {
            sealed_lsn: contents.header.sealed_lsn,
            durable_lsn: contents.header.durable_lsn,
        });
        let mut log = salvage(vfs, &paths.log, known, copies.mark)?;
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
        let holds_something = !segments.is_empty() || !log.records.is_empty() || copies.mark > 0;
        let is_lost = newest.is_none() && holds_something || is_published_newer;
        if is_lost && stale.is_none() && report.damages.is_empty() {
            report
                .damages
                .push(format!("{} is lost", paths.catalog.display()));
        }
        if newest.is_none() {
            log = salvage(vfs, &paths.log, None, copies.mark)?;
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
        let snapshots = match &newest {
            Some(newest) => Some(newest.snapshots.clone()),
            // Not behind an older catalog.
            None => copies
                .snapshots
                .or_else(|| stale.as_ref().map(|stale| stale.snapshots.clone())),
        };
        let mut evidence = Evidence {
            catalog: newest,
            stale_catalog: stale,
            are_snapshots_lost: snapshots.is_none() && holds_something,
            snapshots: snapshots.unwrap_or_default(),
            log,
            segments,
            damaged_copies: copies.damaged,
            is_log_damaged,
            is_catalog_damaged: is_published_newer || is_stale,
        };
        evidence.report_segments(vfs, paths, report)?;
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

    fn report_segments(
        &mut self,
        vfs: &dyn Vfs,
        paths: &Paths,
        report: &mut RepairReport,
    ) -> Result<()> {
        for id in self.used() {
            let path = paths.segments.join(crate::segment::file_name(id));
            let Some(found) = self.segments.get_mut(&id) else {
                report
                    .damages
                    .push(format!("{} is missing", path.display()));
                continue;
            };
            let damages = found.segment.as_ref().map(|segment| damages(vfs, segment));
            let damages = damages.transpose()?.unwrap_or_default();
            if !found.is_whole && damages.is_empty() {
                report
                    .damages
                    .push(format!("{} has no whole frame", path.display()));
            }
            found.is_whole &= damages.is_empty();
            report.damages.extend(damages.iter().map(Damage::to_string));
        }
        Ok(())
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

/// The files that repeat what catalog and log say.
#[derive(Debug, Default)]
struct Copies {
    published: Option<Contents>,
    snapshots: Option<Snapshots>,
    mark: Lsn,
    damaged: Vec<PathBuf>,
}

impl Copies {
    fn read(vfs: &dyn Vfs, paths: &Paths, report: &mut RepairReport) -> Result<Copies> {
        let mut damaged = Vec::new();
        let published = match Published::read(vfs, &paths.root) {
            Err(error) if is_absent(&error) => Ok(None),
            published => published.map(|published| Some(published.contents)),
        };
        let published = report.unless_damaged(published)?;
        if published.is_none() {
            damaged.push(published_path(&paths.root));
        }
        let snapshots = report.unless_damaged(snapshot_file::read(vfs, &paths.root))?;
        if snapshots.is_none() {
            damaged.push(snapshot_file::path_in(&paths.root));
        }
        let mark = report.unless_damaged(durable::examine(vfs, &paths.root))?;
        if mark.is_none() {
            damaged.push(durable::path_in(&paths.root));
        }
        Ok(Copies {
            published: published.flatten(),
            snapshots: snapshots.flatten(),
            mark: mark.unwrap_or(0),
            damaged,
        })
    }
}

fn segments(vfs: &dyn Vfs, paths: &Paths) -> Result<BTreeMap<u64, Found>> {
    let names = match vfs.list(&paths.segments) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names.map_err(|e| StoreError::io("list", &paths.segments, e))?,
    };
    let ids = names.iter().filter_map(|name| file_id(name));
    ids.map(|id| Ok((id, find(vfs, paths, id)?))).collect()
}

fn find(vfs: &dyn Vfs, paths: &Paths, id: u64) -> Result<Found> {
    let open_damaged = || Segment::open_damaged(vfs, &paths.segments, id);
    let (segment, is_whole) = match Segment::open(vfs, &paths.segments, id) {
        Ok(segment) => (Ok(segment), true),
        Err(error) if error.is_damage() => (open_damaged(), false),
        Err(error) => return Err(error),
    };
    let segment = match segment {
        Err(error) if !error.is_damage() => return Err(error),
        segment => segment.ok(),
    };
    Ok(Found { segment, is_whole })
}

/// Every damaged place of a segment, and where its bytes are those that were written, what contradicts
/// itself in them. Chunks that are damaged on the medium are barred.
fn damages(vfs: &dyn Vfs, segment: &Arc<Segment>) -> Result<Vec<Damage>> {
    let mut findings = Findings::default();
    let mut is_whole = true;
    let mut damaged = |chunk: Option<usize>, error: StoreError| {
        is_whole = false;
        if let Some(chunk) = chunk.filter(|_| error.is_damage()) {
            segment.mark_bad(chunk);
        }
        findings.add(error, None, None);
    };
    let chunks = 0..segment.chunks();
    segment.check_on_medium(vfs, chunks, |_| {}, |chunk, e| damaged(Some(chunk), e))?;
    let tail = segment.check_tail_on_medium(vfs).err();
    let frames = (0..segment.parts()).filter_map(|index| segment.part(index).err());
    tail.into_iter()
        .chain(frames)
        .for_each(|e| damaged(None, e));
    findings.fail()?;
    if is_whole {
        for index in 0..segment.parts() {
            let part = segment.part(index)?;
            let name = Some(part.name());
            part.check(
                &mut |key, error| findings.add(error, name, key),
                &mut |_| {},
            );
        }
        findings.fail()?;
    }
    Ok(findings.into_damages())
}
