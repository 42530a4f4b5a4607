//! Hilbert's curve in any number of dimensions, after Hamilton and Rau-Chaplin ("Compact
//! Hilbert indices for multi-dimensional data", 2007), whose curve is that of Butz (1971).
//!
//! Each level of the grid divides a cell into 2^D children. A child has a *label*, one bit of
//! every component, and a *position* along the curve. In a cell of standard orientation the
//! position `w` holds the label gray(w), and the curve inside this child enters at the corner
//! `entry(w)` and runs in the direction `direction(w)`. Any other cell is the standard one
//! rotated by `r` bits and reflected by the corner `e`:
//!
//! ```text
//! label  ->  t = rotate_right(label ^ e, r)  ->  w = gray^-1(t)      one digit of the key
//! next cell:  e ^= rotate_left(entry(w), r)      r += direction(w) + 1
//! ```
//!
//! All that depends on `t` alone is one table of 2^D steps, where a table of all orientations
//! would take megabytes at nine dimensions. With `label = rotate_left(t, r) ^ e`, the next corner
//! is also `label ^ rotate_left(t ^ entry(w), r)`, which is what the table holds: both
//! directions need the label at that point.
//!
//! One key of nine dimensions takes 43 ns, in a batch 28 ns with SSE2 and 17 ns with AVX2, on a
//! shared two-core Xeon where interleaving alone takes 5 to 9 ns. Most of a single key is the
//! chain of dependent operations from level to level, which a batch hides.
//!
//! A key depends on the number of levels: a level of zeros on top turns the rest.

use super::morton::{deinterleave, interleave};

#[inline]
pub(super) fn encode<const D: usize>(point: &[u16; D], levels: u32) -> u128 {
    let labels = interleave(point, levels);
    // A corner is label ^ rotate_left(flip, r), and the next level adds its own label: take the
    // labels' part out of the loop, where each operation waits for the previous level.
    let changes = labels ^ labels >> D;
    let mut flip = 0;
    let mut rotation = 1;
    let mut key = 0;
    for level in (0..levels as usize).rev() {
        let change = u64::from((changes >> (level * D)) as u16 & mask::<D>());
        let change_thrice = change | change << D | change << (2 * D);
        let t = ((change_thrice ^ flip) >> rotation) as u16 & mask::<D>();
        let step = steps::<D>()[usize::from(t)];
        key = key << D | u128::from(step.position);
        // The next shift rotates right by rotation + turn, which need not be below D as long as
        // the repeated words reach that far.
        rotation = wrap::<D>(rotation);
        flip = u64::from(step.flip_twice) << rotation;
        rotation += step.turn;
    }
    key
}

#[inline]
pub(super) fn decode<const D: usize>(key: u128, levels: u32) -> [u16; D] {
    let mut entry = 0;
    let mut rotation = 1;
    let mut labels = 0;
    for level in (0..levels as usize).rev() {
        let t = gray((key >> (level * D)) as u16 & mask::<D>());
        let step = steps::<D>()[usize::from(t)];
        let rotate_left = |twice: u32| (twice >> (D as u16 - rotation)) as u16 & mask::<D>();
        let label = entry ^ rotate_left(twice(t, D));
        labels = labels << D | u128::from(label);
        entry = label ^ rotate_left(step.flip_twice);
        rotation = wrap::<D>(rotation + step.turn);
    }
    deinterleave(labels, levels)
}

/// The D bits of a label or position.
const fn mask<const D: usize>() -> u16 {
    (1 << D) - 1
}

/// Two copies of a word of `dimensions` bits side by side, so that a shift rotates it.
const fn twice(word: u16, dimensions: usize) -> u32 {
    word as u32 | (word as u32) << dimensions
}

/// A rotation in 1..=2*D, brought back to 1..=D.
#[inline]
fn wrap<const D: usize>(rotation: u16) -> u16 {
    if rotation > D as u16 {
        rotation - D as u16
    } else {
        rotation
    }
}

/// What follows from a label in standard orientation, `t`.
#[derive(Clone, Copy)]
struct Step {
    /// t ^ entry(w), two copies: from the child's label to the corner where the curve enters it.
    flip_twice: u32,
    /// The position `w` along the curve, with gray(w) = t.
    position: u16,
    /// direction(w) + 1, in 1..=D.
    turn: u16,
}

/// The steps of D dimensions, indexed by label in standard orientation.
#[inline]
const fn steps<const D: usize>() -> &'static [Step] {
    match D {
        2 => const { &table::<4>() },
        3 => const { &table::<8>() },
        4 => const { &table::<16>() },
        5 => const { &table::<32>() },
        6 => const { &table::<64>() },
        7 => const { &table::<128>() },
        8 => const { &table::<256>() },
        9 => const { &table::<512>() },
        10 => const { &table::<1024>() },
        11 => const { &table::<2048>() },
        _ => panic!("curves are defined in 2 to 11 dimensions"),
    }
}

const fn table<const CHILDREN: usize>() -> [Step; CHILDREN] {
    let mut steps = [Step {
        flip_twice: 0,
        position: 0,
        turn: 0,
    }; CHILDREN];
    let dimensions = CHILDREN.ilog2() as usize;
    let mut position = 0;
    while position < CHILDREN as u16 {
        let t = gray(position);
        let flip_twice = twice(t ^ entry(position), dimensions);
        steps[t as usize] = Step {
            flip_twice,
            position,
            turn: direction(position, dimensions) + 1,
        };
        position += 1;
    }
    steps
}

const fn gray(position: u16) -> u16 {
    position ^ position >> 1
}

/// e(w) of the paper: the corner at which the curve enters the child at a position.
const fn entry(position: u16) -> u16 {
    if position == 0 {
        0
    } else {
        gray((position - 1) & !1)
    }
}

