//! The scrolls nearest to a coordinate, exactly.
//!
//! ```text
//! zone maps -> least possible distance of every group of blocks, all parts, one pass
//! groups    -> the nearest one is replaced by its blocks
//! blocks    -> the nearest one is read: its scrolls give a limit
//!           -> and so on, whichever is nearest, until that lies beyond the limit
//! memory    -> the box around the coordinate that the limit leaves
//! ```
//!
//! The distance of a block or group is that of its box, which no key in it can be below. One as far away
//! as the limit is still read, because ties are broken by coordinate order: the answer is the first
//! scrolls by (distance, coordinate), and so one only.
//!
//! All that is found is held until the search ends, so no more than [`MAX_NEAREST`] are: a search that
//! would need more is refused, whatever it was asked for.

use super::counters::ScanFigures;
use super::kernels::{Kernels, LANES};
use super::measure::Measure;
use super::memory::RegionWalk;
use super::metric::Metric;
use super::region::{Constraint, Region};
use super::scan::push_positions;
use super::{Lane, Location};
use crate::coordinate::{Coordinate, MAX_COMPONENT};
use crate::error::{Result, StoreError};
use crate::segment::GROUP_BLOCKS;
use crate::store::{PartView, Phext};
use bytes::Bytes;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Most scrolls that a search holds.
pub const MAX_NEAREST: u32 = 1 << 20;

/// Which scrolls: the `count` nearest to a coordinate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// Where distances are measured from. There need not be a scroll.
    pub to: Coordinate,
    /// How many scrolls, at most. It may be more than [`MAX_NEAREST`], as long as there are not.
    pub count: u32,
    /// What distance is.
    pub metric: Metric,
    /// The greatest distance that counts.
    pub radius: Option<u64>,
}

/// The lanes of a search by distance; those at the same distance by coordinate.
pub(super) fn nearest<'a>(
    phext: &'a Phext,
    query: &Nearest,
    kernels: Kernels,
    figures: &mut ScanFigures,
) -> Result<Vec<Lane<'a>>> {
    let mut search = Search {
        query,
        kernels,
        figures,
        found: BinaryHeap::new(),
        positions: Vec::with_capacity(LANES),
    };
    if query.count > 0 {
        search.parts(&phext.parts)?;
        search.memory(phext)?;
    }
    let found = search.found.into_sorted_vec();
    Ok(found.into_iter().map(|found| found.lane).collect())
}

/// A scroll with its distance.
#[derive(Debug)]
struct Found<'a> {
    distance: u64,
    lane: Lane<'a>,
}

impl Found<'_> {
    fn key(&self) -> (u64, &Coordinate) {
        (self.distance, &self.lane.coordinate)
    }
}

impl Ord for Found<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Found<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Found<'_> {}

/// A group of blocks, or a block, of one of the parts. The nearest comes first; of equally near ones
/// blocks do, so that a limit is known early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    /// How near its keys can be.
    bound: u64,
    kind: Kind,
    part: u32,
    index: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Block,
    Group,
}

/// A part in which to search.
struct Ground<'a> {
    view: &'a PartView,
    measure: Measure<'a>,
}

struct Search<'a, 'q> {
    query: &'q Nearest,
    kernels: Kernels,
    figures: &'q mut ScanFigures,
    /// The nearest so far, the farthest of them on top.
    found: BinaryHeap<Found<'a>>,
    /// Those of the block that is read; kept for its memory.
    positions: Vec<u32>,
}

