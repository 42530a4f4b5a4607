//! Where the lanes of a batch come from.

use super::Executed;
use crate::group::allocation::Share;
use crate::{Constant, ConstantId, LaneSpec, Stream};
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Begun, Lane, LaneCursor, Location};
use phext_storage::{Phext, StoreError};

/// Lanes for `each`: all of a stream's, or a piece of them.
#[derive(Debug)]
pub enum Lanes<'a> {
    /// From the page table, in its order. Boxed, because lanes are moved about and points are few
    /// bytes.
    Cursor(Box<LaneCursor<'a>>),
    /// These coordinates, in the order given, whether or not they hold a scroll.
    Points(&'a [Coordinate]),
    /// Those of others that are one sentron's.
    #[expect(private_interfaces, reason = "only groups of the pool make them")]
    Share(Box<(Lanes<'a>, Share)>),
}

impl<'a> Lanes<'a> {
    /// All lanes that a stream names; none for a stream without `each`.
    ///
    /// # Errors
    /// Damage found in the store.
    pub fn of_stream(stream: &'a Stream, phext: &'a Phext) -> Result<Self, StoreError> {
        let constant = stream.each.iter().find_map(|word| word.sparse.batches());
        Self::of_constant(stream, constant, phext)
    }

    /// As [`Lanes::of_stream`], where it is known which constant names them.
    #[inline]
    pub(super) fn of_constant(
        stream: &'a Stream,
        constant: Option<ConstantId>,
        phext: &'a Phext,
    ) -> Result<Self, StoreError> {
        match constant {
            Some(constant) => Self::of_spec(spec(stream, constant), phext),
            None => Ok(Self::Points(&[])),
        }
    }

    /// The lanes of a specification.
    ///
    /// # Errors
    /// Damage found in the store.
    #[inline]
    pub fn of_spec(spec: &'a LaneSpec, phext: &'a Phext) -> Result<Self, StoreError> {
        Ok(match spec {
            LaneSpec::Points(points) => Self::Points(points),
            others => Self::Cursor(Box::new(phext.lanes(others)?)),
        })
    }

    /// Whether no lane is left, as far as that is known without a look.
    #[inline]
    pub(super) fn is_finished(&self) -> bool {
        match self {
            Self::Points(points) => points.is_empty(),
            Self::Share(shared) => shared.0.is_finished(),
            Self::Cursor(_) => false,
        }
    }

    /// Makes lanes for a reader of all their texts.
    pub(super) fn expect_texts(&mut self) {
        match self {
            Self::Cursor(cursor) => cursor.expect_texts(),
            Self::Points(_) => {}
            Self::Share(shared) => shared.0.expect_texts(),
        }
    }

    /// Appends up to `most` lanes to `out`. Nothing appended means the end.
    pub(super) fn next(
        &mut self,
        phext: &'a Phext,
        out: &mut Vec<Lane<'a>>,
        most: usize,
    ) -> Result<(), StoreError> {
        match self {
            Self::Cursor(cursor) => cursor.next_batch(out, most),
            Self::Points(points) => {
                let (now, later) = points.split_at(most.min(points.len()));
                *points = later;
                locate(phext, now, out)
            }
            Self::Share(shared) => {
                let (lanes, share) = &mut **shared;
                let start = out.len();
                loop {
                    let looked_at = out.len();
                    lanes.next(phext, out, most - (looked_at - start))?;
                    if out.len() == looked_at {
                        return Ok(());
                    }
                    retain_from(out, looked_at, |lane| share.has(&lane.coordinate));
                    // A batch that is half full is not worth many looks at few lanes.
                    if 2 * (out.len() - start) >= most {
                        return Ok(());
                    }
                }
            }
        }
    }
}

impl Lanes<'_> {
    /// Passes over up to `most` lanes without making them. Returns how many, 0 at the end; `None` where
    /// they must be made to be counted.
    pub(super) fn skip(&mut self, most: usize) -> Result<Option<usize>, StoreError> {
        match self {
            Self::Cursor(cursor) => cursor.skip_batch(most),
            Self::Points(_) | Self::Share(_) => Ok(None),
        }
    }
}

/// A coordinate that is looked for already: the lanes of a stream that asks for no other. What is read
/// first of it is on its way while a sentron is made ready, which takes about as long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point<'a> {
    coordinate: &'a Coordinate,
    begun: Begun,
}

impl<'a> Point<'a> {
    /// The point of a stream whose lanes are one.
    #[inline]
    pub(super) fn of_stream(
        stream: &'a Stream,
        lanes: Option<ConstantId>,
        phext: &'a Phext,
    ) -> Option<Self> {
        match spec(stream, lanes?) {
            LaneSpec::Points(points) if points.len() == 1 => {
                let coordinate = &points[0];
                let begun = phext.begin(coordinate);
                Some(Self { coordinate, begun })
            }
            _ => None,
        }
    }

    /// Appends its lane to `out`.
    #[inline(never)]
    pub(super) fn find(self, phext: &'a Phext, out: &mut Vec<Lane<'a>>) -> Executed<()> {
        let coordinate = *self.coordinate;
        let location = Location::Absent;
        out.push(Lane {
            coordinate,
            location,
        });
        // Not put together first: see [`Phext::locate_lanes`].
        if let Some(lane) = out.last_mut() {
            lane.location = phext.locate_begun(self.coordinate, self.begun)?;
        }
        Ok(())
    }
}

/// Keeps of the elements from `start` on those that are wanted, in their order.
fn retain_from<T>(elements: &mut Vec<T>, start: usize, is_wanted: impl Fn(&T) -> bool) {
    let mut kept = start;
    for at in start..elements.len() {
        if is_wanted(&elements[at]) {
            elements.swap(kept, at);
            kept += 1;
        }
    }
    elements.truncate(kept);
}

fn spec(stream: &Stream, constant: ConstantId) -> &LaneSpec {
    match &stream.constants[constant.index()] {
        Constant::Lanes(spec) => spec,
        _ => unreachable!("the validator has seen that SLANES names lanes"),
    }
}

fn locate<'a>(
    phext: &'a Phext,
    points: &[Coordinate],
    out: &mut Vec<Lane<'a>>,
) -> Result<(), StoreError> {
    if let [coordinate] = *points {
        let location = phext.locate(&coordinate)?;
        out.push(Lane {
            coordinate,
            location,
        });
        return Ok(());
    }
    phext.locate_lanes(points, out)
}
