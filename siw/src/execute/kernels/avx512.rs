//! Loops of which the compiler does not find the best vector form by itself, written with intrinsics. None of
//! those touches memory, so that they are safe where the instruction set is there: loads are of whole arrays.
//!
//! | loop | why it is here |
//! |---|---|
//! | comparisons, selections | their result, or what they choose by, is a mask register |
//! | arithmetic | in vectors of 256 bits, of which a core takes two a cycle and writes one: of 512 it takes one, and writes one in two cycles, so that an operation on two registers takes 0.31 cycles a lane instead of 0.27 |

use super::{Binary, Source, VECTOR};
use crate::execute::registers::{LaneArray, Mask};
use crate::{Comparison, NumberKind};
use std::arch::x86_64::{
    __m256d, __m256i, __m512i, _CMP_EQ_OQ, _CMP_GE_OQ, _CMP_GT_OQ, _CMP_LE_OQ, _CMP_LT_OQ,
    _CMP_NEQ_UQ, _CMP_UNORD_Q, _MM_CMPINT_EQ, _MM_CMPINT_LE, _MM_CMPINT_LT, _MM_CMPINT_NE,
    _MM_CMPINT_NLE, _MM_CMPINT_NLT, _mm256_add_epi64, _mm256_add_pd, _mm256_and_si256,
    _mm256_castpd_si256, _mm256_castsi256_pd, _mm256_cmp_pd_mask, _mm256_extract_epi64,
    _mm256_fmadd_pd, _mm256_mask_mov_epi64, _mm256_mul_pd, _mm256_mullo_epi64, _mm256_or_si256,
    _mm256_set1_epi64x, _mm256_sub_epi64, _mm256_sub_pd, _mm256_xor_si256, _mm512_castsi512_pd,
    _mm512_cmp_epu64_mask, _mm512_cmp_pd_mask, _mm512_extracti64x4_epi64, _mm512_kunpackb,
    _mm512_kunpackd, _mm512_kunpackw, _mm512_mask_blend_epi64, _mm512_set_epi64, _mm512_set1_epi64,
};

/// Lanes of a turn of a loop: so many that a processor tells by its history of branches when the loop ends.
const TURN: usize = 32;

/// As [`super::loops::zip`].
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
pub(super) fn zip(
    op: Binary,
    left: &LaneArray,
    right: Source<'_>,
    out: &mut LaneArray,
    width: usize,
) {
    use NumberKind::{F64, U64};
    /// The loop of an operation.
    macro_rules! integers {
        ($operation:ident) => {
            map(left, right, out, width, |left, right| {
                $operation(left, right)
            })
        };
    }
    /// The loop of an operation of doubles.
    macro_rules! doubles {
        ($operation:ident) => {
            map(left, right, out, width, |left, right| {
                let [left, right] = [_mm256_castsi256_pd(left), _mm256_castsi256_pd(right)];
                canonical($operation(left, right))
            })
        };
    }
    match op {
        Binary::Add(U64) => integers!(_mm256_add_epi64),
        Binary::Sub(U64) => integers!(_mm256_sub_epi64),
        Binary::Mul(U64) => integers!(_mm256_mullo_epi64),
        Binary::Add(F64) => doubles!(_mm256_add_pd),
        Binary::Sub(F64) => doubles!(_mm256_sub_pd),
        Binary::Mul(F64) => doubles!(_mm256_mul_pd),
        Binary::And => integers!(_mm256_and_si256),
        Binary::Or => integers!(_mm256_or_si256),
        Binary::Xor => integers!(_mm256_xor_si256),
    }
}

/// As [`super::loops::fuse`].
#[target_feature(enable = "avx512f,avx512dq,avx512vl,fma")]
#[inline]
pub(super) fn fuse(
    kind: NumberKind,
    left: &LaneArray,
    right: &LaneArray,
    addend: Source<'_>,
    out: &mut LaneArray,
    width: usize,
) {
    match kind {
        NumberKind::U64 => map_fused(left, right, addend, out, width, |left, right, addend| {
            _mm256_add_epi64(_mm256_mullo_epi64(left, right), addend)
        }),
        NumberKind::F64 => map_fused(left, right, addend, out, width, |left, right, addend| {
            let [left, right] = [_mm256_castsi256_pd(left), _mm256_castsi256_pd(right)];
            canonical(_mm256_fmadd_pd(left, right, _mm256_castsi256_pd(addend)))
        }),
    }
}

