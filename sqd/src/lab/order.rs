//! The orders that are compared: each is a permutation of the points.
//!
//! | order | what comes first |
//! |---|---|
//! | `random` | nothing: the floor that locality is measured against |
//! | `lexicographic` | the first dimension, then the second, ... |
//! | `cardinality` | the dimension with the fewest components, then the next |
//! | `snake` | as lexicographic, but every other row runs backwards (boustrophedon) |
//! | `morton`, `gray`, `hilbert`, `peano` | the place along the curve of the same name |
//! | `prefix-hilbert` | the prefix that the engine suggests, then Hilbert over the ranks of the rest |
//! | `leaves` | the leaf of the engine's k-d tree |
//!
//! A snake or curve over raw components is named as it stands; with `-ranks` behind it is over equi-depth
//! ranks, as the engine has it. For the orders without a curve, raw components and ranks give the same.
//! Ties are broken by coordinate.
//!
//! A curve has a grid. A component is its own cell where all components fit the grid; else all are scaled
//! by the same factor. Ranks are scaled to the grid by [`curves::cell_of_rank`]. The snake has none: over
//! ranks it goes by the codes, which number the components without gaps.

use super::curve;
use super::points::{Points, with_dimensions};
use phext_storage::curves::{self, Curve};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::fmt;
use std::str::FromStr;

/// Points that share a prefix on average, above which the engine lengthens it.
const POINTS_PER_PREFIX: usize = 1024;

/// What a curve goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Raw,
    Ranks,
}

/// A curve of the lab: the engine's three, and one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Engine(Curve),
    Gray,
}

/// An order of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LabOrder {
    Random,
    Lexicographic,
    Cardinality,
    Snake(Scale),
    Along(Path, Scale),
    PrefixHilbert,
    Leaves,
}

const MORTON: Path = Path::Engine(Curve::Morton);
const HILBERT: Path = Path::Engine(Curve::Hilbert);
const PEANO: Path = Path::Engine(Curve::Peano);

/// All orders with their names, as reports list them.
const NAMED: [(&str, LabOrder); 15] = [
    ("random", LabOrder::Random),
    ("lexicographic", LabOrder::Lexicographic),
    ("cardinality", LabOrder::Cardinality),
    ("snake", LabOrder::Snake(Scale::Raw)),
    ("snake-ranks", LabOrder::Snake(Scale::Ranks)),
    ("morton", LabOrder::Along(MORTON, Scale::Raw)),
    ("morton-ranks", LabOrder::Along(MORTON, Scale::Ranks)),
    ("gray", LabOrder::Along(Path::Gray, Scale::Raw)),
    ("gray-ranks", LabOrder::Along(Path::Gray, Scale::Ranks)),
    ("hilbert", LabOrder::Along(HILBERT, Scale::Raw)),
    ("hilbert-ranks", LabOrder::Along(HILBERT, Scale::Ranks)),
    ("peano", LabOrder::Along(PEANO, Scale::Raw)),
    ("peano-ranks", LabOrder::Along(PEANO, Scale::Ranks)),
    ("prefix-hilbert", LabOrder::PrefixHilbert),
    ("leaves", LabOrder::Leaves),
];

impl LabOrder {
    /// All of them.
    pub(crate) fn all() -> Vec<LabOrder> {
        NAMED.iter().map(|&(_, order)| order).collect()
    }

    /// As on the command line and in reports.
    pub(crate) fn name(self) -> &'static str {
        let named = NAMED.iter().find(|&&(_, order)| order == self);
        named.expect("every order has a name").0
    }

    /// The points in this order.
    pub(super) fn permutation(self, points: &Points, seed: u64) -> Vec<u32> {
        let by_coordinate = || (0..points.len() as u32).collect();
        match self {
            LabOrder::Lexicographic => by_coordinate(),
            LabOrder::Random => {
                let mut permutation: Vec<u32> = by_coordinate();
                permutation.shuffle(&mut StdRng::seed_from_u64(seed));
                permutation
            }
            LabOrder::Cardinality => by_cardinality(points),
            LabOrder::Snake(scale) => curve::snake(points, scale),
            LabOrder::Along(path, scale) => {
                with_dimensions!(points.dimensions(), along(points, path, scale))
            }
            LabOrder::PrefixHilbert => prefix_hilbert(points),
            LabOrder::Leaves => points.leaves(),
        }
    }
}

