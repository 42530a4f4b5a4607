//! Every instruction set that this machine has against a scalar model, the portable one included.

use super::{Binary, Kernels, Panel, Row, Source, Tile, fold, fused, texts_of};
use crate::execute::registers::{LaneArray, Mask};
use crate::{BATCH_LANES, Comparison, NumberKind, Reduction};
use proptest::collection::vec;
use proptest::prelude::*;

/// Numbers that are often equal, and the ends of what there is.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..4u64,
        1 => Just(u64::MAX),
        1 => Just(1 << 63),
        1 => (-3..3i32).prop_map(|number| (f64::from(number) / 2.0).to_bits()),
        1 => proptest::num::f64::ANY.prop_map(f64::to_bits),
        2 => any::<u64>(),
    ]
}

/// Lanes of a batch: vectors, turns of a loop and words of a mask that are whole or not, and any others.
fn width() -> impl Strategy<Value = usize> {
    prop_oneof![
        prop::sample::select(vec![
            1,
            8,
            31,
            32,
            63,
            64,
            65,
            512,
            BATCH_LANES - 1,
            BATCH_LANES
        ]),
        1..=BATCH_LANES,
    ]
}

fn numbers() -> impl Strategy<Value = Box<LaneArray>> {
    vec(number(), BATCH_LANES).prop_map(|numbers| {
        let mut lanes = numbers_of(0);
        lanes.copy_from_slice(&numbers);
        lanes
    })
}

fn numbers_of(number: u64) -> Box<LaneArray> {
    Box::new([number; BATCH_LANES])
}

