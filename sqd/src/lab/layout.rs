//! Points laid out in an order: blocks of 128 with a zone map, and entries one after the other.
//!
//! As in a part of the engine, where texts lie as keys do. Positions count along the order. A page is
//! 4 KiB of the heap, and entries follow each other without padding.

use super::order::LabOrder;
use super::points::Points;
use super::query::Query;
use phext_storage::lab::order::BLOCK_SLOTS;

/// Bytes of a page.
pub(super) const PAGE_BYTES: u64 = 4096;

/// What is needed of the points in an order.
pub(super) struct Layout {
    pub(super) order: LabOrder,
    /// By position, the point.
    pub(super) points: Vec<u32>,
    /// By point, its position.
    pub(super) position: Vec<u32>,
    /// By dimension and block, the least and the greatest code.
    pub(super) zones: Vec<Vec<(u32, u32)>>,
    /// By position where the entry starts, and where the last one ends.
    pub(super) starts: Vec<u64>,
}

impl Layout {
    /// The points in an order.
    pub(super) fn new(order: LabOrder, points: &Points, seed: u64) -> Layout {
        let permutation = order.permutation(points, seed);
        let mut position = vec![0; permutation.len()];
        for (at, &point) in (0..).zip(&permutation) {
            position[point as usize] = at;
        }
        let zones = |d: usize| {
            let codes = points.columns[d].codes();
            permutation
                .chunks(BLOCK_SLOTS)
                .map(|block| zone(block, codes))
                .collect()
        };
        let mut end = 0;
        let ends = permutation.iter().map(|&point| {
            end += u64::from(points.entry_bytes[point as usize]);
            end
        });
        Layout {
            order,
            zones: (0..points.dimensions()).map(zones).collect(),
            starts: std::iter::once(0).chain(ends).collect(),
            position,
            points: permutation,
        }
    }

    /// How many blocks.
    pub(super) fn blocks(&self) -> usize {
        self.points.len().div_ceil(BLOCK_SLOTS)
    }

    /// The blocks that the zone map does not rule out, ascending.
    pub(super) fn survivors(&self, query: &Query) -> Vec<u32> {
        let mut blocks: Vec<u32> = (0..self.blocks() as u32).collect();
        for (dimension, codes) in &query.constraints {
            let zones = &self.zones[*dimension];
            blocks.retain(|&block| {
                let (least, greatest) = zones[block as usize];
                least <= *codes.end() && greatest >= *codes.start()
            });
        }
        blocks
    }

    /// The positions of points, ascending.
    pub(super) fn positions(&self, points: &[u32]) -> Vec<u32> {
        let mut positions: Vec<u32> = points.iter().map(|&p| self.position[p as usize]).collect();
        positions.sort_unstable();
        positions
    }

    /// How many pages hold a byte of the entries at these ascending positions.
    pub(super) fn pages(&self, positions: &[u32]) -> u64 {
        let mut pages = 0;
        let mut next = 0;
        for &position in positions {
            let (first, last) = self.pages_of(position);
            pages += (last + 1).saturating_sub(first.max(next));
            next = last + 1;
        }
        pages
    }

    fn pages_of(&self, position: u32) -> (u64, u64) {
        let (start, end) = self.entry(position);
        (start / PAGE_BYTES, (end - 1) / PAGE_BYTES)
    }

    /// Where an entry starts and ends.
    pub(super) fn entry(&self, position: u32) -> (u64, u64) {
        (
            self.starts[position as usize],
            self.starts[position as usize + 1],
        )
    }
}

fn zone(block: &[u32], codes: &[u32]) -> (u32, u32) {
    let codes = block.iter().map(|&point| codes[point as usize]);
    codes.fold((u32::MAX, 0), |(least, greatest), code| {
        (least.min(code), greatest.max(code))
    })
}

/// How many runs of neighbours these ascending positions make.
pub(super) fn runs(positions: &[u32]) -> u64 {
    positions.chunk_by(|a, b| a + 1 == *b).count() as u64
}

