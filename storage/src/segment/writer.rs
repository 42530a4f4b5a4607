//! Writing a segment file from front to back, with the checksums of its chunks.
//!
//! Bytes are gathered in *pieces*. A full piece is hashed and written, here or on a thread of the
//! writer's own. A part's header comes first in the file and is known last: room for it is reserved, and
//! the piece with that room waits until it is filled.

use super::checksums::{CHUNK_BYTES, chunk_checksum};
use crate::canary;
use crate::error::{Result, StoreError};
use crate::vfs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// Bytes gathered before they are hashed and written: a whole number of chunks.
const PIECE_BYTES: usize = 16 * CHUNK_BYTES;

/// Bytes that are written at once. A file system with large folios keeps what is written at once in folios of
/// that size, for which the kernel takes memory from free stretches of that size. A virtual machine may have
/// given the larger ones back to its host, which is slow to return them: after some seconds of rest 256 MB
/// took 360 to 540 ms in writes of 1 MiB, and 54 ms in writes of 128 KiB (ext4, Linux 6.18).
const WRITE_BYTES: usize = 2 * CHUNK_BYTES;

/// Bytes after which what was written is made durable, so that the end of a large file, or a log
/// sync meanwhile, does not find all of it waiting.
const SYNC_BYTES: u64 = 8 << 20;

/// Bytes of which the medium may be behind where writing does not wait for it at each piece: enough to
/// keep it busy, and little enough that a log sync meanwhile is not late.
const BEHIND_BYTES: u64 = 32 << 20;

/// Pieces that wait for a writer's thread.
const WAITING_PIECES: usize = 2;

/// Called before so many bytes are written; may wait, and may refuse.
pub(super) type Meter<'a> = &'a (dyn Fn(u64) -> io::Result<()> + Sync);

/// How a file gets to the medium before its end, when all of it is made durable in any case.
#[derive(Clone, Copy)]
pub(super) enum Pace<'a> {
    /// What runs beside other work: metered, and made durable every [`SYNC_BYTES`].
    Steady(Meter<'a>),
    /// What somebody waits for: write-back is begun at each piece.
    Urgent,
}

/// A file under construction.
pub(super) struct SegmentWriter<'a> {
    output: Output<'a>,
    piece: Vec<u8>,
    /// Where the piece starts in the file.
    piece_at: u64,
    reserved: Option<Range<u64>>,
    /// The piece with the room that is reserved, where it is full, and where it starts.
    held: Option<(u64, Vec<u8>)>,
}

enum Output<'a> {
    Here(Pieces<'a>),
    Thread(WriterThread),
}

impl<'a> SegmentWriter<'a> {
    /// Writes on the calling thread.
    pub(super) fn new(file: Box<dyn File>, path: &Path, segment: u64, pace: Pace<'a>) -> Self {
        SegmentWriter::to(Output::Here(Pieces::new(file, path, segment, pace)))
    }

