//! Opening a store: the catalog's parts, then the log's tail.
//!
//! Costs the size of the manifests and of the log, not of the data, apart from the verification that
//! [`Options::verify_at_open_bytes`] bounds.

use super::checkpoint::refuse_incomplete;
use super::durable::{self, DurableMark};
use super::manifest::Manifests;
use super::options::Options;
use super::shadow::Shadow;
use super::state::{PartView, Phext, State};
use super::writer::{Writer, apply, apply_over};
use super::{Paths, Recovery, Shared};
use crate::catalog::{Contents, Manifest, Publisher, StandIn};
use crate::error::{Result, StoreError};
use crate::log::recovery::{Known, Recovered, recover};
use crate::log::{LogWriter, Lsn, OldLog, Payload};
use crate::segment::{Segment, file_id, file_name};
use crate::sync::{ArcSwap, Mutex};
use crate::vfs::{Catalog, Vfs};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

/// Opens the store in `directory`, creating it where absent.
pub(super) fn open(vfs: Arc<dyn Vfs>, directory: &Path, options: Options) -> Result<Shared> {
    let paths = Paths::new(directory);
    refuse_incomplete(&*vfs, directory)?;
    for path in [&paths.root, &paths.log, &paths.segments] {
        vfs.create_dir_all(path)
            .map_err(|e| StoreError::io("create", path, e))?;
    }
    let lock = take_lock(&*vfs, &paths)?;
    if super::repair::is_begun(&*vfs, &paths)? {
        let what = "a repair was begun and not ended: run `sqd repair --apply` again";
        return Err(StoreError::corrupt(&paths.root, 0, what));
    }
    let (mut manifests, is_full) = match open_catalog(&vfs, &paths) {
        Err(full @ StoreError::DiskFull { .. }) => (stand_in(&vfs, &paths).ok_or(full)?, true),
        opened => (opened?, false),
    };
    let entries = manifests.catalog.scan();
    let entries = entries.map_err(|e| catalog_error("read", &paths.catalog, e))?;
    let is_new = entries.is_empty();
    let contents = Contents::read(&paths.catalog, entries)?;
    let on_disk = vfs.list(&paths.segments);
    let on_disk = on_disk.map_err(|e| StoreError::io("list", &paths.segments, e))?;
    if is_new && on_disk.iter().any(|name| file_id(name).is_some()) {
        let what = "it is empty, but there are segments; it was lost or replaced";
        return Err(StoreError::corrupt(&paths.catalog, 0, what));
    }

    let mut segments = Segments::new(&*vfs, &paths, options.verify_at_open_bytes);
    let mut state = load_phexts(&contents, &mut segments, &paths)?;
    let header = contents.header;
    let known = Known {
        sealed_lsn: header.sealed_lsn,
        durable_lsn: header.durable_lsn.max(durable::read(&*vfs, &paths.root)?),
    };
    let recovered = recover(&*vfs, &paths.log, known, options.log_reserve_bytes)?;
    if recovered.checkpoint > header.sequence {
        let what = format!(
            "it is at change {}, but the log knows of change {}; it has lost its newest state",
            header.sequence, recovered.checkpoint
        );
        return Err(StoreError::corrupt(&paths.catalog, 0, what));
    }
    if is_new && recovered.last_lsn > 0 {
        let what = "it is empty, but the log holds records; it was lost or replaced";
        return Err(StoreError::corrupt(&paths.catalog, 0, what));
    }
    if !is_new && recovered.writer.is_none() {
        let what = "there is no log file; the log was lost";
        return Err(StoreError::corrupt(&paths.log, 0, what));
    }
    // Only now is the catalog known to be the newest one, so that what it does not name is unused;
    // and only what is durable may take its place.
    let synced = manifests.catalog.sync();
    synced.map_err(|e| catalog_error("sync", &paths.catalog, e))?;
    manifests.publisher.republish(&contents.entries, &header)?;
    // The catalog that `MANIFEST` stands in for may be one change ahead of it.
    if !is_full {
        manifests.publisher.republish_snapshots(&contents)?;
        segments.remove_unused(&on_disk, &contents.segments())?;
    }
    let replayed = replay(&mut state, &recovered.records, recovered.last_lsn, &options);
    let known = on_disk.iter().filter_map(|name| file_id(name)).max();
    let next_segment = segments.next_id(header.next_segment.max(known.map_or(0, |id| id + 1)));
    let recovery = Recovery {
        replayed_records: recovered.records.len() as u64,
        torn_tail: recovered.truncated.clone(),
    };
    // The first log comes before the first entry of the catalog: a catalog with entries and no log
    // is evidence of a loss.
    let writer = start_writer(&*vfs, &paths, &options, recovered, replayed.dirty)?;
    manifests.header = header;
    manifests.settings = contents.settings;
    manifests.snapshots = contents.snapshots;
    manifests.entries = Some(contents.entries);
    if is_new {
        vfs.sync_dir(&paths.root)
            .map_err(|e| StoreError::io("sync", &paths.root, e))?;
        manifests.commit(header, Vec::new())?;
    }
    Ok(Shared {
        state: ArcSwap::from_pointee(state),
        queue: super::commit::Queue::default(),
        writer: Mutex::new(writer),
        manifests: Mutex::new(manifests),
        frost: Mutex::new(None),
        log_spare: Mutex::new(None),
        merging: Mutex::new(()),
        maintenance: super::maintenance::Maintenance::default(),
        idleness: super::idle::Idleness::default(),
        retained: Mutex::default(),
        loaded: Mutex::default(),
        scrub: Mutex::default(),
        enlarging: Mutex::default(),
        pace: super::merge::Pace::new(options.merge_bytes_per_second),
        counters: super::statistics::Counters::default(),
        poison: replayed
            .obstacle
            .as_ref()
            .map_or_else(OnceLock::new, refuse_writes),
        next_segment: AtomicU64::new(next_segment),
        recovery,
        _lock: lock,
        vfs,
        paths,
        options,
        me: std::sync::Weak::new(),
    })
}

