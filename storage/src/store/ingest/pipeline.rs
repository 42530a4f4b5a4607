//! Arenas become parts, on threads of their own, and so does what was written as it came.
//!
//! A full arena is handed to a builder that waits for one; where all are busy, the thread that pushes
//! waits. So an ingest holds at most one arena a builder, and the one that is filled. A store without
//! background threads builds on the thread that pushes.

use super::super::Shared;
use super::arena::{Arena, Selection};
use super::run::{Run, RunFile};
use super::stream::Stream;
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use crate::log::Lsn;
use crate::segment::{Order, Part, PartSource, Segment, SegmentStream, file_name, write_urgent};
use parking_lot::Mutex;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Builders of an ingest: each holds an arena and what a part under construction needs.
pub(super) const BUILDERS: usize = 2;
/// The last arena is cut into a piece for each builder where it holds at least this much text.
const PIECE_BYTES: u64 = 16 << 20;

/// Parts of at least this size are written on a thread of their file's own, which takes memory for a
/// few pieces of the file.
const THREADED_PART_BYTES: u64 = 16 << 20;

/// What parts are written for.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) phext: u64,
    pub(super) name: Arc<str>,
    pub(super) order: Order,
    /// The newest LSN when the ingest began.
    pub(super) lsn: Lsn,
}

/// What the builders made. Dropping it removes the segments, unless they were published.
#[derive(Debug)]
pub(super) struct Built {
    shared: Arc<Shared>,
    pub(super) target: Target,
    pub(super) parts: Vec<Arc<Part>>,
    /// Where the last text pushed was empty.
    pub(super) removed: Vec<Coordinate>,
    /// Put aside, by number: a higher one is newer.
    put_aside: Vec<(u64, RunFile)>,
    /// Every segment begun, written or not.
    segments: Vec<u64>,
    error: Option<StoreError>,
}

/// What a builder does.
enum Job {
    Build(Piece),
    /// Finishes a part whose texts are written.
    Finish(Box<Stream>),
    /// Sorts an arena and puts it aside, as the run of this number.
    PutAside(u64, Arena),
}

/// Sorted scrolls that become a part.
struct Piece {
    arena: Arc<Arena>,
    range: Range<usize>,
}

/// The builders of one ingest.
#[derive(Debug)]
pub(super) struct Pipeline {
    built: Option<Arc<Mutex<Built>>>,
    sender: Option<SyncSender<Job>>,
    builders: Vec<JoinHandle<()>>,
    has_begun: bool,
    /// Whether texts lie in coordinate order.
    can_stream: bool,
    /// Whether a part was written as its scrolls came.
    streams: bool,
}

impl Pipeline {
    pub(super) fn new(shared: Arc<Shared>, target: Target) -> Pipeline {
        Pipeline {
            can_stream: target.order.keeps_texts_by_coordinate(),
            built: Some(Arc::new(Mutex::new(Built {
                shared,
                target,
                parts: Vec::new(),
                removed: Vec::new(),
                put_aside: Vec::new(),
                segments: Vec::new(),
                error: None,
            }))),
            sender: None,
            builders: Vec::new(),
            has_begun: false,
            streams: false,
        }
    }

    /// Whether parts can be written as their scrolls come in coordinate order.
    pub(super) fn can_stream(&self) -> bool {
        self.can_stream
    }

    /// Whether a part was written so: the next will be as well.
    pub(super) fn streams(&self) -> bool {
        self.streams
    }

    /// Begins a part that is written as its scrolls come.
    pub(super) fn begin_stream(&mut self) -> Result<Stream> {
        self.streams = true;
        let built = self.built();
        let mut built = built.lock();
        let shared = Arc::clone(&built.shared);
        let id = shared.next_segment();
        built.begun(id);
        let (directory, name) = (&shared.paths.segments, &built.target.name);
        let is_large = shared.options.ingest_part_bytes >= THREADED_PART_BYTES;
        let threaded = shared.options.background && is_large;
        let vfs = Arc::clone(&shared.vfs);
        SegmentStream::create(vfs, directory, id, name, threaded).map(Stream::new)
    }

    /// Makes a part of what was written. Returns when a builder has taken it.
    ///
    /// # Errors
    /// The first failure of any builder so far.
    pub(super) fn finish_stream(&mut self, stream: Stream) -> Result<()> {
        self.hand_over(Job::Finish(Box::new(stream)))
    }

