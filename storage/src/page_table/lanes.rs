//! Lanes: which scrolls a stream runs over.

use super::{Lane, Location, PartWalk};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::store::Phext;
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
    /// These coordinates, ascending and distinct, whether or not they hold a scroll.
    Points(Vec<Coordinate>),
    /// The scrolls of a range together with these coordinates (as in [`LaneSpec::Points`]).
    Union {
        /// The first coordinate of the range.
        from: Coordinate,
        /// The last coordinate of the range.
        to: Coordinate,
        /// The coordinates.
        points: Vec<Coordinate>,
    },
}

/// The lanes of a specification over one phext, batch by batch, in coordinate order.
#[derive(Debug)]
pub struct LaneCursor<'a> {
    phext: &'a Phext,
    points: &'a [Coordinate],
    sources: Vec<Source<'a>>,
    located: Vec<Location<'a>>,
}

impl<'a> LaneCursor<'a> {
    pub(super) fn new(phext: &'a Phext, spec: &'a LaneSpec) -> Result<LaneCursor<'a>> {
        let (range, points): (Option<RangeInclusive<Coordinate>>, &[Coordinate]) = match spec {
            LaneSpec::All => (Some(Coordinate::ORIGIN..=Coordinate::MAX), &[]),
            LaneSpec::Range { from, to } => (Some(*from..=*to), &[]),
            LaneSpec::Points(points) => (None, points),
            LaneSpec::Union { from, to, points } => (Some(*from..=*to), points),
        };
        debug_assert!(
            points.is_sorted_by(|a, b| a < b),
            "points are ascending and distinct"
        );
        let sources = match range {
            Some(range) if range.start() <= range.end() => sources(phext, &range)?,
            _ => Vec::new(),
        };
        Ok(LaneCursor {
            phext,
            points,
            sources,
            located: Vec::new(),
        })
    }

    /// Appends up to `most` lanes to `out`. Nothing appended means the end.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn next_batch(&mut self, out: &mut Vec<Lane<'a>>, most: usize) -> Result<()> {
        if self.sources.is_empty() {
            return self.take_points(out, most);
        }
        if self.points.is_empty() && self.sources.len() == 1 {
            return self.sources[0].take(out, most);
        }
        for _ in 0..most {
            match self.next()? {
                Some(lane) => out.push(lane),
                None => break,
            }
        }
        Ok(())
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
        self.located.clear();
        self.phext.locate_batch(now, &mut self.located)?;
        let lanes = now.iter().zip(&self.located);
        out.extend(lanes.map(|(&coordinate, &location)| Lane {
            coordinate,
            location,
        }));
        Ok(())
    }

    /// The lane with the least coordinate among points and sources.
    fn next(&mut self) -> Result<Option<Lane<'a>>> {
        let mut least: Option<(usize, Coordinate)> = None;
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(lane) = &source.head
                && least.is_none_or(|(_, coordinate)| lane.coordinate < coordinate)
            {
                least = Some((index, lane.coordinate));
            }
        }
        if let Some((&point, rest)) = self.points.split_first()
            && least.is_none_or(|(_, coordinate)| point <= coordinate)
        {
            self.points = rest;
            if least.is_none_or(|(_, coordinate)| point < coordinate) {
                let location = self.phext.locate(&point)?;
                return Ok(Some(Lane {
                    coordinate: point,
                    location,
                }));
            }
        }
        let Some((index, _)) = least else {
            return Ok(None);
        };
        let source = &mut self.sources[index];
        let lane = source.head.take();
        source.advance()?;
        Ok(lane)
    }
}

/// The places that hold scrolls of a range, each with its first scroll at hand.
fn sources<'a>(phext: &'a Phext, range: &RangeInclusive<Coordinate>) -> Result<Vec<Source<'a>>> {
    let mut sources = vec![Source::new(Walk::Memory {
        scrolls: phext.active.range(range.clone()),
        hidden: None,
    })];
    if let Some(frozen) = &phext.frozen {
        let scrolls = frozen.scrolls.range(range.clone());
        sources.push(Source::new(Walk::Memory {
            scrolls,
            hidden: Some(&frozen.hidden),
        }));
    }
    for view in &phext.parts {
        let walk = PartWalk::range(view, range.start(), range.end())?;
        sources.push(Source::new(Walk::Part(walk)));
    }
    for source in &mut sources {
        source.advance()?;
    }
    sources.retain(|source| source.head.is_some());
    Ok(sources)
}

#[derive(Debug)]
struct Source<'a> {
    head: Option<Lane<'a>>,
    walk: Walk<'a>,
}

#[derive(Debug)]
enum Walk<'a> {
    Memory {
        scrolls:
            imbl::ordmap::RangedIter<'a, Coordinate, Bytes, imbl::shared_ptr::DefaultSharedPtr>,
        hidden: Option<&'a imbl::OrdSet<Coordinate>>,
    },
    Part(PartWalk<'a>),
}

impl<'a> Source<'a> {
    fn new(walk: Walk<'a>) -> Source<'a> {
        Source { head: None, walk }
    }

    /// Moves to the next visible scroll.
    fn advance(&mut self) -> Result<()> {
        self.head = self.walk.next()?;
        Ok(())
    }

    /// Appends up to `most` lanes to `out`.
    fn take(&mut self, out: &mut Vec<Lane<'a>>, most: usize) -> Result<()> {
        if most == 0 {
            return Ok(());
        }
        let before = out.len();
        out.extend(self.head.take());
        match &mut self.walk {
            Walk::Part(walk) => walk.take(out, before + most)?,
            memory @ Walk::Memory { .. } => {
                while out.len() < before + most {
                    match memory.next()? {
                        Some(lane) => out.push(lane),
                        None => break,
                    }
                }
            }
        }
        self.advance()
    }
}

impl<'a> Walk<'a> {
    /// The next visible scroll.
    #[inline]
    fn next(&mut self) -> Result<Option<Lane<'a>>> {
        match self {
            Walk::Memory { scrolls, hidden } => {
                let is_visible = |(coordinate, _): &(&Coordinate, &Bytes)| {
                    hidden.is_none_or(|hidden| !hidden.contains(*coordinate))
                };
                Ok(scrolls.find(is_visible).map(|(&coordinate, text)| Lane {
                    coordinate,
                    location: Location::Memory(text),
                }))
            }
            Walk::Part(walk) => Ok(walk.next()?.map(|entry| Lane {
                coordinate: entry.coordinate,
                location: walk.location(&entry),
            })),
        }
    }
}
