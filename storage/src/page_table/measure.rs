//! Distances in one part: of its keys, and the least that its zones allow.

use super::kernels::{Codes, Fold, Kernels, LANES, Lookup, Ruler};
use super::nearest::Nearest;
use crate::coordinate::DIMENSIONS;
use crate::error::Result;
use crate::segment::{Components, KeyColumn, Part, ZoneMap, Zones};
use std::cmp::Reverse;
use std::ops::Range;

/// How to measure distances in a part.
pub(super) struct Measure<'a> {
    part: &'a Part,
    /// What the dimensions with one component add to every distance.
    base: u64,
    /// Those that can add most come first, so that few are looked at where all keys lie far away.
    axes: Vec<Axis<'a>>,
}

/// A dimension with more than one component.
struct Axis<'a> {
    column: KeyColumn,
    zones: ZoneMap<'a>,
    scale: Scale<'a>,
    /// What it adds to a distance at most, over all pairs of keys.
    most: u64,
}

/// From codes to distances.
enum Scale<'a> {
    /// The components are consecutive, so that differences of codes are differences of components.
    Even(Ruler),
    /// Each component is looked up.
    Uneven(Lookup<'a>),
}

/// Keys of a block that are not too far away.
pub(super) struct NearKeys {
    /// Which ones.
    pub(super) bits: u128,
    /// Their distances; of the others, something above the limit.
    pub(super) distances: [u64; LANES],
}

impl<'a> Measure<'a> {
    pub(super) fn new(part: &'a Part, query: &Nearest) -> Result<Measure<'a>> {
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
            let mut most = 0;
            fold.apply(
                &mut most,
                components.last().saturating_sub(components.first()),
            );
            measure.axes.push(Axis {
                column,
                zones: part.zone_map(dimension)?,
                scale: Scale::new(&components, to, fold),
                most,
            });
        }
        measure.axes.sort_by_key(|axis| Reverse(axis.most));
        Ok(measure)
    }

    /// The least distance that a key of each group can have.
    pub(super) fn group_bounds(&self, kernels: Kernels) -> Vec<u64> {
        let mut bounds = vec![self.base; self.part.groups() as usize];
        for axis in &self.axes {
            axis.fold_zones(kernels, axis.zones.groups, &mut bounds);
        }
        bounds
    }

    /// The least distance that a key of each of these blocks can have.
    pub(super) fn block_bounds(&self, blocks: Range<usize>, kernels: Kernels, bounds: &mut [u64]) {
        bounds.fill(self.base);
        for axis in &self.axes {
            axis.fold_zones(kernels, axis.zones.blocks.range(blocks.clone()), bounds);
        }
    }

    /// The keys of a block at a distance of at most `limit`; `None` where there are none.
    pub(super) fn near_keys(
        &self,
        block: u32,
        limit: u64,
        kernels: Kernels,
    ) -> Result<Option<NearKeys>> {
        let bytes = self.part.key_block(block)?;
        let mut distances = [self.base; LANES];
        let mut bits = u128::MAX;
        for pair in self.axes.chunks(2) {
            for axis in pair {
                let KeyColumn { width, at } = axis.column;
                axis.fold_keys(kernels, &bytes[at..at + width * LANES], &mut distances);
            }
            bits = kernels.keep_up_to(&distances, limit);
            if bits == 0 {
                return Ok(None);
            }
        }
        Ok(Some(NearKeys { bits, distances }))
    }
}

impl<'a> Scale<'a> {
    fn new(components: &Components<'a>, to: u32, fold: Fold) -> Scale<'a> {
        match components.last().wrapping_sub(components.first()) {
            span if span == components.len() - 1 => Scale::Even(Ruler {
                origin: (to as i32).wrapping_sub(components.first() as i32),
                fold,
            }),
            _ => Scale::Uneven(Lookup {
                components: components.bytes(),
                to,
                fold,
            }),
        }
    }
}

impl Axis<'_> {
    fn fold_zones(&self, kernels: Kernels, zones: Zones<'_>, sums: &mut [u64]) {
        let (least, greatest) = (self.codes(zones.least), self.codes(zones.greatest));
        match self.scale {
            Scale::Even(ruler) => kernels.fold_gaps(least, greatest, ruler, sums),
            Scale::Uneven(lookup) => kernels.fold_looked_up_gaps(least, greatest, lookup, sums),
        }
    }

    fn fold_keys(&self, kernels: Kernels, codes: &[u8], sums: &mut [u64]) {
        let codes = self.codes(codes);
        match self.scale {
            Scale::Even(ruler) => kernels.fold_gaps(codes, codes, ruler, sums),
            // An unknown code is damage, which reading the coordinate reports.
            Scale::Uneven(lookup) => kernels.fold_looked_up(codes, lookup, sums),
        }
    }

    fn codes<'c>(&self, bytes: &'c [u8]) -> Codes<'c> {
        Codes {
            width: self.column.width,
            bytes,
        }
    }
}
