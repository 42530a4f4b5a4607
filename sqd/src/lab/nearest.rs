//! The nearest points, and how many blocks an exact search opens.
//!
//! Distance is the sum over the dimensions (Manhattan): of the differences of components, as the engine
//! has it, or of equi-depth ranks. By components, dimensions with large components make up nearly all of
//! it; by ranks all count alike. Of equally distant points the first in coordinate order is nearer.
//!
//! An exact search is best first: blocks by the least distance that their box allows, until the next one
//! cannot hold anything nearer than the k-th found.

use super::layout::Layout;
use super::order::Scale;
use super::points::Points;
use phext_storage::lab::order::BLOCK_SLOTS;

/// A point and its distance.
pub(super) type Neighbour = (u64, u32);

/// Distances from a point.
pub(super) struct Distances<'p> {
    points: &'p Points,
    /// By dimension and code.
    places: Vec<&'p [u32]>,
    from: Vec<u32>,
}

impl<'p> Distances<'p> {
    /// From this point.
    pub(super) fn new(points: &'p Points, from: u32, scale: Scale) -> Distances<'p> {
        let places: Vec<&[u32]> = points
            .columns
            .iter()
            .map(|column| match scale {
                Scale::Raw => column.components(),
                Scale::Ranks => column.below(),
            })
            .collect();
        let place = |d: usize| places[d][points.code(d, from) as usize];
        Distances {
            from: (0..points.dimensions()).map(place).collect(),
            points,
            places,
        }
    }

    /// To a point.
    pub(super) fn to(&self, point: u32) -> u64 {
        let to = |d: usize| self.places[d][self.points.code(d, point) as usize];
        let from = self.from.iter().enumerate();
        from.map(|(d, &from)| u64::from(from.abs_diff(to(d)))).sum()
    }

    /// The least to a point of a block.
    fn to_block(&self, layout: &Layout, block: usize) -> u64 {
        let gap = |d: usize| {
            let (least, greatest) = layout.zones[d][block];
            let (least, greatest) = (
                self.places[d][least as usize],
                self.places[d][greatest as usize],
            );
            u64::from(
                least
                    .saturating_sub(self.from[d])
                    .max(self.from[d].saturating_sub(greatest)),
            )
        };
        (0..self.from.len()).map(gap).sum()
    }
}

/// What a search found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The nearest first.
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) blocks_opened: u64,
}

/// The `count` points nearest to a point, without itself.
pub(super) fn nearest(
    points: &Points,
    layout: &Layout,
    from: u32,
    count: usize,
    scale: Scale,
) -> Found {
    let distances = Distances::new(points, from, scale);
    let distance = |block: usize| (distances.to_block(layout, block), block);
    let mut blocks: Vec<(u64, usize)> = (0..layout.blocks()).map(distance).collect();
    blocks.sort_unstable();
    let mut found = Found {
        neighbours: Vec::new(),
        blocks_opened: 0,
    };
    for (least, block) in blocks {
        let last = found.neighbours.get(count - 1);
        // A block at the distance of the last may hold one that comes first in coordinate order.
        if last.is_some_and(|last| least > last.0) {
            break;
        }
        found.blocks_opened += 1;
        let start = block * BLOCK_SLOTS;
        let end = (start + BLOCK_SLOTS).min(points.len());
        let others = layout.points[start..end]
            .iter()
            .filter(|&&point| point != from);
        found
            .neighbours
            .extend(others.map(|&point| (distances.to(point), point)));
        found.neighbours.sort_unstable();
        found.neighbours.truncate(count);
    }
    found
}

/// How many blocks an exact search opens that finds the last at this distance: those that may hold
/// something as near, for it opens them first, and when they are open it has found what it looks for.
pub(super) fn blocks_opened(layout: &Layout, distances: &Distances<'_>, last: u64) -> u64 {
    let opened = (0..layout.blocks()).filter(|&block| distances.to_block(layout, block) <= last);
    opened.count() as u64
}

