//! Nanoseconds to compute a key, and a point from a key.

use super::curve;
use super::order::{LabOrder, Path, Scale, grid};
use super::points::with_dimensions;
use phext_storage::curves::Curve;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::hint::black_box;
use std::time::Instant;

/// Points that a pass goes over, and passes of which the fastest counts.
const POINTS: usize = 1 << 15;
const PASSES: usize = 5;

/// What a curve's keys cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct EncodeRow {
    pub(super) curve: &'static str,
    pub(super) dimensions: usize,
    /// One point after the other.
    pub(super) encode_ns: f64,
    /// All in one call.
    pub(super) encode_batch_ns: f64,
    pub(super) decode_ns: f64,
}

/// The curves, named as the orders along them.
const PATHS: [Path; 4] = [
    Path::Engine(Curve::Morton),
    Path::Gray,
    Path::Engine(Curve::Hilbert),
    Path::Engine(Curve::Peano),
];

/// Measures all curves in so many dimensions.
pub(super) fn measure(dimensions: usize, seed: u64) -> Vec<EncodeRow> {
    let row = |path| with_dimensions!(dimensions, measure_path(path, seed));
    PATHS.into_iter().map(row).collect()
}

fn measure_path<const D: usize>(path: Path, seed: u64) -> EncodeRow {
    let dice = &mut StdRng::seed_from_u64(seed);
    let grid = grid::<D>(path);
    let mut point = || std::array::from_fn(|_| dice.random_range(0..grid) as u16);
    let points: Vec<[u16; D]> = (0..POINTS).map(|_| point()).collect();
    let mut keys = vec![0; POINTS];
    curve::encode_batch(path, &points, &mut keys);
    let encode_ns = fastest(|| {
        for point in &points {
            black_box(curve::encode(path, black_box(point)));
        }
    });
    let decode_ns = fastest(|| {
        for &key in &keys {
            black_box(curve::decode::<D>(path, black_box(key)));
        }
    });
    let encode_batch_ns = fastest(|| curve::encode_batch(path, &points, black_box(&mut keys)));
    EncodeRow {
        curve: LabOrder::Along(path, Scale::Raw).name(),
        dimensions: D,
        encode_ns,
        encode_batch_ns,
        decode_ns,
    }
}

/// Nanoseconds for each point in the fastest pass.
fn fastest(mut pass: impl FnMut()) -> f64 {
    let seconds = (0..PASSES).map(|_| {
        let start = Instant::now();
        pass();
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min) * 1e9 / POINTS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_has_a_row() {
        for dimensions in [2, 11] {
            let rows = measure(dimensions, 1);
            let curves: Vec<_> = rows.iter().map(|row| row.curve).collect();
            assert_eq!(curves, ["morton", "gray", "hilbert", "peano"]);
            assert!(
                rows.iter()
                    .all(|row| row.dimensions == dimensions && row.encode_ns > 0.0)
            );
        }
    }
}
