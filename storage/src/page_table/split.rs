//! A lane specification in pieces, for several threads.
//!
//! ```text
//! all, range, union   cut where each piece has about as many scrolls, going by the ranks of the
//!                     parts and by the memtables: a piece is a range
//! region              scanned once, when it is split; a piece is a range of what was found
//! points              chunks, in the order given
//! nearest             one piece: each step of the search rests on the one before
//! ```
//!
//! The pieces, one behind the other, are the whole, lane by lane.
//!
//! A region is scanned once because a scan of a part costs the same whether all of what it finds is
//! wanted or a piece of it: what lies in a piece is not known before the key blocks were tested.

use super::counters::ScanFigures;
use super::kernels::Kernels;
use super::lanes::{LaneCursor, LaneSpec, Source, Walk};
use super::matches::{self, Match, MatchWalk};
use super::memory::RegionWalk;
use super::region::Region;
use crate::coordinate::{Coordinate, MAX_COMPONENT};
use crate::error::Result;
use crate::store::{Memtable, PartView, Phext};
use std::ops::{Range, RangeInclusive};

/// Samples for each piece: what several parts hold of a piece is then off by a quarter at most.
const SAMPLES: u64 = 4;

/// A memtable with fewer scrolls than one in this many of all has no say in where the pieces begin: it
/// has no ranks, and would be walked.
const WORTH_A_WALK: u64 = 16;

/// How a specification is split over one phext of a snapshot.
#[derive(Debug)]
pub struct Split {
    pieces: Vec<Piece>,
    /// What was found of a region, by part; `None` where the whole part lies in it.
    found: Vec<Option<Vec<Match>>>,
    lanes: u64,
}

#[derive(Debug)]
enum Piece {
    /// All there is.
    Whole,
    /// These of the points.
    Points(Range<usize>),
    /// What lies in a range, with these of the points.
    Range {
        from: Coordinate,
        to: Coordinate,
        points: Range<usize>,
    },
}

impl Split {
    /// The number of pieces, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there always is a piece")]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// About how many lanes there are in all pieces.
    pub fn lanes(&self) -> u64 {
        self.lanes
    }

    /// Which of the points of a [`LaneSpec::Points`] a piece has.
    pub fn points(&self, piece: usize) -> Option<Range<usize>> {
        match &self.pieces[piece] {
            Piece::Points(points) => Some(points.clone()),
            _ => None,
        }
    }

    fn whole(lanes: u64) -> Split {
        Split {
            pieces: vec![Piece::Whole],
            found: Vec::new(),
            lanes,
        }
    }
}

