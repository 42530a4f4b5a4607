//! Keys along curves: the engine's, and the two that only the lab has.
//!
//! **Gray**: the bits of the components interleaved as for Morton, read as a Gray code (Faloutsos 1988).
//! Neighbours on the curve differ in one bit of the interleaving, so in one dimension, but that bit may be
//! a high one.
//!
//! **Snake**: rows, of which every other runs backwards. A dimension runs backwards where the sum of the
//! earlier dimensions' numbers is odd; on a dense grid all steps are of one unit then, whatever its sides.

use super::order::{Path, Scale, grid};
use super::points::Points;
use phext_storage::curves::{self, Curve};

/// By point its place along a curve over the dimensions from `first` on, of which there are `D`.
pub(super) fn keys<const D: usize>(
    points: &Points,
    first: usize,
    path: Path,
    scale: Scale,
) -> Vec<(u128, u32)> {
    let cells: Vec<Vec<u16>> = (first..first + D)
        .map(|dimension| match scale {
            Scale::Raw => raw_cells(points, dimension, grid::<D>(path)),
            Scale::Ranks => rank_cells::<D>(points, dimension, path),
        })
        .collect();
    let codes = |d: usize| points.columns[first + d].codes();
    let cell = |point: usize| std::array::from_fn(|d| cells[d][codes(d)[point] as usize]);
    let cells: Vec<[u16; D]> = (0..points.len()).map(cell).collect();
    let mut keys = vec![0; cells.len()];
    encode_batch(path, &cells, &mut keys);
    keys.into_iter().zip(0..).collect()
}

/// The points by their keys.
pub(super) fn sorted(mut keys: Vec<(u128, u32)>) -> Vec<u32> {
    keys.sort_unstable();
    keys.into_iter().map(|(_, point)| point).collect()
}

/// By code its cell: the component itself, or scaled by what all dimensions are scaled by.
fn raw_cells(points: &Points, dimension: usize, grid: u32) -> Vec<u16> {
    let last = |column: &phext_storage::lab::order::Column| column.components().last().copied();
    let greatest = points.columns.iter().filter_map(last).max().unwrap_or(0);
    let cell = |&component: &u32| match greatest < grid {
        true => component as u16,
        false => (u64::from(component) * u64::from(grid) / (u64::from(greatest) + 1)) as u16,
    };
    points.columns[dimension]
        .components()
        .iter()
        .map(cell)
        .collect()
}

fn rank_cells<const D: usize>(points: &Points, dimension: usize, path: Path) -> Vec<u16> {
    let curve = match path {
        Path::Engine(curve) => curve,
        Path::Gray => Curve::Morton,
    };
    let cell = |&rank: &u32| curves::cell_of_rank::<D>(curve, u64::from(rank), points.len() as u64);
    points.columns[dimension].below().iter().map(cell).collect()
}

/// The key of a point on the grid.
pub(super) fn encode<const D: usize>(path: Path, point: &[u16; D]) -> u128 {
    match path {
        Path::Engine(curve) => curves::encode(curve, point),
        Path::Gray => gray_rank(curves::encode(Curve::Morton, point)),
    }
}

/// The point of a key.
pub(super) fn decode<const D: usize>(path: Path, key: u128) -> [u16; D] {
    match path {
        Path::Engine(curve) => curves::decode(curve, key),
        Path::Gray => curves::decode(Curve::Morton, key ^ key >> 1),
    }
}

/// The keys of many points.
pub(super) fn encode_batch<const D: usize>(path: Path, points: &[[u16; D]], keys: &mut [u128]) {
    let curve = match path {
        Path::Engine(curve) => curve,
        Path::Gray => Curve::Morton,
    };
    curves::encode_batch(curve, points, keys);
    if path == Path::Gray {
        keys.iter_mut().for_each(|key| *key = gray_rank(*key));
    }
}

/// Which place a code has in the reflected Gray code: of every bit, the parity of it and those above.
fn gray_rank(code: u128) -> u128 {
    (0..7).fold(code, |rank, step| rank ^ rank >> (1 << step))
}

