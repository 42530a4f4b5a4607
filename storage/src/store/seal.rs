//! Sealing: the memtables of all phexts become one segment.
//!
//! ```text
//! freeze    memtables step aside, the log starts a new file
//! build     segments/<id>.tmp written, synced, renamed, directory synced
//! commit    manifests, shadows and the sealed LSN in one catalog transaction
//! publish   the new parts replace the frozen memtables in the next state
//! trim      a checkpoint record is logged, then the old log files are removed, or one kept as spare
//! free      the memtables, by this thread, once others have let go of them
//! ```
//!
//! A crash between any two steps loses nothing: until the catalog says otherwise the log is replayed,
//! and a segment that no manifest names is removed at opening.

use super::Shared;
use super::idle::LEAST_SEALED_BYTES;
use super::manifest::manifest_of;
use super::memtable::Memtable;
use super::state::{PartView, Phext, State};
use super::statistics::add;
use crate::canary;
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use crate::log::{Lsn, NewLog, OldLog, Spare, Unbegun, file_path, remove_spare};
use crate::segment::{Part, PartSource, Segment, write_metered};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Memtables that were frozen and are not sealed yet.
#[derive(Debug)]
pub(super) struct Frost {
    /// The LSNs of the oldest and newest change in them.
    first_lsn: Lsn,
    last_lsn: Lsn,
    /// The phexts changed.
    dirty: BTreeSet<Arc<str>>,
    /// The log files they came from.
    logs: Vec<OldLog>,
}

/// Why memtables are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// They are full, and more is being written: the log's files take turns.
    Full,
    /// Somebody wants them sealed, perhaps the last one for long: the log takes no space afterwards.
    Asked,
}

/// A log file whose records are this many times as long as a memtable may be is not kept: it holds an
/// unusual batch.
const LONGEST_SPARE_FACTOR: u64 = 2;

/// How long the thread that sealed waits for others to let go of the memtables: much longer than a leader
/// takes to let go of earlier states after its own batch is done, also where it does not get the processor
/// at once, and than most readers hold a snapshot. Where nobody writes, nobody is held up.
const LONGEST_WAIT_TO_FREE: Duration = Duration::from_millis(100);

impl Shared {
    /// Seals what is in memory. Does nothing where nothing changed since the last time.
    ///
    /// After an error the frozen memtables are kept, and the next call goes on with them.
    pub(super) fn seal(&self, occasion: Occasion) -> Result<()> {
        self.seal_frozen(&mut self.frost.lock(), occasion)
    }

    /// Seals for a caller that keeps others from sealing.
    pub(super) fn seal_frozen(&self, slot: &mut Option<Frost>, occasion: Occasion) -> Result<()> {
        self.check_poison()?;
        if slot.is_none() {
            *slot = self.freeze(occasion)?;
        }
        match slot.as_ref() {
            Some(frost) => self.seal_frost(frost, occasion)?,
            None if occasion == Occasion::Asked => self.give_back_log()?,
            None => {}
        }
        *slot = None;
        Ok(())
    }

    /// For a store that nobody has written to for a while: leaves the log no space, but for what is not
    /// worth a segment.
    pub(super) fn seal_idle(&self) -> Result<()> {
        let mut slot = self.frost.lock();
        let is_worth_it = {
            let writer = self.writer.lock();
            slot.is_some() || !writer.old_logs.is_empty() || writer.log.len() >= LEAST_SEALED_BYTES
        };
        match is_worth_it {
            true => self.seal_frozen(&mut slot, Occasion::Asked),
            false => self.give_back_log(),
        }
    }

    fn freeze(&self, occasion: Occasion) -> Result<Option<Frost>> {
        // Only sealing changes it, and sealing waits for the frost's lock that the caller holds.
        let sealed_lsn = self.manifests.lock().header.sealed_lsn;
        let number = {
            let writer = self.writer.lock();
            self.check_poison()?;
            if writer.dirty.is_empty() {
                return Ok(None);
            }
            writer.log.number() + 1
        };
        // Writers go on while the file is made; only sealing makes one.
        let file = self.new_log(number, occasion)?;
        let mut writer = self.writer.lock();
        if let Err(error) = self.check_poison() {
            file.remove(&*self.vfs);
            return Err(error);
        }
        let begun = file.begin(&*self.vfs, writer.next_lsn);
        let log = begun.map_err(|unbegun| self.not_begun(unbegun))?;
        let old = std::mem::replace(&mut writer.log, log);
        writer.old_logs.push(old.retire());
        let mut state = State::clone(&self.state.load());
        for name in &writer.dirty {
            if let Some(phext) = state.phexts.get_mut(name) {
                Arc::make_mut(phext).freeze();
            }
        }
        state.frozen_bytes = std::mem::take(&mut state.active_bytes);
        let frost = Frost {
            first_lsn: sealed_lsn + 1,
            last_lsn: writer.next_lsn - 1,
            dirty: std::mem::take(&mut writer.dirty),
            logs: std::mem::take(&mut writer.old_logs),
        };
        self.state.store(Arc::new(state));
        Ok(Some(frost))
    }

