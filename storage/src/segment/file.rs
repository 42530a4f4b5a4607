//! A segment file as a whole: header, part table, chunk checksums, trailer.
//!
//! ```text
//! header      magic 8 | version u32 | zero | segment id u64 | zero
//! parts       each at a multiple of 64
//! part table  offset u64 | length u64, per part
//! checksums   u64 per 64 KiB of everything before
//! trailer     segment id u64 | parts u64 | part table offset u64 | checksums offset u64
//!             | zero | xxh3-64 of checksums and trailer | magic 8
//! ```

use super::builder::{PartSource, write_part};
#[cfg(feature = "fuzzing")]
use super::checksums::chunk_checksum;
use super::checksums::{CHUNK_BYTES, ChunkTable};
use super::huge;
use super::layout::{FILE_HEADER_BYTES, FILE_MAGIC, VERSION, u32_at, u64_at};
use super::mend::Mended;
use super::part::Part;
use super::trailer::{TRAILER_BYTES, Trailer};
use super::writer::{Meter, Pace, SegmentWriter};
use crate::canary;
use crate::error::{Result, StoreError};
use crate::vfs::{File, Mapping, Vfs};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Length of an entry of the part table.
pub(super) const PART_ENTRY_BYTES: usize = 16;

/// The name of a segment file.
pub(crate) fn file_name(id: u64) -> String {
    format!("{id:012}.seg")
}

/// The id in a segment file's name.
pub(crate) fn file_id(name: &str) -> Option<u64> {
    let id = name.strip_suffix(".seg")?.parse().ok()?;
    // `1.seg` and `+1.seg` are not ours.
    (file_name(id) == name).then_some(id)
}

/// A mapped segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    id: u64,
    path: PathBuf,
    map: Mapping,
    data_end: usize,
    parts: Vec<Range<usize>>,
    chunks: ChunkTable,
    /// A merge met damage in it.
    is_set_aside: AtomicBool,
    huge: huge::Progress,
    /// What a repair has found out of damaged chunks.
    mended: OnceLock<Mended>,
}

impl Segment {
    /// Maps segment `id`. Checks the frame of the file; see [`Segment::verify`] for the rest.
    pub(crate) fn open(vfs: &dyn Vfs, directory: &Path, id: u64) -> Result<Arc<Segment>> {
        let (path, map) = map_file(vfs, directory, id)?;
        let trailer = Trailer::read(&path, id, &map)?;
        let mut segment = Segment::with_trailer(id, path, map, &trailer)?;
        segment.check_header()?;
        let table = segment.bytes(trailer.parts_at..trailer.checksums_at)?;
        segment.parts = segment.read_part_table(&trailer, table)?;
        Ok(Arc::new(segment))
    }

    /// Maps segment `id` of which header, part table, checksum table or trailer are damaged, for a repair: what
    /// the part table says is checked by what is found there.
    pub(crate) fn open_damaged(vfs: &dyn Vfs, directory: &Path, id: u64) -> Result<Arc<Segment>> {
        let (path, map) = map_file(vfs, directory, id)?;
        let read = Trailer::read(&path, id, &map);
        let is_derived = read.is_err();
        let trailer = read.or_else(|error| Trailer::derive(&map).ok_or(error))?;
        let mut segment = Segment::with_trailer(id, path, map, &trailer)?;
        if is_derived {
            segment.mend_checksums(&trailer);
        }
        let table = segment.mended_part_table(trailer.parts_at..trailer.checksums_at);
        segment.parts = segment.read_part_table(&trailer, &table)?;
        Ok(Arc::new(segment))
    }

    /// A mapped segment whose parts are not known yet.
    fn with_trailer(id: u64, path: PathBuf, map: Mapping, trailer: &Trailer) -> Result<Segment> {
        let chunks = ChunkTable::new(id, &map[trailer.checksums_at..map.len() - TRAILER_BYTES]);
        if chunks.len() != trailer.checksums_at.div_ceil(CHUNK_BYTES) {
            let what = "the checksum table does not cover the file";
            return Err(StoreError::corrupt(
                &path,
                trailer.checksums_at as u64,
                what,
            ));
        }
        Ok(Segment {
            id,
            path,
            map,
            data_end: trailer.checksums_at,
            parts: Vec::new(),
            chunks,
            is_set_aside: AtomicBool::new(false),
            huge: huge::Progress::default(),
            mended: OnceLock::new(),
        })
    }

