use proptest::array::uniform;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const CURVES: [Curve; 3] = [Curve::Hilbert, Curve::Morton, Curve::Peano];
const CONTINUOUS: [Curve; 2] = [Curve::Hilbert, Curve::Peano];

/// Calls a function generic over the number of dimensions, for each number there is.
macro_rules! in_all_dimensions {
    ($check:ident($($argument:expr),*)) => {
        $check::<2>($($argument),*);
        $check::<3>($($argument),*);
        $check::<4>($($argument),*);
        $check::<5>($($argument),*);
        $check::<6>($($argument),*);
        $check::<7>($($argument),*);
        $check::<8>($($argument),*);
        $check::<9>($($argument),*);
        $check::<10>($($argument),*);
        $check::<11>($($argument),*);
    };
}

fn distance<const D: usize>(a: &[u16; D], b: &[u16; D]) -> u32 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| u32::from(a.abs_diff(b)))
        .sum()
}

/// The points of the grid with `side` cells per dimension, in the order of an odometer.
fn all_points<const D: usize>(side: u16) -> impl Iterator<Item = [u16; D]> {
    (0..u64::from(side).pow(D as u32)).map(move |mut number| {
        std::array::from_fn(|_| {
            let component = number % u64::from(side);
            number /= u64::from(side);
            component as u16
        })
    })
}

/// Visits a whole small grid: every key once, the inverse right, and unit steps if promised.
fn check_small_grid<const D: usize>(
    side: u16,
    unit_steps: bool,
    encode: impl Fn(&[u16; D]) -> u128,
    decode: impl Fn(u128) -> [u16; D],
) {
    let mut path = vec![None; usize::from(side).pow(D as u32)];
    for point in all_points::<D>(side) {
        let key = encode(&point);
        assert_eq!(decode(key), point, "key {key}");
        assert_eq!(
            path[key as usize].replace(point),
            None,
            "key {key} given twice"
        );
    }
    let path: Vec<[u16; D]> = path.into_iter().map(Option::unwrap).collect();
    assert_eq!(path[0], [0; D], "curves start at the origin");
    if unit_steps {
        assert!(
            path.windows(2)
                .all(|pair| distance(&pair[0], &pair[1]) == 1)
        );
    }
}

fn check_small_hilbert<const D: usize>() {
    for levels in (1..=bits::<D>()).take_while(|levels| *levels as usize * D <= 15) {
        check_small_grid::<D>(
            1 << levels,
            true,
            |point| hilbert::encode(point, levels),
            |key| hilbert::decode(key, levels),
        );
    }
}

#[test]
fn hilbert_visits_small_grids_in_unit_steps() {
    in_all_dimensions!(check_small_hilbert());
}

fn check_small_morton<const D: usize>() {
    for side in [2, 4, 8, 16]
        .into_iter()
        .filter(|side: &u16| side.ilog2() as usize * D <= 15)
    {
        check_small_grid::<D>(side, false, morton::encode, morton::decode);
    }
}

#[test]
fn morton_visits_small_grids() {
    in_all_dimensions!(check_small_morton());
}

fn check_small_peano<const D: usize>() {
    for side in [3, 9, 27, 81]
        .into_iter()
        .filter(|side: &u16| u128::from(*side).pow(D as u32) <= 177_147)
    {
        check_small_grid::<D>(side, true, peano::encode, peano::decode);
    }
}

#[test]
fn peano_visits_small_grids_in_unit_steps() {
    in_all_dimensions!(check_small_peano());
}

/// A key that ends in a long run of the highest digit, so that its successor carries far.
fn key_before_long_carry<const D: usize>(curve: Curve, rng: &mut StdRng) -> u128 {
    let radix: u128 = if curve == Curve::Peano { 3 } else { 2 };
    let key_count = curve.key_count::<D>();
    let digits = key_count.ilog(radix);
    let run = radix.pow(rng.random_range(0..digits));
    let key = rng.random_range(0..key_count);
    key - key % run + (run - 1)
}

fn check_unit_steps<const D: usize>(curve: Curve) {
    let mut rng = StdRng::seed_from_u64(D as u64);
    let last = curve.key_count::<D>() - 1;
    for _ in 0..2000 {
        for key in [
            rng.random_range(0..last),
            key_before_long_carry::<D>(curve, &mut rng).min(last - 1),
        ] {
            let (here, next) = (decode::<D>(curve, key), decode::<D>(curve, key + 1));
            assert_eq!(
                distance(&here, &next),
                1,
                "{curve:?} in {D} dimensions after key {key}"
            );
            assert_eq!(encode(curve, &here), key);
            assert_eq!(encode(curve, &next), key + 1);
        }
    }
}

#[test]
fn long_carries_are_unit_steps() {
    for curve in CONTINUOUS {
        in_all_dimensions!(check_unit_steps(curve));
    }
}

