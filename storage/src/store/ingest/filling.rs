//! Scrolls in no order come into an arena on a thread of its own.
//!
//! A caller's scrolls lie anywhere in its memory when they come in no order, and reading one is a
//! cache miss or two. The processor has the misses of several scrolls under way at once as long as
//! there is little to do between them: so the thread that pushes copies them behind each other into
//! *batches*, which stay in the caches, and another one parts them. Of a million scrolls at random places
//! pushing took 190 to 260 ms so, and 290 to 390 ms on one thread.

use super::arena::{Arena, fills};
use super::pipeline::{abandoned, out_of_memory};
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// Texts of a batch. Longer ones go into the arena by themselves.
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// Scrolls of a batch.
const BATCH_SCROLLS: usize = 2048;
/// Batches that wait for the thread.
const WAITING_BATCHES: usize = 2;

/// The most that batches take: those that wait, one that is filled and one that is emptied.
#[cfg(test)]
pub(super) const HELD_BYTES: u64 = (WAITING_BATCHES as u64 + 2)
    * (BATCH_BYTES + BATCH_SCROLLS * size_of::<(Coordinate, usize)>()) as u64;

/// An arena that a thread of its own fills.
#[derive(Debug)]
pub(super) struct Filler {
    batch: Batch,
    batches: Option<SyncSender<Batch>>,
    /// Batches that are empty again.
    spare: Receiver<Batch>,
    thread: Option<JoinHandle<io::Result<Arena>>>,
    /// What was given to the thread, with what the arena held before.
    text_bytes: u64,
    length: usize,
}

impl Filler {
    /// Takes the arena. It comes back from [`Self::end`], and stays where there is no thread to be had.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn start(arena: &mut Arena) -> io::Result<Filler> {
        let (give, given) = sync_channel::<Arena>(1);
        let (batches, waiting) = sync_channel::<Batch>(WAITING_BATCHES);
        let (spares, spare) = channel();
        let fill = move || {
            let mut arena = given.recv().unwrap_or_default();
            for mut batch in waiting {
                batch.drain_into(&mut arena)?;
                // Nobody wants it any more when the last batch was sent.
                let _ = spares.send(batch);
            }
            Ok(arena)
        };
        let thread = std::thread::Builder::new().name("sqd-ingest-arena".to_owned());
        let thread = Some(thread.spawn(fill)?);
        let (text_bytes, length) = (arena.byte_len(), arena.len());
        give.send(arena.take())
            .expect("the thread waits for the arena first");
        Ok(Filler {
            batch: Batch::new(),
            batches: Some(batches),
            spare,
            thread,
            text_bytes,
            length,
        })
    }

    /// Adds a scroll whose text is not longer than a batch. Says whether a batch was given to the
    /// thread, and it is time to ask whether the arena is full.
    ///
    /// # Errors
    /// The system had no memory for an earlier scroll.
    #[inline]
    pub(super) fn push(&mut self, coordinate: Coordinate, text: &[u8]) -> Result<bool> {
        let is_time = !self.batch.has_room_for(text);
        if is_time {
            self.give()?;
        }
        self.batch.push(coordinate, text);
        Ok(is_time)
    }

    fn give(&mut self) -> Result<()> {
        let next = self.spare.try_recv().unwrap_or_else(|_| Batch::new());
        let batch = std::mem::replace(&mut self.batch, next);
        self.text_bytes += batch.texts.len() as u64;
        self.length += batch.scrolls.len();
        let batches = self.batches.as_ref().ok_or_else(abandoned)?;
        match batches.send(batch) {
            Ok(()) => Ok(()),
            // The thread ended early, and says why.
            Err(_) => Err(self.join().err().unwrap_or_else(abandoned)),
        }
    }

    /// Whether the arena is full when the thread has done all that it was given.
    pub(super) fn is_full(&self, bytes: u64) -> bool {
        fills(self.text_bytes, self.length, bytes)
    }

    /// The arena with all scrolls.
    ///
    /// # Errors
    /// The system had no memory for one.
    pub(super) fn end(mut self) -> Result<Arena> {
        self.give()?;
        self.join()
    }

    fn join(&mut self) -> Result<Arena> {
        self.batches = None;
        let joined = self.thread.take().map(JoinHandle::join);
        let filled = joined.and_then(std::result::Result::ok);
        filled.map_or_else(|| Err(abandoned()), |filled| filled.map_err(out_of_memory))
    }
}

/// No thread outlives an ingest that is dropped.
impl Drop for Filler {
    fn drop(&mut self) {
        let _: std::result::Result<Arena, StoreError> = self.join();
    }
}

/// Scrolls as they were pushed, with their texts behind each other.
#[derive(Debug)]
struct Batch {
    /// Coordinates, and where texts end.
    scrolls: Vec<(Coordinate, usize)>,
    texts: Vec<u8>,
}

impl Batch {
    fn new() -> Batch {
        Batch {
            scrolls: Vec::with_capacity(BATCH_SCROLLS),
            texts: Vec::with_capacity(BATCH_BYTES),
        }
    }

    #[inline]
    fn has_room_for(&self, text: &[u8]) -> bool {
        self.scrolls.len() < BATCH_SCROLLS && self.texts.len() + text.len() <= BATCH_BYTES
    }

    #[inline]
    fn push(&mut self, coordinate: Coordinate, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.scrolls.push((coordinate, self.texts.len()));
    }

    fn drain_into(&mut self, arena: &mut Arena) -> io::Result<()> {
        let mut start = 0;
        for &(coordinate, end) in &self.scrolls {
            arena.push(coordinate, &self.texts[start..end])?;
            start = end;
        }
        self.scrolls.clear();
        self.texts.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_is_the_same_as_one_that_is_filled_here() {
        let key = |n: u32| Coordinate::new([1 + n.wrapping_mul(77) % 9_000; 9]).unwrap();
        let text = |n: u32| vec![n as u8; (n % 7 * 43) as usize];
        let (mut here, mut there) = (Arena::default(), Arena::default());
        let longest = vec![b'x'; BATCH_BYTES];
        here.push(key(3), b"before").unwrap();
        there.push(key(3), b"before").unwrap();
        let mut filler = Filler::start(&mut there).unwrap();
        for n in 0..30_000 {
            here.push(key(n), &text(n)).unwrap();
            filler.push(key(n), &text(n)).unwrap();
        }
        here.push(key(1), &longest).unwrap();
        filler.push(key(1), &longest).unwrap();
        let mut there = filler.end().unwrap();
        assert_eq!(
            (here.len(), here.byte_len()),
            (there.len(), there.byte_len())
        );
        here.sort();
        there.sort();
        assert_eq!(here.len(), there.len());
        assert!((0..here.len()).all(|i| here.coordinate(i) == there.coordinate(i)));
        assert!((0..here.len()).all(|i| here.text(i) == there.text(i)));
    }

    #[test]
    fn a_filler_is_full_when_its_arena_is() {
        let mut arena = Arena::default();
        let mut filler = Filler::start(&mut arena).unwrap();
        let mut given = 0;
        for n in 1..=9_000 {
            let key = Coordinate::new([n; 9]).unwrap();
            given += u32::from(filler.push(key, &[b'x'; 100]).unwrap());
        }
        assert!(given >= 4, "{given}");
        let counted = filler.text_bytes;
        assert!(filler.is_full(counted) && !filler.is_full(counted + 1));
        let arena = filler.end().unwrap();
        assert!(arena.is_full(900_000) && !arena.is_full(900_001));
    }
}
