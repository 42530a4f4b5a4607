//! The loops over numbers. Everything is inlined into the functions of [`super::dispatch`], whose
//! instruction set it is then compiled for.

use super::scalar::{self, Binary};
use super::{Source, VECTOR};
use crate::execute::registers::{LaneArray, Mask};
use crate::{Comparison, NumberKind, Reduction};

/// Runs `f` over the lanes of two operands. Each shape of the second is a loop of its own.
#[inline(always)]
fn map(
    left: &LaneArray,
    right: Source<'_>,
    out: &mut LaneArray,
    width: usize,
    f: impl Fn(u64, u64) -> u64,
) {
    let vectors = width.next_multiple_of(VECTOR);
    let (left, out) = (&left[..vectors], &mut out[..vectors]);
    match right {
        Source::Lanes(right) => {
            let operands = left.iter().zip(&right[..vectors]);
            for (out, (&left, &right)) in out.iter_mut().zip(operands) {
                *out = f(left, right);
            }
        }
        Source::Scalar(right) => {
            for (out, &left) in out.iter_mut().zip(left) {
                *out = f(left, right);
            }
        }
    }
}

/// Runs `$body` with `$op` as a constant, so that each operation is a loop of its own.
macro_rules! by_operation {
    ($op:expr, [$($case:expr),*], $constant:ident => $body:expr) => {
        $(if $op == $case {
            let $constant = $case;
            return $body;
        })*
    };
}

#[inline(always)]
pub(super) fn zip(
    op: Binary,
    left: &LaneArray,
    right: Source<'_>,
    out: &mut LaneArray,
    width: usize,
) {
    use NumberKind::{F64, U64};
    by_operation!(
        op,
        [
            Binary::Add(U64), Binary::Sub(U64), Binary::Mul(U64),
            Binary::Add(F64), Binary::Sub(F64), Binary::Mul(F64),
            Binary::And, Binary::Or, Binary::Xor
        ],
        op => map(left, right, out, width, |left, right| op.apply(left, right))
    );
}

#[inline(always)]
pub(super) fn fuse(
    kind: NumberKind,
    left: &LaneArray,
    right: &LaneArray,
    addend: Source<'_>,
    out: &mut LaneArray,
    width: usize,
) {
    let vectors = width.next_multiple_of(VECTOR);
    let (left, right) = (&left[..vectors], &right[..vectors]);
    let out = &mut out[..vectors];
    by_operation!(kind, [NumberKind::U64, NumberKind::F64], kind => {
        let factors = left.iter().zip(right);
        match addend {
            Source::Lanes(addend) => {
                for (out, ((&left, &right), &addend)) in out.iter_mut().zip(factors.zip(&addend[..vectors])) {
                    *out = scalar::fused(kind, left, right, addend);
                }
            }
            Source::Scalar(addend) => {
                for (out, (&left, &right)) in out.iter_mut().zip(factors) {
                    *out = scalar::fused(kind, left, right, addend);
                }
            }
        }
    });
}