/// The points row by row, every other backwards.
pub(super) fn snake(points: &Points, scale: Scale) -> Vec<u32> {
    let number = |d: usize, point: u32| match scale {
        Scale::Raw => points.columns[d].components()[points.code(d, point) as usize],
        Scale::Ranks => points.code(d, point),
    };
    let places = |point: u32| {
        let mut is_backwards = false;
        (0..points.dimensions()).map(move |d| {
            let number = number(d, point);
            let place = if is_backwards {
                u32::MAX - number
            } else {
                number
            };
            is_backwards ^= number & 1 == 1;
            place
        })
    };
    let mut permutation: Vec<u32> = (0..points.len() as u32).collect();
    permutation.sort_by(|&a, &b| places(a).cmp(places(b)));
    permutation
}

#[cfg(test)]
mod tests {
    use super::super::order::LabOrder;
    use super::super::points::tests::points;
    use super::super::source::{Data, rows};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gray_codes_are_ranked_as_they_follow() {
        let codes = [0b00, 0b01, 0b11, 0b10, 0b110, 0b111, 0b101, 0b100];
        assert_eq!(codes.map(gray_rank), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(gray_rank(1 << 125), (1 << 126) - 1);
    }

    proptest! {
        #[test]
        fn gray_keys_lead_back(point in prop::array::uniform9(0u16..1 << 14)) {
            prop_assert_eq!(decode::<9>(Path::Gray, encode(Path::Gray, &point)), point);
        }
    }

    #[test]
    fn neighbours_along_gray_differ_in_one_bit_of_one_dimension() {
        for key in 0..5_000 {
            let [here, next] = [key, key + 1].map(|key| decode::<3>(Path::Gray, key));
            let bits: u32 = here
                .iter()
                .zip(next)
                .map(|(a, b)| (a ^ b).count_ones())
                .sum();
            assert_eq!(bits, 1, "{key}");
        }
    }

    /// Steps between neighbours in an order of a dense grid.
    fn steps<const D: usize>(order: LabOrder, cells: usize) -> Vec<u32> {
        let rows = rows(&Data::Grid, cells, 1, D).unwrap();
        let points = Points::new(&rows, D);
        let permutation = order.permutation(&points, 1);
        let step = |pair: &[u32]| {
            let code = |d, end: usize| points.code(d, pair[end]);
            (0..D).map(|d| code(d, 0).abs_diff(code(d, 1))).sum()
        };
        permutation.windows(2).map(step).collect()
    }

    #[test]
    fn continuous_curves_step_by_one_unit() {
        let check = |order: &str, steps: fn(LabOrder, usize) -> Vec<u32>, cells| {
            let steps = steps(order.parse().unwrap(), cells);
            assert!(
                steps.iter().all(|&step| step == 1),
                "{order} of {cells}: {steps:?}"
            );
        };
        for order in ["hilbert-ranks", "snake", "snake-ranks"] {
            check(order, steps::<2>, 1 << 10);
            check(order, steps::<3>, 1 << 9);
            check(order, steps::<4>, 1 << 12);
            check(order, steps::<6>, 1 << 12);
            check(order, steps::<9>, 1 << 9);
            check(order, steps::<11>, 1 << 11);
        }
        for order in ["snake", "snake-ranks"] {
            check(order, steps::<3>, 343);
            check(order, steps::<2>, 2_500);
        }
        check("peano-ranks", steps::<2>, 729);
        check("peano-ranks", steps::<3>, 729);
        check("peano-ranks", steps::<4>, 6_561);
        check("peano-ranks", steps::<6>, 729);
        let is_jumpy = |order: &str| {
            steps::<3>(order.parse().unwrap(), 512)
                .iter()
                .any(|&s| s > 1)
        };
        assert!(is_jumpy("morton") && is_jumpy("gray") && is_jumpy("lexicographic"));
    }

    #[test]
    fn a_snake_turns_round() {
        let points = points(&[[1, 1], [1, 2], [1, 5], [2, 1], [2, 5], [7, 3], [7, 4]]);
        assert_eq!(snake(&points, Scale::Raw), [2, 1, 0, 3, 4, 6, 5]);
        assert_eq!(snake(&points, Scale::Ranks), [0, 1, 2, 4, 3, 5, 6]);
    }

    #[test]
    fn raw_cells_have_one_scale() {
        let points = points(&[[1, 40_000], [3, 100], [9, 1]]);
        assert_eq!(raw_cells(&points, 1, 16_384), [0, 40, 16_383]);
        assert_eq!(raw_cells(&points, 0, 16_384), [0, 1, 3]);
        let points = super::super::points::tests::points(&[[1, 400], [3, 100], [9, 1]]);
        assert_eq!(raw_cells(&points, 1, 16_384), [1, 100, 400]);
    }
}