/// The bits of doubles, those of what is no number always the same.
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn canonical(doubles: __m256d) -> __m256i {
    let nan = _mm256_set1_epi64x(f64::NAN.to_bits().cast_signed());
    let is_nan = _mm256_cmp_pd_mask::<_CMP_UNORD_Q>(doubles, doubles);
    _mm256_mask_mov_epi64(_mm256_castpd_si256(doubles), is_nan, nan)
}

/// Runs `f` over the lanes of two operands.
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn map(
    left: &LaneArray,
    right: Source<'_>,
    out: &mut LaneArray,
    width: usize,
    f: impl Fn(__m256i, __m256i) -> __m256i,
) {
    match right {
        Source::Lanes(right) => {
            let (turns, rest) = split_out(out, width);
            let ((left, left_rest), (right, right_rest)) =
                (split(left, width), split(right, width));
            for (out, (left, right)) in turns.iter_mut().zip(left.iter().zip(right)) {
                map_turn(left, right, out, &f);
            }
            map_turn(left_rest, right_rest, rest, &f);
        }
        Source::Scalar(right) => {
            let right = _mm256_set1_epi64x(right.cast_signed());
            each(left, out, width, |left| f(left, right));
        }
    }
}

/// Runs `f` over whole vectors.
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn map_turn(left: &[u64], right: &[u64], out: &mut [u64], f: impl Fn(__m256i, __m256i) -> __m256i) {
    let operands = left.as_chunks().0.iter().zip(right.as_chunks().0);
    for (out, (left, right)) in out.as_chunks_mut().0.iter_mut().zip(operands) {
        put(out, f(take(left), take(right)));
    }
}

/// Runs `f` over the lanes of one operand.
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn each(left: &LaneArray, out: &mut LaneArray, width: usize, f: impl Fn(__m256i) -> __m256i) {
    let (turns, rest) = split_out(out, width);
    let (left, left_rest) = split(left, width);
    for (out, left) in turns.iter_mut().zip(left) {
        each_of_turn(left, out, &f);
    }
    each_of_turn(left_rest, rest, &f);
}

/// Runs `f` over whole vectors.
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn each_of_turn(left: &[u64], out: &mut [u64], f: impl Fn(__m256i) -> __m256i) {
    let operands = left.as_chunks().0;
    for (out, left) in out.as_chunks_mut().0.iter_mut().zip(operands) {
        put(out, f(take(left)));
    }
}

/// Runs `f` over the lanes of three operands.
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn map_fused(
    left: &LaneArray,
    right: &LaneArray,
    addend: Source<'_>,
    out: &mut LaneArray,
    width: usize,
    f: impl Fn(__m256i, __m256i, __m256i) -> __m256i,
) {
    match addend {
        Source::Lanes(addend) => {
            let vectors = width.div_ceil(VECTOR) * (VECTOR / 4);
            let operands = left.as_chunks().0.iter().zip(right.as_chunks().0);
            let operands = operands.zip(addend.as_chunks().0);
            let out = out.as_chunks_mut().0.iter_mut().take(vectors);
            for (out, ((left, right), addend)) in out.zip(operands) {
                put(out, f(take(left), take(right), take(addend)));
            }
        }
        Source::Scalar(addend) => {
            let addend = _mm256_set1_epi64x(addend.cast_signed());
            map(left, Source::Lanes(right), out, width, |left, right| {
                f(left, right, addend)
            });
        }
    }
}

/// The lanes of a batch: those of whole turns, and the vectors after them.
#[inline(always)]
fn split(lanes: &LaneArray, width: usize) -> (&[[u64; TURN]], &[u64]) {
    lanes[..width.next_multiple_of(VECTOR)].as_chunks()
}

/// As [`split`].
#[inline(always)]
fn split_out(lanes: &mut LaneArray, width: usize) -> (&mut [[u64; TURN]], &mut [u64]) {
    lanes[..width.next_multiple_of(VECTOR)].as_chunks_mut()
}

