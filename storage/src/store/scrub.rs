//! Scrubbing: a slow pass over all segments as the medium has them, those that only named snapshots need
//! among them.
//!
//! A chunk is verified when it is first touched; what the medium does to it later shows only once
//! its page was evicted and read in again. A scrub reads every chunk past the cache. One that is
//! damaged is barred, so that its scrolls are refused rather than served from a cache that the
//! medium no longer stands behind.
//!
//! [`Store::scrub_step`] does a bounded piece and [`Store::scrub_due_ms`] says when the next one is
//! due; whoever calls them sets the pace. The position is kept in the setting [`SETTING`], so that
//! a restart goes on with the pass. A step takes no lock that a commit takes, apart from storing the
//! position now and then, which is a commit of its own.

use super::{Shared, Store};
use crate::error::{Result, StoreError};
use crate::segment::{CHUNK_BYTES, Segment, file_name, is_absent};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The setting that holds the position: three u64, see [`Position`].
const SETTING: &str = "scrub";
/// The position is stored after this many bytes, and at the end of a pass.
const SAVE_BYTES: u64 = 256 << 20;

/// How far the scrub is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Position {
    /// When the pass began, in milliseconds since 1970.
    started_ms: u64,
    /// The segment to go on with, or the one after it that is there; [`Position::END`] at the end.
    segment: u64,
    /// The chunk to go on with.
    chunk: u64,
}

impl Position {
    const END: u64 = u64::MAX;

    fn to_bytes(self) -> Vec<u8> {
        [self.started_ms, self.segment, self.chunk]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    /// The position in these bytes; a new pass where they are none.
    fn from_bytes(bytes: &[u8]) -> Position {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let position = || {
            Some(Position {
                started_ms: number(0)?,
                segment: number(8)?,
                chunk: number(16)?,
            })
        };
        position().unwrap_or_default()
    }
}

/// The scrub of a store.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    /// `None` until the setting was read.
    position: Option<Position>,
    unsaved_bytes: u64,
    scrubbed_bytes: u64,
    passes: u64,
}

/// A segment that the store needs.
enum Stored {
    /// Somebody may read it: what is found damaged is barred.
    Open(Arc<Segment>),
    /// Only named snapshots that nobody has read need it.
    Closed,
}

/// What one step of a scrub did.
#[derive(Debug, Clone, Default)]
pub struct ScrubStep {
    /// Bytes read from the medium.
    pub bytes: u64,
    /// What was found damaged. The chunks concerned are barred.
    pub damages: Vec<StoreError>,
    /// Whether the pass has reached the end of the last segment.
    pub is_pass_complete: bool,
}

impl Store {
    /// Goes on with the scrub for about `bytes` bytes, at least one chunk. `now_ms`, milliseconds
    /// since 1970, is noted where a new pass begins.
    ///
    /// # Errors
    /// Failures to store the position. Damage is no error: the step lists it.
    pub fn scrub_step(&self, bytes: u64, now_ms: u64) -> Result<ScrubStep> {
        self.shared.scrub_step(bytes, now_ms)
    }

    /// When the next step is due, in milliseconds since 1970, so that a pass takes `period_ms`.
    pub fn scrub_due_ms(&self, period_ms: u64) -> u64 {
        let position = self.shared.scrub_position();
        let (mut done, mut total) = (0, 0);
        for (id, stored) in self.shared.stored() {
            let bytes = self.shared.byte_len(id, &stored);
            total += bytes;
            done += match id {
                id if id < position.segment => bytes,
                id if id == position.segment => position.chunk * CHUNK_BYTES as u64,
                _ => 0,
            };
        }
        let share = match (total, position.segment) {
            (_, Position::END) => 1.0,
            (0, _) => 0.0,
            _ => done as f64 / total as f64,
        };
        position.started_ms + (period_ms as f64 * share) as u64
    }
}

impl Shared {
    /// Bytes read and passes ended since the store was opened.
    pub(super) fn scrubbed(&self) -> (u64, u64) {
        let scrub = self.scrub.lock();
        (scrub.scrubbed_bytes, scrub.passes)
    }

    fn scrub_position(&self) -> Position {
        let mut scrub = self.scrub.lock();
        let read = || {
            let settings = &self.manifests.lock().settings;
            settings
                .get(SETTING)
                .map(|bytes| Position::from_bytes(bytes))
                .unwrap_or_default()
        };
        *scrub.position.get_or_insert_with(read)
    }