fn check_ends<const D: usize>() {
    for curve in CURVES {
        let last = curve.key_count::<D>() - 1;
        let highest = (curve.grid::<D>() - 1) as u16;
        assert_eq!(decode::<D>(curve, 0), [0; D]);
        let end = decode::<D>(curve, last);
        assert_eq!(encode(curve, &end), last);
        match curve {
            // Hilbert's curve ends at the corner next to its start, along dimension D-1.
            Curve::Hilbert => {
                let mut corner = [0; D];
                corner[D - 1] = highest;
                assert_eq!(end, corner);
            }
            Curve::Morton | Curve::Peano => assert_eq!(end, [highest; D]),
        }
    }
}

#[test]
fn curves_start_and_end_at_corners() {
    in_all_dimensions!(check_ends());
}

fn check_batch<const D: usize>() {
    let mut rng = StdRng::seed_from_u64(100 + D as u64);
    for curve in CURVES {
        let grid = curve.grid::<D>() as u16;
        for count in [0, 1, 31, 32, 33, 64, 1000] {
            let points: Vec<[u16; D]> = (0..count)
                .map(|_| std::array::from_fn(|_| rng.random_range(0..grid)))
                .collect();
            let mut keys = vec![u128::MAX; count];
            encode_batch(curve, &points, &mut keys);
            let single: Vec<u128> = points.iter().map(|point| encode(curve, point)).collect();
            assert_eq!(keys, single, "{curve:?} in {D} dimensions, {count} points");
        }
    }
}

#[test]
fn batch_equals_single() {
    in_all_dimensions!(check_batch());
}

fn check_round_trip<const D: usize>(raw: &[u16; 11]) {
    for curve in CURVES {
        let point: [u16; D] =
            std::array::from_fn(|d| (u32::from(raw[d]) % curve.grid::<D>()) as u16);
        assert_eq!(decode(curve, encode(curve, &point)), point);
    }
}

fn check_key_round_trip<const D: usize>(raw: u128) {
    for curve in CURVES {
        let key = raw % curve.key_count::<D>();
        assert_eq!(encode::<D>(curve, &decode(curve, key)), key);
    }
}

proptest! {
    #[test]
    fn points_survive_the_round_trip(raw in uniform::<_, 11>(any::<u16>())) {
        in_all_dimensions!(check_round_trip(&raw));
    }

    #[test]
    fn keys_survive_the_round_trip(raw in any::<u128>()) {
        in_all_dimensions!(check_key_round_trip(raw));
    }
}

/// lindel orders all bits of a u16 in up to eight dimensions, of a u8 beyond.
macro_rules! morton_equals_lindel {
    ($rng:ident, $component:ty, $highest:expr, $($dimensions:literal)*) => {$(
        for _ in 0..1000 {
            let point: [$component; $dimensions] =
                std::array::from_fn(|_| $rng.random_range(0..=$highest));
            let expected: u128 = lindel::morton_encode(point).into();
            assert_eq!(encode(Curve::Morton, &point.map(u16::from)), expected, "{point:?}");
        }
    )*};
}

#[test]
fn morton_agrees_with_lindel() {
    let mut rng = StdRng::seed_from_u64(1);
    morton_equals_lindel!(rng, u16, 16383, 2 3 4 5 6 7 8);
    morton_equals_lindel!(rng, u8, u8::MAX, 9 10 11);
}

/// One of the eight symmetries of a square.
fn turned([x, y]: [u16; 2], side: u16, symmetry: u8) -> [u16; 2] {
    let x = if symmetry & 1 == 0 { x } else { side - 1 - x };
    let y = if symmetry & 2 == 0 { y } else { side - 1 - y };
    if symmetry & 4 == 0 { [x, y] } else { [y, x] }
}

#[test]
fn hilbert_in_two_dimensions_is_the_known_curve() {
    for levels in 1..=7 {
        let side = 1u16 << levels;
        let matching = (0..8).filter(|symmetry| {
            all_points::<2>(side).all(|point| {
                let [x, y] = turned(point, side, *symmetry).map(usize::from);
                let expected = hilbert_curve::convert_2d_to_1d(x, y, usize::from(side));
                hilbert::encode(&point, levels) == expected as u128
            })
        });
        assert_eq!(matching.count(), 1, "{levels} levels");
    }
}

/// The curve as the paper writes it: one level at a time, corner and direction in full.
fn hilbert_by_the_paper<const D: usize>(point: &[u16; D]) -> u128 {
    let rotate = |x: u32, by: u32| (x << by | x >> (D as u32 - by)) & ((1 << D) - 1);
    let gray = |w: u32| w ^ w >> 1;
    let (mut entry, mut direction, mut key) = (0, 0, 0);
    for level in (0..bits::<D>()).rev() {
        let label = point
            .iter()
            .fold(0, |label, c| label << 1 | u32::from(c >> level & 1));
        let rotation = (direction + 1) % D as u32;
        let t = rotate(label ^ entry, (D as u32 - rotation) % D as u32);
        let w = (0..1 << D).find(|w| gray(*w) == t).unwrap();
        key = key << D | u128::from(w);
        let child_entry = if w == 0 { 0 } else { gray(2 * ((w - 1) / 2)) };
        let child_direction = match w {
            0 => 0,
            w if w % 2 == 0 => (w - 1).trailing_ones(),
            w => w.trailing_ones(),
        };
        entry ^= rotate(child_entry, rotation);
        direction = (direction + child_direction + 1) % D as u32;
    }
    key
}