pub(super) fn take_lock(
    vfs: &dyn Vfs,
    paths: &Paths,
) -> Result<Box<dyn std::fmt::Debug + Send + Sync>> {
    vfs.lock(&paths.lock).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StoreError::Locked {
            path: paths.lock.clone(),
        },
        _ => StoreError::io("lock", &paths.lock, error),
    })
}

pub(super) fn open_catalog(vfs: &Arc<dyn Vfs>, paths: &Paths) -> Result<Manifests> {
    let catalog = vfs.open_catalog(&paths.catalog);
    let catalog = catalog.map_err(|e| catalog_error("open", &paths.catalog, e))?;
    Ok(manifests_over(catalog, vfs, paths))
}

/// What is read in the place of a catalog that finds no space to be opened; `None` where it is not whole.
fn stand_in(vfs: &Arc<dyn Vfs>, paths: &Paths) -> Option<Manifests> {
    match StandIn::read(vfs, &paths.root, &paths.catalog) {
        Ok(catalog) => {
            let path = paths.catalog.display();
            tracing::warn!(%path, "no space to open the catalog: MANIFEST stands in for it");
            Some(manifests_over(Box::new(catalog), vfs, paths))
        }
        Err(error) => {
            tracing::warn!(%error, "MANIFEST cannot stand in for the catalog");
            None
        }
    }
}

fn manifests_over(catalog: Box<dyn Catalog>, vfs: &Arc<dyn Vfs>, paths: &Paths) -> Manifests {
    Manifests {
        catalog,
        path: paths.catalog.clone(),
        header: Default::default(),
        settings: BTreeMap::new(),
        snapshots: BTreeMap::new(),
        entries: None,
        publisher: Publisher::new(Arc::clone(vfs), &paths.root),
    }
}

pub(super) fn catalog_error(operation: &'static str, path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::InvalidData => StoreError::corrupt(path, 0, error.to_string()),
        _ => StoreError::io(operation, path, error),
    }
}

/// The segments that manifests name, each mapped once.
pub(super) struct Segments<'a> {
    vfs: &'a dyn Vfs,
    paths: &'a Paths,
    pub(super) open: BTreeMap<u64, Arc<Segment>>,
    verify_bytes: u64,
}

impl<'a> Segments<'a> {
    pub(super) fn new(vfs: &'a dyn Vfs, paths: &'a Paths, verify_bytes: u64) -> Self {
        Segments {
            vfs,
            paths,
            open: BTreeMap::new(),
            verify_bytes,
        }
    }

    fn get(&mut self, id: u64) -> Result<Arc<Segment>> {
        if let Some(segment) = self.open.get(&id) {
            return Ok(Arc::clone(segment));
        }
        let segment = Segment::open(self.vfs, &self.paths.segments, id)?;
        if segment.byte_len() <= self.verify_bytes {
            self.verify_bytes -= segment.byte_len();
            if let Err(damage) = segment.verify_each() {
                let chunks = segment.bad_chunks();
                tracing::error!(%damage, chunks, "a segment is damaged: run `sqd check`");
            }
        }
        self.open.insert(id, Arc::clone(&segment));
        Ok(segment)
    }

    fn next_id(&self, known: u64) -> u64 {
        self.open
            .keys()
            .next_back()
            .map_or(1, |last| last + 1)
            .max(known)
            .max(1)
    }

    /// Removes files that a crash left behind: unfinished ones, and segments that no manifest names.
    fn remove_unused(&self, names: &[String], used: &BTreeSet<u64>) -> Result<()> {
        let unused = names.iter().filter(|name| match file_id(name) {
            Some(id) => !used.contains(&id),
            None => name.ends_with(".tmp"),
        });
        let mut removed = false;
        for name in unused {
            let path = self.paths.segments.join(name);
            tracing::info!(path = %path.display(), "removing a segment that no manifest names");
            self.vfs
                .remove(&path)
                .map_err(|e| StoreError::io("remove", &path, e))?;
            removed = true;
        }
        let directory = &self.paths.segments;
        if removed {
            self.vfs
                .sync_dir(directory)
                .map_err(|e| StoreError::io("sync", directory, e))?;
        }
        Ok(())
    }
}