    fn scrub_step(&self, bytes: u64, now_ms: u64) -> Result<ScrubStep> {
        let mut position = self.scrub_position();
        if position == Position::default() || position.segment == Position::END {
            position = Position {
                started_ms: now_ms,
                ..Position::default()
            };
        }
        let mut step = ScrubStep::default();
        for (id, stored) in self.stored().range(position.segment..) {
            let Some(segment) = self.open_stored(*id, stored, &mut step) else {
                position.segment = id + 1;
                position.chunk = 0;
                continue;
            };
            let first = match segment.id() == position.segment {
                true => position.chunk as usize,
                false => 0,
            };
            let left = bytes.saturating_sub(step.bytes);
            let count = (left as usize).div_ceil(CHUNK_BYTES).max(1);
            let end = segment.chunks().min(first.saturating_add(count));
            self.scrub_chunks(&segment, first, end, &mut step);
            position.segment = segment.id();
            position.chunk = end as u64;
            if end == segment.chunks() {
                position.segment += 1;
                position.chunk = 0;
            }
            if step.bytes >= bytes {
                break;
            }
        }
        if self.stored().range(position.segment..).next().is_none() {
            position.segment = Position::END;
            step.is_pass_complete = true;
        }
        self.note_scrubbed(position, &step)?;
        Ok(step)
    }

    /// The segments that phexts or named snapshots need, by id.
    fn stored(&self) -> BTreeMap<u64, Stored> {
        let mut open = self.segments();
        for state in self.loaded.lock().values() {
            let views = state.phexts.values().flat_map(|phext| &phext.parts);
            open.extend(views.map(|view| Arc::clone(view.part.segment())));
        }
        let manifests = self.manifests.lock();
        let named = manifests.snapshots.values();
        let named = named.flat_map(|snapshot| snapshot.point.segments());
        let mut stored: BTreeMap<u64, Stored> = named.map(|id| (id, Stored::Closed)).collect();
        // Of several that are open, the first is the one that phexts read.
        let open = open.into_iter().rev();
        stored.extend(open.map(|segment| (segment.id(), Stored::Open(segment))));
        stored
    }

    fn byte_len(&self, id: u64, stored: &Stored) -> u64 {
        match stored {
            Stored::Open(segment) => segment.byte_len(),
            Stored::Closed => {
                let path = self.paths.segments.join(file_name(id));
                self.vfs.metadata(&path).map_or(0, |found| found.length)
            }
        }
    }

    /// A segment to be scrubbed. Reports one that is needed and cannot be opened.
    fn open_stored(&self, id: u64, stored: &Stored, step: &mut ScrubStep) -> Option<Arc<Segment>> {
        if let Stored::Open(segment) = stored {
            return Some(Arc::clone(segment));
        }
        let opened = Segment::open(&*self.vfs, &self.paths.segments, id);
        // Its snapshot may have been dropped meanwhile.
        opened
            .map_err(|error| {
                if self.uses(id) {
                    report(error, step);
                }
            })
            .ok()
    }

    /// Compares chunks with their checksums; bars those that are damaged.
    fn scrub_chunks(&self, segment: &Segment, first: usize, end: usize, step: &mut ScrubStep) {
        let mut suspects = Vec::new();
        let read = |bytes| step.bytes += bytes;
        let damaged = |chunk, _| suspects.push(chunk);
        let outcome = segment.check_on_medium(&*self.vfs, first..end, read, damaged);
        let tail = match outcome {
            Ok(()) if end == segment.chunks() => segment.check_tail_on_medium(&*self.vfs),
            outcome => outcome,
        };
        match tail {
            // Merged away since the list of segments was taken.
            Err(error) if is_absent(&error) && !self.uses(segment.id()) => return,
            Err(error) => report(error, step),
            Ok(()) => {}
        }
        for chunk in suspects {
            let confirmed = segment.check_on_medium(
                &*self.vfs,
                chunk..chunk + 1,
                |_| {},
                |chunk, error| {
                    segment.mark_bad(chunk);
                    report(error, step);
                },
            );
            if let Err(error) = confirmed {
                report(error, step);
            }
        }
    }

    fn uses(&self, segment: u64) -> bool {
        self.stored().contains_key(&segment)
    }

    fn note_scrubbed(&self, position: Position, step: &ScrubStep) -> Result<()> {
        let mut scrub = self.scrub.lock();
        scrub.position = Some(position);
        scrub.scrubbed_bytes += step.bytes;
        scrub.passes += u64::from(step.is_pass_complete);
        scrub.unsaved_bytes += step.bytes;
        if !step.is_pass_complete && scrub.unsaved_bytes < SAVE_BYTES || self.poison.get().is_some()
        {
            return Ok(());
        }
        scrub.unsaved_bytes = 0;
        drop(scrub);
        self.set_setting(SETTING, &position.to_bytes())
    }
}

fn report(error: StoreError, step: &mut ScrubStep) {
    tracing::error!(%error, "the scrub found damage; `sqd check` lists all of it, `sqd repair` says what can be saved");
    step.damages.push(error);
}