fn mask() -> impl Strategy<Value = Mask> {
    any::<[u64; 16]>().prop_map(Mask)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arithmetic_agrees(
        width in width(),
        left in numbers(),
        right in numbers(),
        addend in numbers(),
    ) {
        use NumberKind::{F64, U64};
        let ops = [
            Binary::Add(U64), Binary::Sub(U64), Binary::Mul(U64),
            Binary::Add(F64), Binary::Sub(F64), Binary::Mul(F64),
            Binary::And, Binary::Or, Binary::Xor,
        ];
        let vectors = width.next_multiple_of(8);
        let scalar = right[0];
        let mut out = numbers_of(0);
        // Nothing beyond whole vectors is written.
        let check = |out: &mut LaneArray, expected: &dyn Fn(usize) -> u64, context: &str| {
            for (lane, out) in out.iter_mut().enumerate() {
                let expected = if lane < vectors { expected(lane) } else { 0 };
                prop_assert_eq!(std::mem::take(out), expected, "{} lane {}", context, lane);
            }
            Ok(())
        };
        for (op, kernels) in all(&ops) {
            let context = format!("{kernels:?} {op:?}");
            kernels.zip(op, &left, Source::Lanes(&right), &mut out, width);
            check(&mut out, &|lane| op.apply(left[lane], right[lane]), &context)?;
            kernels.zip(op, &left, Source::Scalar(scalar), &mut out, width);
            check(&mut out, &|lane| op.apply(left[lane], scalar), &context)?;
        }
        for (kind, kernels) in all(&NumberKind::ALL) {
            let context = format!("{kernels:?} {kind:?}");
            let one = |lane: usize, addend| fused(kind, left[lane], right[lane], addend);
            kernels.fuse(kind, &left, &right, Source::Lanes(&addend), &mut out, width);
            check(&mut out, &|lane| one(lane, addend[lane]), &context)?;
            kernels.fuse(kind, &left, &right, Source::Scalar(scalar), &mut out, width);
            check(&mut out, &|lane| one(lane, scalar), &context)?;
        }
    }

    #[test]
    fn selections_agree(width in width(), mask in mask(), left in numbers(), right in numbers()) {
        let vectors = width.next_multiple_of(8);
        let scalar = right[0];
        for kernels in Kernels::available() {
            let mut out = numbers_of(0);
            kernels.select(&mask, &left, Source::Lanes(&right), &mut out, width);
            for lane in 0..BATCH_LANES {
                let expected = if mask.get(lane) { left[lane] } else { right[lane] };
                let expected = if lane < vectors { expected } else { 0 };
                prop_assert_eq!(out[lane], expected, "{:?} {}", kernels, lane);
            }
            kernels.select(&mask, &left, Source::Scalar(scalar), &mut out, width);
            for lane in 0..BATCH_LANES {
                let expected = if mask.get(lane) { left[lane] } else { scalar };
                let expected = if lane < vectors { expected } else { 0 };
                prop_assert_eq!(out[lane], expected, "{:?} {}", kernels, lane);
            }
        }
    }

    #[test]
    fn hypervectors_agree(
        bytes in vec((0x3Fu8..=0x80, 0x3Fu8..=0x80, 0x3Fu8..=0x80), 0..300),
        are_hypervectors in any::<bool>(),
    ) {
        let within = |byte: u8| if are_hypervectors { byte & 0x3F | 0x40 } else { byte };
        let left: Vec<u8> = bytes.iter().map(|bytes| within(bytes.0)).collect();
        let middle: Vec<u8> = bytes.iter().map(|bytes| within(bytes.1)).collect();
        let right: Vec<u8> = bytes.iter().map(|bytes| within(bytes.2)).collect();
        let are_some = |texts: &[&Vec<u8>]| {
            texts.iter().all(|text| text.iter().all(|byte| (0x40..=0x7F).contains(byte)))
        };
        let mut out = vec![0; left.len()];
        for kernels in Kernels::available() {
            prop_assert_eq!(kernels.bind(&left, &right, &mut out), are_some(&[&left, &right]));
            if are_some(&[&left, &right]) {
                let bound = left.iter().zip(&right).map(|(l, r)| l ^ r | 0x40);
                prop_assert!(bound.eq(out.iter().copied()), "{kernels:?}");
                let equal: u32 = left.iter().zip(&right).map(|(l, r)| 6 - (l ^ r).count_ones()).sum();
                prop_assert_eq!(kernels.equal_bits(&left, &right), Some(u64::from(equal)));
            } else {
                prop_assert_eq!(kernels.equal_bits(&left, &right), None);
            }
            let are = kernels.bundle(&left, &middle, &right, &mut out);
            prop_assert_eq!(are, are_some(&[&left, &middle, &right]));
            if are {
                for (at, out) in out.iter().enumerate() {
                    for bit in 0..6 {
                        let votes = [left[at], middle[at], right[at]].map(|byte| byte >> bit & 1);
                        prop_assert_eq!(out >> bit & 1, u8::from(votes.iter().sum::<u8>() > 1));
                    }
                    prop_assert_eq!(out & 0xC0, 0x40);
                }
            }
        }
    }

    #[test]
    fn dot_products_agree(
        wide in vec((0x1Fu8..=0x7F, 0x20u8..=0x7E), 0..300),
        are_vectors in any::<bool>(),
    ) {
        let text = wide.iter().map(|bytes| match are_vectors {
            true => bytes.0.clamp(0x20, 0x7E),
            false => bytes.0,
        });
        let text: Vec<u8> = text.collect();
        let vector: Vec<u8> = wide.iter().map(|bytes| bytes.1).collect();
        let is_vector = text.iter().all(|byte| (0x20..=0x7E).contains(byte));
        for kernels in Kernels::available() {
            prop_assert_eq!(kernels.is_vector(&text), is_vector);
            let dot = kernels.row(&text, &Row::of(&vector));
            prop_assert_eq!(dot, is_vector.then(|| product(&text, &vector)));
            let short = kernels.row(&text, &Row::of(b"!"));
            prop_assert_eq!(short, (text.len() == 1 && is_vector).then(|| product(&text, b"!")));
        }
    }

    #[test]
    fn tiles_agree(
        bytes in vec(0x20..=0x7Eu8, 700),
        length in 0..70_usize,
        texts in 1..=8_usize,
        queries in 1..=64_usize,
    ) {
        // All of them overlap, and all are different.
        let text = |at: usize| &bytes[at * 5..][..length];
        let queries: Vec<_> = (0..queries).map(|query| text(60 + query)).collect();
        let mut panels: Vec<_> = queries.chunks(16).map(Panel::of).collect();
        let is_bounded = |query: usize| query.is_multiple_of(3);
        for query in (0..queries.len()).filter(|&query| is_bounded(query)) {
            panels[query / 16].bounds.0[query % 16] = product(text(0), queries[query]) as i32;
        }
        if panels.len() == 3 {
            panels.pop();
        }
        let texts: Vec<_> = (0..texts.min(texts_of(panels.len()))).map(text).collect();
        for kernels in Kernels::available() {
            let mut tile = Tile::default();
            kernels.tile(&texts, &panels, &mut tile);
            for (t, found) in texts.iter().enumerate() {
                for query in 0..16 * panels.len() {
                    let cell = t * panels.len() + query / 16;
                    let reached = tile.reached[cell] >> (query % 16) & 1 == 1;
                    let Some(vector) = queries.get(query) else {
                        prop_assert!(!reached, "{kernels:?} query {query} is none");
                        continue;
                    };
                    let expected = product(found, vector);
                    let bound = product(text(0), vector);
                    prop_assert_eq!(reached, !is_bounded(query) || expected >= bound);
                    if reached {
                        let found = tile.products[cell].0[query % 16];
                        prop_assert_eq!(i64::from(found), expected, "{:?} {}", kernels, query);
                    }
                }
            }
        }
    }

    #[test]
    fn comparisons_agree(width in width(), left in numbers(), right in numbers()) {
        for (comparison, kernels) in all(&Comparison::ALL) {
            let holds = |left: u64, right: u64| match comparison {
                Comparison::Eq => left == right,
                Comparison::Ne => left != right,
                Comparison::Lt => left < right,
                Comparison::Le => left <= right,
                Comparison::Gt => left > right,
                Comparison::Ge => left >= right,
                Comparison::FEq => f64::from_bits(left) == f64::from_bits(right),
                Comparison::FNe => f64::from_bits(left) != f64::from_bits(right),
                Comparison::FLt => f64::from_bits(left) < f64::from_bits(right),
                Comparison::FLe => f64::from_bits(left) <= f64::from_bits(right),
                Comparison::FGt => f64::from_bits(left) > f64::from_bits(right),
                Comparison::FGe => f64::from_bits(left) >= f64::from_bits(right),
            };
            let mut found = Mask([u64::MAX; _]);
            let mut one = Mask([u64::MAX; _]);
            kernels.compare(comparison, &left, Source::Lanes(&right), &mut found, width);
            kernels.compare(comparison, &left, Source::Scalar(right[0]), &mut one, width);
            for lane in 0..BATCH_LANES {
                let context = || format!("{kernels:?} {comparison:?} {lane}");
                let active = lane < width;
                let expected = active && holds(left[lane], right[lane]);
                prop_assert_eq!(found.get(lane), expected, "{}", context());
                let expected = active && holds(left[lane], right[0]);
                prop_assert_eq!(one.get(lane), expected, "{}", context());
            }
        }
    }

    #[test]
    fn reductions_agree(
        numbers in vec(number(), 0..=BATCH_LANES),
        mask in proptest::option::of(mask()),
        start in number(),
    ) {
        for (reduction, kernels) in all(&Reduction::ALL) {
            let lanes = numbers.iter().enumerate();
            let active = lanes.filter(|(lane, _)| {
                mask.is_none_or(|mask| mask.get(*lane))
            });
            let one = |number: u64| if reduction == Reduction::Count { 1 } else { number };
            let expected =
                active.fold(start, |total, (_, &number)| fold(reduction, total, one(number)));
            let mut mask = mask;
            if let Some(mask) = &mut mask {
                mask.truncate(numbers.len());
            }
            let found = kernels.reduce(reduction, start, &numbers, mask.as_ref());
            prop_assert_eq!(found, expected, "{:?} {:?}", kernels, reduction);
        }
    }
}

