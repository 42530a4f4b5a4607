//! Lanes: which scrolls a stream runs over.
//!
//! A cursor has a source per place that holds scrolls, each in coordinate order, and takes the least
//! coordinate of all. The lanes of a search for the nearest are one source, in order of distance.

use super::counters::ScanFigures;
use super::kernels::Kernels;
use super::matches::{self, MatchWalk};
use super::memory::RegionWalk;
use super::nearest::{self, Nearest};
use super::region::Region;
use super::{Lane, Location, PartWalk};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::store::{MemtableRange, Phext};
use bytes::Bytes;
use std::ops::RangeInclusive;

/// Which scrolls a stream runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneSpec {
    /// Every scroll.
    All,
    /// The scrolls from one coordinate to another, both included.
    Range {
        /// The first coordinate.
        from: Coordinate,
        /// The last coordinate; a range whose end is below its start is empty.
        to: Coordinate,
    },
    /// These coordinates in this order, whether or not they hold a scroll.
    Points(Vec<Coordinate>),
    /// The scrolls of a range together with coordinates, whether or not these hold a scroll.
    Union {
        /// The first coordinate of the range.
        from: Coordinate,
        /// The last coordinate of the range.
        to: Coordinate,
        /// The coordinates, ascending and distinct.
        points: Vec<Coordinate>,
    },
    /// The scrolls that lie in a region.
    Region(Region),
    /// The scrolls nearest to a coordinate, by distance; at the same distance by coordinate.
    Nearest(Nearest),
}

/// The lanes of a specification over one phext, batch by batch, in coordinate order; those of
/// [`LaneSpec::Points`] in theirs, those of [`LaneSpec::Nearest`] in order of distance.
#[derive(Debug)]
pub struct LaneCursor<'a> {
    phext: &'a Phext,
    points: &'a [Coordinate],
    sources: Vec<Source<'a>>,
}

