//! Regions and nearest searches over parts of many blocks, against a map; and every specification of
//! lanes in pieces.
//!
//! The model's test reaches parts of a few scrolls; here parts have dozens of blocks and postings, so
//! that zone maps prune, posting lists are chosen, and limits cut searches short. Data sets differ in
//! what they make worthwhile. Every answer must equal a scan of the map, whatever the order of the
//! part, with scrolls overwritten, deleted, in memory and hidden.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::coordinate::{Coordinate, MAX_COMPONENT};
use phext_storage::page_table::{
    Constraint, Lane, LaneSpec, Location, Metric, Nearest, Region, ScanFigures, Span, Weights,
};
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use support::{lanes, open, small};

type Scrolls = BTreeMap<Coordinate, Vec<u8>>;

/// A data set: components by dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    /// Every dimension has the same range, so that codes need two bytes and are consecutive.
    Uniform,
    /// Few values per dimension, in no order: what postings are for.
    Strewn,
    /// A tree: the first dimensions few, the last many, with gaps between components.
    Tree,
    /// One dimension of more than 65,536 components, and some that do not vary.
    Wide,
    /// Popular components and rare ones, in two dimensions far apart and in no order.
    Skewed,
}

const DATA: [Data; 5] = [
    Data::Uniform,
    Data::Strewn,
    Data::Tree,
    Data::Wide,
    Data::Skewed,
];

impl Data {
    fn components(self, random: &mut StdRng) -> [u32; 9] {
        match self {
            Data::Uniform => std::array::from_fn(|_| random.random_range(1..=400)),
            Data::Strewn => {
                let tail = random.random_range(1..=5000);
                let mut of = |most: u32| random.random_range(1..=most);
                [of(3), of(40), 1, of(16), of(7), 1, of(90), of(2), tail]
            }
            Data::Tree => {
                let mut of = |most: u32, step: u32| 1 + random.random_range(0..most) * step;
                [
                    of(2, 1),
                    of(3, 1000),
                    1,
                    of(5, 7),
                    of(4, 1),
                    of(3, 500_000_000),
                    of(20, 3),
                    1,
                    of(60, 2),
                ]
            }
            Data::Wide => {
                let wide = random.random_range(1..=MAX_COMPONENT);
                let near = random.random_range(1..=200_000);
                [1, 1, wide, 7, 1, 1, near, 1, random.random_range(1..=3)]
            }
            Data::Skewed => {
                let mut skewed = |most: f64| most.powf(random.random()) as u32;
                let far = |rank: u32| 1 + rank.wrapping_mul(0x9e37_79b1) % 1_000_000;
                let (topic, entity) = (far(skewed(800.0)), far(skewed(4000.0)));
                let (tenant, kind) = (skewed(64.0), skewed(12.0));
                let session = random.random_range(1..=934);
                let day = session * 3 / 4 + random.random_range(1..=3);
                let turn = random.random_range(1..=30);
                [tenant, 1, session, day, kind, topic, entity, turn, 1]
            }
        }
    }

    fn coordinates(self, count: usize, random: &mut StdRng) -> Vec<Coordinate> {
        let coordinate = |_| Coordinate::new(self.components(random)).unwrap();
        (0..count).map(coordinate).collect()
    }
}

/// A store and what it should hold.
struct Fixture {
    store: Store,
    scrolls: Scrolls,
}

impl Fixture {
    /// Two parts, of which many slots are shadowed, and scrolls in memory over and beside them.
    fn new(data: Data, order: &str, count: usize, random: &mut StdRng) -> Fixture {
        let options = Options {
            order: order.parse().unwrap(),
            memtable_bytes: 1 << 30,
            ..small()
        };
        let store = open(&MemoryVfs::new(), options).unwrap();
        let mut fixture = Fixture {
            store,
            scrolls: Scrolls::new(),
        };
        let coordinates = data.coordinates(count, random);
        fixture.put(&coordinates, "first");
        fixture.store.seal().unwrap();
        let again = |step: usize| -> Vec<Coordinate> {
            coordinates.iter().step_by(step).copied().collect()
        };
        fixture.put(&again(7), "second");
        fixture.put(&data.coordinates(count / 3, random), "second");
        fixture.store.seal().unwrap();
        fixture.put(&again(31), "third");
        fixture.put(&data.coordinates(50, random), "third");
        fixture.delete(&again(11));
        fixture
    }