/// As [`super::loops::compare`].
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) fn compare(
    comparison: Comparison,
    left: &LaneArray,
    right: Source<'_>,
    mask: &mut Mask,
    width: usize,
) {
    /// The loop of a comparison of integers.
    macro_rules! integers {
        ($predicate:ident) => {
            holds(left, right, mask, width, |left, right| {
                _mm512_cmp_epu64_mask::<$predicate>(left, right)
            })
        };
    }
    /// The loop of a comparison of doubles.
    macro_rules! doubles {
        ($predicate:ident) => {
            holds(left, right, mask, width, |left, right| {
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

/// Sets the bits of the lanes for which `f` holds, and no others. Each word of the mask is made in a register and
/// written once: to read what was just written in smaller pieces is to wait until it has come to the cache.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn holds(
    left: &LaneArray,
    right: Source<'_>,
    mask: &mut Mask,
    width: usize,
    f: impl Fn(__m512i, __m512i) -> u8,
) {
    let (left, rest) = (left.as_chunks::<64>().0, width % 64);
    *mask = Mask::default();
    match right {
        Source::Lanes(right) => {
            let right = right.as_chunks::<64>().0;
            let words = mask.0.iter_mut().zip(left.iter().zip(right));
            for (word, (left, right)) in words.take(width.div_ceil(64)) {
                *word = bits(left, |at, left| f(left, load(&right.as_chunks().0[at])));
            }
        }
        Source::Scalar(right) => {
            let right = _mm512_set1_epi64(right.cast_signed());
            let words = mask.0.iter_mut().zip(left);
            for (word, left) in words.take(width.div_ceil(64)) {
                *word = bits(left, |_, left| f(left, right));
            }
        }
    }
    if rest > 0 {
        mask.0[width / 64] &= (1 << rest) - 1;
    }
}

/// The bits of 64 lanes, put together in mask registers: of shifts and ors the compiler makes a vector of bytes,
/// which it fills one by one.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn bits(lanes: &[u64; 64], f: impl Fn(usize, __m512i) -> u8) -> u64 {
    let vectors = lanes.as_chunks().0;
    let bits = |at: usize| u16::from(f(at, load(&vectors[at])));
    let pair = |at| u32::from(_mm512_kunpackb(bits(at + 1), bits(at)));
    let four = |at| u64::from(_mm512_kunpackw(pair(at + 2), pair(at)));
    _mm512_kunpackd(four(4), four(0))
}

/// As [`super::loops::select`].
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
pub(super) fn select(
    mask: &Mask,
    left: &LaneArray,
    right: Source<'_>,
    out: &mut LaneArray,
    width: usize,
) {
    let vectors = width.next_multiple_of(VECTOR);
    let (left, left_rest) = left[..vectors].as_chunks::<64>();
    let (out, out_rest) = out[..vectors].as_chunks_mut::<64>();
    let rest = mask.0.get(left.len());
    let blocks = mask.0.iter().zip(left.iter().zip(out));
    match right {
        Source::Lanes(right) => {
            let (right, right_rest) = right[..vectors].as_chunks::<64>();
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
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn blend(bits: u64, left: &[u64], out: &mut [u64], right: impl Fn(usize) -> __m512i) {
    let vectors = out.as_chunks_mut().0.iter_mut().zip(left.as_chunks().0);
    for (at, (out, left)) in vectors.enumerate() {
        let chosen = (bits >> (8 * at)) as u8;
        store(out, _mm512_mask_blend_epi64(chosen, right(at), load(left)));
    }
}

/// One store, as the compiler sees.
#[target_feature(enable = "avx512f,avx512vl")]
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

/// One store. Not lane by lane, of which the compiler makes stores of 512 bits.
#[inline(always)]
fn put(lanes: &mut [u64; 4], vector: __m256i) {
    #[expect(unsafe_code, reason = "a vector is its lanes; see docs/UNSAFE.md")]
    // SAFETY: both types have 32 bytes, and any bits are values of both.
    let numbers = unsafe { std::mem::transmute::<__m256i, [u64; 4]>(vector) };
    *lanes = numbers;
}

/// One load. Not lane by lane, of which the compiler makes loads of 512 bits.
#[inline(always)]
fn take(lanes: &[u64; 4]) -> __m256i {
    #[expect(unsafe_code, reason = "a vector is its lanes; see docs/UNSAFE.md")]
    // SAFETY: both types have 32 bytes, and any bits are values of both.
    unsafe {
        std::mem::transmute::<[u64; 4], __m256i>(*lanes)
    }
}