fn check_against_the_paper<const D: usize>() {
    let mut rng = StdRng::seed_from_u64(200 + D as u64);
    for _ in 0..100 {
        let point = std::array::from_fn(|_| rng.random_range(0..1 << bits::<D>()));
        assert_eq!(
            encode::<D>(Curve::Hilbert, &point),
            hilbert_by_the_paper(&point)
        );
    }
}

#[test]
fn hilbert_is_the_curve_of_the_paper() {
    in_all_dimensions!(check_against_the_paper());
}

/// Peano's rule digit by digit.
fn peano_by_the_rule<const D: usize>(point: &[u16; D]) -> u128 {
    let mut sums = [0; D];
    let mut key = 0;
    for level in (0..trits::<D>()).rev() {
        for d in 0..D {
            let digit = u32::from(point[d]) / 3u32.pow(level) % 3;
            let of_others = sums.iter().sum::<u32>() - sums[d];
            let reflected = if of_others % 2 == 0 { digit } else { 2 - digit };
            key = key * 3 + u128::from(reflected);
            sums[d] += reflected;
        }
    }
    key
}

fn check_against_the_rule<const D: usize>() {
    let mut rng = StdRng::seed_from_u64(300 + D as u64);
    for _ in 0..500 {
        let grid = Curve::Peano.grid::<D>() as u16;
        let point = std::array::from_fn(|_| rng.random_range(0..grid));
        assert_eq!(encode::<D>(Curve::Peano, &point), peano_by_the_rule(&point));
    }
}

#[test]
fn peano_follows_his_rule() {
    in_all_dimensions!(check_against_the_rule());
}

/// Sorted files depend on these: a change here is a change of the file format.
#[test]
fn keys_do_not_change() {
    let point = [1, 2, 3, 500, 1000, 2000, 4000, 5000, 6000];
    let check = |curve, expected: u128| assert_eq!(encode(curve, &point), expected, "{curve:?}");
    check(
        Curve::Hilbert,
        83_238_688_700_032_656_211_574_119_829_832_958,
    );
    check(Curve::Morton, 976_107_130_647_730_131_378_423_317_233_984);
    check(Curve::Peano, 11_439_450_581_598_149_926_438_636_965_816);
}

#[test]
fn grids() {
    let check = |(grid, expected): (u32, u32)| assert_eq!(grid, expected);
    check((Curve::Hilbert.grid::<2>(), 16384));
    check((Curve::Hilbert.grid::<9>(), 16384));
    check((Curve::Morton.grid::<10>(), 4096));
    check((Curve::Morton.grid::<11>(), 2048));
    check((Curve::Peano.grid::<2>(), 6561));
    check((Curve::Peano.grid::<10>(), 6561));
    check((Curve::Peano.grid::<11>(), 2187));
}

#[test]
fn ranks_spread_over_the_grid() {
    let check = |rank, count, expected| {
        assert_eq!(
            cell_of_rank::<9>(Curve::Morton, rank, count),
            expected,
            "{rank} of {count}"
        );
    };
    check(0, 1, 0);
    check(0, 2, 0);
    check(1, 2, 8192);
    check(16383, 16384, 16383);
    check(1, 32768, 0);
    check(2, 32768, 1);
    check(u64::MAX - 1, u64::MAX, 16383);
    assert_eq!(cell_of_rank::<9>(Curve::Peano, 2, 3), 4374);
}

#[test]
#[should_panic(expected = "component 16384 is outside the grid of 16384 cells")]
fn point_outside_the_grid() {
    let _ = encode(Curve::Hilbert, &[0, 16384]);
}

#[test]
#[should_panic(expected = "component 6561 is outside the grid of 6561 cells")]
fn point_outside_the_grid_in_a_batch() {
    encode_batch(Curve::Peano, &[[0, 0], [6561, 0]], &mut [0, 0]);
}

#[test]
#[should_panic(expected = "as many keys as points")]
fn batch_of_unequal_lengths() {
    encode_batch(Curve::Morton, &[[0, 0]], &mut []);
}

#[test]
#[should_panic(expected = "no point of the Peano curve")]
fn key_out_of_range() {
    let _ = decode::<9>(Curve::Peano, 3u128.pow(72));
}

#[test]
#[should_panic(expected = "rank 3 is not below the number of ranks 3")]
fn rank_out_of_range() {
    let _ = cell_of_rank::<9>(Curve::Hilbert, 3, 3);
}
