//! Sorted runs: what an ingest that came out of order has put aside.
//!
//! A run file is scratch of one process: it is removed when the ingest ends, and at the next opening
//! where a crash came first.
//!
//! ```text
//! segments/<id>.run.tmp   scroll | scroll | ...
//! scroll                  components 9 x u32 | length of the text u32 | xxh3-64 of both and text u64 | text
//! ```

use super::super::Shared;
use super::arena::Arena;
use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::error::{Result, StoreError};
use crate::segment::Part;
use crate::vfs::{FileWriter, Mapping};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

const LENGTH_AT: usize = DIMENSIONS * 4;
const CHECKSUM_AT: usize = LENGTH_AT + 4;
const HEADER_BYTES: usize = CHECKSUM_AT + 8;

/// Scrolls in coordinate order, each coordinate once.
#[derive(Debug)]
pub(super) enum Run {
    /// Still in memory.
    Arena(Arena),
    /// In a file of its own.
    File(RunFile),
    /// Built as a part while the scrolls came in order.
    Part(Arc<Part>),
}

/// A run in a file, which goes with it.
#[derive(Debug)]
pub(super) struct RunFile {
    shared: Arc<Shared>,
    path: PathBuf,
    /// Absent until everything is written.
    map: Option<Mapping>,
}

impl RunFile {
    /// Writes a sorted arena to a file.
    pub(super) fn write(shared: &Arc<Shared>, arena: &Arena) -> Result<RunFile> {
        let name = format!("{:012}.run.tmp", shared.next_segment());
        let path = shared.paths.segments.join(name);
        let file = shared.vfs.create(&path);
        let file = file.map_err(|error| StoreError::io("create", &path, error))?;
        let mut run = RunFile {
            shared: Arc::clone(shared),
            path,
            map: None,
        };
        let mut out = FileWriter::new(file);
        let written = write_scrolls(&mut out, arena).and_then(|()| out.flush());
        written.map_err(|error| StoreError::io("write", &run.path, error))?;
        let map = shared.vfs.map(&run.path);
        run.map = Some(map.map_err(|error| StoreError::io("map", &run.path, error))?);
        Ok(run)
    }

    /// The scroll at `offset`, and where the next one is; `None` at the end.
    fn scroll(&self, offset: usize) -> Result<Option<(Coordinate, &[u8], usize)>> {
        let bytes = self.map.as_deref().unwrap_or_default();
        if offset == bytes.len() {
            return Ok(None);
        }
        let scroll = read_scroll(&bytes[offset..]);
        let (coordinate, text) = scroll.ok_or_else(|| {
            StoreError::corrupt(&self.path, offset as u64, "it is not what was written")
        })?;
        let next = offset + HEADER_BYTES + text.len();
        Ok(Some((coordinate, text, next)))
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        // Where this fails, or the power goes, the next opening removes it.
        let _ = self.shared.vfs.remove(&self.path);
    }
}

fn write_scrolls(out: &mut FileWriter, arena: &Arena) -> std::io::Result<()> {
    for index in 0..arena.len() {
        let (coordinate, text) = (arena.coordinate(index), arena.text(index));
        let mut header = [0; HEADER_BYTES];
        let fields = coordinate.components().iter().copied();
        let fields = fields.chain([text.len() as u32]);
        for (bytes, field) in header.chunks_exact_mut(4).zip(fields) {
            bytes.copy_from_slice(&field.to_le_bytes());
        }
        let checksum = checksum(&header[..CHECKSUM_AT], text);
        header[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        out.write_all(&header)?;
        out.write_all(text)?;
    }
    Ok(())
}

fn read_scroll(bytes: &[u8]) -> Option<(Coordinate, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let field = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let text = rest.get(..field(LENGTH_AT) as usize)?;
    let stored = u64::from_le_bytes(header[CHECKSUM_AT..].try_into().expect("eight bytes"));
    if checksum(&header[..CHECKSUM_AT], text) != stored {
        return None;
    }
    let coordinate = Coordinate::new(std::array::from_fn(|d| field(d * 4))).ok()?;
    Some((coordinate, text))
}

fn checksum(fields: &[u8], text: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(fields);
    hasher.update(text);
    hasher.digest()
}

/// Reads a run from its start.
pub(super) struct Cursor<'a> {
    run: &'a Run,
    /// The scroll's index, rank or offset in the run.
    next: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(run: &'a Run) -> Cursor<'a> {
        Cursor { run, next: 0 }
    }

    /// The next scroll in coordinate order.
    pub(super) fn next(&mut self) -> Result<Option<(Coordinate, &'a [u8])>> {
        let at = self.next;
        self.next += 1;
        match self.run {
            Run::Arena(arena) if at < arena.len() => {
                Ok(Some((arena.coordinate(at), arena.text(at))))
            }
            Run::Part(part) if at < part.slots() as usize => {
                let slot = part.slot_at_rank(at as u32)?;
                Ok(Some((part.coordinate(slot)?, part.text(slot)?)))
            }
            Run::File(file) => {
                let Some((coordinate, text, next)) = file.scroll(at)? else {
                    return Ok(None);
                };
                self.next = next;
                Ok(Some((coordinate, text)))
            }
            Run::Arena(_) | Run::Part(_) => Ok(None),
        }
    }
}

/// Passes the scrolls of runs, oldest run first, to `take` in coordinate order. Of several at one
/// coordinate the newest run's counts.
pub(super) fn merge(
    runs: &[Run],
    mut take: impl FnMut(Coordinate, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut cursors: Vec<Cursor<'_>> = runs.iter().map(Cursor::new).collect();
    let mut heads = Vec::with_capacity(cursors.len());
    let mut order = std::collections::BinaryHeap::new();
    for (index, cursor) in cursors.iter_mut().enumerate() {
        let head = cursor.next()?;
        order.extend(head.map(|(coordinate, _)| Head {
            coordinate,
            run: index,
        }));
        heads.push(head.map_or(&[][..], |(_, text)| text));
    }
    let mut last = None;
    while let Some(mut top) = order.peek_mut() {
        let Head { coordinate, run } = *top;
        if last != Some(coordinate) {
            take(coordinate, heads[run])?;
            last = Some(coordinate);
        }
        match cursors[run].next()? {
            Some((coordinate, text)) => {
                heads[run] = text;
                *top = Head { coordinate, run };
            }
            None => {
                std::collections::binary_heap::PeekMut::pop(top);
            }
        }
    }
    Ok(())
}

/// The next scroll of a run. The greatest is the least coordinate, of the newest run.
#[derive(PartialEq, Eq)]
struct Head {
    coordinate: Coordinate,
    run: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Head) -> std::cmp::Ordering {
        let by_coordinate = other.coordinate.cmp(&self.coordinate);
        by_coordinate.then(self.run.cmp(&other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
