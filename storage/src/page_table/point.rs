//! Points: from a coordinate to its scroll, one by one and in batches.
//!
//! ```text
//! one     memtables -> translation cache, where there are several parts
//!         -> directories, newest first -> heap entry -> shadow
//! batch   each step does a stage of three coordinates:
//!         buckets of the n-th asked for | buckets of the one 8 before read, its entry asked for
//!         | entry of the one 16 before read
//! ```
//!
//! A point touches two places of a part: a bucket of the directory and the heap entry. In a batch the
//! waits for memory overlap, because each stage asks for what the next one reads, and with the work on
//! what has come, because the stages take turns; one by one they do as far as the processor looks ahead. Where nothing is in the way, which a look shows, the entry's text
//! comes with it ([`Location::Text`]).

use super::translation::{self, Hint};
use super::{Lane, Location};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::segment::{Candidate, Confirmed, Found, Probe};
use crate::store::{PartView, Phext};
use bytes::Bytes;

/// Parts from which on the translation cache is asked: a hit saves the buckets of all but one, and
/// with fewer parts remembering costs more than it saves (by a fifth of a point read, measured).
const TRANSLATED_PARTS: usize = 4;

/// How many coordinates of a batch are between the asking for buckets and the reading of an entry. Enough for
/// the waits, and so few that what was asked for is in the nearest cache when it is read, of a dozen parts
/// as well.
const BUCKETS_AHEAD: usize = 16;
/// How many of these are between the asking for an entry and the reading of it.
const ENTRIES_AHEAD: usize = 8;

/// A search for a coordinate that has begun. See [`Phext::begin`].
#[derive(Debug, Clone, Copy)]
pub struct Begun(Probe);

