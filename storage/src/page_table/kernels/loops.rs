//! The loops themselves. Everything is inlined into the functions of [`super::dispatch`], whose
//! instruction set it is then compiled for.
//!
//! Flags are bytes, 0 or 1: a processor of any width compares, narrows and ANDs them without
//! leaving its vector registers. They become bits only where somebody has to walk over them.

use super::{CodeSpan, CodeTest, Codes, Fold, LANES, Ruler};

/// A code as it is stored.
trait Code: Copy + Ord {
    type Bytes: Copy;
    fn read(bytes: Self::Bytes) -> Self;
    fn from_u32(code: u32) -> Self;
    fn to_i32(self) -> i32;
}

macro_rules! code {
    ($type:ty) => {
        impl Code for $type {
            type Bytes = [u8; size_of::<$type>()];
            #[inline(always)]
            fn read(bytes: Self::Bytes) -> Self {
                Self::from_le_bytes(bytes)
            }
            #[inline(always)]
            fn from_u32(code: u32) -> Self {
                code as Self
            }
            #[inline(always)]
            fn to_i32(self) -> i32 {
                u32::from(self).cast_signed()
            }
        }
    };
}
code!(u8);
code!(u16);
code!(u32);

/// Runs `$body` with `$array` as the codes' chunks and `$type` as their type.
macro_rules! by_width {
    ($width:expr, $type:ident => $body:expr) => {
        match $width {
            1 => {
                type $type = u8;
                $body
            }
            2 => {
                type $type = u16;
                $body
            }
            _ => {
                type $type = u32;
                $body
            }
        }
    };
}

#[inline(always)]
fn chunks<C, const W: usize>(bytes: &[u8]) -> &[C::Bytes]
where
    C: Code<Bytes = [u8; W]>,
{
    bytes.as_chunks::<W>().0
}

#[inline(always)]
pub(super) fn keep_overlapping(
    least: Codes<'_>,
    greatest: Codes<'_>,
    spans: &[CodeSpan],
    keep: &mut [u8],
) {
    by_width!(least.width, C => {
        let (least, greatest) = (chunks::<C, _>(least.bytes), chunks::<C, _>(greatest.bytes));
        let blocks = least.chunks(LANES).zip(greatest.chunks(LANES));
        for ((least, greatest), keep) in blocks.zip(keep.chunks_mut(LANES)) {
            and_overlapping::<C>(least, greatest, spans, keep);
        }
    });
}

/// Keeps those of at most [`LANES`] intervals that meet a span.
#[inline(always)]
fn and_overlapping<C: Code>(
    least: &[C::Bytes],
    greatest: &[C::Bytes],
    spans: &[CodeSpan],
    keep: &mut [u8],
) {
    let mut found = [0; LANES];
    for span in spans {
        let (first, last) = (C::from_u32(span.first), C::from_u32(span.last));
        let ends = least.iter().zip(greatest);
        for (found, (&least, &greatest)) in found.iter_mut().zip(ends) {
            *found |= u8::from((C::read(greatest) >= first) & (C::read(least) <= last));
        }
    }
    keep.iter_mut()
        .zip(found)
        .for_each(|(keep, found)| *keep &= found);
}

#[inline(always)]
pub(super) fn keep_within(block: &[u8], tests: &[CodeTest]) -> u128 {
    let mut keep = [1; LANES];
    for test in tests {
        let codes = &block[test.at..test.at + test.width * LANES];
        by_width!(test.width, C => {
            let codes = chunks::<C, _>(codes);
            and_overlapping::<C>(codes, codes, &test.spans, &mut keep);
        });
        if keep.iter().fold(0, |any, keep| any | keep) == 0 {
            return 0;
        }
    }
    bits(&keep)
}

/// Flags as bits, the first one lowest.
#[inline(always)]
fn bits(keep: &[u8; LANES]) -> u128 {
    let mut bits = 0;
    for (index, chunk) in keep.as_chunks::<8>().0.iter().enumerate() {
        // Each flag lands once in the highest byte, at the bit of its index; no two sums carry.
        let byte = u64::from_le_bytes(*chunk).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits |= u128::from(byte) << (index * 8);
    }
    bits
}

#[inline(always)]
pub(super) fn fold_gaps(least: Codes<'_>, greatest: Codes<'_>, ruler: Ruler, sums: &mut [u64]) {
    by_width!(least.width, C => {
        let (least, greatest) = (chunks::<C, _>(least.bytes), chunks::<C, _>(greatest.bytes));
        let ends = least.iter().zip(greatest);
        let gap = |least: &_, greatest: &_| {
            let above = C::read(*least).to_i32().wrapping_sub(ruler.origin);
            let below = ruler.origin.wrapping_sub(C::read(*greatest).to_i32());
            above.max(below).max(0) as u32
        };
        let gaps = ends.map(|(least, greatest)| u64::from(gap(least, greatest)));
        let pairs = sums.iter_mut().zip(gaps);
        match ruler.fold {
            Fold::Max => pairs.for_each(|(sum, gap)| *sum = gap.max(*sum)),
            Fold::Sum => pairs.for_each(|(sum, gap)| *sum += gap),
            Fold::Weighted(weight) => {
                pairs.for_each(|(sum, gap)| *sum += gap * u64::from(weight));
            }
        }
    });
}

#[inline(always)]
pub(super) fn keep_up_to(distances: &[u64; LANES], limit: u64) -> u128 {
    let mut keep = [0; LANES];
    let pairs = keep.iter_mut().zip(distances);
    pairs.for_each(|(keep, &distance)| *keep = u8::from(distance <= limit));
    bits(&keep)
}