    /// The segment's id.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The segment's file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file in bytes.
    pub(crate) fn byte_len(&self) -> u64 {
        self.map.len() as u64
    }

    /// Where the checksummed bytes end.
    pub(super) fn data_end(&self) -> usize {
        self.data_end
    }

    /// The mapped file.
    pub(super) fn mapping(&self) -> &Mapping {
        &self.map
    }

    /// How far it was brought into huge pages.
    pub(super) fn huge(&self) -> &huge::Progress {
        &self.huge
    }

    /// The chunks' checksums, and what is known of the chunks.
    pub(super) fn chunk_table(&self) -> &ChunkTable {
        &self.chunks
    }

    /// The chunks' checksums, to put right what is damaged of them.
    pub(super) fn chunk_table_mut(&mut self) -> &mut ChunkTable {
        &mut self.chunks
    }

    /// What is known of damaged chunks, found out at the first call.
    pub(super) fn mended_chunks(&self, find: impl FnOnce() -> Mended) -> &Mended {
        self.mended.get_or_init(find)
    }

    /// Bars a chunk that is damaged on the medium: reads of it fail from now on.
    pub(crate) fn mark_bad(&self, chunk: usize) {
        self.chunks.mark_bad(chunk);
    }

    /// Number of chunks that are barred.
    pub(crate) fn bad_chunks(&self) -> u64 {
        self.chunks.bad_chunks()
    }

    /// Leaves the segment out of merges from now on. Says whether it was not left out before.
    pub(crate) fn set_aside(&self) -> bool {
        !self.is_set_aside.swap(true, Ordering::Relaxed)
    }

    /// Whether merges leave the segment out.
    pub(crate) fn is_set_aside(&self) -> bool {
        self.is_set_aside.load(Ordering::Relaxed)
    }