impl Phext {
    /// Where the scroll at a coordinate is.
    ///
    /// # Errors
    /// Damage, with file and offset.
    #[inline(always)]
    pub fn locate(&self, coordinate: &Coordinate) -> Result<Location<'_>> {
        self.locate_with(coordinate, || Probe::new(coordinate))
    }

    /// The text of the scroll at a coordinate, if there is one. Takes fewer instructions than
    /// [`Phext::locate`], which counts where points follow each other.
    ///
    /// # Errors
    /// Damage, with file and offset.
    #[inline(always)]
    pub fn text(&self, coordinate: &Coordinate) -> Result<Option<&[u8]>> {
        if let Some(text) = self.in_memory(coordinate) {
            return Ok(Some(text));
        }
        if self.parts.is_empty() {
            return Ok(None);
        }
        let probe = Probe::new(coordinate);
        if self.parts.len() < TRANSLATED_PARTS {
            match self.look(coordinate, probe) {
                Look::There { found, .. } => return Ok(Some(found.text)),
                Look::Nowhere => return Ok(None),
                Look::Unclear => {}
            }
        }
        self.text_of_any(coordinate, probe)
    }

    /// As [`Phext::text`], with many parts or whatever is in the way.
    #[inline(never)]
    fn text_of_any(&self, coordinate: &Coordinate, probe: Probe) -> Result<Option<&[u8]>> {
        let location = if self.parts.len() < TRANSLATED_PARTS {
            self.find_in_parts(coordinate, probe)?
        } else {
            self.translate(coordinate, probe)?
        };
        location.is_present().then(|| location.text()).transpose()
    }

    /// Begins to look for a coordinate: asks for what is read first, and does not wait for it. Worth it
    /// for whoever has something else to do before [`Phext::locate_begun`].
    #[inline]
    pub fn begin(&self, coordinate: &Coordinate) -> Begun {
        if self.parts.is_empty() {
            return Begun(Probe::default());
        }
        let probe = Probe::new(coordinate);
        // With more of them the translation cache says which part is read.
        if self.parts.len() < TRANSLATED_PARTS {
            for view in &self.parts {
                view.part.prefetch_bucket(coordinate, probe);
            }
        }
        Begun(probe)
    }

    /// As [`Phext::locate`], for a search that was begun, for the same coordinate and by this phext.
    ///
    /// # Errors
    /// As [`Phext::locate`].
    #[inline(always)]
    pub fn locate_begun(&self, coordinate: &Coordinate, begun: Begun) -> Result<Location<'_>> {
        self.locate_with(coordinate, || begun.0)
    }

    /// Always inlined: a result so long is put together in memory otherwise, where it is when all reads
    /// before it are done.
    #[inline(always)]
    fn locate_with(
        &self,
        coordinate: &Coordinate,
        probe: impl FnOnce() -> Probe,
    ) -> Result<Location<'_>> {
        if let Some(text) = self.in_memory(coordinate) {
            return Ok(Location::Memory(text));
        }
        if self.parts.is_empty() {
            return Ok(Location::Absent);
        }
        let probe = probe();
        if self.parts.len() >= TRANSLATED_PARTS {
            return self.translate(coordinate, probe);
        }
        match self.look(coordinate, probe) {
            Look::There { view, found, .. } => Ok(text(view, found)),
            Look::Nowhere => Ok(Location::Absent),
            Look::Unclear => self.find_in_parts(coordinate, probe),
        }
    }

    /// Where the scroll at a coordinate is, asking the translation cache first.
    #[inline(never)]
    fn translate(&self, coordinate: &Coordinate, probe: Probe) -> Result<Location<'_>> {
        let hinted = self.hinted(coordinate, probe);
        translation::count(hinted.is_some());
        if let Some(location) = hinted {
            return Ok(location);
        }
        match self.look(coordinate, probe) {
            Look::There {
                view,
                offset,
                found,
            } => {
                let part = view.part.uid();
                translation::insert(probe.hash(), Hint { part, offset });
                Ok(text(view, found))
            }
            Look::Nowhere => Ok(Location::Absent),
            Look::Unclear => self.find_in_parts(coordinate, probe),
        }
    }

    /// Looks into the parts, newest first, as long as nothing is in the way.
    #[inline(always)]
    fn look(&self, coordinate: &Coordinate, probe: Probe) -> Look<'_> {
        let mut views = self.parts.iter();
        // The entry is looked at behind the loop: a compiler would spell the key before it otherwise,
        // also for what is absent, and between one entry and the next bucket.
        let (view, offset) = loop {
            let Some(view) = views.next() else {
                return Look::Nowhere;
            };
            match view.part.candidate(coordinate, probe) {
                Candidate::None => {}
                Candidate::Likely(offset) => break (view, offset),
                Candidate::Unknown => return Look::Unclear,
            }
        };
        let found = view.part.confirm_quickly(offset, coordinate);
        match found.filter(|found| is_current(view, found.slot)) {
            Some(found) => Look::There {
                view,
                offset,
                found,
            },
            None => Look::Unclear,
        }
    }

    /// The scroll in the newest part that has it, whatever is in the way.
    #[cold]
    #[inline(never)]
    fn find_in_parts(&self, coordinate: &Coordinate, probe: Probe) -> Result<Location<'_>> {
        for view in &self.parts {
            let found = view.part.find(coordinate, probe)?;
            if let Some(found) = found.filter(|found| is_current(view, found.slot)) {
                return Ok(entry(view, found));
            }
        }
        Ok(Location::Absent)
    }

    /// Where the scrolls at these coordinates are, in the same order. Faster than one by one where
    /// there are several.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn locate_batch<'a>(
        &'a self,
        coordinates: &[Coordinate],
        out: &mut Vec<Location<'a>>,
    ) -> Result<()> {
        let start = out.len();
        out.resize(start + coordinates.len(), Location::Absent);
        let located = &mut out[start..];
        self.locate_each(coordinates, |index, location| {
            located[index] = location;
            Ok(())
        })
    }

    /// As [`Phext::locate_batch`], each location beside its coordinate.
    ///
    /// # Errors
    /// As [`Phext::locate_batch`].
    pub fn locate_lanes<'a>(
        &'a self,
        coordinates: &[Coordinate],
        out: &mut Vec<Lane<'a>>,
    ) -> Result<()> {
        let start = out.len();
        let location = Location::Absent;
        out.extend(coordinates.iter().map(|&coordinate| Lane {
            coordinate,
            location,
        }));
        let lanes = &mut out[start..];
        // Not put together first: a lane is copied with the gap between its halves, so that the copy
        // waits for what was written beside that.
        self.locate_each(coordinates, |index, location| {
            lanes[index].location = location;
            Ok(())
        })
    }

    /// Tells where the scrolls at these coordinates are, with their indexes, of those that have one, in
    /// their order. `tell` may read the text, which is on its way then: that is faster than to read texts
    /// when all are located.
    ///
    /// # Errors
    /// Damage, with file and offset, and what `tell` gives; nothing is told after that.
    #[inline(always)]
    pub fn locate_each<'a>(
        &'a self,
        coordinates: &[Coordinate],
        mut tell: impl FnMut(usize, Location<'a>) -> Result<()>,
    ) -> Result<()> {
        let count = coordinates.len();
        let mut searches = [const { Search::Nowhere }; BUCKETS_AHEAD];
        for step in 0..count + BUCKETS_AHEAD {
            // The oldest first, which leaves its place to the newest.
            if let Some(index) = step.checked_sub(BUCKETS_AHEAD) {
                let search = searches[index % BUCKETS_AHEAD];
                if let Some(location) = self.end(&coordinates[index], search)? {
                    tell(index, location)?;
                }
            }
            if let Some(coordinate) = coordinates.get(step) {
                searches[step % BUCKETS_AHEAD] = self.start(coordinate);
            }
            if let Some(index) = step.checked_sub(BUCKETS_AHEAD - ENTRIES_AHEAD)
                && let Some(coordinate) = coordinates.get(index)
                && let search = &mut searches[index % BUCKETS_AHEAD]
                && let Search::Started(probe) = *search
            {
                *search = self.go_on(coordinate, probe);
            }
        }
        Ok(())
    }

    /// Starts a search of a batch: asks for the buckets.
    #[inline(always)]
    fn start(&self, coordinate: &Coordinate) -> Search<'_> {
        if let Some(text) = self.in_memory(coordinate) {
            return Search::Memory(text);
        }
        let probe = Probe::new(coordinate);
        for view in &self.parts {
            view.part.prefetch_bucket(coordinate, probe);
        }
        Search::Started(probe)
    }

    /// Reads the buckets and asks for the entry.
    #[inline(always)]
    fn go_on(&self, coordinate: &Coordinate, probe: Probe) -> Search<'_> {
        for view in &self.parts {
            match view.part.candidate(coordinate, probe) {
                Candidate::None => {}
                Candidate::Likely(offset) => {
                    view.part.prefetch_entry(offset);
                    return Search::Likely { view, offset };
                }
                Candidate::Unknown => return Search::Unclear,
            }
        }
        Search::Nowhere
    }

    /// Reads the entry.
    #[inline(always)]
    fn end<'a>(
        &'a self,
        coordinate: &Coordinate,
        search: Search<'a>,
    ) -> Result<Option<Location<'a>>> {
        match search {
            Search::Nowhere => return Ok(None),
            Search::Memory(text) => return Ok(Some(Location::Memory(text))),
            Search::Likely { view, offset } => {
                let found = view.part.confirm_quickly(offset, coordinate);
                if let Some(found) = found.filter(|found| is_current(view, found.slot)) {
                    return Ok(Some(text(view, found)));
                }
            }
            Search::Unclear | Search::Started(_) => {}
        }
        let location = self.find_in_parts(coordinate, Probe::new(coordinate))?;
        Ok(location.is_present().then_some(location))
    }

    /// The scroll where this thread found the coordinate before, if it is there still.
    #[inline]
    fn hinted(&self, coordinate: &Coordinate, probe: Probe) -> Option<Location<'_>> {
        let hint = translation::look_up(probe.hash())?;
        let mut views = self.parts.iter();
        let view = views.find(|view| view.part.uid() == hint.part)?;
        let found = view.part.confirm_quickly(hint.offset, coordinate)?;
        is_current(view, found.slot).then(|| text(view, found))
    }
}