impl Phext {
    /// Splits a specification into pieces of about `lanes` lanes, of which there are at most `most`.
    /// Costs some looks at keys for each piece, and the scan of a region.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn split(&self, spec: &LaneSpec, lanes: u64, most: usize) -> Result<Split> {
        let size = Size {
            lanes: lanes.max(1),
            most: most.max(1) as u64,
        };
        match spec {
            LaneSpec::Nearest(nearest) => {
                Ok(Split::whole(self.scrolls().min(u64::from(nearest.count))))
            }
            LaneSpec::Points(points) => Ok(split_points(points.len(), size)),
            LaneSpec::All => self.split_range(Coordinate::ORIGIN..=Coordinate::MAX, &[], size),
            LaneSpec::Range { from, to } => self.split_range(*from..=*to, &[], size),
            LaneSpec::Union { from, to, points } => self.split_range(*from..=*to, points, size),
            LaneSpec::Region(region) if region.is_range() => {
                let (from, to) = region.hull();
                self.split_range(from..=to, &[], size)
            }
            LaneSpec::Region(region) => self.split_region(region, size),
        }
    }

    /// The lanes of one piece of a split of this phext by this specification.
    ///
    /// # Errors
    /// Damage, with file and offset.
    ///
    /// # Panics
    /// Where there is no such piece.
    pub fn piece<'a>(
        &'a self,
        spec: &'a LaneSpec,
        split: &Split,
        piece: usize,
    ) -> Result<LaneCursor<'a>> {
        let all = match spec {
            LaneSpec::Points(points) | LaneSpec::Union { points, .. } => &points[..],
            _ => &[],
        };
        match (&split.pieces[piece], spec) {
            (Piece::Whole, _) => self.lanes(spec),
            (Piece::Points(points), _) => Ok(LaneCursor::of_points(self, &all[points.clone()])),
            (Piece::Range { from, to, .. }, LaneSpec::Region(region)) if !region.is_range() => {
                let sources = self.piece_of_region(region, split, *from..=*to)?;
                Ok(LaneCursor::of_sources(self, sources))
            }
            (Piece::Range { from, to, points }, _) => {
                let within = match spec {
                    LaneSpec::Union {
                        from: first,
                        to: last,
                        ..
                    } => *from.max(first)..=*to.min(last),
                    _ => *from..=*to,
                };
                LaneCursor::of_range(self, &within, &all[points.clone()])
            }
        }
    }

    fn split_range(
        &self,
        range: RangeInclusive<Coordinate>,
        points: &[Coordinate],
        size: Size,
    ) -> Result<Split> {
        let mut sources = vec![Ranked::Points(points)];
        if range.start() <= range.end() {
            for view in &self.parts {
                let first = view.part.lower_bound(range.start())?;
                let end = view.part.upper_bound(range.end())?;
                sources.push(Ranked::Ranks(view, first..end));
            }
            self.add_memory(&mut sources, |memtable| {
                memtable.range(range.clone()).map(|(key, _)| *key).collect()
            });
        }
        // Points may lie on both sides of the range, so that pieces cover everything.
        let (from, to) = match points {
            [] => (*range.start(), *range.end()),
            _ => (Coordinate::ORIGIN, Coordinate::MAX),
        };
        pieces(&sources, from..=to, points, size)
    }

    fn split_region(&self, region: &Region, size: Size) -> Result<Split> {
        let mut figures = ScanFigures::of_region(region);
        let mut found = Vec::with_capacity(self.parts.len());
        for view in &self.parts {
            found.push(matches::matches(
                view,
                region,
                Kernels::detect(),
                &mut figures,
            )?);
        }
        self.counters().add(&figures);
        let by_part = self.parts.iter().zip(&found);
        let mut sources: Vec<Ranked<'_>> = by_part
            .map(|(view, found)| match found {
                Some(found) => Ranked::Found(view, found),
                None => Ranked::Ranks(view, 0..view.part.slots()),
            })
            .collect();
        self.add_memory(&mut sources, |memtable| {
            RegionWalk::new(memtable, region)
                .map(|(key, _)| *key)
                .collect()
        });
        let (from, to) = region.hull();
        let split = pieces(&sources, from..=to, &[], size)?;
        drop(sources);
        // A single piece too takes what was found, so that a region is not scanned again.
        let pieces = match split.len() {
            1 => vec![Piece::Range {
                from,
                to,
                points: 0..0,
            }],
            _ => split.pieces,
        };
        Ok(Split {
            pieces,
            found,
            lanes: split.lanes,
        })
    }

    /// Adds the memtables, by the keys that are wanted of each, where these carry weight.
    fn add_memory<'a>(
        &'a self,
        sources: &mut Vec<Ranked<'a>>,
        keys: impl Fn(&Memtable) -> Vec<Coordinate>,
    ) {
        let others: u64 = sources.iter().map(Ranked::len).sum();
        let frozen = self.frozen.as_ref().map(|frozen| &frozen.scrolls);
        for memtable in std::iter::once(&self.active).chain(frozen) {
            if memtable.len() as u64 > others / WORTH_A_WALK {
                sources.push(Ranked::Keys(keys(memtable)));
            }
        }
    }

    /// What a split found of a region, between two coordinates.
    fn piece_of_region<'a>(
        &'a self,
        region: &'a Region,
        split: &Split,
        range: RangeInclusive<Coordinate>,
    ) -> Result<Vec<Source<'a>>> {
        let memory = |memtable, hidden| {
            let scrolls = RegionWalk::within(memtable, region, &range);
            Walk::MemoryRegion { scrolls, hidden }
        };
        let mut walks = vec![memory(&self.active, None)];
        if let Some(frozen) = &self.frozen {
            walks.push(memory(&frozen.scrolls, Some(&frozen.hidden)));
        }
        for (view, found) in self.parts.iter().zip(&split.found) {
            walks.push(match found {
                Some(found) => {
                    let found = between(view, found, &range)?.to_vec();
                    Walk::Matches(MatchWalk::new(view, found))
                }
                None => Walk::Part(super::PartWalk::range(view, range.start(), range.end())?),
            });
        }
        Source::all(walks)
    }
}

/// How large pieces should be.
#[derive(Debug, Clone, Copy)]
struct Size {
    lanes: u64,
    most: u64,
}

impl Size {
    /// How many pieces so many lanes are cut into, at least 1.
    fn pieces(self, lanes: u64) -> u64 {
        lanes.div_ceil(self.lanes).clamp(1, self.most)
    }
}

fn split_points(points: usize, size: Size) -> Split {
    let lanes = points as u64;
    let pieces = size.pieces(lanes) as usize;
    let chunk = points.div_ceil(pieces).max(1);
    let mut pieces: Vec<Piece> = (0..points)
        .step_by(chunk)
        .map(|start| Piece::Points(start..(start + chunk).min(points)))
        .collect();
    if pieces.is_empty() {
        pieces.push(Piece::Points(0..0));
    }
    Split {
        pieces,
        found: Vec::new(),
        lanes,
    }
}

