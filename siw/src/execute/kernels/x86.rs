//! The loops of [`super::dots`] in instructions that the compiler does not find by itself: VPDPBUSD,
//! and VPMADDUBSW, which saturates, but not here: two products of a byte and a number are below 2^15.
//!
//! All of it is safe code. Vectors are made of the elements of arrays, which become one load.

use super::dots::{self, Lanes, Panel, QUERIES, Row, TEXTS, Tile};
use std::arch::x86_64::*;

/// A call of `$make` with the elements of `$array` at `$at`, the last one first, as such functions
/// take them.
macro_rules! of_elements {
    ($make:ident($array:expr, $($at:literal)*)) => { $make($($array[$at]),*) };
}

/// Texts of a tile by AVX2: 8 sums of 8 queries leave half of the 16 registers.
const AVX2_TEXTS: usize = 4;

#[target_feature(enable = "avx512f")]
#[inline]
fn bytes512(bytes: &[u8; 64]) -> __m512i {
    let (words, _) = bytes.as_chunks::<8>();
    let words: &[[u8; 8]; 8] = words.as_array().expect("64 bytes are 8 words");
    let words = words.map(i64::from_le_bytes);
    of_elements!(_mm512_set_epi64(words, 7 6 5 4 3 2 1 0))
}

#[target_feature(enable = "avx512f")]
#[inline]
fn lanes512(lanes: &Lanes) -> __m512i {
    of_elements!(_mm512_set_epi32(lanes.0, 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0))
}

#[target_feature(enable = "avx2")]
#[inline]
fn bytes256(bytes: &[u8; 32]) -> __m256i {
    let (words, _) = bytes.as_chunks::<8>();
    let words: &[[u8; 8]; 4] = words.as_array().expect("32 bytes are 4 words");
    let words = words.map(i64::from_le_bytes);
    of_elements!(_mm256_set_epi64x(words, 3 2 1 0))
}

#[target_feature(enable = "avx2")]
#[inline]
fn lanes256(lanes: &[i32; 8]) -> __m256i {
    of_elements!(_mm256_set_epi32(lanes, 7 6 5 4 3 2 1 0))
}

#[target_feature(enable = "avx2")]
#[inline]
fn of_lanes256(lanes: __m256i) -> [i32; 8] {
    [
        _mm256_extract_epi32::<0>(lanes),
        _mm256_extract_epi32::<1>(lanes),
        _mm256_extract_epi32::<2>(lanes),
        _mm256_extract_epi32::<3>(lanes),
        _mm256_extract_epi32::<4>(lanes),
        _mm256_extract_epi32::<5>(lanes),
        _mm256_extract_epi32::<6>(lanes),
        _mm256_extract_epi32::<7>(lanes),
    ]
}

/// The sums of a panel, given as two halves.
fn both(low: [i32; 8], high: [i32; 8]) -> Lanes {
    let mut lanes = Lanes([0; QUERIES]);
    lanes.0[..8].copy_from_slice(&low);
    lanes.0[8..].copy_from_slice(&high);
    lanes
}

/// As [`dots::row`].
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn row_avx512(text: &[u8], row: &Row) -> Option<i64> {
    dots::row_by_runs(text, row, |text, numbers| {
        let ((texts, text_rest), (numbers, numbers_rest)) =
            (text.as_chunks::<64>(), numbers.as_chunks::<64>());
        let mut run = (_mm512_setzero_si512(), _mm512_setzero_si512());
        for (text, numbers) in texts.iter().zip(numbers) {
            run = add_row(run, text, numbers);
        }
        if !text_rest.is_empty() {
            // Zeros would be strangers.
            let (mut text, mut numbers) = ([dots::LOWEST; 64], [0; 64]);
            text[..text_rest.len()].copy_from_slice(text_rest);
            numbers[..numbers_rest.len()].copy_from_slice(numbers_rest);
            run = add_row(run, &text, &numbers);
        }
        let span = _mm512_set1_epi8(dots::SPAN.cast_signed());
        let strangers = _mm512_cmpgt_epu8_mask(run.1, span);
        (strangers == 0).then(|| _mm512_reduce_add_epi32(run.0))
    })
}

/// Adds products to sums, and raises what bytes are above the lowest to the most so far.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn add_row(
    (sums, most): (__m512i, __m512i),
    text: &[u8; 64],
    numbers: &[u8; 64],
) -> (__m512i, __m512i) {
    let text = bytes512(text);
    let above = _mm512_sub_epi8(text, _mm512_set1_epi8(dots::LOWEST.cast_signed()));
    (
        _mm512_dpbusd_epi32(sums, text, bytes512(numbers)),
        _mm512_max_epu8(most, above),
    )
}

