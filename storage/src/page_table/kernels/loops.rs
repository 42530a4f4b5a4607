//! The loops themselves. Everything is inlined into the functions of [`super::dispatch`], whose
//! instruction set it is then compiled for.
//!
//! Flags are bytes, 0 or 1: a processor of any width compares, narrows and ANDs them without
//! leaving its vector registers. They become bits only where somebody has to walk over them.

use super::{CodeSpan, CodeTest, Codes, Fold, LANES, Lookup, Ruler, ZONES, ZoneTest};
use std::ops::Range;

/// A code as it is stored.
trait Code: Copy + Ord {
    type Bytes: Copy;
    fn read(bytes: Self::Bytes) -> Self;
    fn from_u32(code: u32) -> Self;
    fn to_i32(self) -> i32;
    fn to_usize(self) -> usize;
    fn wrapping_sub(self, other: Self) -> Self;
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
            #[inline(always)]
            fn to_usize(self) -> usize {
                u32::from(self) as usize
            }
            #[inline(always)]
            fn wrapping_sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
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
pub(super) fn overlapping(tests: &[ZoneTest<'_>], zones: Range<usize>) -> u64 {
    let mut keep = [0; ZONES];
    keep[..zones.len()].fill(1);
    for test in tests {
        by_width!(test.least.width, C => {
            let least = &chunks::<C, _>(test.least.bytes)[zones.clone()];
            let greatest = &chunks::<C, _>(test.greatest.bytes)[zones.clone()];
            match (least.first_chunk::<ZONES>(), greatest.first_chunk::<ZONES>()) {
                // A length that is known leaves no rest.
                (Some(least), Some(greatest)) => {
                    and_overlapping::<C>(least, greatest, test.spans, &mut keep);
                }
                _ => and_overlapping::<C>(least, greatest, test.spans, &mut keep),
            }
        });
        if !any(&keep) {
            return 0;
        }
    }
    bits(&keep) as u64
}

/// Keeps those of at most [`ZONES`] intervals that meet a span.
#[inline(always)]
fn and_overlapping<C: Code>(
    least: &[C::Bytes],
    greatest: &[C::Bytes],
    spans: &[CodeSpan],
    keep: &mut [u8; ZONES],
) {
    let mut found = [0; ZONES];
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
fn any(keep: &[u8]) -> bool {
    keep.iter().fold(0, |any, keep| any | keep) != 0
}

#[inline(always)]
pub(super) fn keep_within(block: &[u8], tests: &[CodeTest]) -> u128 {
    let mut keep = [1; LANES];
    for test in tests {
        let codes = &block[test.at..test.at + test.width * LANES];
        by_width!(test.width, C => {
            let codes = chunks::<C, _>(codes);
            let codes = codes.try_into().expect("a block has a code for each lane");
            and_within::<C>(codes, &test.spans, &mut keep);
        });
        if !any(&keep) {
            return 0;
        }
    }
    bits(&keep)
}

/// Keeps those codes that are in a span. The length is fixed, so that no loop has a rest.
#[inline(always)]
fn and_within<C: Code>(codes: &[C::Bytes; LANES], spans: &[CodeSpan], keep: &mut [u8; LANES]) {
    let mut found = [0; LANES];
    for span in spans {
        let (first, last) = (C::from_u32(span.first), C::from_u32(span.last));
        // Codes below the first one wrap around to above.
        let reach = last.wrapping_sub(first);
        for (found, &code) in found.iter_mut().zip(codes) {
            *found |= u8::from(C::read(code).wrapping_sub(first) <= reach);
        }
    }
    keep.iter_mut()
        .zip(found)
        .for_each(|(keep, found)| *keep &= found);
}

/// Flags as bits, the first one lowest.
#[inline(always)]
fn bits(keep: &[u8]) -> u128 {
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
        fold_into(sums, ends.map(|(least, greatest)| gap(least, greatest)), ruler.fold);
    });
}

#[inline(always)]
pub(super) fn fold_looked_up_gaps(
    least: Codes<'_>,
    greatest: Codes<'_>,
    lookup: Lookup<'_>,
    sums: &mut [u64],
) {
    by_width!(least.width, C => {
        let (least, greatest) = (chunks::<C, _>(least.bytes), chunks::<C, _>(greatest.bytes));
        let gaps = least.iter().zip(greatest).map(|(&least, &greatest)| {
            let above = lookup.component(C::read(least)).saturating_sub(lookup.to);
            let below = lookup.to.saturating_sub(lookup.component(C::read(greatest)));
            above.max(below)
        });
        fold_into(sums, gaps, lookup.fold);
    });
}

#[inline(always)]
pub(super) fn fold_looked_up(codes: Codes<'_>, lookup: Lookup<'_>, sums: &mut [u64]) {
    by_width!(codes.width, C => {
        let codes = chunks::<C, _>(codes.bytes).iter();
        let gaps = codes.map(|&code| lookup.component(C::read(code)).abs_diff(lookup.to));
        fold_into(sums, gaps, lookup.fold);
    });
}

impl Lookup<'_> {
    #[inline(always)]
    fn component(&self, code: impl Code) -> u32 {
        let last = self.components.len() - 1;
        u32::from_le_bytes(self.components[code.to_usize().min(last)])
    }
}

#[inline(always)]
fn fold_into(sums: &mut [u64], gaps: impl Iterator<Item = u32>, fold: Fold) {
    let pairs = sums.iter_mut().zip(gaps.map(u64::from));
    match fold {
        Fold::Max => pairs.for_each(|(sum, gap)| *sum = gap.max(*sum)),
        Fold::Sum => pairs.for_each(|(sum, gap)| *sum += gap),
        Fold::Weighted(weight) => {
            pairs.for_each(|(sum, gap)| *sum += gap * u64::from(weight));
        }
    }
}

#[inline(always)]
pub(super) fn keep_up_to(distances: &[u64; LANES], limit: u64) -> u128 {
    let mut keep = [0; LANES];
    let pairs = keep.iter_mut().zip(distances);
    pairs.for_each(|(keep, &distance)| *keep = u8::from(distance <= limit));
    bits(&keep)
}