impl<'a> Search<'a, '_> {
    /// Nothing farther away can be in the answer.
    fn limit(&self) -> u64 {
        let radius = self.query.radius.unwrap_or(u64::MAX);
        match self.found.peek() {
            Some(last) if self.found.len() == self.query.count as usize => last.distance,
            _ => radius,
        }
    }

    /// Takes a scroll in if it is among the nearest so far.
    fn offer(&mut self, distance: u64, lane: Lane<'a>) -> Result<()> {
        let found = Found { distance, lane };
        let asked = self.query.count;
        if self.found.len() < asked as usize {
            if self.found.len() == MAX_NEAREST as usize {
                return Err(StoreError::TooManyNearest { asked });
            }
            self.found.push(found);
            return Ok(());
        }
        if let Some(mut last) = self.found.peek_mut()
            && found < *last
        {
            *last = found;
        }
        Ok(())
    }

    fn parts(&mut self, views: &'a [PartView]) -> Result<()> {
        let mut grounds = Vec::with_capacity(views.len());
        for view in views {
            let measure = Measure::new(&view.part, self.query)?;
            grounds.push(Ground { view, measure });
        }
        let before = self.figures.blocks_verified;
        let mut frontier = self.groups(&grounds);
        while let Some(Reverse(node)) = frontier.pop() {
            if node.bound > self.limit() {
                break;
            }
            let ground = &grounds[node.part as usize];
            match node.kind {
                Kind::Group => self.open_group(ground, node, &mut frontier),
                Kind::Block => {
                    if let Some(Reverse(next)) = frontier.peek()
                        && next.kind == Kind::Block
                    {
                        let view = grounds[next.part as usize].view;
                        view.part.prefetch_block(next.index);
                    }
                    self.read_block(ground, node.index)?;
                }
            }
        }
        let considered: u64 = views.iter().map(|view| u64::from(view.part.blocks())).sum();
        self.figures.blocks_considered += considered;
        self.figures.blocks_pruned += considered - (self.figures.blocks_verified - before);
        Ok(())
    }

    /// The groups of all parts that are not too far away.
    fn groups(&self, grounds: &[Ground<'_>]) -> BinaryHeap<Reverse<Node>> {
        let limit = self.limit();
        let mut groups = Vec::new();
        for (ground, part) in grounds.iter().zip(0..) {
            let bounds = ground.measure.group_bounds(self.kernels);
            let near = bounds.into_iter().zip(0..);
            let near = near.filter(|&(bound, _)| bound <= limit);
            groups.extend(near.map(|(bound, index)| {
                Reverse(Node {
                    bound,
                    kind: Kind::Group,
                    part,
                    index,
                })
            }));
        }
        BinaryHeap::from(groups)
    }

    /// Adds the blocks of a group that are not too far away.
    fn open_group(
        &self,
        ground: &Ground<'_>,
        group: Node,
        frontier: &mut BinaryHeap<Reverse<Node>>,
    ) {
        let limit = self.limit();
        let blocks = ground.view.part.blocks_of_group(group.index);
        let bounds = &mut [0; GROUP_BLOCKS][..blocks.len()];
        ground
            .measure
            .block_bounds(blocks.clone(), self.kernels, bounds);
        let near = bounds.iter().zip(blocks);
        let near = near.filter(|&(&bound, _)| bound <= limit);
        frontier.extend(near.map(|(&bound, block)| {
            Reverse(Node {
                bound,
                kind: Kind::Block,
                part: group.part,
                index: block as u32,
            })
        }));
    }

    fn read_block(&mut self, ground: &Ground<'a>, block: u32) -> Result<()> {
        let Ground { view, measure } = ground;
        self.figures.blocks_verified += 1;
        let Some(near) = measure.near_keys(block, self.limit(), self.kernels)? else {
            return Ok(());
        };
        self.positions.clear();
        push_positions(block, near.bits, view.part.slots(), &mut self.positions);
        for index in 0..self.positions.len() {
            let position = self.positions[index];
            let distance = near.distances[position as usize % LANES];
            self.offer_position(view, position, distance)?;
        }
        Ok(())
    }

    fn offer_position(&mut self, view: &'a PartView, position: u32, distance: u64) -> Result<()> {
        // The limit may have come nearer since the block was measured.
        if distance > self.limit() {
            return Ok(());
        }
        let slot = view.part.slot_at_position(position)?;
        if !view.shadow.contains(slot) {
            let coordinate = view.part.coordinate_at_position(position)?;
            let location = Location::Slot { view, slot };
            self.offer(
                distance,
                Lane {
                    coordinate,
                    location,
                },
            )?;
        }
        Ok(())
    }

    fn memory(&mut self, phext: &'a Phext) -> Result<()> {
        let region = self.reachable();
        for (&coordinate, text) in RegionWalk::new(&phext.active, &region) {
            self.offer_memory(coordinate, text)?;
        }
        if let Some(frozen) = &phext.frozen {
            for (&coordinate, text) in RegionWalk::new(&frozen.scrolls, &region) {
                if !frozen.hidden.contains(&coordinate) {
                    self.offer_memory(coordinate, text)?;
                }
            }
        }
        Ok(())
    }

    fn offer_memory(&mut self, coordinate: Coordinate, text: &'a Bytes) -> Result<()> {
        let distance = self.query.metric.distance(&self.query.to, &coordinate);
        if distance <= self.limit() {
            let location = Location::Memory(text);
            self.offer(
                distance,
                Lane {
                    coordinate,
                    location,
                },
            )?;
        }
        Ok(())
    }

    /// A box that holds everything up to the limit.
    fn reachable(&self) -> Region {
        let limit = self.limit();
        let constraint = |dimension: usize| {
            let to = self.query.to.components()[dimension];
            let reach = self.query.metric.reach(dimension, limit);
            let reach = u32::try_from(reach).unwrap_or(u32::MAX);
            let (low, high) = (to.saturating_sub(reach), to.saturating_add(reach));
            Constraint::range(low.max(1), high.min(MAX_COMPONENT))
                .expect("the range holds the component that it is around")
        };
        Region::new(std::array::from_fn(constraint))
    }
}
