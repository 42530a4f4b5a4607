//! Long answers with a right Content-Length and bounded memory.
//!
//! An answer is written by a function that can be run again over the same snapshot. Its first run
//! fills a buffer; where that is not enough the rest is only counted, and a second run streams the
//! answer in pieces, as fast as the client takes them.

use super::{Answer, Refusal};
use crate::http::{Body, Response};
use crate::library::{LibraryError, blocking};
use bytes::Bytes;
use phext_query::ExecuteError;
use phext_storage::Phext;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Answers up to this many bytes are sent from memory.
pub(super) const BUFFER_BYTES: usize = 8 << 20;
/// A piece of a streamed answer.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait for the client.
pub(super) const PIECES: usize = 4;
/// Passes over up to this many scrolls, and this many bytes of text, run on the thread that serves the
/// connection: that takes about as long as handing the work to another thread.
pub(super) const INLINE_SCROLLS: u64 = 1024;
const INLINE_BYTES: u64 = 1 << 20;

/// Writes an answer. It must write the same bytes each time.
pub(super) type Render = dyn Fn(&mut dyn Write) -> Result<(), ExecuteError> + Send + Sync;

/// Whether a pass over the whole phext is short.
pub(super) fn is_short(phext: &Phext) -> bool {
    phext.scrolls() <= INLINE_SCROLLS && phext.text_bytes() <= INLINE_BYTES
}

/// Whether a pass over `scrolls` of the phext's scrolls is short, going by their mean length.
pub(super) fn is_short_part(phext: &Phext, scrolls: u64) -> bool {
    let mean = phext.text_bytes() / phext.scrolls().max(1);
    scrolls < INLINE_SCROLLS && scrolls.saturating_mul(mean) <= INLINE_BYTES
}

/// Runs `work`, here where it is short, else on a thread for long work.
pub(super) async fn run<T: Send + 'static>(
    short: bool,
    work: impl FnOnce() -> Result<T, ExecuteError> + Send + 'static,
) -> Result<T, Refusal> {
    if short {
        return Ok(work()?);
    }
    Ok(blocking(move || work().map_err(LibraryError::from)).await?)
}

/// The answer that `render` writes.
pub(super) async fn respond(
    short: bool,
    content_type: &'static str,
    render: Arc<Render>,
) -> Answer {
    let first = Arc::clone(&render);
    let buffered = run(short, move || {
        let mut buffer = Buffer::default();
        first(&mut buffer)?;
        Ok(buffer)
    })
    .await?;
    let body = match buffered.overflowed {
        false => Body::Full(Bytes::from(buffered.bytes)),
        true => stream(buffered.length, render),
    };
    Ok(Response::new(200, content_type, body))
}

/// A body of `length` bytes that `render` writes.
pub(super) fn stream(length: u64, render: Arc<Render>) -> Body {
    let (sender, chunks) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces {
            sender,
            piece: Vec::with_capacity(PIECE_BYTES),
        };
        let rendered = render(&mut pieces).map_err(io::Error::other);
        if let Err(error) = rendered.and_then(|()| pieces.flush()) {
            // The client sees a reset; where it is gone already, nobody does.
            let _ = pieces.sender.blocking_send(Err(error));
        }
    });
    Body::Stream { length, chunks }
}

/// Keeps what fits and counts everything.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    length: u64,
    overflowed: bool,
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        if !self.overflowed {
            self.bytes.extend_from_slice(bytes);
            if self.bytes.len() > BUFFER_BYTES {
                self.overflowed = true;
                self.bytes = Vec::new();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes bytes on in pieces, waiting for the client.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.piece.len();
        let taken = bytes.len().min(room);
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let sent = self.sender.blocking_send(Ok(Bytes::from(piece)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone"))
    }
}