    /// Commits may go on in the old log file only where the new one is gone for good.
    fn not_begun(&self, unbegun: Unbegun) -> StoreError {
        match unbegun {
            Unbegun {
                cause,
                is_gone: true,
            } => cause,
            Unbegun { cause, .. } => StoreError::Poisoned {
                cause: self.poison(&cause).to_string(),
            },
        }
    }

    fn new_log(&self, number: u64, occasion: Occasion) -> Result<NewLog> {
        let (vfs, directory) = (&*self.vfs, &self.paths.log);
        let reserve = self.options.log_reserve_bytes;
        let spare = match occasion {
            Occasion::Full => self.log_spare.lock().take(),
            Occasion::Asked => None,
        };
        match spare {
            Some(spare) => NewLog::reuse(vfs, directory, number, reserve, &spare),
            None => NewLog::create(vfs, directory, number, reserve),
        }
    }

    fn seal_frost(&self, frost: &Frost, occasion: Occasion) -> Result<()> {
        let frozen = self.state.load_full();
        let parts = self.build(&frozen, frost)?;
        let mut sealed: Vec<Sealed> = parts.into_iter().map(Sealed::new).collect();
        let sequence = {
            let mut manifests = self.manifests.lock();
            let current = self.state.load_full();
            for sealed in &mut sealed {
                sealed.catch_up(&current)?;
            }
            let mut changes = Vec::new();
            for name in &frost.dirty {
                let Some(phext) = current.phexts.get(name) else {
                    continue;
                };
                let view = sealed.iter().find(|sealed| sealed.name == *name);
                let view = view.map(|sealed| &sealed.view).into_iter();
                changes.extend(manifest_of(phext, view.chain(&phext.parts)));
            }
            let mut header = manifests.header;
            header.sealed_lsn = frost.last_lsn;
            header.durable_lsn = current.lsn.max(frost.last_lsn);
            header.next_phext = current.next_phext;
            header.next_segment = self.next_segment.load(Ordering::Relaxed);
            let committed = self.commit_manifests(&mut manifests, header, changes.clone());
            if committed.is_err() && manifests.lacks(&changes) {
                let segment = sealed.first().map(|sealed| sealed.view.part.segment().id());
                segment.into_iter().for_each(|id| self.discard(id));
            }
            committed?;
            self.publish_sealed(frost, &mut sealed)?;
            manifests.header.sequence
        };
        add(&self.counters.seals, 1);
        self.forget_recent();
        let trimmed = self.trim(frost, sequence, occasion);
        let longest = match occasion {
            Occasion::Full if self.options.background => LONGEST_WAIT_TO_FREE,
            Occasion::Full | Occasion::Asked => Duration::ZERO,
        };
        let memtables = frost.dirty.iter().filter_map(|name| {
            let frozen = frozen.phexts.get(name)?.frozen.as_ref()?;
            Some(frozen.scrolls.clone())
        });
        let memtables = memtables.collect();
        drop(frozen);
        Memtable::free_last(memtables, longest);
        trimmed
    }

    /// Writes one segment with a part for each frozen memtable.
    fn build(&self, state: &State, frost: &Frost) -> Result<Vec<(Arc<str>, Arc<Part>)>> {
        let phexts = frost.dirty.iter().filter_map(|name| state.phexts.get(name));
        let frozen: Vec<&Arc<Phext>> = phexts.filter(|phext| phext.frozen.is_some()).collect();
        if frozen.is_empty() {
            return Ok(Vec::new());
        }
        let sources: Vec<PartSource<'_>> = frozen
            .iter()
            .filter_map(|phext| source_of(phext, frost))
            .collect();
        let id = self.next_segment();
        let meter = |bytes| {
            add(&self.counters.sealed_bytes, bytes);
            Ok(())
        };
        write_metered(&*self.vfs, &self.paths.segments, id, &sources, &meter)?;
        let segment = Segment::open(&*self.vfs, &self.paths.segments, id)?;
        let part = |(phext, index): (&&Arc<Phext>, u32)| {
            Ok((Arc::clone(&phext.name), segment.part(index)?))
        };
        frozen.iter().zip(0..).map(part).collect()
    }