impl<'a> LaneCursor<'a> {
    pub(super) fn new(phext: &'a Phext, spec: &'a LaneSpec) -> Result<LaneCursor<'a>> {
        match spec {
            LaneSpec::All => {
                LaneCursor::of_range(phext, &(Coordinate::ORIGIN..=Coordinate::MAX), &[])
            }
            LaneSpec::Range { from, to } => LaneCursor::of_range(phext, &(*from..=*to), &[]),
            LaneSpec::Points(points) => Ok(LaneCursor::of_points(phext, points)),
            LaneSpec::Union { from, to, points } => {
                LaneCursor::of_range(phext, &(*from..=*to), points)
            }
            LaneSpec::Region(region) => LaneCursor::of_region(phext, region),
            LaneSpec::Nearest(nearest) => LaneCursor::of_nearest(phext, nearest),
        }
    }

    pub(super) fn of_points(phext: &'a Phext, points: &'a [Coordinate]) -> LaneCursor<'a> {
        LaneCursor {
            phext,
            points,
            sources: Vec::new(),
        }
    }

    /// A range, empty where its end is below its start, together with points.
    pub(super) fn of_range(
        phext: &'a Phext,
        range: &RangeInclusive<Coordinate>,
        points: &'a [Coordinate],
    ) -> Result<LaneCursor<'a>> {
        debug_assert!(
            points.is_sorted_by(|a, b| a < b),
            "points of a union are ascending and distinct"
        );
        let mut cursor = LaneCursor::of_points(phext, points);
        if range.start() <= range.end() {
            cursor.sources = sources(phext, range)?;
        }
        Ok(cursor)
    }

    fn of_region(phext: &'a Phext, region: &'a Region) -> Result<LaneCursor<'a>> {
        let mut figures = ScanFigures::of_region(region);
        let sources = match region.is_range() {
            true => {
                let (from, to) = region.hull();
                sources(phext, &(from..=to))?
            }
            false => region_sources(phext, region, &mut figures)?,
        };
        phext.counters().add(&figures);
        Ok(LaneCursor::of_sources(phext, sources))
    }

    fn of_nearest(phext: &'a Phext, query: &Nearest) -> Result<LaneCursor<'a>> {
        let mut figures = ScanFigures {
            scans: 1,
            ..ScanFigures::default()
        };
        let lanes = nearest::nearest(phext, query, Kernels::detect(), &mut figures)?;
        phext.counters().add(&figures);
        let mut source = Source::new(Walk::Ready(lanes.into_iter()));
        source.advance()?;
        Ok(LaneCursor::of_sources(phext, vec![source]))
    }

    pub(super) fn of_sources(phext: &'a Phext, sources: Vec<Source<'a>>) -> LaneCursor<'a> {
        LaneCursor {
            phext,
            points: &[],
            sources,
        }
    }

    /// Makes the lanes that are left for a reader of all their texts. Changes no lane, only what is read
    /// to make it: where an index has found scrolls, their coordinates come from beside their texts.
    pub fn expect_texts(&mut self) {
        for source in &mut self.sources {
            if let Walk::Matches(matches) = &mut source.walk {
                matches.go_by_entries();
            }
        }
    }

    /// Appends up to `most` lanes to `out`. Nothing appended means the end.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn next_batch(&mut self, out: &mut Vec<Lane<'a>>, most: usize) -> Result<()> {
        if self.sources.is_empty() {
            return self.take_points(out, most);
        }
        let until = out.len() + most;
        while out.len() < until && self.take_run(out, until)? {}
        Ok(())
    }

    /// Passes over up to `most` lanes without making them, for who only counts them. Sources are taken
    /// one after the other, because no coordinate is in two of them.
    ///
    /// Returns how many were passed over, 0 at the end; `None` where points are among the lanes, which
    /// must be looked up.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn skip_batch(&mut self, most: usize) -> Result<Option<usize>> {
        if !self.points.is_empty() {
            return Ok(None);
        }
        let mut passed = 0;
        for source in &mut self.sources {
            passed += source.skip(most - passed)?;
        }
        Ok(Some(passed))
    }

    /// Points without a range: looked up together.
    fn take_points(&mut self, out: &mut Vec<Lane<'a>>, most: usize) -> Result<()> {
        let (now, later) = self.points.split_at(most.min(self.points.len()));
        self.points = later;
        if let [point] = now {
            let location = self.phext.locate(point)?;
            out.push(Lane {
                coordinate: *point,
                location,
            });
            return Ok(());
        }
        self.phext.locate_lanes(now, out)
    }

    /// Appends what comes first: a point, or the lanes of a source up to where something else comes,
    /// until `out` holds `until`. The parts of an ingest lie one behind the other, and are read so.
    /// `false` means the end.
    fn take_run(&mut self, out: &mut Vec<Lane<'a>>, until: usize) -> Result<bool> {
        let least = heads(&self.sources).min();
        if let Some((&point, rest)) = self.points.split_first()
            && least.is_none_or(|(coordinate, _)| point <= coordinate)
        {
            self.points = rest;
            if least.is_none_or(|(coordinate, _)| point < coordinate) {
                let location = self.phext.locate(&point)?;
                out.push(Lane {
                    coordinate: point,
                    location,
                });
            }
            return Ok(true);
        }
        let Some((_, first)) = least else {
            return Ok(false);
        };
        let others = heads(&self.sources).filter(|&(_, index)| index != first);
        let others = others.map(|(coordinate, _)| coordinate);
        let bound = others.chain(self.points.first().copied()).min();
        self.sources[first].take(out, until, bound.as_ref())?;
        Ok(true)
    }
}

/// The next coordinate of each source that is not at its end, and which source that is.
fn heads(sources: &[Source<'_>]) -> impl Iterator<Item = (Coordinate, usize)> {
    let heads = sources.iter().map(|source| source.head.as_ref());
    let heads = heads.zip(0..);
    heads.filter_map(|(head, index)| Some((head?.coordinate, index)))
}

/// The places that hold scrolls of a range, each with its first scroll at hand.
fn sources<'a>(phext: &'a Phext, range: &RangeInclusive<Coordinate>) -> Result<Vec<Source<'a>>> {
    let mut walks = Vec::new();
    if !phext.active.is_empty() {
        walks.push(Walk::Memory {
            scrolls: phext.active.range(range.clone()),
            hidden: None,
        });
    }
    if let Some(frozen) = &phext.frozen {
        walks.push(Walk::Memory {
            scrolls: frozen.scrolls.range(range.clone()),
            hidden: Some(&frozen.hidden),
        });
    }
    for view in &phext.parts {
        walks.push(Walk::Part(PartWalk::range(
            view,
            range.start(),
            range.end(),
        )?));
    }
    Source::all(walks)
}