/// d(w) of the paper: the direction of the curve inside the child at a position.
const fn direction(position: u16, dimensions: usize) -> u16 {
    let run = match position {
        0 => 0,
        w if w % 2 == 0 => (w - 1).trailing_ones(),
        w => w.trailing_ones(),
    };
    run as u16 % dimensions as u16
}

/// Points encoded side by side.
const LANES: usize = 32;

#[inline]
pub(super) fn encode_batch<const D: usize>(points: &[[u16; D]], keys: &mut [u128], levels: u32) {
    let (point_chunks, rest) = points.as_chunks::<LANES>();
    let (key_chunks, rest_keys) = keys.as_chunks_mut::<LANES>();
    for (keys, points) in key_chunks.iter_mut().zip(point_chunks) {
        *keys = encode_lanes(points, levels);
    }
    for (key, point) in rest_keys.iter_mut().zip(rest) {
        *key = encode(point, levels);
    }
}

#[inline]
fn encode_lanes<const D: usize>(points: &[[u16; D]; LANES], levels: u32) -> [u128; LANES] {
    let columns = transpose(points);
    let mut cells = CellLanes::<D>::root();
    let mut key = KeyLanes::<D> {
        words: [[0; LANES]; 3],
    };
    for level in (0..levels).rev() {
        let mut digits = [0; LANES];
        for column in &columns {
            for (digit, component) in digits.iter_mut().zip(column) {
                *digit = *digit << 1 | (component >> level & 1);
            }
        }
        cells.descend(&mut digits);
        key.set(level as usize, &digits);
    }
    key.join()
}

fn transpose<const D: usize>(points: &[[u16; D]; LANES]) -> [[u16; LANES]; D] {
    let mut columns = [[0; LANES]; D];
    for (lane, point) in points.iter().enumerate() {
        for (column, component) in columns.iter_mut().zip(point) {
            column[lane] = *component;
        }
    }
    columns
}

/// Keys under construction, in words that vector instructions can shift.
struct KeyLanes<const D: usize> {
    /// Least significant first; each holds as many digits as fit.
    words: [[u64; LANES]; 3],
}

impl<const D: usize> KeyLanes<D> {
    const DIGITS_PER_WORD: usize = 64 / D;

    /// Appends the digits of a level. Levels come in descending order.
    #[inline]
    fn set(&mut self, level: usize, digits: &[u16; LANES]) {
        for (word, digit) in self.words[level / Self::DIGITS_PER_WORD]
            .iter_mut()
            .zip(digits)
        {
            *word = *word << D | u64::from(*digit);
        }
    }

    fn join(&self) -> [u128; LANES] {
        let mut keys = [0; LANES];
        for words in self.words.iter().rev() {
            for (key, word) in keys.iter_mut().zip(words) {
                *key = *key << (Self::DIGITS_PER_WORD * D) | u128::from(*word);
            }
        }
        keys
    }
}

/// The orientation of the curve in the cells of many points, with neither a table nor shifts by
/// a different number of bits per lane: a baseline x86-64 has no vector instruction for either,
/// but it multiplies.
struct CellLanes<const D: usize> {
    /// The corner at which the curve enters, rotated right by the cell's rotation.
    entry: [u16; LANES],
    /// 2^(D - rotation): multiplying by it rotates right.
    rotation: [u16; LANES],
}

impl<const D: usize> CellLanes<D> {
    const TOP: u16 = 1 << (D - 1);

    fn root() -> Self {
        CellLanes {
            entry: [0; LANES],
            rotation: [Self::TOP; LANES],
        }
    }

    /// Replaces labels by positions, and the cells by those of the children.
    ///
    /// The steps follow from the lowest set bit of t, 2^k (k = D-1 if there is none):
    /// direction(w) = k + 1, and t ^ entry(w) is 1, or 1 ^ 2^direction(w) if w is even.
    #[inline]
    fn descend(&mut self, digits: &mut [u16; LANES]) {
        let cells = self.entry.iter_mut().zip(&mut self.rotation);
        for (digit, (entry, rotation)) in digits.iter_mut().zip(cells) {
            let label = rotate::<D>(*digit, *rotation);
            let t = label ^ *entry;
            let position = gray_inverse(t);
            let lowest = lowest_bit(t | Self::TOP);
            let direction = rotate::<D>(lowest, 2);
            let even = (position & 1).wrapping_sub(1);
            let flip = 1 ^ (direction & even);
            // 2^(D-1-k), then one more to the right: 2^(D - turn).
            let turn = rotate::<D>(lowest.reverse_bits() >> (16 - D), Self::TOP);
            *entry = rotate::<D>(label ^ flip, turn);
            *rotation = rotate::<D>(*rotation, turn);
            *digit = position;
        }
    }
}

/// Rotates `x` left within D bits, by as many as the exponent of `power`, a power of 2 below 2^D.
#[inline]
fn rotate<const D: usize>(x: u16, power: u16) -> u16 {
    let kept = x.wrapping_mul(power);
    // The high half of a product of two u16 is one vector instruction, if nothing else is done to
    // the wide value: hence the shift before and not after.
    let wrapped = ((u32::from(x << (16 - D)) * u32::from(power)) >> 16) as u16;
    (kept | wrapped) & mask::<D>()
}

#[inline]
fn lowest_bit(x: u16) -> u16 {
    x & x.wrapping_neg()
}

#[inline]
fn gray_inverse(t: u16) -> u16 {
    let t = t ^ t >> 1;
    let t = t ^ t >> 2;
    let t = t ^ t >> 4;
    t ^ t >> 8
}