/// What a look into the parts shows.
enum Look<'a> {
    Nowhere,
    There {
        view: &'a PartView,
        offset: u64,
        found: Confirmed<'a>,
    },
    /// A chunk is not verified yet, a bucket goes on, two coordinates have one fingerprint, an entry is
    /// at a border, has a very long key or a shadowed slot: [`Phext::find_in_parts`] tells.
    Unclear,
}

/// How far the search for a coordinate of a batch is.
#[derive(Clone, Copy)]
enum Search<'a> {
    /// Its buckets are asked for.
    Started(Probe),
    Nowhere,
    Memory(&'a Bytes),
    /// The entry is asked for.
    Likely {
        view: &'a PartView,
        offset: u64,
    },
    /// As [`Look::Unclear`].
    Unclear,
}

/// Whether a slot is not shadowed.
#[inline]
fn is_current(view: &PartView, slot: u32) -> bool {
    !view.shadow.contains(slot)
}

#[inline(always)]
fn text<'a>(view: &'a PartView, found: Confirmed<'a>) -> Location<'a> {
    let Confirmed { slot, text } = found;
    Location::Text { view, slot, text }
}

fn entry(view: &PartView, found: Found) -> Location<'_> {
    Location::Entry {
        view,
        slot: found.slot,
        text: found.text,
    }
}
