//! Every instruction set that this machine has against a scalar model, the portable one included.

use super::{CodeSpan, CodeTest, Codes, Fold, Kernels, LANES, Lookup, Ruler, ZONES, ZoneTest};
use proptest::collection::vec;
use proptest::prelude::*;

/// Width, intervals and spans of a dimension.
type Zones = (usize, Vec<(u32, u32)>, Vec<CodeSpan>);

/// Codes of a width, with the ends of what it holds.
fn code(width: usize) -> impl Strategy<Value = u32> {
    let most = match width {
        1 => u32::from(u8::MAX),
        2 => u32::from(u16::MAX),
        _ => 0x7FFF_FFFE,
    };
    prop_oneof![4 => 0..=20u32, 2 => 0..=most, 1 => Just(most), 1 => Just(0)]
}

fn encode(codes: &[u32], width: usize) -> Vec<u8> {
    let bytes = codes
        .iter()
        .flat_map(|code| code.to_le_bytes()[..width].to_vec());
    bytes.collect()
}

fn span(width: usize) -> impl Strategy<Value = CodeSpan> {
    (code(width), code(width)).prop_map(|(a, b)| CodeSpan {
        first: a.min(b),
        last: a.max(b),
    })
}

/// Intervals of codes, and their width.
fn intervals(length: usize) -> impl Strategy<Value = (usize, Vec<(u32, u32)>)> {
    prop::sample::select(vec![1usize, 2, 4])
        .prop_flat_map(move |width| (Just(width), vec(interval(width), 0..=length)))
}