/// As [`dots::tile`].
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn tile_avx512(texts: &[&[u8]], panels: &[Panel], tile: &mut Tile) {
    match panels {
        [a] => tile_of::<TEXTS, 1>(texts, [a], tile),
        [a, b] => tile_of::<TEXTS, 2>(texts, [a, b], tile),
        [a, b, c, d] => tile_of::<{ dots::texts_of(4) }, 4>(texts, [a, b, c, d], tile),
        _ => dots::tile(texts, panels, tile),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn tile_of<const T: usize, const P: usize>(texts: &[&[u8]], panels: [&Panel; P], tile: &mut Tile) {
    // Where there are fewer texts, the last one is multiplied again and nobody looks.
    let mut all = [texts[0]; T];
    for (t, to) in all.iter_mut().enumerate() {
        *to = texts[t.min(texts.len() - 1)];
    }
    let mut sums = [[_mm512_setzero_si512(); P]; T];
    for (sums, text) in sums.iter_mut().zip(all) {
        for (sum, panel) in sums.iter_mut().zip(panels) {
            *sum = lanes512(&panel.start_of(text));
        }
    }
    let sums = multiply(all, panels, sums);
    for (t, sums) in sums.iter().enumerate().take(texts.len()) {
        for (p, (&sum, panel)) in sums.iter().zip(panels).enumerate() {
            let reached = _mm512_cmpge_epi32_mask(sum, lanes512(&panel.bounds));
            tile.reached[t * P + p] = reached;
            if reached != 0 {
                let low = of_lanes256(_mm512_extracti64x4_epi64::<0>(sum));
                let high = of_lanes256(_mm512_extracti64x4_epi64::<1>(sum));
                tile.products[t * P + p] = both(low, high);
            }
        }
    }
}

/// Adds the products of whole fours. By itself, so that sums stay in registers.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline(never)]
fn multiply<const T: usize, const P: usize>(
    texts: [&[u8]; T],
    panels: [&Panel; P],
    mut sums: [[__m512i; P]; T],
) -> [[__m512i; P]; T] {
    let whole = texts[0].len() / 4;
    // Slices of one length, which the compiler sees.
    let (mut fours, mut steps): ([&[_]; T], [&[_]; P]) = ([&[]; T], [&[]; P]);
    for (fours, text) in fours.iter_mut().zip(texts) {
        *fours = &text.as_chunks::<4>().0[..whole];
    }
    for (steps, panel) in steps.iter_mut().zip(panels) {
        *steps = &panel.steps[..whole];
    }
    for step in 0..whole {
        let mut numbers = [_mm512_setzero_si512(); P];
        for (numbers, steps) in numbers.iter_mut().zip(steps) {
            *numbers = bytes512(&steps[step].0);
        }
        for (sums, fours) in sums.iter_mut().zip(fours) {
            let bytes = _mm512_set1_epi32(i32::from_le_bytes(fours[step]));
            for (sum, &numbers) in sums.iter_mut().zip(&numbers) {
                *sum = _mm512_dpbusd_epi32(*sum, bytes, numbers);
            }
        }
    }
    sums
}

/// As [`dots::tile`].
#[target_feature(enable = "avx2")]
pub(super) fn tile_avx2(texts: &[&[u8]], panels: &[Panel], tile: &mut Tile) {
    for (p, panel) in panels.iter().enumerate() {
        for (group, texts) in texts.chunks(AVX2_TEXTS).enumerate() {
            let sums = sums_avx2(texts, panel);
            for (t, &[low, high]) in sums.iter().enumerate().take(texts.len()) {
                let sums = both(of_lanes256(low), of_lanes256(high));
                let cell = (group * AVX2_TEXTS + t) * panels.len() + p;
                tile.reached[cell] = dots::reached(&sums, &panel.bounds);
                tile.products[cell] = sums;
            }
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn sums_avx2(texts: &[&[u8]], panel: &Panel) -> [[__m256i; 2]; AVX2_TEXTS] {
    let mut all = [texts[0]; AVX2_TEXTS];
    all[..texts.len()].copy_from_slice(texts);
    let mut sums = [[_mm256_setzero_si256(); 2]; AVX2_TEXTS];
    for (sums, text) in sums.iter_mut().zip(all) {
        let start = panel.start_of(text);
        let (halves, _) = start.0.as_chunks::<8>();
        *sums = [lanes256(&halves[0]), lanes256(&halves[1])];
    }
    multiply_avx2(all, panel, sums)
}

/// As [`multiply`].
#[target_feature(enable = "avx2")]
#[inline(never)]
fn multiply_avx2(
    texts: [&[u8]; AVX2_TEXTS],
    panel: &Panel,
    mut sums: [[__m256i; 2]; AVX2_TEXTS],
) -> [[__m256i; 2]; AVX2_TEXTS] {
    let whole = texts[0].len() / 4;
    let mut fours: [&[_]; AVX2_TEXTS] = [&[]; AVX2_TEXTS];
    for (fours, text) in fours.iter_mut().zip(texts) {
        *fours = &text.as_chunks::<4>().0[..whole];
    }
    let ones = _mm256_set1_epi16(1);
    for (at, step) in panel.steps[..whole].iter().enumerate() {
        let (halves, _) = step.0.as_chunks::<32>();
        let numbers = [bytes256(&halves[0]), bytes256(&halves[1])];
        for (sums, fours) in sums.iter_mut().zip(fours) {
            let bytes = _mm256_set1_epi32(i32::from_le_bytes(fours[at]));
            for (sum, numbers) in sums.iter_mut().zip(numbers) {
                let pairs = _mm256_maddubs_epi16(bytes, numbers);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
    }
    sums
}