/// The places that hold scrolls of a region, each with its first scroll at hand.
fn region_sources<'a>(
    phext: &'a Phext,
    region: &'a Region,
    figures: &mut ScanFigures,
) -> Result<Vec<Source<'a>>> {
    let walk = |scrolls, hidden| {
        let scrolls = RegionWalk::new(scrolls, region);
        Walk::MemoryRegion { scrolls, hidden }
    };
    let mut walks = vec![walk(&phext.active, None)];
    if let Some(frozen) = &phext.frozen {
        walks.push(walk(&frozen.scrolls, Some(&frozen.hidden)));
    }
    for view in &phext.parts {
        walks.push(
            match matches::matches(view, region, Kernels::detect(), figures)? {
                Some(matches) => Walk::Matches(MatchWalk::new(view, matches)),
                None => Walk::Part(PartWalk::whole(view)),
            },
        );
    }
    Source::all(walks)
}

#[derive(Debug)]
pub(super) struct Source<'a> {
    head: Option<Lane<'a>>,
    walk: Walk<'a>,
}

#[derive(Debug)]
pub(super) enum Walk<'a> {
    Memory {
        scrolls: MemtableRange<'a>,
        hidden: Option<&'a imbl::OrdSet<Coordinate>>,
    },
    Part(PartWalk<'a>),
    /// What lies in a region, in memory.
    MemoryRegion {
        scrolls: RegionWalk<'a, 'a>,
        hidden: Option<&'a imbl::OrdSet<Coordinate>>,
    },
    /// What lies in a region, in a part.
    Matches(MatchWalk<'a>),
    /// Lanes that are known.
    Ready(std::vec::IntoIter<Lane<'a>>),
}

impl<'a> Source<'a> {
    fn new(walk: Walk<'a>) -> Source<'a> {
        Source { head: None, walk }
    }

    /// The walks that are not at their end, each with its first scroll at hand.
    pub(super) fn all(walks: Vec<Walk<'a>>) -> Result<Vec<Source<'a>>> {
        let mut sources: Vec<Source<'a>> = walks.into_iter().map(Source::new).collect();
        for source in &mut sources {
            source.advance()?;
        }
        sources.retain(|source| source.head.is_some());
        Ok(sources)
    }

    /// Moves to the next visible scroll.
    fn advance(&mut self) -> Result<()> {
        self.head = self.walk.next()?;
        Ok(())
    }

    /// Appends lanes to `out`, the head and what follows it below a bound, until it holds `until`.
    fn take(
        &mut self,
        out: &mut Vec<Lane<'a>>,
        until: usize,
        bound: Option<&Coordinate>,
    ) -> Result<()> {
        out.extend(self.head.take());
        if let Walk::Part(walk) = &mut self.walk {
            self.head = walk.take(out, until, bound)?;
            return Ok(());
        }
        while let Some(lane) = self.walk.next()? {
            if out.len() >= until || bound.is_some_and(|bound| lane.coordinate >= *bound) {
                self.head = Some(lane);
                break;
            }
            out.push(lane);
        }
        Ok(())
    }
}

impl Source<'_> {
    /// Passes over the head and what follows it, up to so many lanes.
    fn skip(&mut self, most: usize) -> Result<usize> {
        if most == 0 || self.head.take().is_none() {
            return Ok(0);
        }
        let mut passed = 1;
        if let Walk::Matches(matches) = &mut self.walk {
            passed += matches.skip(most - passed);
        }
        self.advance()?;
        while passed < most && self.head.is_some() {
            passed += 1;
            self.advance()?;
        }
        Ok(passed)
    }
}

impl<'a> Walk<'a> {
    /// The next visible scroll.
    #[inline]
    fn next(&mut self) -> Result<Option<Lane<'a>>> {
        match self {
            Walk::Memory { scrolls, hidden } => Ok(next_in_memory(scrolls, *hidden)),
            Walk::MemoryRegion { scrolls, hidden } => Ok(next_in_memory(scrolls, *hidden)),
            Walk::Matches(matches) => matches.next(),
            Walk::Ready(lanes) => Ok(lanes.next()),
            Walk::Part(walk) => Ok(walk.next()?.map(|entry| walk.lane(&entry))),
        }
    }
}

/// The next scroll of a memtable that is not hidden.
#[inline]
fn next_in_memory<'a>(
    scrolls: &mut impl Iterator<Item = (&'a Coordinate, &'a Bytes)>,
    hidden: Option<&imbl::OrdSet<Coordinate>>,
) -> Option<Lane<'a>> {
    let is_visible = |(coordinate, _): &(&Coordinate, &Bytes)| {
        hidden.is_none_or(|hidden| !hidden.contains(*coordinate))
    };
    let (&coordinate, text) = scrolls.find(is_visible)?;
    let location = Location::Memory(text);
    Some(Lane {
        coordinate,
        location,
    })
}