#[inline(always)]
pub(super) fn select(
    mask: &Mask,
    left: &LaneArray,
    right: Source<'_>,
    out: &mut LaneArray,
    width: usize,
) {
    let out = &mut out[..width.next_multiple_of(VECTOR)];
    for (block, &word) in mask.0.iter().enumerate() {
        let lanes = block * 64..(block * 64 + 64).min(out.len());
        if lanes.is_empty() {
            break;
        }
        let (left, out) = (&left[lanes.clone()], &mut out[lanes.clone()]);
        match right {
            Source::Lanes(right) => {
                let right = &right[lanes];
                for (lane, (out, (&left, &right))) in
                    out.iter_mut().zip(left.iter().zip(right)).enumerate()
                {
                    *out = if word >> lane & 1 == 1 { left } else { right };
                }
            }
            Source::Scalar(right) => {
                for (lane, (out, &left)) in out.iter_mut().zip(left).enumerate() {
                    *out = if word >> lane & 1 == 1 { left } else { right };
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn compare(
    comparison: Comparison,
    left: &LaneArray,
    right: Source<'_>,
    mask: &mut Mask,
    width: usize,
) {
    let double = f64::from_bits;
    match comparison {
        Comparison::Eq => holds(left, right, mask, width, |left, right| left == right),
        Comparison::Ne => holds(left, right, mask, width, |left, right| left != right),
        Comparison::Lt => holds(left, right, mask, width, |left, right| left < right),
        Comparison::Le => holds(left, right, mask, width, |left, right| left <= right),
        Comparison::Gt => holds(left, right, mask, width, |left, right| left > right),
        Comparison::Ge => holds(left, right, mask, width, |left, right| left >= right),
        Comparison::FEq => holds(left, right, mask, width, |left, right| {
            double(left) == double(right)
        }),
        Comparison::FNe => holds(left, right, mask, width, |left, right| {
            double(left) != double(right)
        }),
        Comparison::FLt => holds(left, right, mask, width, |left, right| {
            double(left) < double(right)
        }),
        Comparison::FLe => holds(left, right, mask, width, |left, right| {
            double(left) <= double(right)
        }),
        Comparison::FGt => holds(left, right, mask, width, |left, right| {
            double(left) > double(right)
        }),
        Comparison::FGe => holds(left, right, mask, width, |left, right| {
            double(left) >= double(right)
        }),
    }
}

/// The lanes for which `f` holds, and no others. Flags are bytes while they are compared, because a processor of any
/// width makes those in vector registers.
#[inline(always)]
fn holds(
    left: &LaneArray,
    right: Source<'_>,
    mask: &mut Mask,
    width: usize,
    f: impl Fn(u64, u64) -> bool,
) {
    *mask = Mask::default();
    for (block, word) in mask.0.iter_mut().enumerate() {
        let lanes = block * 64..(block * 64 + 64).min(width);
        if lanes.is_empty() {
            break;
        }
        let mut flags = [0; 64];
        let left = flags.iter_mut().zip(&left[lanes.clone()]);
        match right {
            Source::Lanes(right) => {
                for ((flag, &left), &right) in left.zip(&right[lanes]) {
                    *flag = u8::from(f(left, right));
                }
            }
            Source::Scalar(right) => {
                for (flag, &left) in left {
                    *flag = u8::from(f(left, right));
                }
            }
        }
        *word = bits(&flags);
    }
}

/// Flags, 0 or 1, as bits, the first one lowest.
#[inline(always)]
fn bits(flags: &[u8; 64]) -> u64 {
    let mut bits = 0;
    for (index, flags) in flags.as_chunks::<8>().0.iter().enumerate() {
        // Each flag lands once in the highest byte, at the bit of its index; no two sums carry.
        let byte = u64::from_le_bytes(*flags).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits |= byte << (index * 8);
    }
    bits
}

#[inline(always)]
pub(super) fn widen(components: &[u32], out: &mut [u64]) {
    for (out, &component) in out.iter_mut().zip(components) {
        *out = u64::from(component);
    }
}

#[inline(always)]
pub(super) fn reduce(
    reduction: Reduction,
    start: u64,
    numbers: &[u64],
    mask: Option<&Mask>,
) -> u64 {
    match reduction {
        // Whose numbers are ones that nobody wrote down.
        Reduction::Count => start.wrapping_add(mask.map_or(numbers.len() as u64, Mask::count)),
        Reduction::Sum => fold(start, numbers, mask, 0, u64::wrapping_add),
        Reduction::Min => fold(start, numbers, mask, u64::MAX, u64::min),
        Reduction::Max => fold(start, numbers, mask, 0, u64::max),
        Reduction::FMin => {
            let least = |total: u64, number| total.min(scalar::min_key(number));
            let neutral = f64::NAN.to_bits();
            let key = fold(scalar::min_key(start), numbers, mask, neutral, least);
            scalar::from_key(key, start)
        }
        Reduction::FMax => {
            let greatest = |total: u64, number| total.max(scalar::max_key(number));
            let neutral = f64::NAN.to_bits();
            let key = fold(scalar::max_key(start), numbers, mask, neutral, greatest);
            scalar::from_key(key, start)
        }
    }
}

/// Folds the active lanes; `neutral` stands for the others.
#[inline(always)]
fn fold(
    start: u64,
    numbers: &[u64],
    mask: Option<&Mask>,
    neutral: u64,
    f: impl Fn(u64, u64) -> u64,
) -> u64 {
    let Some(mask) = mask else {
        return numbers
            .iter()
            .fold(start, |total, &number| f(total, number));
    };
    let mut total = start;
    for (numbers, &word) in numbers.chunks(64).zip(&mask.0) {
        for (lane, &number) in numbers.iter().enumerate() {
            let number = if word >> lane & 1 == 1 {
                number
            } else {
                neutral
            };
            total = f(total, number);
        }
    }
    total
}
