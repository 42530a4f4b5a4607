//! The scrolls nearest to a coordinate, exactly.
//!
//! ```text
//! zone maps -> least possible distance of every block, all parts, one pass
//! blocks    -> the nearest few first: their scrolls give a limit
//!           -> the others up to the limit, nearest first, until a block lies beyond it
//! memory    -> the box around the coordinate that the limit leaves
//! ```
//!
//! The distance of a block is that of its box, which no key in it can be below. A block as far away
//! as the limit is still read, because ties are broken by coordinate order: the answer is the first
//! scrolls by (distance, coordinate), and so one only.

use super::counters::ScanFigures;
use super::kernels::{Codes, Fold, Kernels, LANES, Ruler};
use super::memory::RegionWalk;
use super::metric::Metric;
use super::region::{Constraint, Region};
use super::scan::push_positions;
use super::{Lane, Location};
use crate::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use crate::error::Result;
use crate::segment::{Components, Part};
use crate::store::{PartView, Phext};
use bytes::Bytes;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Blocks read before the others are compared with a limit.
const FIRST_BLOCKS: usize = 16;

/// Which scrolls: the `count` nearest to a coordinate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// Where distances are measured from. There need not be a scroll.
    pub to: Coordinate,
    /// How many scrolls, at most.
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
    };
    if query.count > 0 {
        search.parts(&phext.parts)?;
        search.memory(phext);
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

/// A block of one of the parts, and how near its keys can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Block {
    bound: u64,
    part: u32,
    block: u32,
}

struct Search<'a, 'q> {
    query: &'q Nearest,
    kernels: Kernels,
    figures: &'q mut ScanFigures,
    /// The nearest so far, the farthest of them on top.
    found: BinaryHeap<Found<'a>>,
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
    fn offer(&mut self, distance: u64, lane: Lane<'a>) {
        let found = Found { distance, lane };
        if self.found.len() < self.query.count as usize {
            return self.found.push(found);
        }
        if let Some(mut last) = self.found.peek_mut()
            && found < *last
        {
            *last = found;
        }
    }

    fn parts(&mut self, views: &'a [PartView]) -> Result<()> {
        let mut measures = Vec::with_capacity(views.len());
        let mut blocks = Vec::new();
        for (view, part) in views.iter().zip(0..) {
            let measure = Measure::new(&view.part, self.query);
            let bounds = measure.bounds(self.kernels)?;
            let limit = self.limit();
            let near = bounds
                .into_iter()
                .zip(0..)
                .filter(|&(bound, _)| bound <= limit);
            blocks.extend(near.map(|(bound, block)| Block { bound, part, block }));
            self.figures.blocks_considered += u64::from(view.part.blocks());
            measures.push((view, measure));
        }
        let before = self.figures.blocks_verified;
        if blocks.len() > FIRST_BLOCKS {
            let (first, ..) = blocks.select_nth_unstable(FIRST_BLOCKS);
            first.sort_unstable();
            self.read_blocks(first, &measures)?;
            let limit = self.limit();
            blocks.drain(..FIRST_BLOCKS);
            blocks.retain(|block| block.bound <= limit);
        }
        blocks.sort_unstable();
        self.read_blocks(&blocks, &measures)?;
        let considered: u64 = views.iter().map(|view| u64::from(view.part.blocks())).sum();
        self.figures.blocks_pruned += considered - (self.figures.blocks_verified - before);
        Ok(())
    }