    fn put(&mut self, coordinates: &[Coordinate], text: &str) {
        let puts = coordinates.iter().map(|&c| support::put(c, text)).collect();
        self.store.commit(support::batch("z", puts)).unwrap();
        let entries = coordinates.iter().map(|&c| (c, text.as_bytes().to_vec()));
        self.scrolls.extend(entries);
    }

    fn delete(&mut self, coordinates: &[Coordinate]) {
        let deletes = coordinates.iter().map(|&c| support::delete(c)).collect();
        self.store.commit(support::batch("z", deletes)).unwrap();
        coordinates
            .iter()
            .for_each(|c| drop(self.scrolls.remove(c)));
    }

    /// Checks a specification; gives what its scan did and how many lanes it has.
    fn check(&self, spec: &LaneSpec) -> (ScanFigures, usize) {
        let snapshot = self.store.snapshot();
        let phext = snapshot.phext("z").unwrap();
        let before = phext.counters().read();
        let found = read(&lanes(phext, spec).unwrap());
        let expected = expected(&self.scrolls, spec);
        assert!(found == expected, "{spec:?}:\n{found:?}\n{expected:?}");
        check_estimate(phext, spec, found.len() as u64);
        let figures = since(&before, &phext.counters().read());
        check_expected_texts(phext, spec, &found);
        check_pieces(phext, spec, &found);
        (figures, found.len())
    }
}