/// Each of some functions with each instruction set.
fn all<F: Copy>(functions: &[F]) -> impl Iterator<Item = (F, Kernels)> {
    let pairs = |&function: &F| Kernels::available().into_iter().map(move |k| (function, k));
    functions.iter().flat_map(pairs)
}

/// What a reduction of doubles makes of zeros, infinities and NaN.
#[test]
fn reductions_of_doubles() {
    let check = |reduction, numbers: &[f64], expected: f64| {
        let bits = numbers.iter().map(|number| number.to_bits());
        let found = bits.reduce(|total, number| fold(reduction, total, number));
        assert_eq!(found, Some(expected.to_bits()), "{reduction:?} {numbers:?}");
    };
    check(Reduction::FMin, &[0.0, -0.0], -0.0);
    check(Reduction::FMax, &[-0.0, 0.0], 0.0);
    check(Reduction::FMin, &[f64::NAN, 2.0, f64::INFINITY], 2.0);
    check(Reduction::FMax, &[-1.5, f64::NAN, f64::NEG_INFINITY], -1.5);
    check(Reduction::FMin, &[f64::NAN, f64::NAN], f64::NAN);
    check(Reduction::FMin, &[1.0, -f64::MIN_POSITIVE, -1e300], -1e300);
}

fn product(text: &[u8], vector: &[u8]) -> i64 {
    let numbers = text.iter().zip(vector);
    let product = |(a, b): (&u8, &u8)| (i64::from(*a) - 0x4F) * (i64::from(*b) - 0x4F);
    numbers.map(product).sum()
}

/// The sums of the longest vectors of a panel, and those of longer ones, are exact.
#[test]
fn dot_products_of_long_vectors() {
    for (text, vector) in [(b'~', b'~'), (b'~', b' '), (b' ', b'~'), (b' ', b' ')] {
        for length in [super::LONGEST, super::LONGEST * 2 + 3] {
            let (text, vector) = (vec![text; length], vec![vector; length]);
            let expected = product(&text, &vector);
            for kernels in Kernels::available() {
                assert_eq!(kernels.row(&text, &Row::of(&vector)), Some(expected));
                if length > super::LONGEST {
                    continue;
                }
                let mut tile = Tile::default();
                kernels.tile(&[&text], &[Panel::of(&[&vector])], &mut tile);
                assert_eq!(tile.reached[0], 1, "{kernels:?}");
                assert_eq!(i64::from(tile.products[0].0[0]), expected, "{kernels:?}");
            }
        }
    }
}