    /// Puts the new parts in the place of the frozen memtables.
    fn publish_sealed(&self, frost: &Frost, sealed: &mut [Sealed]) -> Result<()> {
        // What writers hid during the transaction is most of it; under their lock there is little
        // left.
        let current = self.state.load_full();
        for sealed in &mut *sealed {
            sealed.catch_up(&current)?;
        }
        let is_locked = !canary::leaves_out("publication_lock");
        let _writer = is_locked.then(|| self.writer.lock());
        let mut state = State::clone(&self.state.load());
        for sealed in &mut *sealed {
            sealed.catch_up(&state)?;
        }
        for name in &frost.dirty {
            if let Some(phext) = state.phexts.get_mut(name) {
                Arc::make_mut(phext).frozen = None;
            }
        }
        state.frozen_bytes = 0;
        for sealed in sealed {
            let phext = state
                .phexts
                .get_mut(&sealed.name)
                .expect("phexts are not removed");
            Arc::make_mut(phext).parts.insert(0, sealed.view.clone());
        }
        self.state.store(Arc::new(state));
        Ok(())
    }

    /// Removes the log files whose records are in segments now. Where more is being written the newest
    /// becomes the spare.
    fn trim(&self, frost: &Frost, sequence: u64, occasion: Occasion) -> Result<()> {
        self.log_checkpoint(sequence)?;
        let (vfs, directory) = (&*self.vfs, &self.paths.log);
        let mut old = frost.logs.as_slice();
        let mut spare = None;
        match (occasion, old.split_last()) {
            (Occasion::Full, Some((newest, others))) if self.is_fit_to_keep(newest) => {
                spare = Spare::keep(vfs, directory, *newest)?;
                old = others;
            }
            (Occasion::Full, _) => {}
            (Occasion::Asked, _) => self.remove_log_spare()?,
        }
        for log in old {
            let path = file_path(directory, log.number);
            match vfs.remove(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &path, error));
                }
                _ => {}
            }
        }
        if !canary::leaves_out("spare_sync") {
            vfs.sync_dir(directory)
                .map_err(|e| StoreError::io("sync", directory, e))?;
        }
        // Only now: what the file is called is durable.
        if spare.is_some() {
            *self.log_spare.lock() = spare;
        }
        Ok(())
    }

    fn is_fit_to_keep(&self, log: &OldLog) -> bool {
        let longest = self
            .options
            .memtable_bytes
            .saturating_mul(LONGEST_SPARE_FACTOR);
        log.written > 0 && log.end <= longest
    }

    /// Leaves no space to the log that it does not need now.
    fn give_back_log(&self) -> Result<()> {
        self.remove_log_spare()?;
        self.writer.lock().log.give_back()
    }

    fn remove_log_spare(&self) -> Result<()> {
        match self.log_spare.lock().take() {
            Some(_) => remove_spare(&*self.vfs, &self.paths.log),
            None => Ok(()),
        }
    }
}

fn source_of<'a>(phext: &'a Phext, frost: &Frost) -> Option<PartSource<'a>> {
    let scrolls = &phext.frozen.as_ref()?.scrolls;
    let (keys, texts): (Vec<Coordinate>, Vec<&Bytes>) =
        scrolls.iter().map(|(c, text)| (*c, text)).unzip();
    Some(PartSource {
        phext: phext.id,
        name: &phext.name,
        order: phext.order,
        first_lsn: frost.first_lsn,
        last_lsn: frost.last_lsn,
        keys,
        text: Box::new(move |index| Ok(texts[index])),
    })
}

/// A part made from a phext's frozen memtable, which follows what is overwritten meanwhile.
struct Sealed {
    name: Arc<str>,
    view: PartView,
    /// The coordinates that are shadowed in it.
    seen: imbl::OrdSet<Coordinate>,
}

impl Sealed {
    fn new((name, part): (Arc<str>, Arc<Part>)) -> Sealed {
        Sealed {
            name,
            view: PartView::new(part),
            seen: imbl::OrdSet::new(),
        }
    }

    /// Shadows what was hidden in the frozen memtable since the last time.
    fn catch_up(&mut self, state: &State) -> Result<()> {
        let frozen = state.phexts[&self.name].frozen.as_ref();
        let hidden = &frozen.expect("it is frozen until this is published").hidden;
        for change in self.seen.diff(hidden) {
            let imbl::ordset::DiffItem::Add(coordinate) = change else {
                unreachable!("what is hidden stays hidden");
            };
            let slot = self.view.part.slot_of(coordinate)?;
            let slot = slot.expect("the part holds every frozen scroll");
            self.view.shadow_slot(slot)?;
        }
        assert_eq!(
            self.view.shadow.len() as usize,
            hidden.len(),
            "every hidden scroll is shadowed"
        );
        self.seen = hidden.clone();
        Ok(())
    }
}