fn interval(width: usize) -> impl Strategy<Value = (u32, u32)> {
    (code(width), code(width)).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

/// Intervals of as many zones, their width and spans, in up to three dimensions.
fn zones(blocks: usize) -> impl Strategy<Value = Vec<Zones>> {
    let dimension = prop::sample::select(vec![1usize, 2, 4]).prop_flat_map(move |width| {
        let spans = vec(span(width), 1..4);
        (Just(width), vec(interval(width), blocks), spans)
    });
    vec(dimension, 1..4)
}

fn ends(width: usize, intervals: &[(u32, u32)]) -> (Vec<u8>, Vec<u8>) {
    let (least, greatest): (Vec<u32>, Vec<u32>) = intervals.iter().copied().unzip();
    (encode(&least, width), encode(&greatest, width))
}

fn fold() -> impl Strategy<Value = Fold> {
    prop_oneof![
        Just(Fold::Max),
        Just(Fold::Sum),
        (0..1u32 << 29).prop_map(Fold::Weighted),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn overlaps_agree(
        zones in (1..200usize).prop_flat_map(zones),
        first in 0..200usize,
        length in 0..=ZONES,
    ) {
        let blocks = zones[0].1.len();
        let first = first.min(blocks);
        let range = first..(first + length).min(blocks);
        let meets = |at: usize| zones.iter().all(|(_, intervals, spans)| {
            let (least, greatest) = intervals[at];
            spans.iter().any(|span| greatest >= span.first && least <= span.last)
        });
        let expected = range.clone().fold(0, |bits, at| bits | u64::from(meets(at)) << (at - first));
        let ends = zones.iter().map(|(width, intervals, _)| ends(*width, intervals));
        let ends: Vec<_> = ends.collect();
        let tests = zones.iter().zip(&ends).map(|((width, _, spans), (least, greatest))| {
            let codes = |bytes| Codes { width: *width, bytes };
            ZoneTest { least: codes(least), greatest: codes(greatest), spans }
        });
        let tests: Vec<ZoneTest<'_>> = tests.collect();
        for kernels in Kernels::available() {
            prop_assert_eq!(kernels.overlapping(&tests, range.clone()), expected, "{:?}", kernels);
        }
    }

    #[test]
    fn tests_of_a_block_agree(columns in vec(
        prop::sample::select(vec![1usize, 2, 4]).prop_flat_map(|width| {
            (Just(width), vec(code(width), LANES), vec(span(width), 1..3))
        }),
        0..4,
    )) {
        let mut block = Vec::new();
        let mut tests = Vec::new();
        for (width, codes, spans) in &columns {
            let (at, width, spans) = (block.len(), *width, spans.clone());
            tests.push(CodeTest { width, at, spans });
            block.extend(encode(codes, width));
        }
        let passes = |lane: usize| columns.iter().all(|(_, codes, spans)| {
            spans.iter().any(|span| (span.first..=span.last).contains(&codes[lane]))
        });
        let expected = (0..LANES).fold(0, |bits, lane| bits | u128::from(passes(lane)) << lane);
        for kernels in Kernels::available() {
            prop_assert_eq!(kernels.keep_within(&block, &tests), expected, "{:?}", kernels);
        }
    }

    #[test]
    fn gaps_agree(
        (width, intervals) in intervals(300),
        target in 1..=0x7FFF_FFFFu32,
        base in 1..=3u32,
        fold in fold(),
        before in 0..1u64 << 40,
    ) {
        let (least, greatest) = ends(width, &intervals);
        let origin = target as i32 - base as i32;
        let gap = |&(least, greatest): &(u32, u32)| {
            let (least, greatest) = (i64::from(least), i64::from(greatest));
            let gap = (least - i64::from(origin)).max(i64::from(origin) - greatest).max(0) as u64;
            match fold {
                Fold::Max => before.max(gap),
                Fold::Sum => before + gap,
                Fold::Weighted(weight) => before + gap * u64::from(weight),
            }
        };
        let expected: Vec<u64> = intervals.iter().map(gap).collect();
        for kernels in Kernels::available() {
            let mut sums = vec![before; intervals.len()];
            let codes = |bytes| Codes { width, bytes };
            let ruler = Ruler { origin, fold };
            kernels.fold_gaps(codes(&least), codes(&greatest), ruler, &mut sums);
            prop_assert_eq!(&sums, &expected, "{:?}", kernels);
        }
    }

    #[test]
    fn looked_up_gaps_agree(
        (width, intervals) in intervals(300),
        steps in vec(1..1u32 << 20, 1..300),
        to in 1..=0x7FFF_FFFFu32,
        fold in fold(),
        before in 0..1u64 << 40,
    ) {
        let ascending = steps.iter().scan(0, |sum, step| { *sum += step; Some(*sum) });
        let components: Vec<u32> = ascending.collect();
        let component = |code: u32| components[(code as usize).min(components.len() - 1)];
        let folded = |gap: u32| { let mut sum = before; fold.apply(&mut sum, gap); sum };
        let gap = |&(least, greatest): &(u32, u32)| {
            let (least, greatest) = (component(least), component(greatest));
            folded(least.saturating_sub(to).max(to.saturating_sub(greatest)))
        };
        let expected: Vec<u64> = intervals.iter().map(gap).collect();
        let of_keys: Vec<u64> = intervals.iter().map(|pair| gap(&(pair.0, pair.0))).collect();
        let (least, greatest) = ends(width, &intervals);
        let bytes: Vec<[u8; 4]> = components.iter().map(|c| c.to_le_bytes()).collect();
        let lookup = Lookup { components: &bytes, to, fold };
        for kernels in Kernels::available() {
            let codes = |bytes| Codes { width, bytes };
            let mut sums = vec![before; intervals.len()];
            kernels.fold_looked_up_gaps(codes(&least), codes(&greatest), lookup, &mut sums);
            prop_assert_eq!(&sums, &expected, "{:?}", kernels);
            sums.fill(before);
            kernels.fold_looked_up(codes(&least), lookup, &mut sums);
            prop_assert_eq!(&sums, &of_keys, "{:?}", kernels);
        }
    }

    #[test]
    fn limits_agree(distances in vec(prop_oneof![0..9u64, any::<u64>()], LANES), limit in 0..9u64) {
        let within = |lane: usize| u128::from(distances[lane] <= limit) << lane;
        let expected = (0..LANES).fold(0, |bits, lane| bits | within(lane));
        let distances: &[u64; LANES] = distances[..].try_into().unwrap();
        for kernels in Kernels::available() {
            prop_assert_eq!(kernels.keep_up_to(distances, limit), expected, "{:?}", kernels);
        }
    }
}

/// On x86-64 of the last decade a test of the portable set alone would prove little.
#[test]
#[cfg(target_arch = "x86_64")]
fn wide_sets_are_tested_where_the_machine_has_them() {
    let sets = Kernels::available().len();
    let has = |detected: bool| usize::from(detected);
    let expected =
        1 + has(is_x86_feature_detected!("avx2")) + has(is_x86_feature_detected!("avx512bw"));
    assert_eq!(sets, expected);
    assert_eq!(Kernels::detect(), Kernels::available()[sets - 1]);
}