    /// Writes on a thread of its own, as fast as it can.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn threaded(file: Box<dyn File>, path: &Path, segment: u64) -> Result<Self> {
        let pieces = Pieces::new(file, path, segment, Pace::Urgent);
        let thread = WriterThread::start(pieces)
            .map_err(|error| StoreError::io("start a thread for", path, error))?;
        Ok(SegmentWriter::to(Output::Thread(thread)))
    }

    fn to(output: Output<'a>) -> Self {
        SegmentWriter {
            output,
            piece: Vec::with_capacity(PIECE_BYTES),
            piece_at: 0,
            reserved: None,
            held: None,
        }
    }

    /// Bytes written so far.
    pub(super) fn position(&self) -> u64 {
        self.piece_at + self.piece.len() as u64
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.piece.len() + bytes.len() < PIECE_BYTES {
            self.piece.extend_from_slice(bytes);
            return Ok(());
        }
        self.write_across(bytes)
    }

    fn write_across(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = PIECE_BYTES - self.piece.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() == PIECE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Appends zeros up to `position`.
    pub(super) fn pad_to(&mut self, position: u64) -> Result<()> {
        assert!(
            position >= self.position(),
            "sections are written in file order"
        );
        const ZEROS: [u8; 64] = [0; 64];
        while self.position() < position {
            let length = (position - self.position()).min(ZEROS.len() as u64) as usize;
            self.write(&ZEROS[..length])?;
        }
        Ok(())
    }

    /// Appends room for bytes that are known later, in one piece. It starts at a multiple of
    /// `alignment`; gives where.
    pub(super) fn reserve(&mut self, length: usize, alignment: u64) -> Result<u64> {
        assert!(
            length <= PIECE_BYTES && self.reserved.is_none(),
            "one room at a time"
        );
        self.pad_to(self.position().next_multiple_of(alignment))?;
        if self.piece.len() + length > PIECE_BYTES {
            self.pad_to(self.piece_at + PIECE_BYTES as u64)?;
        }
        let start = self.position();
        self.reserved = Some(start..start + length as u64);
        self.pad_to(start + length as u64)?;
        Ok(start)
    }

    /// Fills the room that was reserved.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        let room = self.reserved.take().expect("there is room");
        assert_eq!(
            room.end - room.start,
            bytes.len() as u64,
            "the room is filled"
        );
        match self.held.take() {
            Some((at, mut piece)) => {
                let start = (room.start - at) as usize;
                piece[start..start + bytes.len()].copy_from_slice(bytes);
                self.output.write(at, piece).map(drop)
            }
            None => {
                let start = (room.start - self.piece_at) as usize;
                self.piece[start..start + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Makes the file durable behind its end: the bytes of `tail`, which is told how many there are and
    /// the checksum table's bytes.
    pub(super) fn finish(mut self, tail: impl FnOnce(u64, &[u8]) -> Vec<u8>) -> Result<()> {
        assert!(self.reserved.is_none(), "all room is filled");
        let length = self.position();
        self.flush()?;
        let pieces = self.output.end()?;
        let checksums = pieces.checksums.iter();
        let table: Vec<u8> = checksums.flat_map(|sum| sum.to_le_bytes()).collect();
        pieces.write_metered(length, &tail(length, &table))?;
        pieces.sync()
    }

    fn flush(&mut self) -> Result<()> {
        let at = self.piece_at;
        self.piece_at += self.piece.len() as u64;
        let piece = std::mem::take(&mut self.piece);
        self.piece = match &self.reserved {
            Some(room) if room.start >= at => {
                self.held = Some((at, piece));
                Vec::with_capacity(PIECE_BYTES)
            }
            _ => self.output.write(at, piece)?,
        };
        Ok(())
    }
}

impl<'a> Output<'a> {
    /// Writes a piece at its place. Gives an empty one.
    fn write(&mut self, at: u64, mut piece: Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Output::Here(pieces) => {
                pieces.write(at, &piece)?;
                piece.clear();
                Ok(piece)
            }
            Output::Thread(thread) => thread.write(at, piece),
        }
    }

    fn end(self) -> Result<Pieces<'a>> {
        match self {
            Output::Here(pieces) => Ok(pieces),
            Output::Thread(thread) => thread.end(),
        }
    }
}

/// A thread that hashes and writes pieces. It ends with its senders, at the first failure at once.
struct WriterThread {
    pieces: Option<SyncSender<(u64, Vec<u8>)>>,
    /// Pieces that were written, to be filled again: fresh memory costs more than a copy.
    spare: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<Result<Pieces<'static>>>>,
}

impl WriterThread {
    fn start(mut output: Pieces<'static>) -> io::Result<WriterThread> {
        let (sender, pieces) = sync_channel::<(u64, Vec<u8>)>(WAITING_PIECES);
        let (spares, spare) = channel();
        let work = move || {
            while let Ok((at, mut piece)) = pieces.recv() {
                output.write(at, &piece)?;
                piece.clear();
                // Nobody wants it any more when the last piece was sent.
                let _ = spares.send(piece);
            }
            Ok(output)
        };
        let builder = std::thread::Builder::new().name("sqd-ingest-file".to_owned());
        Ok(WriterThread {
            pieces: Some(sender),
            spare,
            thread: Some(builder.spawn(work)?),
        })
    }

    fn write(&mut self, at: u64, piece: Vec<u8>) -> Result<Vec<u8>> {
        let pieces = self.pieces.as_ref().expect("it has not ended");
        if pieces.send((at, piece)).is_err() {
            return Err(self.join().err().unwrap_or_else(abandoned));
        }
        let spare = self.spare.try_recv();
        Ok(spare.unwrap_or_else(|_| Vec::with_capacity(PIECE_BYTES)))
    }

    fn end(mut self) -> Result<Pieces<'static>> {
        self.join()
    }

    fn join(&mut self) -> Result<Pieces<'static>> {
        self.pieces = None;
        let joined = self.thread.take().map(JoinHandle::join);
        joined
            .and_then(std::result::Result::ok)
            .unwrap_or_else(|| Err(abandoned()))
    }
}

