//! Bulk ingest: many scrolls become segments without passing through the log.
//!
//! ```text
//! push     scrolls in coordinate order are written as they come; others are gathered in an arena
//! build    what was written, or a full arena, becomes a part in a segment of its own, on another thread
//! finish   all parts enter the phext's manifest in one catalog transaction
//! ```
//!
//! | module | question |
//! |---|---|
//! | [`arena`] | what was pushed, in which order? |
//! | [`filling`] | who parts what comes in no order? |
//! | [`stream`] | what was written as it came, in order? |
//! | [`run`] | where do scrolls wait that came out of order and exceed memory? |
//! | [`pipeline`] | who builds parts, and how many at once? |
//! | [`overlap`] | which older scrolls do the new ones replace? |
//! | [`publish`] | when does the ingest take effect, and what if the power goes? |
//!
//! Scrolls in coordinate order, as a phext document has them, go straight into parts of disjoint
//! ranges: an arena holds the first few only, which tell whether they come so. Once a scroll comes out
//! of order, full arenas are sorted and put aside as runs, and `finish` merges the runs into parts. Nothing is visible before [`Ingest::finish`]; dropping an ingest removes what it wrote.

mod arena;
mod filling;
mod overlap;
mod pipeline;
mod publish;
mod run;
mod stream;

use super::batch::validate_name;
use super::{Shared, Store};
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use crate::log::Lsn;
use arena::Arena;
use filling::{BATCH_BYTES, Filler};
use pipeline::{Pipeline, Target, out_of_memory};
use run::{Run, merge};
use std::sync::Arc;
use stream::Stream;

/// Bytes of text in order after which the rest is expected to come in order as well, and is written as
/// it comes.
const ORDERED_BYTES: u64 = 4 << 20;

/// Bytes of text in no order after which the rest is expected to be worth a thread that fills the arena.
const FILLER_BYTES: u64 = 4 << 20;
/// Parts of at least this size leave room for what waits for that thread.
const FILLED_PART_BYTES: u64 = 16 << 20;

/// The most memory that an ingest takes with parts of this size: for texts, an arena for each builder
/// and the one that is filled, and room in them that waits; and for as many scrolls as arenas hold at
/// most, their entries, and what builders need besides.
#[cfg(test)]
pub(super) fn most_bytes(part_bytes: u64) -> u64 {
    const BUILDER_BYTES: u64 = 200;
    let arenas = pipeline::BUILDERS as u64 + 1;
    let entries = part_bytes / arena::ENTRY_BYTES;
    let builders = pipeline::BUILDERS as u64 * (BUILDER_BYTES + arena::PLACE_BYTES);
    let waiting = arenas * part_bytes / arena::TEXT_BY_CHUNKS + part_bytes / arena::TEXT_BY_BLOCK;
    let batches = match part_bytes >= FILLED_PART_BYTES {
        true => filling::HELD_BYTES,
        false => 0,
    };
    arenas * part_bytes + waiting + batches + entries * (arenas * arena::HELD_BYTES + builders)
}

/// What becomes of the scrolls that a phext holds before an ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestMode {
    /// They go: the phext holds what was pushed and nothing else.
    Replace,
    /// They stay, unless a scroll was pushed at the same coordinate.
    Add,
}

/// What an ingest did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestSummary {
    /// The ingest's place in the commit order.
    pub lsn: Lsn,
    /// Scrolls that it stored.
    pub scrolls: u64,
    /// Bytes of text in them.
    pub text_bytes: u64,
    /// Parts written.
    pub parts: usize,
    /// Scrolls that the phext held before.
    pub previous_scrolls: u64,
}

/// A bulk load into one phext. Made by [`Store::ingest`].
///
/// It takes effect as a whole, durably, when [`Ingest::finish`] returns, and not at all when it is
/// dropped before. Other commits go on meanwhile, also on the same phext: those acknowledged before
/// it takes effect are older than it, the others newer.
#[derive(Debug)]
pub struct Ingest<'store> {
    shared: &'store Shared,
    mode: IngestMode,
    arena: Arena,
    /// Has the arena, once scrolls came in no order for a while.
    filler: Option<Filler>,
    /// Whether a thread may fill the arena.
    can_fill: bool,
    /// The part that is written as its scrolls come.
    stream: Option<Stream>,
    /// The greatest coordinate so far, while each exceeded the one before.
    ascending: Ascending,
    /// Runs put aside. None while scrolls come in order.
    runs: u64,
    pipeline: Pipeline,
    /// Why a push failed. Earlier scrolls may have gone with it, so nothing is published after it.
    failure: Option<StoreError>,
}