    /// Bytes of memory that its tables take, the map apart.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.chunks.heap_bytes() + size_of_val(self.parts.as_slice()) as u64
    }

    /// Number of parts.
    pub(crate) fn parts(&self) -> u32 {
        self.parts.len() as u32
    }

    /// Opens a part.
    pub(crate) fn part(self: &Arc<Self>, index: u32) -> Result<Arc<Part>> {
        let range = self.part_range(index)?;
        Ok(Arc::new(Part::open(Arc::clone(self), index, range)?))
    }

    /// Opens a part of which what opening reads is damaged, for [`Part::salvage`] and nothing else. Whether
    /// its header is what was written shows in what it leads to: see [`Self::mended_part`].
    pub(crate) fn damaged_part(self: &Arc<Self>, index: u32) -> Result<Arc<Part>> {
        let range = self.part_range(index)?;
        let head = self.unverified(range.clone());
        let part = Part::open_damaged(Arc::clone(self), index, &range, head)?;
        Ok(Arc::new(part))
    }

    pub(super) fn part_range(&self, index: u32) -> Result<Range<usize>> {
        self.parts.get(index as usize).cloned().ok_or_else(|| {
            let what = format!(
                "it has {} parts; part {index} is asked for",
                self.parts.len()
            );
            StoreError::corrupt(&self.path, self.data_end as u64, what)
        })
    }

    /// Verifies every chunk that was not verified before.
    pub(crate) fn verify(&self) -> Result<()> {
        self.verify_range(0..self.data_end)
    }

    /// Verifies the chunks under a range that were not verified before.
    pub(super) fn verify_range(&self, range: Range<usize>) -> Result<()> {
        self.chunks
            .verify(&self.path, &self.map, self.data_end, range)
    }

    /// Verifies every chunk that was not verified before; reads of those that are damaged fail from now
    /// on, and of the others they do not. Gives the first damage.
    pub(crate) fn verify_each(&self) -> Result<()> {
        self.chunks
            .verify_each(&self.path, &self.map, self.data_end)
    }

    /// Bytes of the file, verified.
    #[inline]
    pub(super) fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        // Nearly all reads are of a chunk that was touched before.
        if self.chunks.is_known(&range)
            && range.end <= self.data_end
            && let Some(bytes) = self.map.get(range.clone())
        {
            return Ok(bytes);
        }
        self.verified_now(range)
    }

    /// The bytes of the file from `at` to the end of its chunk, and not beyond `end`, if that chunk was
    /// verified before.
    #[inline]
    pub(super) fn known_from(&self, at: usize, end: usize) -> Option<&[u8]> {
        let end = self.chunks.known_end(at)?.min(end).min(self.data_end);
        self.map.get(at..end)
    }

    #[cold]
    fn verified_now(&self, range: Range<usize>) -> Result<&[u8]> {
        self.chunks
            .verify(&self.path, &self.map, self.data_end, range.clone())?;
        Ok(&self.map[..self.data_end][range])
    }

    /// Bytes of the file that were verified before, or are about to be.
    #[inline]
    pub(super) fn unverified(&self, range: Range<usize>) -> &[u8] {
        &self.map[range]
    }

    fn check_header(&self) -> Result<()> {
        let header = self.bytes(0..FILE_HEADER_BYTES.min(self.data_end))?;
        if header.len() < FILE_HEADER_BYTES || header[..8] != FILE_MAGIC {
            return Err(StoreError::corrupt(
                &self.path,
                0,
                "its header is not a segment header",
            ));
        }
        match u32_at(header, 8) {
            VERSION => Ok(()),
            found => {
                let path = self.path.clone();
                Err(StoreError::Version {
                    path,
                    found,
                    supported: VERSION,
                })
            }
        }
    }

    fn read_part_table(&self, trailer: &Trailer, table: &[u8]) -> Result<Vec<Range<usize>>> {
        if Some(table.len()) != trailer.parts.checked_mul(PART_ENTRY_BYTES) {
            let what = format!("the part table does not hold {} parts", trailer.parts);
            return Err(StoreError::corrupt(
                &self.path,
                trailer.parts_at as u64,
                what,
            ));
        }
        let entries = table.chunks_exact(PART_ENTRY_BYTES).enumerate();
        let range = |(index, entry): (usize, &[u8])| {
            let start = u64_at(entry, 0);
            let end = start.saturating_add(u64_at(entry, 8));
            if end > trailer.parts_at as u64 {
                let what = format!("part {index} lies outside the file");
                return Err(StoreError::corrupt(
                    &self.path,
                    trailer.parts_at as u64,
                    what,
                ));
            }
            Ok(start as usize..end as usize)
        };
        entries.map(range).collect()
    }
}

fn map_file(vfs: &dyn Vfs, directory: &Path, id: u64) -> Result<(PathBuf, Mapping)> {
    let path = directory.join(file_name(id));
    let map = vfs.map(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            StoreError::corrupt(&path, 0, "a manifest names it, but it is not there")
        }
        _ => StoreError::io("map", &path, error),
    })?;
    Ok((path, map))
}

/// The file with its checksums made to match its bytes, where its trailer says where they are.
#[cfg(feature = "fuzzing")]
pub(crate) fn reseal(segment: u64, file: &[u8]) -> Vec<u8> {
    let Some(trailer) = file.last_chunk::<TRAILER_BYTES>() else {
        return file.to_vec();
    };
    let at = u64_at(trailer, 24).min((file.len() - TRAILER_BYTES) as u64) as usize;
    let chunks = file[..at].chunks(CHUNK_BYTES).enumerate();
    let checksums: Vec<u8> = chunks
        .flat_map(|(index, chunk)| chunk_checksum(segment, index, chunk).to_le_bytes())
        .collect();
    let trailer = Trailer {
        parts: u64_at(trailer, 8) as usize,
        parts_at: u64_at(trailer, 16) as usize,
        checksums_at: at,
    };
    [&file[..at], &trailer.encode(segment, &checksums)].concat()
}