    /// Whether a part was begun.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Makes a part of an arena. Returns when a builder has taken it.
    ///
    /// # Errors
    /// The first failure of any builder so far.
    pub(super) fn build(&mut self, mut arena: Arena) -> Result<()> {
        arena.sort();
        let range = 0..arena.len();
        let arena = Arc::new(arena);
        self.hand_over(Job::Build(Piece { arena, range }))
    }

    /// Sorts an arena and puts it aside as the run of this number. Returns when a builder has taken
    /// it.
    ///
    /// # Errors
    /// The first failure of any builder so far.
    pub(super) fn put_aside(&mut self, number: u64, arena: Arena) -> Result<()> {
        self.hand_over(Job::PutAside(number, arena))
    }

    /// As [`Self::build`], with every builder at work on what may be all there is.
    pub(super) fn build_last(&mut self, mut arena: Arena) -> Result<()> {
        arena.sort();
        let pieces = match arena.byte_len() >= PIECE_BYTES && !self.has_begun {
            true => BUILDERS,
            false => 1,
        };
        let length = arena.len().div_ceil(pieces).max(1);
        let arena = Arc::new(arena);
        for start in (0..arena.len()).step_by(length) {
            let range = start..(start + length).min(arena.len());
            let arena = Arc::clone(&arena);
            self.hand_over(Job::Build(Piece { arena, range }))?;
        }
        Ok(())
    }

    fn hand_over(&mut self, job: Job) -> Result<()> {
        self.has_begun = true;
        let built = self.built();
        if !built.lock().shared.options.background {
            run(&built, job);
            return Built::check(&built);
        }
        if self.sender.is_none() {
            self.start()?;
        }
        let sender = self.sender.as_ref().expect("the builders were started");
        // Builders end when the sender goes, and not before.
        let sent = sender.send(job);
        sent.map_err(|_| abandoned())?;
        Built::check(&built)
    }

    /// Waits for the builders and gives what they made, to begin anew.
    ///
    /// # Errors
    /// The first failure of any of them.
    pub(super) fn restart(&mut self) -> Result<Built> {
        let old = self.join()?;
        *self = Pipeline::new(Arc::clone(&old.shared), old.target.clone());
        Ok(old)
    }

    /// Waits for the builders and gives what they made.
    ///
    /// # Errors
    /// The first failure of any of them.
    pub(super) fn join(&mut self) -> Result<Built> {
        self.stop();
        let built = self.built.take().expect("an ingest is finished once");
        let built = Arc::try_unwrap(built).map_err(|_| abandoned())?;
        let mut built = built.into_inner();
        match built.error.take() {
            Some(error) => Err(error),
            None => Ok(built),
        }
    }

    fn built(&self) -> Arc<Mutex<Built>> {
        Arc::clone(self.built.as_ref().expect("an ingest is finished once"))
    }