/// The lanes with their texts.
fn read(lanes: &[Lane<'_>]) -> Vec<(Coordinate, Vec<u8>)> {
    let text = |lane: &Lane<'_>| lane.location.text().unwrap().to_vec();
    lanes
        .iter()
        .map(|lane| (lane.coordinate, text(lane)))
        .collect()
}

/// Whenever a cursor is told that texts are wanted, it gives the same lanes.
fn check_expected_texts(phext: &Phext, spec: &LaneSpec, whole: &[(Coordinate, Vec<u8>)]) {
    for told_after in [0, 1, 20] {
        let mut cursor = phext.lanes(spec).unwrap();
        let mut found = Vec::new();
        cursor.next_batch(&mut found, told_after).unwrap();
        cursor.expect_texts();
        cursor.next_batch(&mut found, usize::MAX >> 1).unwrap();
        assert!(read(&found) == whole, "told after {told_after}: {spec:?}");
    }
}

fn check_estimate(phext: &Phext, spec: &LaneSpec, lanes: u64) {
    let estimate = phext.estimate_lanes(spec, u64::MAX >> 1).unwrap();
    assert!(
        estimate >= lanes,
        "{estimate} estimated, {lanes} found: {spec:?}"
    );
    assert_eq!(phext.estimate_lanes(spec, 3).unwrap(), estimate.min(3));
}

/// The pieces of a specification, of several sizes, are together the whole.
fn check_pieces(phext: &Phext, spec: &LaneSpec, whole: &[(Coordinate, Vec<u8>)]) {
    for (size, most) in [(1 << 40, 100), (1000, 1000), (1, 17)] {
        let split = phext.split(spec, size, most).unwrap();
        assert!((1..=most).contains(&split.len()), "{spec:?}");
        let mut joined = Vec::new();
        for piece in 0..split.len() {
            let mut cursor = phext.piece(spec, &split, piece).unwrap();
            let mut lanes = Vec::new();
            while {
                let before = lanes.len();
                cursor.next_batch(&mut lanes, 100).unwrap();
                lanes.len() > before
            } {}
            joined.extend(read(&lanes));
        }
        assert!(
            joined == whole,
            "pieces of {size}, at most {most}: {spec:?}"
        );
    }
}

fn since(before: &ScanFigures, now: &ScanFigures) -> ScanFigures {
    let mut figures = *now;
    figures.scans -= before.scans;
    figures.blocks_considered -= before.blocks_considered;
    figures.blocks_pruned -= before.blocks_pruned;
    figures.blocks_verified -= before.blocks_verified;
    figures.postings_used -= before.postings_used;
    for (figure, before) in figures.hot_dimensions.iter_mut().zip(before.hot_dimensions) {
        *figure -= before;
    }
    figures
}

fn expected(scrolls: &Scrolls, spec: &LaneSpec) -> Vec<(Coordinate, Vec<u8>)> {
    let all = scrolls.iter().map(|(c, text)| (*c, text.clone()));
    match spec {
        LaneSpec::Region(region) => all.filter(|(c, _)| region.matches(c)).collect(),
        LaneSpec::Nearest(nearest) => {
            let distance = |c: &Coordinate| nearest.metric.distance(&nearest.to, c);
            let radius = nearest.radius.unwrap_or(u64::MAX);
            let mut lanes: Vec<_> = all.filter(|(c, _)| distance(c) <= radius).collect();
            lanes.sort_by_key(|(c, _)| (distance(c), *c));
            lanes.truncate(nearest.count as usize);
            lanes
        }
        LaneSpec::All => all.collect(),
        LaneSpec::Range { from, to } => all.filter(|(c, _)| from <= c && c <= to).collect(),
        LaneSpec::Points(points) => {
            let text = |c: &Coordinate| scrolls.get(c).cloned().unwrap_or_default();
            points.iter().map(|c| (*c, text(c))).collect()
        }
        LaneSpec::Union { from, to, points } => {
            let range = all.filter(|(c, _)| from <= c && c <= to);
            let text = |c: &Coordinate| scrolls.get(c).cloned().unwrap_or_default();
            let points = points.iter().map(|c| (*c, text(c)));
            range
                .chain(points)
                .collect::<Scrolls>()
                .into_iter()
                .collect()
        }
    }
}

/// A component near one that occurs.
fn around(component: u32, random: &mut StdRng) -> u32 {
    let step = random.random_range(0..=4);
    (component + step)
        .saturating_sub(random.random_range(0..=4))
        .clamp(1, MAX_COMPONENT)
}

fn constraint(component: u32, random: &mut StdRng) -> Constraint {
    match random.random_range(0..8) {
        0..=3 => Constraint::FREE,
        4 => Constraint::equal(component).unwrap(),
        5 => {
            let reach = random.random_range(0..=component.max(3));
            let (low, high) = (
                component.saturating_sub(reach),
                component.saturating_add(reach),
            );
            Constraint::range(low.max(1), high.min(MAX_COMPONENT)).unwrap()
        }
        6 => {
            let low = around(component, random);
            Constraint::range(low, low.saturating_add(9).min(MAX_COMPONENT)).unwrap()
        }
        _ => {
            let mut ends = [
                component,
                around(component, random),
                around(component, random),
            ];
            ends.sort_unstable();
            let mut spans: Vec<Span> = ends.map(|c| Span { low: c, high: c }).to_vec();
            spans.dedup();
            Constraint::new(spans).unwrap()
        }
    }
}

/// A region around a coordinate that occurs.
fn region(near: &Coordinate, random: &mut StdRng) -> Region {
    Region::new(
        near.components()
            .map(|component| constraint(component, random)),
    )
}

fn nearest(near: &Coordinate, random: &mut StdRng) -> Nearest {
    let to = near
        .components()
        .map(|component| match random.random_range(0..3) {
            0 => component,
            1 => around(component, random),
            _ => random.random_range(1..=component.saturating_add(50).min(MAX_COMPONENT)),
        });
    let metric = match random.random_range(0..3) {
        0 => Metric::Chebyshev,
        1 => Metric::Manhattan,
        _ => {
            let mut weights = [0; 9].map(|_: u32| random.random_range(0..5));
            weights[random.random_range(0..9)] = 1_000_000;
            Metric::Weighted(Weights::new(weights).unwrap())
        }
    };
    Nearest {
        to: Coordinate::new(to).unwrap(),
        count: [0, 1, 3, 10, 100, 100_000][random.random_range(0..6)],
        metric,
        radius: match random.random_range(0..3) {
            0 => Some(random.random_range(0..500)),
            _ => None,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn regions_and_nearest_agree_with_a_scan(
        seed in any::<u64>(),
        data in prop::sample::select(DATA.to_vec()),
        order in prop::sample::select(vec![
            "auto", "lexicographic", "hilbert", "morton", "prefix=2,peano",
        ]),
        count in prop::sample::select(vec![0usize, 60, 1000, 12_000, 24_000]),
    ) {
        let random = &mut StdRng::seed_from_u64(seed);
        let fixture = Fixture::new(data, order, count, random);
        let near: Vec<Coordinate> = fixture.scrolls.keys().copied().collect();
        for _ in 0..24 {
            let near = near[random.random_range(0..near.len())];
            fixture.check(&LaneSpec::Region(region(&near, random)));
            fixture.check(&LaneSpec::Nearest(nearest(&near, random)));
        }
    }

    /// What is cut by ranks and by chunks: the pieces too are checked.
    #[test]
    fn ranges_and_points_agree_with_a_scan(
        seed in any::<u64>(),
        data in prop::sample::select(DATA.to_vec()),
        order in prop::sample::select(vec!["lexicographic", "hilbert"]),
        count in prop::sample::select(vec![0usize, 60, 3000]),
    ) {
        let random = &mut StdRng::seed_from_u64(seed);
        let fixture = Fixture::new(data, order, count, random);
        let held: Vec<Coordinate> = fixture.scrolls.keys().copied().collect();
        fixture.check(&LaneSpec::All);
        for _ in 0..6 {
            let mut pick = || held[random.random_range(0..held.len())];
            let (from, to) = (pick(), pick());
            let mut points: Vec<Coordinate> = (0..70).map(|_| pick()).collect();
            points.extend(data.coordinates(70, random));
            fixture.check(&LaneSpec::Points(points.clone()));
            points.sort_unstable();
            points.dedup();
            fixture.check(&LaneSpec::Range { from, to });
            fixture.check(&LaneSpec::Union { from, to, points });
        }
    }
}

/// Pieces have about as many lanes each, also where most scrolls are in memory.
#[test]
fn pieces_are_even() {
    let random = &mut StdRng::seed_from_u64(3);
    let mut fixture = Fixture::new(Data::Skewed, "auto", 20_000, random);
    let even = |fixture: &Fixture| {
        let snapshot = fixture.store.snapshot();
        let phext = snapshot.phext("z").unwrap();
        let split = phext.split(&LaneSpec::All, 1000, 1000).unwrap();
        let lanes = |piece| {
            let mut cursor = phext.piece(&LaneSpec::All, &split, piece).unwrap();
            let mut lanes = Vec::new();
            cursor.next_batch(&mut lanes, usize::MAX >> 1).unwrap();
            lanes.len()
        };
        let most = (0..split.len()).map(lanes).max().unwrap();
        assert!(
            split.len() > 15 && most < 2000,
            "{} pieces, {most} lanes",
            split.len()
        );
    };
    even(&fixture);
    let more = Data::Skewed.coordinates(30_000, random);
    fixture.put(&more, "memory");
    even(&fixture);
}

fn equal(constrained: &[(usize, u32)]) -> LaneSpec {
    let mut constraints = [const { Constraint::FREE }; 9];
    for &(dimension, component) in constrained {
        constraints[dimension] = Constraint::equal(component).unwrap();
    }
    LaneSpec::Region(Region::new(constraints))
}

/// Each way through a part is taken by some region, and the figures say which.
#[test]
fn zone_maps_postings_and_limits_are_used() {
    let random = &mut StdRng::seed_from_u64(20);
    // In coordinate order every block has every chapter, and a zone map rules nothing out.
    let strewn = Fixture::new(Data::Strewn, "lexicographic", 40_000, random);
    let (figures, lanes) = strewn.check(&equal(&[(6, 33)]));
    assert!(lanes > 0);
    assert!(figures.postings_used > 0, "{figures:?}");
    assert_eq!(figures.hot_dimensions, [0, 0, 0, 0, 0, 0, 1, 0, 0]);

    let uniform = Fixture::new(Data::Uniform, "auto", 40_000, random);
    let snapshot = uniform.store.snapshot();
    let mut parts = snapshot.phext("z").unwrap().part_summaries();
    assert!(
        parts.any(|part| part.placement == "k-d leaves" && part.reason.contains("as k-d leaves")),
        "what auto chose is told"
    );
    let mut constraints = [const { Constraint::FREE }; 9];
    for constraint in &mut constraints[2..7] {
        *constraint = Constraint::range(1, 100).unwrap();
    }
    let (figures, lanes) = uniform.check(&LaneSpec::Region(Region::new(constraints)));
    assert!(lanes > 0);
    assert_eq!(figures.postings_used, 0);
    let sum = figures.blocks_pruned + figures.blocks_verified;
    assert_eq!(figures.blocks_considered, sum, "{figures:?}");
    assert!(
        figures.blocks_pruned > figures.blocks_verified,
        "{figures:?}"
    );

    let to = *uniform.scrolls.keys().nth(1000).unwrap();
    let (figures, lanes) = uniform.check(&LaneSpec::Nearest(Nearest {
        to,
        count: 10,
        metric: Metric::Chebyshev,
        radius: None,
    }));
    assert_eq!((lanes, figures.scans), (10, 1));
    assert!(figures.blocks_pruned > 0, "{figures:?}");

    let absent = equal(&[(3, 401)]);
    let (figures, lanes) = uniform.check(&absent);
    assert_eq!(
        (lanes, figures.blocks_verified),
        (0, 0),
        "no code, no block"
    );
}

/// What a cursor reads to make lanes shows in their places.
#[test]
fn coordinates_come_from_beside_texts_that_are_expected() {
    let random = &mut StdRng::seed_from_u64(21);
    let uniform = Fixture::new(Data::Uniform, "auto", 20_000, random);
    let mut constraints = [const { Constraint::FREE }; 9];
    constraints[3] = Constraint::range(1, 100).unwrap();
    constraints[5] = Constraint::range(1, 200).unwrap();
    let region = LaneSpec::Region(Region::new(constraints));
    let snapshot = uniform.store.snapshot();
    let phext = snapshot.phext("z").unwrap();

    let slots = |are_expected: bool| {
        let mut cursor = phext.lanes(&region).unwrap();
        if are_expected {
            cursor.expect_texts();
        }
        let mut found = Vec::new();
        cursor.next_batch(&mut found, usize::MAX >> 1).unwrap();
        let is_of_slot = |lane: &&Lane<'_>| matches!(lane.location, Location::Slot { .. });
        let is_in_memory = |lane: &Lane<'_>| matches!(lane.location, Location::Memory(_));
        let in_parts = found.iter().filter(|lane| !is_in_memory(lane));
        (in_parts.count(), found.iter().filter(is_of_slot).count())
    };
    let (in_parts, slots_without) = slots(false);
    assert!(in_parts > 1000, "{in_parts}");
    assert_eq!(slots_without, in_parts, "no entry was read");
    // The first lane of each part was made before.
    assert_eq!(slots(true), (in_parts, phext.parts()));
}