/// Writes segment `id` with these parts and publishes it under its name, durably. On an error no
/// file of that name appears.
pub(crate) fn write_segment(
    vfs: &dyn Vfs,
    directory: &Path,
    id: u64,
    parts: &[PartSource<'_>],
) -> Result<()> {
    write_metered(vfs, directory, id, parts, &|_| Ok(()))
}

/// [`write_segment`]; `meter` is told of each write before it is made.
pub(crate) fn write_metered(
    vfs: &dyn Vfs,
    directory: &Path,
    id: u64,
    parts: &[PartSource<'_>],
    meter: Meter<'_>,
) -> Result<()> {
    write_paced(vfs, directory, id, parts, Pace::Steady(meter))
}

/// [`write_segment`], as fast as the medium takes it: somebody waits.
pub(crate) fn write_urgent(
    vfs: &dyn Vfs,
    directory: &Path,
    id: u64,
    parts: &[PartSource<'_>],
) -> Result<()> {
    write_paced(vfs, directory, id, parts, Pace::Urgent)
}

fn write_paced(
    vfs: &dyn Vfs,
    directory: &Path,
    id: u64,
    parts: &[PartSource<'_>],
    pace: Pace<'_>,
) -> Result<()> {
    let temporary = temporary_path(directory, id);
    let written =
        write_file(vfs, &temporary, id, parts, pace).and_then(|()| publish(vfs, directory, id));
    if written.is_err() {
        // Space matters when the disk is full; what stays is removed at the next opening.
        let _ = vfs.remove(&temporary);
    }
    written
}

/// Where segment `id` is written before it has its name.
pub(super) fn temporary_path(directory: &Path, id: u64) -> PathBuf {
    directory.join(file_name(id)).with_extension("tmp")
}

/// Gives a segment that is whole and durable its name, durably.
pub(super) fn publish(vfs: &dyn Vfs, directory: &Path, id: u64) -> Result<()> {
    let temporary = temporary_path(directory, id);
    vfs.rename(&temporary, &directory.join(file_name(id)))
        .map_err(|e| StoreError::io("rename", &temporary, e))?;
    if canary::leaves_out("directory_sync") {
        return Ok(());
    }
    vfs.sync_dir(directory)
        .map_err(|e| StoreError::io("sync", directory, e))
}

fn write_file(
    vfs: &dyn Vfs,
    path: &Path,
    id: u64,
    parts: &[PartSource<'_>],
    pace: Pace<'_>,
) -> Result<()> {
    let mut writer = SegmentWriter::new(create(vfs, path)?, path, id, pace);
    write_header(&mut writer, id)?;
    let mut table = Vec::new();
    for part in parts {
        table.push(write_part(&mut writer, part)?);
    }
    finish_file(writer, id, &table)
}

pub(super) fn create(vfs: &dyn Vfs, path: &Path) -> Result<Box<dyn File>> {
    vfs.create(path)
        .map_err(|e| StoreError::io("create", path, e))
}

pub(super) fn write_header(writer: &mut SegmentWriter<'_>, id: u64) -> Result<()> {
    writer.write(&file_header(id))
}

/// The first bytes of a segment file.
pub(super) fn file_header(id: u64) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[..8].copy_from_slice(&FILE_MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[16..24].copy_from_slice(&id.to_le_bytes());
    header
}

/// Writes what follows the parts, which lie where `parts` says, and makes the file durable.
pub(super) fn finish_file(
    mut writer: SegmentWriter<'_>,
    id: u64,
    parts: &[Range<u64>],
) -> Result<()> {
    let parts_at = writer.position() as usize;
    for part in parts {
        writer.write(&part.start.to_le_bytes())?;
        writer.write(&(part.end - part.start).to_le_bytes())?;
    }
    writer.finish(|data_end, checksums| {
        let trailer = Trailer {
            parts: parts.len(),
            parts_at,
            checksums_at: data_end as usize,
        };
        trailer.encode(id, checksums)
    })
}
