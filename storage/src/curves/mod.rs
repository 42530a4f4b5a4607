//! Space-filling curves: a point on a grid of 2 to 11 dimensions becomes one number, and back.
//!
//! A segment that is not in lexicographic order is sorted by such a number, so that records
//! close to each other on the grid tend to share blocks and zone maps prune better.
//!
//! | curve | per dimension | key | neighbours on the curve |
//! |---|---|---|---|
//! | [`Hilbert`](Curve::Hilbert) | [`bits`] | base 2 | always one unit apart |
//! | [`Morton`](Curve::Morton) | [`bits`] | base 2 | may be far apart |
//! | [`Peano`](Curve::Peano) | [`trits`] | base 3 | always one unit apart |
//!
//! The input is not a raw component but a *cell*: the component's equi-depth rank, scaled to the
//! grid by [`cell_of_rank`]. The grid is a property of the curve and of the number of dimensions
//! alone, and so is the meaning of a key. That matters for Hilbert, where the same point on a
//! grid with another number of bits has another place in the order.
//!
//! The top bit of a Morton key, and the top digit of a Peano key, is that of dimension 0. The
//! Hilbert curve divides the grid along the last dimension first.
//!
//! Literature on databases often calls Z-order "the Peano curve". Here Z-order is Morton, and
//! Peano is Peano's own base-3 curve.
//!
//! Left out on purpose: the cover of a box by key ranges, and the next key inside a box. In nine
//! dimensions both cost more than a scan of the zone map.

mod hilbert;
mod morton;
mod peano;
#[cfg(test)]
mod tests;

/// A family of space-filling curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// The curve of Hamilton and Rau-Chaplin ("Compact Hilbert indices for multi-dimensional
    /// data", 2007), which is Butz's construction. It is not the curve that Skilling's
    /// transposition gives, and not a mirror image of it.
    Hilbert,
    /// Z-order: the bits of the components interleaved (Morton 1966).
    Morton,
    /// Peano's base-3 curve (Peano 1890), his rule carried to any number of dimensions.
    Peano,
}

impl Curve {
    /// Cells per dimension of the grid on which this curve is defined: components are in
    /// `0..grid`. At least 2048, at most 16384.
    #[must_use]
    pub const fn grid<const D: usize>(self) -> u32 {
        match self {
            Curve::Hilbert | Curve::Morton => 1 << bits::<D>(),
            Curve::Peano => 3u32.pow(trits::<D>()),
        }
    }

    /// Number of keys: keys are in `0..key_count`, each the key of exactly one point.
    const fn key_count<const D: usize>(self) -> u128 {
        match self {
            Curve::Hilbert | Curve::Morton => 1 << (bits::<D>() as usize * D),
            Curve::Peano => 3u128.pow(trits::<D>() * D as u32),
        }
    }
}

/// Bits per component on the grid of [`Curve::Hilbert`] and [`Curve::Morton`]: 14 up to nine
/// dimensions, then as many as a `u128` holds (12 in ten dimensions, 11 in eleven).
///
/// `D` must be in 2..=11; any other does not compile.
#[must_use]
pub const fn bits<const D: usize>() -> u32 {
    const { assert_dimensions(D) }
    if D <= 9 { 14 } else { 128 / D as u32 }
}

/// Base-3 digits per component on the grid of [`Curve::Peano`]: 8 up to ten dimensions, 7 in
/// eleven, so that a key has at most 80 digits and fits a `u128`.
///
/// `D` must be in 2..=11; any other does not compile.
#[must_use]
pub const fn trits<const D: usize>() -> u32 {
    const { assert_dimensions(D) }
    if D <= 10 { 8 } else { 7 }
}

/// The grid cell of an equi-depth rank: `rank` out of `count` ranks, spread evenly over the
/// grid of `curve` in `D` dimensions. It does not decrease when the rank increases, and two
/// ranks share a cell only when there are more ranks than cells.
///
/// # Panics
/// If `rank` is not below `count`.
#[must_use]
pub fn cell_of_rank<const D: usize>(curve: Curve, rank: u64, count: u64) -> u16 {
    assert!(
        rank < count,
        "rank {rank} is not below the number of ranks {count}"
    );
    let grid = u128::from(curve.grid::<D>());
    // Below grid <= 16384, because rank < count.
    (u128::from(rank) * grid / u128::from(count)) as u16
}

/// The key of a point: its position along the curve, starting with 0.
///
/// # Panics
/// If a component is outside the grid, that is not below [`Curve::grid`].
#[must_use]
pub fn encode<const D: usize>(curve: Curve, point: &[u16; D]) -> u128 {
    assert_on_grid(curve, point);
    let key = match curve {
        Curve::Hilbert => hilbert::encode(point, bits::<D>()),
        Curve::Morton => morton::encode(point),
        Curve::Peano => peano::encode(point),
    };
    debug_assert!(
        key < curve.key_count::<D>(),
        "a point on the grid has a key in range"
    );
    key
}

/// The point at a position along the curve: the inverse of [`encode`].
///
/// # Panics
/// If no point has this key, that is the key is not below the number of cells on the whole grid.
#[must_use]
pub fn decode<const D: usize>(curve: Curve, key: u128) -> [u16; D] {
    assert!(
        key < curve.key_count::<D>(),
        "no point of the {curve:?} curve has the key {key}"
    );
    match curve {
        Curve::Hilbert => hilbert::decode(key, bits::<D>()),
        Curve::Morton => morton::decode(key),
        Curve::Peano => peano::decode(key),
    }
}

/// Writes the keys of `points` to `keys`, in the same order, as [`encode`] would give them.
/// Meant for builds: Hilbert keys are computed 32 at a time in vector lanes.
///
/// # Panics
/// If the slices differ in length, or if a component is outside the grid.
pub fn encode_batch<const D: usize>(curve: Curve, points: &[[u16; D]], keys: &mut [u128]) {
    assert_eq!(points.len(), keys.len(), "as many keys as points");
    for point in points {
        assert_on_grid(curve, point);
    }
    match curve {
        Curve::Hilbert => hilbert::encode_batch(points, keys, bits::<D>()),
        Curve::Morton => fill(points, keys, morton::encode),
        Curve::Peano => fill(points, keys, peano::encode),
    }
}

fn fill<const D: usize>(
    points: &[[u16; D]],
    keys: &mut [u128],
    encode: impl Fn(&[u16; D]) -> u128,
) {
    for (key, point) in keys.iter_mut().zip(points) {
        *key = encode(point);
    }
}

const fn assert_dimensions(dimensions: usize) {
    assert!(
        2 <= dimensions && dimensions <= 11,
        "curves are defined in 2 to 11 dimensions"
    );
}

#[inline]
fn assert_on_grid<const D: usize>(curve: Curve, point: &[u16; D]) {
    let highest = point
        .iter()
        .fold(0, |highest, &component| highest.max(component));
    let grid = curve.grid::<D>();
    assert!(
        u32::from(highest) < grid,
        "component {highest} is outside the grid of {grid} cells"
    );
}