/// A file that is abandoned is not written to after this.
impl Drop for WriterThread {
    fn drop(&mut self) {
        // A failure is of no interest for a file that nobody wants.
        let _ = self.join();
    }
}

fn abandoned() -> StoreError {
    StoreError::Poisoned {
        cause: "the writing of a segment was abandoned; the log says where".to_owned(),
    }
}

/// The file, and what is known of its pieces.
struct Pieces<'a> {
    file: Box<dyn File>,
    path: PathBuf,
    segment: u64,
    pace: Pace<'a>,
    /// By chunk.
    checksums: Vec<u64>,
    /// Bytes up to which the file is on its way to the medium.
    reached: u64,
}

impl<'a> Pieces<'a> {
    fn new(file: Box<dyn File>, path: &Path, segment: u64, pace: Pace<'a>) -> Self {
        Pieces {
            file,
            path: path.to_owned(),
            segment,
            pace,
            checksums: Vec::new(),
            reached: 0,
        }
    }

    /// Hashes and writes a piece. Pieces start at multiples of [`PIECE_BYTES`].
    fn write(&mut self, at: u64, piece: &[u8]) -> Result<()> {
        let first = (at / CHUNK_BYTES as u64) as usize;
        let chunks = piece.len().div_ceil(CHUNK_BYTES);
        self.checksums
            .resize(self.checksums.len().max(first + chunks), 0);
        for (index, chunk) in (first..).zip(piece.chunks(CHUNK_BYTES)) {
            self.checksums[index] = chunk_checksum(self.segment, index, chunk);
        }
        for (at, bytes) in (at..).step_by(WRITE_BYTES).zip(piece.chunks(WRITE_BYTES)) {
            self.write_metered(at, bytes)?;
        }
        self.move_on(at..at + piece.len() as u64)
    }

    fn write_metered(&self, at: u64, bytes: &[u8]) -> Result<()> {
        let metered = match self.pace {
            Pace::Steady(meter) => meter(bytes.len() as u64),
            Pace::Urgent => Ok(()),
        };
        metered
            .and_then(|()| self.file.write_at(at, bytes))
            .map_err(|error| StoreError::io("write", &self.path, error))
    }

    /// Brings what was written on its way to the medium, as the pace has it.
    fn move_on(&mut self, written: Range<u64>) -> Result<()> {
        match self.pace {
            Pace::Steady(_) if written.end < self.reached + SYNC_BYTES => Ok(()),
            Pace::Steady(_) => {
                self.reached = written.end;
                self.sync()
            }
            Pace::Urgent => {
                let begun = self.file.begin_write_back(written.clone());
                let limit = written.end.saturating_sub(BEHIND_BYTES);
                let behind = self.reached..limit.max(self.reached);
                self.reached = behind.end;
                begun
                    .and_then(|()| match behind.is_empty() {
                        true => Ok(()),
                        false => self.file.await_write_back(behind),
                    })
                    .map_err(|error| StoreError::io("write", &self.path, error))
            }
        }
    }

    fn sync(&self) -> Result<()> {
        if canary::leaves_out("segment_sync") {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|error| StoreError::io("sync", &self.path, error))
    }
}