/// Whether scrolls came in coordinate order so far.
#[derive(Debug)]
enum Ascending {
    UpTo(Option<Coordinate>),
    NoLonger,
}

impl Store {
    /// Begins a bulk load into a phext, which is created by it where it is unknown.
    ///
    /// # Errors
    /// [`StoreError::Name`] and [`StoreError::Poisoned`].
    pub fn ingest(&self, phext: &str, mode: IngestMode) -> Result<Ingest<'_>> {
        validate_name(phext)?;
        self.shared.check_poison()?;
        let target = self.shared.ingest_target(phext);
        let options = &self.shared.options;
        Ok(Ingest {
            shared: &self.shared,
            mode,
            arena: Arena::default(),
            filler: None,
            can_fill: options.background && options.ingest_part_bytes >= FILLED_PART_BYTES,
            stream: None,
            ascending: Ascending::UpTo(None),
            runs: 0,
            pipeline: Pipeline::new(Arc::clone(&self.shared), target),
            failure: None,
        })
    }
}

impl Ingest<'_> {
    /// Adds a scroll. Of several at one coordinate the last one counts; an empty text removes the
    /// scroll there. The text must hold no phext break: the caller has checked it, with
    /// [`crate::phext::validate_text`].
    ///
    /// # Errors
    /// [`StoreError::ScrollTooLarge`], after which others can be pushed; and failures of the file system,
    /// after which this and [`Self::finish`] give the same error.
    pub fn push(&mut self, coordinate: Coordinate, text: &[u8]) -> Result<()> {
        let (length, limit) = (text.len() as u64, self.shared.options.max_scroll_bytes);
        if length > limit {
            return Err(StoreError::ScrollTooLarge {
                coordinate,
                length,
                limit,
            });
        }
        self.check_failure()?;
        self.note_order(coordinate);
        let pushed = match self.ascending {
            Ascending::UpTo(_) => self.push_in_order(coordinate, text),
            Ascending::NoLonger => self.push_out_of_order(coordinate, text),
        };
        if let Err(error) = &pushed {
            self.failure = Some(error.clone());
        }
        pushed
    }

    fn check_failure(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn push_in_order(&mut self, coordinate: Coordinate, text: &[u8]) -> Result<()> {
        if self.stream.is_none() && self.pipeline.streams() {
            self.stream = Some(self.pipeline.begin_stream()?);
        }
        let part_bytes = self.part_bytes();
        if let Some(stream) = &mut self.stream {
            stream.push(coordinate, text)?;
            return match stream.is_full(part_bytes) {
                true => self.end_stream(),
                false => Ok(()),
            };
        }
        self.gather(coordinate, text)?;
        if self.pipeline.can_stream() && self.arena.is_full(ORDERED_BYTES.min(part_bytes / 2)) {
            return self.begin_stream();
        }
        match self.arena.is_full(part_bytes) {
            true => self.empty_arena(),
            false => Ok(()),
        }
    }

    fn push_out_of_order(&mut self, coordinate: Coordinate, text: &[u8]) -> Result<()> {
        if let Some(filler) = &mut self.filler
            && text.len() <= BATCH_BYTES
        {
            return match filler.push(coordinate, text)? {
                true => self.empty_full_filler(),
                false => Ok(()),
            };
        }
        self.end_filler()?;
        self.end_stream()?;
        self.gather(coordinate, text)?;
        if self.arena.is_full(self.part_bytes()) {
            return self.empty_arena();
        }
        if self.can_fill && self.arena.is_full(FILLER_BYTES) {
            self.start_filler();
        }
        Ok(())
    }

    fn start_filler(&mut self) {
        match Filler::start(&mut self.arena) {
            Ok(filler) => self.filler = Some(filler),
            Err(error) => {
                self.can_fill = false;
                tracing::warn!(%error, "an ingest has fewer threads than it could use");
            }
        }
    }

    fn empty_full_filler(&mut self) -> Result<()> {
        let bytes = self.part_bytes();
        match &self.filler {
            Some(filler) if filler.is_full(bytes) => {
                self.end_filler()?;
                self.empty_arena()
            }
            _ => Ok(()),
        }
    }

    /// Takes the arena back, with all that was pushed.
    fn end_filler(&mut self) -> Result<()> {
        if let Some(filler) = self.filler.take() {
            self.arena = filler.end()?;
        }
        Ok(())
    }

    fn gather(&mut self, coordinate: Coordinate, text: &[u8]) -> Result<()> {
        self.arena.push(coordinate, text).map_err(out_of_memory)
    }

    /// Writes what the arena holds, and what comes next as it comes.
    fn begin_stream(&mut self) -> Result<()> {
        let arena = self.arena.take();
        let mut stream = self.pipeline.begin_stream()?;
        for index in 0..arena.len() {
            stream.push(arena.coordinate(index), arena.text(index))?;
        }
        self.stream = Some(stream);
        Ok(())
    }

    fn end_stream(&mut self) -> Result<()> {
        match self.stream.take() {
            Some(stream) => self.pipeline.finish_stream(stream),
            None => Ok(()),
        }
    }

    fn note_order(&mut self, coordinate: Coordinate) {
        if let Ascending::UpTo(last) = self.ascending {
            self.ascending = match last.is_none_or(|last| last < coordinate) {
                true => Ascending::UpTo(Some(coordinate)),
                false => Ascending::NoLonger,
            };
        }
    }

    /// Makes a part of the arena, or a run where scrolls came out of order.
    fn empty_arena(&mut self) -> Result<()> {
        let arena = self.arena.take();
        match self.ascending {
            Ascending::UpTo(_) => self.pipeline.build(arena),
            Ascending::NoLonger => {
                self.runs += 1;
                self.pipeline.put_aside(self.runs, arena)
            }
        }
    }

    /// Publishes everything pushed and returns when it is durable.
    ///
    /// # Errors
    /// Where it cannot be written, or a push failed, [`StoreError::DiskFull`] among them: the phext is as it was. After
    /// [`StoreError::Io`] or [`StoreError::Poisoned`] from the publication itself it may be there,
    /// as a whole, when the store is opened again.
    pub fn finish(mut self) -> Result<IngestSummary> {
        self.check_failure()?;
        self.end_filler()?;
        let in_order = matches!(self.ascending, Ascending::UpTo(_));
        self.end_stream()?;
        if !in_order && self.pipeline.has_begun() {
            self.merge_runs()?;
            self.end_stream()?;
        }
        let mut arena = self.arena.take();
        arena.sort();
        self.pipeline.build_last(arena)?;
        let built = self.pipeline.join()?;
        self.shared.publish(self.mode, built)
    }

    /// Makes the parts anew, of everything pushed, in coordinate order.
    fn merge_runs(&mut self) -> Result<()> {
        let mut last = self.arena.take();
        last.sort();
        // What comes out of the merge is in order.
        self.ascending = Ascending::UpTo(None);
        let mut old = self.pipeline.restart()?;
        let mut runs = old.take_runs()?;
        runs.push(Run::Arena(last));
        merge(&runs, |coordinate, text| {
            self.push_in_order(coordinate, text)
        })
    }

    /// Bytes that a part of scrolls in order holds, and an arena of others. The first part is smaller, so
    /// that the rest of its making begins early.
    fn part_bytes(&self) -> u64 {
        let bytes = self.shared.options.ingest_part_bytes;
        match (&self.ascending, self.pipeline.has_begun()) {
            (Ascending::UpTo(_), false) => bytes / 2,
            _ => bytes,
        }
    }
}

impl Shared {
    /// What parts of an ingest into this phext are written for. The id of an unknown phext is
    /// reserved: whoever creates it takes this one.
    fn ingest_target(&self, name: &str) -> Target {
        let _writer = self.writer.lock();
        let current = self.state.load();
        let name: Arc<str> = Arc::from(name);
        let (phext, order) = match current.phexts.get(&name) {
            Some(phext) => (phext.id, phext.order),
            None => (current.id_for(&name), self.options.order),
        };
        let lsn = current.lsn;
        if !current.phexts.contains_key(&name) && !current.reserved.contains_key(&name) {
            let mut state = super::State::clone(&current);
            state.reserved.insert(Arc::clone(&name), phext);
            state.next_phext = state.next_phext.max(phext + 1);
            self.state.store(Arc::new(state));
        }
        Target {
            phext,
            name,
            order,
            lsn,
        }
    }
}