/// Coordinates in order, by rank.
enum Ranked<'a> {
    Points(&'a [Coordinate]),
    Keys(Vec<Coordinate>),
    Ranks(&'a PartView, Range<u32>),
    Found(&'a PartView, &'a [Match]),
}

impl Ranked<'_> {
    fn len(&self) -> u64 {
        match self {
            Ranked::Points(points) => points.len() as u64,
            Ranked::Keys(keys) => keys.len() as u64,
            Ranked::Ranks(_, ranks) => u64::from(ranks.end.saturating_sub(ranks.start)),
            Ranked::Found(_, found) => found.len() as u64,
        }
    }

    fn at(&self, rank: u64) -> Result<Coordinate> {
        match self {
            Ranked::Points(points) => Ok(points[rank as usize]),
            Ranked::Keys(keys) => Ok(keys[rank as usize]),
            Ranked::Ranks(view, ranks) => {
                let slot = view.part.slot_at_rank(ranks.start + rank as u32)?;
                view.part.coordinate(slot)
            }
            Ranked::Found(view, found) => {
                let position = found[rank as usize].position;
                view.part.coordinate_at_position(position)
            }
        }
    }
}

/// Cuts a range where the pieces have about as many coordinates each.
fn pieces(
    sources: &[Ranked<'_>],
    range: RangeInclusive<Coordinate>,
    points: &[Coordinate],
    size: Size,
) -> Result<Split> {
    let lanes = sources.iter().map(Ranked::len).sum();
    let wanted = size.pieces(lanes);
    if wanted == 1 {
        return Ok(Split::whole(lanes));
    }
    let mut starts = vec![*range.start()];
    let mut before = 0;
    for (coordinate, weight) in samples(sources, lanes, wanted)? {
        let is_due = before * wanted >= lanes * starts.len() as u64;
        if is_due && starts.last().is_some_and(|last| *last < coordinate) {
            starts.push(coordinate);
        }
        before += weight;
    }
    let mut pieces = Vec::with_capacity(starts.len());
    let mut first_point = 0;
    for (index, from) in starts.iter().enumerate() {
        let next = starts.get(index + 1);
        let point = next.map_or(points.len(), |next| points.partition_point(|p| p < next));
        pieces.push(Piece::Range {
            from: *from,
            to: next.map_or(*range.end(), before_coordinate),
            points: first_point..point,
        });
        first_point = point;
    }
    Ok(Split {
        pieces,
        found: Vec::new(),
        lanes,
    })
}

/// Coordinates that stand for some scrolls each, those from them on, ascending.
fn samples(sources: &[Ranked<'_>], lanes: u64, pieces: u64) -> Result<Vec<(Coordinate, u64)>> {
    let mut samples = Vec::new();
    for source in sources {
        let len = source.len();
        if len == 0 {
            continue;
        }
        let stretch = (lanes / (pieces * SAMPLES)).clamp(1, len);
        for rank in (0..len).step_by(stretch as usize) {
            samples.push((source.at(rank)?, stretch.min(len - rank)));
        }
    }
    samples.sort_unstable();
    Ok(samples)
}

/// What was found between two coordinates.
fn between<'f>(
    view: &PartView,
    found: &'f [Match],
    range: &RangeInclusive<Coordinate>,
) -> Result<&'f [Match]> {
    let first = partition(view, found, |coordinate| coordinate < range.start())?;
    let end = partition(view, found, |coordinate| coordinate <= range.end())?;
    Ok(&found[first..end.max(first)])
}

/// How many, the first ones, are below a bound.
fn partition(
    view: &PartView,
    found: &[Match],
    is_below: impl Fn(&Coordinate) -> bool,
) -> Result<usize> {
    let (mut low, mut high) = (0, found.len());
    while low < high {
        let middle = low.midpoint(high);
        let coordinate = view.part.coordinate_at_position(found[middle].position)?;
        match is_below(&coordinate) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}

/// The greatest coordinate below one that is not the least.
fn before_coordinate(coordinate: &Coordinate) -> Coordinate {
    let mut components = *coordinate.components();
    let last = components
        .iter()
        .rposition(|&component| component > 1)
        .expect("a piece begins above the least coordinate");
    components[last] -= 1;
    components[last + 1..].fill(MAX_COMPONENT);
    Coordinate::from_components(components)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coordinate_before_another() {
        let check = |coordinate: [u32; 9], expected: [u32; 9]| {
            let coordinate = Coordinate::new(coordinate).unwrap();
            assert_eq!(before_coordinate(&coordinate).components(), &expected);
        };
        const M: u32 = MAX_COMPONENT;
        check([1, 1, 1, 1, 1, 1, 1, 1, 2], [1; 9]);
        check([5, 1, 1, 1, 1, 1, 1, 1, 1], [4, M, M, M, M, M, M, M, M]);
        check([1, 2, 1, 3, 1, 1, 1, 1, 1], [1, 2, 1, 2, M, M, M, M, M]);
    }

    #[test]
    fn points_are_split_into_chunks() {
        let check = |points, lanes, most, expected: &[(usize, usize)]| {
            let split = split_points(points, Size { lanes, most });
            let pieces = (0..split.len()).filter_map(|piece| split.points(piece));
            let pieces: Vec<_> = pieces.map(|range| (range.start, range.end)).collect();
            assert_eq!(pieces, expected, "{points} by {lanes}, at most {most}");
        };
        check(0, 10, 4, &[(0, 0)]);
        check(10, 10, 4, &[(0, 10)]);
        check(11, 10, 4, &[(0, 6), (6, 11)]);
        check(100, 10, 3, &[(0, 34), (34, 68), (68, 100)]);
    }
}
