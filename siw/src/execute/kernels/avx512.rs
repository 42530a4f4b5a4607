//! Loops of which the compiler does not find the vector form by itself: comparisons, whose result is a
//! mask register, and selections, which take one. Written with intrinsics, none of which touches memory, so that they are safe where
//! the instruction set is there: loads are of whole arrays.

use super::Source;
use crate::Comparison;
use crate::execute::registers::Mask;
use std::arch::x86_64::{
    __m512i, _CMP_EQ_OQ, _CMP_GE_OQ, _CMP_GT_OQ, _CMP_LE_OQ, _CMP_LT_OQ, _CMP_NEQ_UQ,
    _MM_CMPINT_EQ, _MM_CMPINT_LE, _MM_CMPINT_LT, _MM_CMPINT_NE, _MM_CMPINT_NLE, _MM_CMPINT_NLT,
    _mm256_extract_epi64, _mm512_castsi512_pd, _mm512_cmp_epu64_mask, _mm512_cmp_pd_mask,
    _mm512_extracti64x4_epi64, _mm512_mask_blend_epi64, _mm512_set_epi64, _mm512_set1_epi64,
};

/// As [`super::loops::compare`].
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn compare(comparison: Comparison, left: &[u64], right: Source<'_>, mask: &mut Mask) {
    /// The loop of a comparison of integers.
    macro_rules! integers {
        ($predicate:ident) => {
            holds(left, right, mask, |left, right| {
                _mm512_cmp_epu64_mask::<$predicate>(left, right)
            })
        };
    }
    /// The loop of a comparison of doubles.
    macro_rules! doubles {
        ($predicate:ident) => {
            holds(left, right, mask, |left, right| {
                let [left, right] = [_mm512_castsi512_pd(left), _mm512_castsi512_pd(right)];
                _mm512_cmp_pd_mask::<$predicate>(left, right)
            })
        };
    }
    match comparison {
        Comparison::Eq => integers!(_MM_CMPINT_EQ),
        Comparison::Ne => integers!(_MM_CMPINT_NE),
        Comparison::Lt => integers!(_MM_CMPINT_LT),
        Comparison::Le => integers!(_MM_CMPINT_LE),
        Comparison::Gt => integers!(_MM_CMPINT_NLE),
        Comparison::Ge => integers!(_MM_CMPINT_NLT),
        Comparison::FEq => doubles!(_CMP_EQ_OQ),
        Comparison::FNe => doubles!(_CMP_NEQ_UQ),
        Comparison::FLt => doubles!(_CMP_LT_OQ),
        Comparison::FLe => doubles!(_CMP_LE_OQ),
        Comparison::FGt => doubles!(_CMP_GT_OQ),
        Comparison::FGe => doubles!(_CMP_GE_OQ),
    }
}

/// Sets the bits of the lanes for which `f` holds, a word of the mask at a time.
#[target_feature(enable = "avx512f")]
#[inline]
fn holds(left: &[u64], right: Source<'_>, mask: &mut Mask, f: impl Fn(__m512i, __m512i) -> u8) {
    let (left, left_rest) = left.as_chunks::<64>();
    match right {
        Source::Lanes(right) => {
            let (right, right_rest) = right.as_chunks::<64>();
            for (word, (left, right)) in mask.0.iter_mut().zip(left.iter().zip(right)) {
                *word = bits(left, |at, left| f(left, load(&right.as_chunks().0[at])));
            }
            if let Some(word) = mask.0.get_mut(left.len()) {
                *word = bits(left_rest, |at, left| {
                    f(left, load(&right_rest.as_chunks().0[at]))
                });
            }
        }
        Source::Scalar(right) => {
            let right = _mm512_set1_epi64(right.cast_signed());
            for (word, left) in mask.0.iter_mut().zip(left) {
                *word = bits(left, |_, left| f(left, right));
            }
            if let Some(word) = mask.0.get_mut(left.len()) {
                *word = bits(left_rest, |_, left| f(left, right));
            }
        }
    }
}

/// The bits of up to 64 lanes, which are whole vectors.
#[target_feature(enable = "avx512f")]
#[inline]
fn bits(lanes: &[u64], f: impl Fn(usize, __m512i) -> u8) -> u64 {
    let mut bits = 0;
    for (at, lanes) in lanes.as_chunks().0.iter().enumerate() {
        bits |= u64::from(f(at, load(lanes))) << (8 * at);
    }
    bits
}

/// As [`super::loops::select`].
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn select(mask: &Mask, left: &[u64], right: Source<'_>, out: &mut [u64]) {
    let (left, left_rest) = left.as_chunks::<64>();
    let (out, out_rest) = out.as_chunks_mut::<64>();
    let rest = mask.0.get(left.len());
    let blocks = mask.0.iter().zip(left.iter().zip(out));
    match right {
        Source::Lanes(right) => {
            let (right, right_rest) = right.as_chunks::<64>();
            for ((&word, (left, out)), right) in blocks.zip(right) {
                blend(word, left, out, |at| load(&right.as_chunks().0[at]));
            }
            if let Some(&word) = rest {
                blend(word, left_rest, out_rest, |at| {
                    load(&right_rest.as_chunks().0[at])
                });
            }
        }
        Source::Scalar(right) => {
            let right = _mm512_set1_epi64(right.cast_signed());
            for (&word, (left, out)) in blocks {
                blend(word, left, out, |_| right);
            }
            if let Some(&word) = rest {
                blend(word, left_rest, out_rest, |_| right);
            }
        }
    }
}

/// Takes up to 64 lanes, which are whole vectors, from `left` where their bit is set.
#[target_feature(enable = "avx512f")]
#[inline]
fn blend(bits: u64, left: &[u64], out: &mut [u64], right: impl Fn(usize) -> __m512i) {
    let vectors = out.as_chunks_mut().0.iter_mut().zip(left.as_chunks().0);
    for (at, (out, left)) in vectors.enumerate() {
        let chosen = (bits >> (8 * at)) as u8;
        store(out, _mm512_mask_blend_epi64(chosen, right(at), load(left)));
    }
}

/// One store, as the compiler sees.
#[target_feature(enable = "avx512f")]
#[inline]
fn store(lanes: &mut [u64; 8], vector: __m512i) {
    let halves = [
        _mm512_extracti64x4_epi64::<0>(vector),
        _mm512_extracti64x4_epi64::<1>(vector),
    ];
    for (lanes, half) in lanes.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
        *lanes = [
            _mm256_extract_epi64::<0>(half).cast_unsigned(),
            _mm256_extract_epi64::<1>(half).cast_unsigned(),
            _mm256_extract_epi64::<2>(half).cast_unsigned(),
            _mm256_extract_epi64::<3>(half).cast_unsigned(),
        ];
    }
}

/// One load, as the compiler sees.
#[target_feature(enable = "avx512f")]
#[inline]
fn load(lanes: &[u64; 8]) -> __m512i {
    let [a, b, c, d, e, f, g, h] = lanes.map(u64::cast_signed);
    _mm512_set_epi64(h, g, f, e, d, c, b, a)
}
