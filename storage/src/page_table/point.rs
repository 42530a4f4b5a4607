//! Points: from a coordinate to its scroll, one by one.
//!
//! ```text
//! memtables -> translation cache, where there are several parts
//!           -> directories, newest first -> heap entry -> shadow
//! ```
//!
//! A point touches two places of a part: a bucket of the directory and the heap entry. The waits for memory
//! of points that follow each other overlap as far as the processor looks ahead; of a batch they do further
//! ([`super::batch`]). Where nothing is in the way, which a look shows, the entry's text comes with it
//! ([`Location::Text`]).

use super::Location;
use super::translation::{self, Hint};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::segment::{Candidate, Confirmed, Found, Probe};
use crate::store::{PartView, Phext};

/// Parts from which on the translation cache is asked: a hit saves the buckets of all but one, and
/// with fewer parts remembering costs more than it saves (by a fifth of a point read, measured).
const TRANSLATED_PARTS: usize = 4;

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
                if view.part.may_span(coordinate) {
                    view.part.prefetch_bucket(probe);
                }
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
    pub(super) fn find_in_parts(
        &self,
        coordinate: &Coordinate,
        probe: Probe,
    ) -> Result<Location<'_>> {
        for view in &self.parts {
            let found = view.part.find(coordinate, probe)?;
            if let Some(found) = found.filter(|found| is_current(view, found.slot)) {
                return Ok(entry(view, found));
            }
        }
        Ok(Location::Absent)
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

/// Whether a slot is not shadowed.
#[inline]
pub(super) fn is_current(view: &PartView, slot: u32) -> bool {
    !view.shadow.contains(slot)
}

#[inline(always)]
pub(super) fn text<'a>(view: &'a PartView, found: Confirmed<'a>) -> Location<'a> {
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
