//! Morton order (Morton 1966), also called Z-order: the bits of all components interleaved.
//!
//! In three dimensions, with bits named by component, the key of (a, b, c) is
//!
//! ```text
//! ... a2 b2 c2  a1 b1 c1  a0 b0 c0
//!     \______/  \______/  \______/
//!      level 2   level 1   level 0
//! ```
//!
//! The other curves start from the same interleaving: each level holds one digit of every
//! component, and they rewrite it level by level.
//!
//! Bits are spread a few at a time by one multiplication and one mask. Multiplying by
//! [`Spread::COPIES`] writes the field again every D-1 bits, so bit k of copy k stands at k*D,
//! where it is wanted, and [`Spread::STRIDED`] keeps just that one. Multiplying by
//! [`Spread::GATHER`] is the way back.

use super::bits;

pub(super) fn encode<const D: usize>(point: &[u16; D]) -> u128 {
    interleave(point, bits::<D>())
}

pub(super) fn decode<const D: usize>(key: u128) -> [u16; D] {
    deinterleave(key, bits::<D>())
}

/// The constants that spread a field of bits to a stride of D.
struct Spread<const D: usize>;

impl<const D: usize> Spread<D> {
    /// Bits spread at once. D fields of them must fit a `u64`, and copies every D-1 bits must
    /// not overlap. Seven is enough for 14 bits in two rounds.
    const FIELD: usize = {
        let fits = 64 / D;
        let apart = D - 1;
        let field = if fits < apart { fits } else { apart };
        if field < 7 { field } else { 7 }
    };
    const COPIES: u64 = repeat(D - 1, Self::FIELD);
    const STRIDED: u64 = repeat(D, Self::FIELD);
    const GATHER: u64 = repeat(D - 1, Self::FIELD);
    /// Where the gathered field ends up in the product.
    const GATHERED_AT: usize = (D - 1) * (Self::FIELD - 1);
    const MASK: u64 = (1 << Self::FIELD) - 1;
}

/// A word with bits 0, stride, 2 * stride, ... set, `count` in all.
const fn repeat(stride: usize, count: usize) -> u64 {
    let mut word = 0;
    let mut i = 0;
    while i < count {
        word |= 1 << (i * stride);
        i += 1;
    }
    word
}

/// Interleaves the low `width` bits of each value, value 0 first within a level. Higher bits
/// must be zero.
#[inline]
pub(super) fn interleave<const D: usize>(values: &[u16; D], width: u32) -> u128 {
    let mut key = 0;
    let mut level = 0;
    while level < width as usize {
        let mut part = 0;
        for (dimension, &value) in values.iter().enumerate() {
            let field = u64::from(value) >> level & Spread::<D>::MASK;
            let spread = (field * Spread::<D>::COPIES) & Spread::<D>::STRIDED;
            part |= spread << (D - 1 - dimension);
        }
        key |= u128::from(part) << (level * D);
        level += Spread::<D>::FIELD;
    }
    key
}

/// The inverse of [`interleave`].
#[inline]
pub(super) fn deinterleave<const D: usize>(key: u128, width: u32) -> [u16; D] {
    let mut values = [0; D];
    let mut level = 0;
    while level < width as usize {
        let part = (key >> (level * D)) as u64;
        for (dimension, value) in values.iter_mut().enumerate() {
            let strided = part >> (D - 1 - dimension) & Spread::<D>::STRIDED;
            // Every partial product has a bit of its own: nothing carries into the field.
            let product = strided.wrapping_mul(Spread::<D>::GATHER);
            let field = product >> Spread::<D>::GATHERED_AT & Spread::<D>::MASK;
            *value |= (field << level) as u16;
        }
        level += Spread::<D>::FIELD;
    }
    values
}