    /// Reads blocks, nearest first, up to the first that lies beyond the limit.
    fn read_blocks(
        &mut self,
        blocks: &[Block],
        measures: &[(&'a PartView, Measure<'a>)],
    ) -> Result<()> {
        let mut positions = Vec::with_capacity(LANES);
        for (index, block) in blocks.iter().enumerate() {
            if block.bound > self.limit() {
                break;
            }
            if let Some(ahead) = blocks.get(index + 1) {
                measures[ahead.part as usize]
                    .0
                    .part
                    .prefetch_block(ahead.block);
            }
            let (view, measure) = &measures[block.part as usize];
            let distances = measure.distances(block.block, self.kernels)?;
            let bits = self.kernels.keep_up_to(&distances, self.limit());
            self.figures.blocks_verified += 1;
            positions.clear();
            push_positions(block.block, bits, view.part.slots(), &mut positions);
            for &position in &positions {
                let distance = distances[position as usize % LANES];
                self.offer_position(view, position, distance)?;
            }
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
            );
        }
        Ok(())
    }

    fn memory(&mut self, phext: &'a Phext) {
        let region = self.reachable();
        for (&coordinate, text) in RegionWalk::new(&phext.active, &region) {
            self.offer_memory(coordinate, text);
        }
        if let Some(frozen) = &phext.frozen {
            for (&coordinate, text) in RegionWalk::new(&frozen.scrolls, &region) {
                if !frozen.hidden.contains(&coordinate) {
                    self.offer_memory(coordinate, text);
                }
            }
        }
    }

    fn offer_memory(&mut self, coordinate: Coordinate, text: &'a Bytes) {
        let distance = self.query.metric.distance(&self.query.to, &coordinate);
        if distance <= self.limit() {
            let location = Location::Memory(text);
            self.offer(
                distance,
                Lane {
                    coordinate,
                    location,
                },
            );
        }
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

/// How to measure distances in a part.
struct Measure<'a> {
    part: &'a Part,
    /// What the dimensions with one component add to every distance.
    base: u64,
    axes: Vec<Axis<'a>>,
}

/// A dimension with more than one component.
struct Axis<'a> {
    dimension: usize,
    width: usize,
    /// Where its codes are in a key block.
    at: usize,
    scale: Scale<'a>,
    fold: Fold,
}

/// From codes to distances.
enum Scale<'a> {
    /// The components are consecutive, so that differences of codes are differences of components.
    Even(Ruler),
    /// Each component is looked up.
    Uneven { components: Components<'a>, to: u32 },
}

impl<'a> Measure<'a> {
    fn new(part: &'a Part, query: &Nearest) -> Measure<'a> {
        let mut measure = Measure {
            part,
            base: 0,
            axes: Vec::with_capacity(DIMENSIONS),
        };
        for (dimension, &to) in query.to.components().iter().enumerate() {
            let fold = query.metric.fold(dimension);
            let components = part.components(dimension);
            let column = part.key_column(dimension);
            if column.width == 0 {
                fold.apply(&mut measure.base, to.abs_diff(components.first()));
                continue;
            }
            let scale = match components.last().wrapping_sub(components.first()) {
                span if span == components.len() - 1 => Scale::Even(Ruler {
                    origin: (to as i32).wrapping_sub(components.first() as i32),
                    fold,
                }),
                _ => Scale::Uneven { components, to },
            };
            measure.axes.push(Axis {
                dimension,
                width: column.width,
                at: column.at,
                scale,
                fold,
            });
        }
        measure
    }

    /// The least distance that a key of each block can have.
    fn bounds(&self, kernels: Kernels) -> Result<Vec<u64>> {
        let mut bounds = vec![self.base; self.part.blocks() as usize];
        for axis in &self.axes {
            let zones = self.part.zone_map(axis.dimension)?;
            axis.fold_gaps(kernels, zones.least, zones.greatest, &mut bounds);
        }
        Ok(bounds)
    }

    /// The distances of a block's keys.
    fn distances(&self, block: u32, kernels: Kernels) -> Result<[u64; LANES]> {
        let bytes = self.part.key_block(block)?;
        let mut distances = [self.base; LANES];
        for axis in &self.axes {
            let codes = &bytes[axis.at..axis.at + axis.width * LANES];
            axis.fold_gaps(kernels, codes, codes, &mut distances);
        }
        Ok(distances)
    }
}

impl Axis<'_> {
    fn fold_gaps(&self, kernels: Kernels, least: &[u8], greatest: &[u8], sums: &mut [u64]) {
        let codes = |bytes| Codes {
            width: self.width,
            bytes,
        };
        match &self.scale {
            Scale::Even(ruler) => kernels.fold_gaps(codes(least), codes(greatest), *ruler, sums),
            Scale::Uneven { components, to } => {
                for (index, sum) in sums.iter_mut().enumerate() {
                    let least = components.get(codes(least).get(index));
                    let greatest = components.get(codes(greatest).get(index));
                    // An unknown code is damage, which reading the coordinate reports.
                    let above = least.map_or(0, |least| least.saturating_sub(*to));
                    let below = greatest.map_or(0, |greatest| to.saturating_sub(greatest));
                    self.fold.apply(sum, above.max(below));
                }
            }
        }
    }
}
