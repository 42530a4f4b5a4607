//! Answers that are put together of chunks.
//!
//! ```text
//! rows --on any core--> chunks --in order, by an assembly--> pieces --> a buffer, a client, a hash
//! ```
//!
//! An answer of up to [`BUFFER_BYTES`] is sent from memory, and has a status of its own where it fails.
//! What was made of a longer one becomes the first pieces of a stream, for which the same run goes on as
//! fast as the client reads. Its length is not known then, and the end of the connection is its end. Where a
//! client could not tell from the answer that it is whole ([`Assembly::SHOWS_ITS_END`]), the run only counts
//! on instead, for Content-Length, and a second one over the same snapshot streams.

use bytes::Bytes;
use phext_query::{Chunk, Chunks, ExecuteError, Flow, PoolError, Report, ResultRow, Sink};
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::{breaks_between, runs_between};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;

/// Answers up to this many bytes are sent from memory.
pub(super) const BUFFER_BYTES: usize = 8 << 20;
/// A chunk of so many bytes is passed on, where one thread makes all of them.
const CHUNK_BYTES: usize = 1 << 20;
/// Longer runs of breaks are not built before they are sent: one may have 2^31 bytes.
pub(super) const LONG_RUN: u64 = 4 << 10;
/// A piece of such a run.
const RUN_BYTES: u64 = 64 << 10;

/// Puts chunks together. It is cloned before it begins, for each run.
pub(super) trait Assembly: Clone + Send + 'static {
    /// Whether what an answer ends with says that it is whole, as a bracket does.
    const SHOWS_ITS_END: bool = false;

    /// What rows become.
    type Chunk: Chunk;

    /// Makes chunks, on any core.
    fn maker(&self) -> Box<dyn Fn() -> Self::Chunk + Send + Sync>;

    /// Gives what comes before all rows.
    fn begin(&mut self, _out: &mut Pieces) {}

    /// Gives the next chunk, with what lies between it and the one before.
    fn add(&mut self, chunk: Self::Chunk, out: &mut Pieces);

    /// Gives what comes behind all rows.
    fn end(&mut self, _out: &mut Pieces) {}
}

/// A piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes.
    Text(Bytes),
    /// A byte again and again.
    Run(u8, u64),
}

impl Piece {
    pub(super) fn length(&self) -> u64 {
        match self {
            Piece::Text(text) => text.len() as u64,
            Piece::Run(_, count) => *count,
        }
    }

    /// Its bytes, in parts of bounded length where it is a run.
    pub(super) fn parts(self) -> impl Iterator<Item = Bytes> {
        let (text, byte, count) = match self {
            Piece::Text(text) => (Some(text), 0, 0),
            Piece::Run(byte, count) => (None, byte, count),
        };
        let run = Bytes::from(vec![byte; count.min(RUN_BYTES) as usize]);
        let starts = (0..count).step_by(RUN_BYTES as usize);
        let parts = starts.map(move |start| run.slice(..(count - start).min(RUN_BYTES) as usize));
        text.into_iter().chain(parts)
    }
}

/// Pieces that are to be passed on, in order.
#[derive(Debug, Default)]
pub(super) struct Pieces(VecDeque<Piece>);

impl Pieces {
    /// Adds bytes.
    pub(super) fn text(&mut self, text: impl Into<Bytes>) {
        let text = text.into();
        if !text.is_empty() {
            self.0.push_back(Piece::Text(text));
        }
    }

    /// Adds the breaks that lead from one scroll to another.
    pub(super) fn breaks(&mut self, from: &Coordinate, to: &Coordinate) {
        if breaks_between(from, to) > LONG_RUN {
            let runs = runs_between(from, to);
            self.0
                .extend(runs.map(|(byte, count)| Piece::Run(byte, u64::from(count))));
            return;
        }
        let mut breaks = Vec::new();
        write_breaks(from, to, &mut breaks);
        self.text(breaks);
    }

    fn pass_on(&mut self, put: &mut dyn FnMut(Piece) -> io::Result<()>) -> io::Result<()> {
        self.0.drain(..).try_for_each(put)
    }
}

