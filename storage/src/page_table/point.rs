//! Points: from a coordinate to its scroll, one by one and in batches.
//!
//! ```text
//! one     memtables -> translation cache, where there are several parts
//!         -> directories, newest first -> heap entry -> shadow
//! batch   32 at a time: buckets asked for | buckets read, entries asked for | entries read
//! ```
//!
//! A point touches two places of a part: a bucket of the directory and the heap entry. In a batch the
//! waits for memory overlap, because each stage asks for what the next one reads.

use super::Location;
use super::translation::{self, Hint};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::segment::{Candidate, Found, Probe};
use crate::store::{PartView, Phext};

/// Parts from which on the translation cache is asked: a hit saves the buckets of all but one, and
/// with fewer parts remembering costs more than it saves (by a fifth of a point read, measured).
const TRANSLATED_PARTS: usize = 4;

/// Coordinates whose reads overlap: a core waits for about 15 cache lines at once.
const GROUP: usize = 32;

/// A search for a coordinate that has begun. See [`Phext::begin`].
#[derive(Debug, Clone, Copy)]
pub struct Begun(Probe);

impl Phext {
    /// Where the scroll at a coordinate is.
    ///
    /// # Errors
    /// Damage, with file and offset.
    #[inline]
    pub fn locate(&self, coordinate: &Coordinate) -> Result<Location<'_>> {
        self.locate_with(coordinate, || Probe::new(coordinate))
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
    #[inline]
    pub fn locate_begun(&self, coordinate: &Coordinate, begun: Begun) -> Result<Location<'_>> {
        self.locate_with(coordinate, || begun.0)
    }

    #[inline]
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
        if self.parts.len() < TRANSLATED_PARTS {
            return Ok(match self.in_parts(coordinate, probe)? {
                Some((view, found)) => location(view, found),
                None => Location::Absent,
            });
        }
        self.translate(coordinate, probe)
    }

    /// Where the scroll at a coordinate is, asking the translation cache first.
    #[inline(never)]
    fn translate(&self, coordinate: &Coordinate, probe: Probe) -> Result<Location<'_>> {
        let hinted = self.hinted(coordinate, probe)?;
        translation::count(hinted.is_some());
        if let Some(location) = hinted {
            return Ok(location);
        }
        let Some((view, found)) = self.in_parts(coordinate, probe)? else {
            return Ok(Location::Absent);
        };
        let hint = Hint {
            part: view.part.uid(),
            offset: found.offset,
        };
        translation::insert(probe.hash(), hint);
        Ok(location(view, found))
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
        out.reserve(coordinates.len());
        for group in coordinates.chunks(GROUP) {
            let start = out.len();
            out.resize(start + group.len(), Location::Absent);
            self.locate_group(group, &mut out[start..])?;
        }
        Ok(())
    }

    /// Fills `out`, which is all absent, for at most [`GROUP`] coordinates.
    fn locate_group<'a>(
        &'a self,
        coordinates: &[Coordinate],
        out: &mut [Location<'a>],
    ) -> Result<()> {
        let mut pending = Pending::new(coordinates);
        if self.has_memory() {
            pending.retain(|index, _| match self.in_memory(&coordinates[index]) {
                Some(text) => {
                    out[index] = Location::Memory(text);
                    Ok(false)
                }
                None => Ok(true),
            })?;
        }
        for (number, view) in self.parts.iter().enumerate() {
            if pending.len == 0 {
                break;
            }
            pending.find_in(view, coordinates, |index, location| out[index] = location)?;
            if let Some(next) = self.parts.get(number + 1) {
                pending.prefetch_buckets(next, coordinates);
            }
        }
        Ok(())
    }

    /// The scroll where this thread found the coordinate before, if it is there still.
    #[inline]
    fn hinted(&self, coordinate: &Coordinate, probe: Probe) -> Result<Option<Location<'_>>> {
        let Some(hint) = translation::look_up(probe.hash()) else {
            return Ok(None);
        };
        let mut views = self.parts.iter();
        let Some(view) = views.find(|view| view.part.uid() == hint.part) else {
            return Ok(None);
        };
        let found = view.part.confirm(hint.offset, coordinate)?;
        Ok(found.and_then(|found| current(view, found)))
    }

    /// The entry in the newest part that has it. Always inlined: a result so long is put together in
    /// memory, and a point query waited there for what was just written.
    #[inline(always)]
    fn in_parts(
        &self,
        coordinate: &Coordinate,
        probe: Probe,
    ) -> Result<Option<(&PartView, Found)>> {
        for view in &self.parts {
            if let Some(found) = view.part.find(coordinate, probe)?
                && is_current(view, found)
            {
                return Ok(Some((view, found)));
            }
        }
        Ok(None)
    }
}

/// Whether the slot of an entry is not shadowed.
#[inline]
fn is_current(view: &PartView, found: Found) -> bool {
    !view.shadow.contains(found.slot)
}

#[inline]
fn location(view: &PartView, found: Found) -> Location<'_> {
    Location::Entry {
        view,
        slot: found.slot,
        text: found.text,
    }
}

/// The location of an entry, unless its slot is shadowed.
#[inline]
fn current(view: &PartView, found: Found) -> Option<Location<'_>> {
    is_current(view, found).then(|| location(view, found))
}

/// The coordinates of a group that are not found yet, by index.
struct Pending {
    indexes: [u8; GROUP],
    probes: [Probe; GROUP],
    len: usize,
}

impl Pending {
    fn new(coordinates: &[Coordinate]) -> Pending {
        debug_assert!(coordinates.len() <= GROUP, "a group at a time");
        let mut probes = [Probe::default(); GROUP];
        for (probe, coordinate) in probes.iter_mut().zip(coordinates) {
            *probe = Probe::new(coordinate);
        }
        Pending {
            indexes: std::array::from_fn(|index| index as u8),
            probes,
            len: coordinates.len(),
        }
    }

    /// Keeps the indexes for which `keep` says so.
    #[inline]
    fn retain(&mut self, mut keep: impl FnMut(usize, Probe) -> Result<bool>) -> Result<()> {
        let mut kept = 0;
        for place in 0..self.len {
            let index = self.indexes[place];
            if keep(usize::from(index), self.probes[usize::from(index)])? {
                self.indexes[kept] = index;
                kept += 1;
            }
        }
        self.len = kept;
        Ok(())
    }

    #[inline]
    fn prefetch_buckets(&self, view: &PartView, coordinates: &[Coordinate]) {
        for &index in &self.indexes[..self.len] {
            let index = usize::from(index);
            view.part
                .prefetch_bucket(&coordinates[index], self.probes[index]);
        }
    }

    /// Looks for all of them in one part.
    #[inline]
    fn find_in<'a>(
        &mut self,
        view: &'a PartView,
        coordinates: &[Coordinate],
        mut tell: impl FnMut(usize, Location<'a>),
    ) -> Result<()> {
        self.prefetch_buckets(view, coordinates);
        let mut candidates = [const { Candidate::None }; GROUP];
        for &index in &self.indexes[..self.len] {
            let index = usize::from(index);
            candidates[index] = view
                .part
                .candidate(&coordinates[index], self.probes[index])?;
        }
        self.retain(|index, probe| {
            let coordinate = &coordinates[index];
            let found = match candidates[index] {
                Candidate::None => None,
                Candidate::One(offset) => view.part.confirm(offset, coordinate)?,
                Candidate::Several => view.part.find(coordinate, probe)?,
            };
            match found.and_then(|found| current(view, found)) {
                Some(location) => {
                    tell(index, location);
                    Ok(false)
                }
                None => Ok(true),
            }
        })
    }
}
