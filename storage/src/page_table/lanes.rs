//! Lanes: which scrolls a stream runs over.

use super::{Lane, Location};
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::store::{PartView, Phext};
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
        })
    }

    /// Appends up to `most` lanes to `out`. Nothing appended means the end.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub fn next_batch(&mut self, out: &mut Vec<Lane<'a>>, most: usize) -> Result<()> {
        if self.points.is_empty() && self.sources.len() == 1 {
            return self.take_from_only_source(out, most);
        }
        for _ in 0..most {
            match self.next()? {
                Some(lane) => out.push(lane),
                None => break,
            }
        }
        Ok(())
    }

    fn take_from_only_source(&mut self, out: &mut Vec<Lane<'a>>, most: usize) -> Result<()> {
        let source = &mut self.sources[0];
        for _ in 0..most {
            let Some(lane) = source.head.take() else {
                break;
            };
            out.push(lane);
            source.advance()?;
        }
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
        let rank = view.part.lower_bound(range.start())?;
        let end = view.part.upper_bound(range.end())?;
        sources.push(Source::new(Walk::Part { view, rank, end }));
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
    Part {
        view: &'a PartView,
        rank: u32,
        end: u32,
    },
}

impl<'a> Source<'a> {
    fn new(walk: Walk<'a>) -> Source<'a> {
        Source { head: None, walk }
    }

    /// Moves to the next visible scroll.
    fn advance(&mut self) -> Result<()> {
        self.head = match &mut self.walk {
            Walk::Memory { scrolls, hidden } => scrolls
                .find(|(coordinate, _)| hidden.is_none_or(|hidden| !hidden.contains(*coordinate)))
                .map(|(&coordinate, text)| Lane {
                    coordinate,
                    location: Location::Memory(text),
                }),
            Walk::Part { view, rank, end } => next_in_part(view, rank, *end)?,
        };
        Ok(())
    }
}

fn next_in_part<'a>(view: &'a PartView, rank: &mut u32, end: u32) -> Result<Option<Lane<'a>>> {
    while *rank < end {
        let slot = view.part.slot_at_rank(*rank)?;
        *rank += 1;
        if !view.shadow.contains(slot) {
            let coordinate = view.part.coordinate(slot)?;
            return Ok(Some(Lane {
                coordinate,
                location: Location::Slot { view, slot },
            }));
        }
    }
    Ok(None)
}