    fn start(&mut self) -> Result<()> {
        // Without room in the channel, a piece that was sent is a piece that a builder has.
        let (sender, receiver) = sync_channel(0);
        self.sender = Some(sender);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..BUILDERS {
            let (built, receiver) = (self.built(), Arc::clone(&receiver));
            let builder = std::thread::Builder::new().name("sqd-ingest".to_owned());
            match builder.spawn(move || run_all(&built, &receiver)) {
                Ok(thread) => self.builders.push(thread),
                Err(error) if self.builders.is_empty() => {
                    let built = self.built();
                    let path = built.lock().shared.paths.segments.clone();
                    return Err(StoreError::io("start a thread for", &path, error));
                }
                Err(error) => {
                    tracing::warn!(%error, "an ingest has fewer threads than it could use");
                }
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.sender = None;
        for builder in self.builders.drain(..) {
            if builder.join().is_err() {
                tracing::error!("a thread of an ingest panicked");
            }
        }
    }
}

/// An ingest that is not finished leaves nothing behind.
impl Drop for Pipeline {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run_all(built: &Mutex<Built>, receiver: &Mutex<Receiver<Job>>) {
    loop {
        let job = receiver.lock().recv();
        match job {
            Ok(job) => run(built, job),
            Err(_) => return,
        }
    }
}

/// Does a job, unless something failed already.
fn run(built: &Mutex<Built>, job: Job) {
    let (shared, target) = {
        let built = built.lock();
        if built.error.is_some() {
            return;
        }
        (Arc::clone(&built.shared), built.target.clone())
    };
    let work = || match job {
        Job::Build(piece) => {
            let outcome = piece.build(&shared, &target, built);
            piece.release();
            outcome
        }
        Job::Finish(stream) => stream.finish(&shared, &target, built),
        Job::PutAside(number, mut arena) => {
            arena.sort();
            let run = RunFile::write(&shared, &arena)?;
            built.lock().put_aside.push((number, run));
            Ok(())
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(abandoned()));
    if let Err(error) = outcome {
        built.lock().error.get_or_insert(error);
    }
}

/// The system did not give an arena memory.
pub(super) fn out_of_memory(error: std::io::Error) -> StoreError {
    StoreError::io("map memory for", Path::new("an ingest"), error)
}

pub(super) fn abandoned() -> StoreError {
    StoreError::Poisoned {
        cause: "an ingest was abandoned; the log says where".to_owned(),
    }
}

impl Piece {
    fn build(&self, shared: &Shared, target: &Target, built: &Mutex<Built>) -> Result<()> {
        let Selection {
            keys,
            places,
            removed,
        } = self.arena.select(self.range.clone());
        built.lock().removed.extend(removed);
        if keys.is_empty() {
            return Ok(());
        }
        let source = PartSource {
            phext: target.phext,
            name: &target.name,
            order: target.order,
            first_lsn: target.lsn,
            last_lsn: target.lsn,
            keys,
            text: Box::new(|index| Ok(self.arena.text_at(&places, index))),
        };
        let id = shared.next_segment();
        built.lock().segments.push(id);
        let directory = &shared.paths.segments;
        write_urgent(&*shared.vfs, directory, id, &[source])?;
        let part = Segment::open(&*shared.vfs, directory, id)?.part(0)?;
        built.lock().parts.push(part);
        Ok(())
    }

    /// Gives the memory of a large arena back on a thread of its own: it takes as long as a sync, and
    /// nobody has to wait for it.
    fn release(self) {
        if let Some(arena) = Arc::into_inner(self.arena)
            && arena.byte_len() >= PIECE_BYTES
        {
            let thread = std::thread::Builder::new().name("sqd-ingest-memory".to_owned());
            // Without a thread it goes with the closure.
            let _ = thread.spawn(move || drop(arena));
        }
    }
}

impl Built {
    /// Everything that was pushed, as runs, oldest first: parts, then what was put aside later.
    pub(super) fn take_runs(&mut self) -> Result<Vec<Run>> {
        let mut removed = Arena::default();
        for &coordinate in &self.removed {
            removed.push(coordinate, &[]).map_err(out_of_memory)?;
        }
        removed.sort();
        self.put_aside.sort_by_key(|&(number, _)| number);
        let parts = self.parts.iter().map(|part| Run::Part(Arc::clone(part)));
        let files = self.put_aside.drain(..).map(|(_, run)| Run::File(run));
        Ok(parts.chain([Run::Arena(removed)]).chain(files).collect())
    }

    fn check(built: &Mutex<Built>) -> Result<()> {
        match &built.lock().error {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Notes a segment that is about to be written.
    pub(super) fn begun(&mut self, segment: u64) {
        self.segments.push(segment);
    }

    /// Whether the ingest says what is at this coordinate.
    pub(super) fn replaces(&self, coordinate: &Coordinate) -> Result<bool> {
        for part in &self.parts {
            if part.slot_of(coordinate)?.is_some() {
                return Ok(true);
            }
        }
        Ok(self.removed.contains(coordinate))
    }

    /// Keeps the segments: a manifest names them, or may do so.
    pub(super) fn keep(&mut self) {
        self.segments.clear();
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        let directory = &self.shared.paths.segments;
        for id in &self.segments {
            // Where this fails, or the power goes, the next opening removes it.
            let _ = self.shared.vfs.remove(&directory.join(file_name(*id)));
        }
        if !self.segments.is_empty() {
            let _ = self.shared.vfs.sync_dir(directory);
        }
    }
}