/// The fewest pages on which entries of these lengths can lie.
pub(super) fn least_pages(points: &Points, matches: &[u32]) -> u64 {
    let bytes = matches
        .iter()
        .map(|&point| u64::from(points.entry_bytes[point as usize]));
    bytes.sum::<u64>().div_ceil(PAGE_BYTES)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::points::tests::points;
    use super::super::source::{Data, rows};
    use super::*;

    /// Agents' memories in six dimensions, few enough to search through.
    pub(in crate::lab) fn some_points() -> Points {
        let rows = rows(&"agent".parse::<Data>().unwrap(), 3_000, 7, 6).unwrap();
        Points::new(&rows, 6)
    }

    #[test]
    fn runs_are_counted() {
        for (positions, expected) in [
            (&[][..], 0),
            (&[7], 1),
            (&[0, 1, 2], 1),
            (&[0, 2, 3, 9, 11, 12], 4),
        ] {
            assert_eq!(runs(positions), expected, "{positions:?}");
        }
    }

    /// Entries of 1,000 bytes: every fifth goes over the edge of a page.
    #[test]
    fn pages_are_counted_once() {
        let mut points = points(&std::array::from_fn::<[u32; 2], 40, _>(|n| [1, n as u32]));
        points.entry_bytes.fill(1_000);
        let layout = Layout::new(LabOrder::Lexicographic, &points, 1);
        for (positions, expected) in [
            (&[][..], 0),
            (&[0], 1),
            (&[0, 1, 2, 3], 1),
            (&[4], 2),
            (&[3, 4], 2),
            (&[0, 4, 5], 2),
            (&[0, 10, 39], 3),
        ] {
            assert_eq!(layout.pages(positions), expected, "{positions:?}");
        }
        assert_eq!(least_pages(&points, &[0, 10, 39, 4, 5]), 2);
        points.entry_bytes[3] = 20_000;
        let layout = Layout::new(LabOrder::Lexicographic, &points, 1);
        assert_eq!(layout.pages(&[3]), 6);
    }

    #[test]
    fn every_order_is_a_permutation_with_true_zones() {
        let points = some_points();
        for order in LabOrder::all() {
            let layout = Layout::new(order, &points, 5);
            let mut sorted = layout.points.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..points.len() as u32), "{order}");
            for (at, &point) in layout.points.iter().enumerate() {
                assert_eq!(layout.position[point as usize] as usize, at);
                for d in 0..points.dimensions() {
                    let (least, greatest) = layout.zones[d][at / BLOCK_SLOTS];
                    assert!((least..=greatest).contains(&points.code(d, point)));
                }
            }
            let last = layout.starts.last().unwrap();
            assert_eq!(
                *last,
                points
                    .entry_bytes
                    .iter()
                    .map(|&b| u64::from(b))
                    .sum::<u64>()
            );
            assert_eq!(order.name().parse(), Ok(order));
        }
    }

    #[test]
    fn orders_differ_as_they_should() {
        let points = some_points();
        let permutation = |name: &str| name.parse::<LabOrder>().unwrap().permutation(&points, 5);
        assert!(permutation("lexicographic").is_sorted());
        assert_ne!(
            permutation("random"),
            "random"
                .parse::<LabOrder>()
                .unwrap()
                .permutation(&points, 6)
        );
        let orders = LabOrder::all();
        let all: Vec<Vec<u32>> = orders.iter().map(|o| o.permutation(&points, 5)).collect();
        for (at, one) in all.iter().enumerate() {
            let twin = all[..at].iter().position(|other| other == one);
            // So few points have no prefix.
            let is_without = orders[at] == LabOrder::PrefixHilbert;
            let expected = is_without.then_some("hilbert-ranks");
            assert_eq!(
                twin.map(|twin| orders[twin].name()),
                expected,
                "{}",
                orders[at]
            );
        }
    }
}
