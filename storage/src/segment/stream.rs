//! A segment of one part whose scrolls come one by one, in coordinate order, and are written as they
//! come: no text waits in memory.

use super::builder::{KeyPlan, PartLabel, Texts};
use super::file::{create, finish_file, publish, temporary_path, write_header};
use super::order::Order;
use super::writer::{Pace, SegmentWriter};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::vfs::Vfs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A segment under construction. Dropping it removes its file.
pub(crate) struct SegmentStream {
    vfs: Arc<dyn Vfs>,
    directory: PathBuf,
    id: u64,
    /// Absent once it is finished.
    part: Option<OpenPart>,
    is_published: bool,
}

struct OpenPart {
    writer: SegmentWriter<'static>,
    texts: Texts,
    keys: Vec<Coordinate>,
}

impl std::fmt::Debug for SegmentStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentStream")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl SegmentStream {
    /// Begins segment `id` with a part of the phext of this name. Where it is `threaded`, the file is
    /// written on a thread of its own.
    pub(crate) fn create(
        vfs: Arc<dyn Vfs>,
        directory: &Path,
        id: u64,
        name: &str,
        threaded: bool,
    ) -> Result<SegmentStream> {
        let path = temporary_path(directory, id);
        let file = create(&*vfs, &path)?;
        let mut stream = SegmentStream {
            vfs,
            directory: directory.to_owned(),
            id,
            part: None,
            is_published: false,
        };
        let mut writer = match threaded {
            true => SegmentWriter::threaded(file, &path, id)?,
            false => SegmentWriter::new(file, &path, id, Pace::Urgent),
        };
        write_header(&mut writer, id)?;
        let texts = Texts::begin(&mut writer, name, 0)?;
        stream.part = Some(OpenPart {
            writer,
            texts,
            keys: Vec::new(),
        });
        Ok(stream)
    }

    /// The segment's id.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Number of scrolls.
    pub(crate) fn len(&self) -> usize {
        self.part().keys.len()
    }

    /// Bytes of text.
    pub(crate) fn byte_len(&self) -> u64 {
        self.part().texts.byte_len()
    }

    /// Writes the next scroll, whose coordinate is greater than all before.
    pub(crate) fn push(&mut self, coordinate: Coordinate, text: &[u8]) -> Result<()> {
        let part = self.part.as_mut().expect("it was not finished");
        part.texts.push(&mut part.writer, &coordinate, text)?;
        part.keys.push(coordinate);
        Ok(())
    }

    /// Writes the rest of the segment and publishes it under its name, durably. The part has the name
    /// that it was begun with, and at least one scroll. The texts of the order lie by coordinate.
    pub(crate) fn finish(mut self, label: PartLabel<'_>, order: Order) -> Result<()> {
        let part = self.part.take().expect("it is finished once");
        let OpenPart {
            mut writer,
            texts,
            keys,
        } = part;
        let plan = KeyPlan::new(&keys, order);
        assert!(plan.has_texts_by_coordinate(), "texts came by coordinate");
        let range = texts.finish(&mut writer, label, &keys, &plan)?;
        finish_file(writer, self.id, &[range])?;
        publish(&*self.vfs, &self.directory, self.id)?;
        self.is_published = true;
        Ok(())
    }

    fn part(&self) -> &OpenPart {
        self.part.as_ref().expect("it was not finished")
    }
}

impl Drop for SegmentStream {
    fn drop(&mut self) {
        // Its thread ends first.
        self.part = None;
        if !self.is_published {
            // Where this fails, the next opening removes it.
            let _ = self.vfs.remove(&temporary_path(&self.directory, self.id));
        }
    }
}
