//! What operations do to the numbers of one lane.

use crate::{NumberKind, Reduction};

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) enum Binary {
    Add(NumberKind),
    Sub(NumberKind),
    Mul(NumberKind),
    And,
    Or,
    Xor,
}

impl Binary {
    #[inline(always)]
    pub(in crate::execute) fn apply(self, left: u64, right: u64) -> u64 {
        match self {
            Self::Add(NumberKind::U64) => left.wrapping_add(right),
            Self::Sub(NumberKind::U64) => left.wrapping_sub(right),
            Self::Mul(NumberKind::U64) => left.wrapping_mul(right),
            Self::Add(NumberKind::F64) => bits(f64::from_bits(left) + f64::from_bits(right)),
            Self::Sub(NumberKind::F64) => bits(f64::from_bits(left) - f64::from_bits(right)),
            Self::Mul(NumberKind::F64) => bits(f64::from_bits(left) * f64::from_bits(right)),
            Self::And => left & right,
            Self::Or => left | right,
            Self::Xor => left ^ right,
        }
    }
}

/// The bits of a result; of what is no number, always the same, whatever the processor makes.
#[inline(always)]
fn bits(number: f64) -> u64 {
    if number.is_nan() {
        f64::NAN.to_bits()
    } else {
        number.to_bits()
    }
}

/// `left * right + addend`; of doubles with one rounding.
#[inline(always)]
pub(in crate::execute) fn fused(kind: NumberKind, left: u64, right: u64, addend: u64) -> u64 {
    match kind {
        NumberKind::U64 => left.wrapping_mul(right).wrapping_add(addend),
        NumberKind::F64 => {
            let addend = f64::from_bits(addend);
            bits(f64::from_bits(left).mul_add(f64::from_bits(right), addend))
        }
    }
}

/// Folds a number into a total. For a count the number is a count too.
#[inline(always)]
pub(crate) fn fold(reduction: Reduction, total: u64, number: u64) -> u64 {
    match reduction {
        Reduction::Sum | Reduction::Count => total.wrapping_add(number),
        Reduction::Min => total.min(number),
        Reduction::Max => total.max(number),
        Reduction::FMin => from_key(min_key(total).min(min_key(number)), total),
        Reduction::FMax => from_key(max_key(total).max(max_key(number)), total),
    }
}

/// The sign bit of a double.
const SIGN: u64 = 1 << 63;

/// A number that is ordered as the doubles are, -0 below +0.
#[inline(always)]
pub(in crate::execute) fn ordered(double: u64) -> u64 {
    let negative = (double.cast_signed() >> 63).cast_unsigned();
    double ^ (negative | SIGN)
}

/// As [`ordered`], and above all of them for NaN.
#[inline(always)]
pub(super) fn min_key(double: u64) -> u64 {
    if f64::from_bits(double).is_nan() {
        u64::MAX
    } else {
        ordered(double)
    }
}

/// As [`ordered`], and below all of them for NaN.
#[inline(always)]
pub(super) fn max_key(double: u64) -> u64 {
    if f64::from_bits(double).is_nan() {
        0
    } else {
        ordered(double)
    }
}

/// The double of a key; `nan`, which is none then, for the key of NaN.
#[inline(always)]
pub(super) fn from_key(key: u64, nan: u64) -> u64 {
    if key == 0 || key == u64::MAX {
        return nan;
    }
    let negative = (!key.cast_signed() >> 63).cast_unsigned();
    key ^ (negative | SIGN)
}