#[cfg(test)]
impl IntoIterator for Pieces {
    type Item = Piece;
    type IntoIter = std::collections::vec_deque::IntoIter<Piece>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Writes the breaks between two scrolls, of which there are few.
pub(super) fn write_breaks(from: &Coordinate, to: &Coordinate, out: &mut Vec<u8>) {
    for (byte, count) in runs_between(from, to) {
        out.resize(out.len() + count as usize, byte);
    }
}

/// Puts together what a run on this thread gives, piece by piece.
pub(super) fn gather<A: Assembly>(
    mut assembly: A,
    put: &mut dyn FnMut(Piece) -> io::Result<()>,
    run: impl FnOnce(&mut dyn Sink) -> Result<Report, ExecuteError>,
) -> Result<(), ExecuteError> {
    let make = assembly.maker();
    let (mut chunk, mut pieces) = (make(), Pieces::default());
    assembly.begin(&mut pieces);
    let mut sink = |row: &ResultRow<'_>| {
        chunk.add(row)?;
        if chunk.bytes() >= CHUNK_BYTES {
            let full = std::mem::replace(&mut chunk, make());
            assembly.add(full, &mut pieces);
            pieces.pass_on(put)?;
        }
        Ok(Flow::Continue)
    };
    run(&mut sink)?;
    assembly.add(chunk, &mut pieces);
    assembly.end(&mut pieces);
    Ok(pieces.pass_on(put)?)
}

/// Puts together what the core pool gives.
pub(super) struct Assembled<A: Assembly> {
    assembly: A,
    chunks: Chunks<A::Chunk>,
    pieces: Pieces,
    has_ended: bool,
}

impl<A: Assembly> Assembled<A> {
    pub(super) fn new(mut assembly: A, chunks: Chunks<A::Chunk>) -> Assembled<A> {
        let mut pieces = Pieces::default();
        assembly.begin(&mut pieces);
        Assembled {
            assembly,
            chunks,
            pieces,
            has_ended: false,
        }
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, PoolError> {
        loop {
            let piece = self.pieces.0.pop_front();
            if piece.is_some() || self.has_ended {
                return Ok(piece);
            }
            match next(&mut self.chunks).await? {
                Some(chunk) => self.assembly.add(chunk, &mut self.pieces),
                None => {
                    self.assembly.end(&mut self.pieces);
                    self.has_ended = true;
                }
            }
        }
    }
}

/// The next chunk.
pub(super) async fn next<C: Chunk>(chunks: &mut Chunks<C>) -> Result<Option<C>, PoolError> {
    poll_fn(|context| chunks.poll_next(context)).await
}

/// Keeps what fits.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
}

impl Kept {
    /// Adds a piece, or gives it back where it does not fit.
    pub(super) fn push(&mut self, piece: Piece) -> Option<Piece> {
        if self.bytes.len() as u64 + piece.length() > BUFFER_BYTES as u64 {
            return Some(piece);
        }
        match piece {
            Piece::Text(text) => self.bytes.extend_from_slice(&text),
            // No longer than the buffer, as was just seen.
            Piece::Run(byte, count) => self.bytes.resize(self.bytes.len() + count as usize, byte),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_given_back() {
        let mut kept = Kept::default();
        let most = Piece::Text(Bytes::from(vec![0; BUFFER_BYTES - 2]));
        assert_eq!(kept.push(most), None);
        assert_eq!(kept.push(Piece::Run(7, 2)), None);
        let long = Piece::Run(7, 1 << 31);
        assert_eq!(kept.push(long), Some(Piece::Run(7, 1 << 31)));
        assert_eq!(kept.bytes[BUFFER_BYTES - 3..], [0, 7, 7]);
    }

    #[test]
    fn runs_are_cut() {
        let check = |count, expected: &[usize]| {
            let parts = Piece::Run(9, count).parts();
            let lengths: Vec<_> = parts.map(|part| part.len()).collect();
            assert_eq!(lengths, expected, "{count}");
        };
        check(1, &[1]);
        check(RUN_BYTES, &[RUN_BYTES as usize]);
        check(
            2 * RUN_BYTES + 3,
            &[RUN_BYTES as usize, RUN_BYTES as usize, 3],
        );
        let text = Bytes::from_static(b"text");
        let parts: Vec<_> = Piece::Text(text.clone()).parts().collect();
        assert_eq!(parts, [text]);
    }
}