impl fmt::Display for LabOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for LabOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<LabOrder, String> {
        let found = NAMED.iter().find(|&&(name, _)| name == text);
        found.map(|&(_, order)| order).ok_or_else(|| {
            let names: Vec<&str> = NAMED.iter().map(|&(name, _)| name).collect();
            format!("`{text}` is no order: use {}", names.join(", "))
        })
    }
}

fn by_cardinality(points: &Points) -> Vec<u32> {
    let mut dimensions: Vec<usize> = (0..points.dimensions()).collect();
    dimensions.sort_by_key(|&d| points.columns[d].components().len());
    let mut permutation: Vec<u32> = (0..points.len() as u32).collect();
    permutation.sort_by(|&a, &b| {
        let codes = |point| dimensions.iter().map(move |&d| points.code(d, point));
        codes(a).cmp(codes(b))
    });
    permutation
}

/// The points along a curve over all dimensions.
fn along<const D: usize>(points: &Points, path: Path, scale: Scale) -> Vec<u32> {
    let keys = curve::keys::<D>(points, 0, path, scale);
    curve::sorted(keys)
}

/// The longest prefix with fewer distinct values than one in so many points, that leaves two dimensions.
pub(super) fn suggested_prefix(points: &Points) -> usize {
    let most = points.len().div_ceil(POINTS_PER_PREFIX);
    let distinct = |length| starts(points, length).len();
    let prefixes = 1..=points.dimensions().saturating_sub(2);
    prefixes
        .take_while(|&length| distinct(length) < most)
        .last()
        .unwrap_or(0)
}

/// Where points begin that differ from the one before in the first `length` dimensions.
fn starts(points: &Points, length: usize) -> Vec<usize> {
    let columns = &points.columns[..length];
    let differs = |&point: &usize| {
        point == 0
            || columns
                .iter()
                .any(|c| c.codes()[point] != c.codes()[point - 1])
    };
    (0..points.len()).filter(differs).collect()
}

fn prefix_hilbert(points: &Points) -> Vec<u32> {
    let prefix = suggested_prefix(points);
    let mut keys = match points.dimensions() - prefix {
        2 => curve::keys::<2>(points, prefix, HILBERT, Scale::Ranks),
        3 => curve::keys::<3>(points, prefix, HILBERT, Scale::Ranks),
        4 => curve::keys::<4>(points, prefix, HILBERT, Scale::Ranks),
        5 => curve::keys::<5>(points, prefix, HILBERT, Scale::Ranks),
        6 => curve::keys::<6>(points, prefix, HILBERT, Scale::Ranks),
        7 => curve::keys::<7>(points, prefix, HILBERT, Scale::Ranks),
        8 => curve::keys::<8>(points, prefix, HILBERT, Scale::Ranks),
        9 => curve::keys::<9>(points, prefix, HILBERT, Scale::Ranks),
        10 => curve::keys::<10>(points, prefix, HILBERT, Scale::Ranks),
        _ => curve::keys::<11>(points, prefix, HILBERT, Scale::Ranks),
    };
    let starts = starts(points, prefix);
    let ends = starts.iter().skip(1).copied().chain([points.len()]);
    for (&start, end) in starts.iter().zip(ends) {
        keys[start..end].sort_unstable();
    }
    keys.into_iter().map(|(_, point)| point).collect()
}

/// Cells per dimension of the grid of a curve.
pub(super) fn grid<const D: usize>(path: Path) -> u32 {
    match path {
        Path::Engine(curve) => curve.grid::<D>(),
        Path::Gray => 1 << curves::bits::<D>(),
    }
}