pub(super) fn load_phexts(
    contents: &Contents,
    segments: &mut Segments<'_>,
    paths: &Paths,
) -> Result<State> {
    let mut state = State {
        lsn: contents.header.sealed_lsn,
        next_phext: contents.header.next_phext.max(1),
        ..State::default()
    };
    for (&id, record) in &contents.phexts {
        let name: Arc<str> = Arc::from(record.name.as_str());
        let mut phext = Phext::new(id, Arc::clone(&name), record.order, record.created_ms);
        if let Some(manifest) = contents.manifests.get(&id) {
            phext.sealed_lsn = manifest.sealed_lsn;
            load_parts(&mut phext, manifest, segments, paths)?;
        }
        state.next_phext = state.next_phext.max(id + 1);
        state.phexts.insert(name, Arc::new(phext));
    }
    Ok(state)
}

fn load_parts(
    phext: &mut Phext,
    manifest: &Manifest,
    segments: &mut Segments<'_>,
    paths: &Paths,
) -> Result<()> {
    for entry in &manifest.parts {
        let part = segments.get(entry.segment)?.part(entry.index)?;
        if part.phext() != phext.id {
            let path = paths.segments.join(file_name(entry.segment));
            let what = format!("part {} is not of phext {:?}", entry.index, phext.name);
            return Err(StoreError::corrupt(&path, 0, what));
        }
        let shadow = Shadow::decode(&paths.catalog, &entry.shadow, part.slots())?;
        let shadowed_bytes = part
            .text_bytes()
            .checked_sub(entry.live_text_bytes)
            .ok_or_else(|| {
                let what = format!("phext {:?} has more live text than text", phext.name);
                StoreError::corrupt(&paths.catalog, 0, what)
            })?;
        let view = PartView {
            part,
            shadow,
            shadowed_bytes,
        };
        phext.scrolls += u64::from(view.live());
        phext.text_bytes += view.live_text_bytes();
        phext.parts.push(view);
    }
    Ok(())
}

/// What replaying the log did, apart from the state.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// The phexts that it changed.
    dirty: BTreeSet<Arc<str>>,
    /// The first damage that kept a scroll from being hidden which a record replaces.
    obstacle: Option<StoreError>,
}

/// Why a store is opened for reading only: sealing would keep what the log says without what it hides.
fn refuse_writes(obstacle: &StoreError) -> OnceLock<String> {
    let cause = format!("{obstacle}; the log replaces a scroll there: run `sqd repair`");
    tracing::error!(cause, "writes are refused");
    OnceLock::from(cause)
}

/// Applies the log's records. Where damage hides what a record replaces, its text is served all the
/// same, and of a scroll that it deletes reads give the damage: no whole byte leads to that scroll.
pub(super) fn replay(
    state: &mut State,
    records: &[(Lsn, Payload)],
    last_lsn: Lsn,
    options: &Options,
) -> Replayed {
    let mut replayed = Replayed::default();
    for (lsn, payload) in records {
        let groups = match payload {
            Payload::Batch(groups) => groups.as_slice(),
            Payload::Checkpoint { .. } => &[],
        };
        for group in groups {
            let new = || (group.phext, options.order, 0);
            let (active_bytes, phext) = state.phext_mut(&group.name, new);
            if *lsn <= phext.sealed_lsn {
                continue;
            }
            for operation in &group.operations {
                if let Err(damage) = apply(phext, operation, active_bytes) {
                    apply_over(phext, operation, active_bytes);
                    replayed.obstacle.get_or_insert(damage);
                }
            }
            replayed.dirty.insert(Arc::clone(&phext.name));
        }
        state.lsn = *lsn;
    }
    state.lsn = last_lsn;
    replayed
}

fn start_writer(
    vfs: &dyn Vfs,
    paths: &Paths,
    options: &Options,
    recovered: Recovered,
    dirty: BTreeSet<Arc<str>>,
) -> Result<Writer> {
    let next_lsn = recovered.last_lsn + 1;
    let log = match recovered.writer {
        Some(log) => log,
        None => LogWriter::create(vfs, &paths.log, 1, next_lsn, options.log_reserve_bytes)?,
    };
    let numbers = recovered.numbers.into_iter();
    let old_logs = numbers
        .filter(|&number| number != log.number())
        .map(|number| OldLog {
            number,
            end: 0,
            written: 0,
        })
        .collect();
    let mark = DurableMark::open(vfs, &paths.root, recovered.last_lsn)?;
    Ok(Writer {
        log,
        mark,
        next_lsn,
        old_logs,
        dirty,
        payload: Vec::new(),
        recent: Default::default(),
    })
}