/// How far in positions the nearest of a point is: of equally near ones the closest.
pub(super) fn slot_distance(layout: &Layout, from: u32, neighbours: &[Neighbour]) -> Option<u32> {
    let nearest = neighbours.first()?.0;
    let tied = neighbours
        .iter()
        .take_while(|neighbour| neighbour.0 == nearest);
    tied.map(|&(_, point)| apart(layout, from, point)).min()
}

/// Share of neighbours that lie at most so many positions away.
pub(super) fn recall(layout: &Layout, from: u32, neighbours: &[Neighbour], window: u32) -> f64 {
    let inside = neighbours
        .iter()
        .filter(|&&(_, point)| apart(layout, from, point) <= window);
    inside.count() as f64 / neighbours.len().max(1) as f64
}

fn apart(layout: &Layout, a: u32, b: u32) -> u32 {
    layout.position[a as usize].abs_diff(layout.position[b as usize])
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::some_points;
    use super::super::order::LabOrder;
    use super::super::points::tests::points;
    use super::*;

    #[test]
    fn the_nearest_are_those_of_a_plain_search_in_every_order() {
        let points = some_points();
        for order in LabOrder::all() {
            let layout = Layout::new(order, &points, 1);
            for (from, scale) in [(0, Scale::Raw), (1_234, Scale::Raw), (2_999, Scale::Ranks)] {
                let found = nearest(&points, &layout, from, 10, scale);
                let distances = Distances::new(&points, from, scale);
                let others = (0..points.len() as u32).filter(|&point| point != from);
                let mut expected: Vec<Neighbour> =
                    others.map(|point| (distances.to(point), point)).collect();
                expected.sort_unstable();
                assert_eq!(found.neighbours, expected[..10], "{order} from {from}");
                let last = expected[9].0;
                assert_eq!(
                    blocks_opened(&layout, &distances, last),
                    found.blocks_opened
                );
            }
        }
    }

    #[test]
    fn distances_are_by_component_or_rank() {
        let points = points(&[[1, 10], [1, 500], [4, 20], [9, 20]]);
        let to = |scale, point| Distances::new(&points, 0, scale).to(point);
        assert_eq!([1, 2, 3].map(|p| to(Scale::Raw, p)), [490, 13, 18]);
        assert_eq!([1, 2, 3].map(|p| to(Scale::Ranks, p)), [3, 3, 4]);
    }

    /// Three blocks in a row: the search opens those that may hold one of the two nearest.
    #[test]
    fn blocks_are_opened_while_they_may_hold_something_nearer() {
        let points = points(&std::array::from_fn::<[u32; 2], 384, _>(|n| [1, n as u32]));
        let layout = Layout::new(LabOrder::Lexicographic, &points, 1);
        let opened = |from| nearest(&points, &layout, from, 2, Scale::Raw).blocks_opened;
        assert_eq!(opened(64), 1);
        assert_eq!(opened(127), 2, "one neighbour lies in the next block");
        assert_eq!(
            opened(126),
            1,
            "both neighbours are here, the next block is two away"
        );
    }

    #[test]
    fn slots_apart_and_recall() {
        let points = points(&std::array::from_fn::<[u32; 2], 9, _>(|n| {
            [n as u32 / 3, n as u32 % 3]
        }));
        let layout = Layout::new(LabOrder::Lexicographic, &points, 1);
        // Around the middle (4): 1, 3, 5 and 7 are one unit away.
        let found = nearest(&points, &layout, 4, 4, Scale::Raw).neighbours;
        assert_eq!(found, [(1, 1), (1, 3), (1, 5), (1, 7)]);
        assert_eq!(slot_distance(&layout, 4, &found), Some(1));
        assert_eq!(slot_distance(&layout, 4, &found[..1]), Some(3));
        assert_eq!(recall(&layout, 4, &found, 1), 0.5);
        assert_eq!(recall(&layout, 4, &found, 3), 1.0);
        assert_eq!(slot_distance(&layout, 4, &[]), None);
    }
}
