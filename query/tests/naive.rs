//! Queries and mutations over random stores against a naive scan of a map.

#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test, in its helpers too"
)]

use bytes::Bytes;
use phext_query::{
    Constraint, Fields, Flow, Metric, Mutation, MutationKind, Nearest, Output, Query, Region,
    Report, ResultRow, Span, Target, Weights, run,
};
use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use phext_storage::curves::Curve;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Order, Phext, Store};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// What a phext holds.
type Model = BTreeMap<Coordinate, Vec<u8>>;

/// A row that outlives its query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct OwnedRow {
    coordinate: Option<Coordinate>,
    text: Option<Vec<u8>>,
    length: Option<u64>,
    checksum: Option<u128>,
    number: Option<u64>,
}

/// What happens to a store.
#[derive(Debug, Clone)]
enum Step {
    Mutate(MutationKind, Vec<(Coordinate, Bytes)>),
    Seal,
    Merge,
}

/// Few coordinates, so that they meet: the first of each is common.
fn coordinate() -> impl Strategy<Value = Coordinate> {
    let component = prop_oneof![
        6 => Just(1_u32),
        2 => 2..4_u32,
        1 => proptest::sample::select(vec![255, 256, 65_536, 20_260_222, MAX_COMPONENT]),
    ];
    proptest::array::uniform9(component).prop_map(|c| Coordinate::new(c).unwrap())
}

fn text() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        1 => Just(String::new()),
        8 => "[a-zé\n]{1,12}",
        1 => "[a-z]{300}",
    ]
    .prop_map(Bytes::from)
}

fn step() -> impl Strategy<Value = Step> {
    use MutationKind::{Delete, Insert, Update};
    let kind = proptest::sample::select(vec![Update, Update, Insert, Delete]);
    prop_oneof![
        5 => (kind, vec((coordinate(), text()), 0..24))
            .prop_map(|(kind, scrolls)| Step::Mutate(kind, scrolls)),
        2 => Just(Step::Seal),
        1 => Just(Step::Merge),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    let curve = proptest::sample::select(vec![Curve::Hilbert, Curve::Morton, Curve::Peano]);
    prop_oneof![
        Just(Order::Auto),
        Just(Order::Lexicographic),
        (0..8_u8, curve).prop_map(|(prefix, curve)| Order::Curve { prefix, curve }),
    ]
}

/// Prefixes of coordinates that occur, of none to nine components, and some that no coordinate has.
fn prefix() -> impl Strategy<Value = Vec<u32>> {
    let bad = proptest::sample::select(vec![0, MAX_COMPONENT + 1, u32::MAX]);
    let length = 0..=DIMENSIONS;
    (coordinate(), length, option::weighted(0.1, bad)).prop_map(|(coordinate, length, bad)| {
        let mut components = coordinate.components()[..length].to_vec();
        if let (Some(last), Some(bad)) = (components.last_mut(), bad) {
            *last = bad;
        }
        components
    })
}

fn points() -> impl Strategy<Value = Vec<Coordinate>> {
    // Duplicates are wanted.
    vec(coordinate(), 0..12).prop_flat_map(|points| {
        let again = proptest::sample::subsequence(points.clone(), 0..=points.len());
        again.prop_map(move |again| [points.clone(), again].concat())
    })
}

/// Boxed: nine of them, inlined, are more than a stack holds.
fn constraint() -> BoxedStrategy<Constraint> {
    let component = || {
        let odd = vec![2, 3, 4, 255, 256, 257, 65_536, 20_260_222, MAX_COMPONENT];
        prop_oneof![3 => Just(1_u32), 2 => proptest::sample::select(odd)]
    };
    let set = proptest::collection::btree_set(component(), 1..4).prop_map(|set| {
        let span = |component| Span {
            low: component,
            high: component,
        };
        Constraint::new(set.into_iter().map(span).collect()).unwrap()
    });
    let range = (component(), component())
        .prop_map(|(a, b)| Constraint::range(a.min(b), a.max(b)).unwrap());
    prop_oneof![
        5 => Just(Constraint::FREE),
        2 => component().prop_map(|c| Constraint::equal(c).unwrap()),
        2 => range,
        1 => set,
    ]
    .boxed()
}

fn nearest() -> impl Strategy<Value = Nearest> {
    let weights = proptest::array::uniform9(prop_oneof![Just(0), Just(1), 0..1_000_000_u32])
        .prop_map(|weights| Metric::Weighted(Weights::new(weights).unwrap()));
    let metric = prop_oneof![Just(Metric::Chebyshev), Just(Metric::Manhattan), weights];
    let radius = option::weighted(0.4, prop_oneof![0..5_u64, 0..1_u64 << 33]);
    let parts = (coordinate(), 0..12_u32, metric, radius);
    parts.prop_map(|(to, count, metric, radius)| Nearest {
        to,
        count,
        metric,
        radius,
    })
}

fn target() -> impl Strategy<Value = Target> {
    let ends = || (coordinate(), coordinate(), any::<bool>());
    // Mostly ranges that hold something; those that end before they begin too.
    let ordered = |from: Coordinate, to: Coordinate, swap: bool| match swap {
        true if from > to => (from, to),
        _ => (from.min(to), from.max(to)),
    };
    prop_oneof![
        Just(Target::All),
        ends().prop_map(move |(from, to, swap)| {
            let (from, to) = ordered(from, to, swap);
            Target::Range { from, to }
        }),
        prefix().prop_map(Target::Prefix),
        points().prop_map(Target::Points),
        (ends(), points()).prop_map(move |((from, to, swap), points)| {
            let (from, to) = ordered(from, to, swap);
            Target::Union { from, to, points }
        }),
        proptest::array::uniform9(constraint()).prop_map(|c| Target::Region(Region::new(c))),
        nearest().prop_map(Target::Nearest),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let fields =
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(text, length, checksum)| Fields {
            text,
            length,
            checksum,
        });
    let output = prop_oneof![
        4 => fields.prop_map(Output::Rows),
        1 => Just(Output::Count),
        1 => Just(Output::TextBytes),
    ];
    let limit = option::of(prop_oneof![Just(0), 1..20_u64, Just(u64::MAX)]);
    (target(), output, limit).prop_map(|(target, output, limit)| Query {
        target,
        output,
        limit,
    })
}

/// The coordinates that get a row, in order.
fn naive_lanes(target: &Target, model: &Model) -> Vec<Coordinate> {
    let scrolls = |wanted: &dyn Fn(&Coordinate) -> bool| {
        let keys = model.keys().filter(|coordinate| wanted(coordinate));
        keys.copied().collect::<BTreeSet<_>>()
    };
    let ascending = match target {
        Target::All => scrolls(&|_| true),
        Target::Range { from, to } => scrolls(&|c| from <= c && c <= to),
        Target::Prefix(prefix) => scrolls(&|c| c.components().starts_with(prefix)),
        Target::Points(points) => points.iter().copied().collect(),
        Target::Union { from, to, points } => {
            let mut all = scrolls(&|c| from <= c && c <= to);
            all.extend(points);
            all
        }
        Target::Region(region) => scrolls(&|c| region.matches(c)),
        Target::Nearest(nearest) => return naive_nearest(nearest, model),
    };
    ascending.into_iter().collect()
}

fn naive_nearest(nearest: &Nearest, model: &Model) -> Vec<Coordinate> {
    let distance = |c: &Coordinate| nearest.metric.distance(&nearest.to, c);
    let near = |c: &&Coordinate| distance(c) <= nearest.radius.unwrap_or(u64::MAX);
    let mut lanes: Vec<Coordinate> = model.keys().filter(near).copied().collect();
    lanes.sort_by_key(|c| (distance(c), *c));
    lanes.truncate(nearest.count as usize);
    lanes
}

fn naive(query: &Query, model: &Model) -> Vec<OwnedRow> {
    let lanes = naive_lanes(&query.target, model);
    let texts = lanes.iter().filter_map(|coordinate| model.get(coordinate));
    let number = |number: usize| OwnedRow {
        number: Some(number as u64),
        ..OwnedRow::default()
    };
    let mut rows = match query.output {
        Output::Count => vec![number(texts.count())],
        Output::TextBytes => vec![number(texts.map(Vec::len).sum())],
        Output::Rows(fields) => lanes
            .iter()
            .map(|coordinate| naive_row(*coordinate, fields, model.get(coordinate)))
            .collect(),
    };
    let limit = query.limit.unwrap_or(u64::MAX);
    rows.truncate(usize::try_from(limit).unwrap());
    rows
}

fn naive_row(coordinate: Coordinate, fields: Fields, text: Option<&Vec<u8>>) -> OwnedRow {
    let length = text.map_or(0, Vec::len) as u64;
    let checksum = text.map_or(0, |text| xxh3_128(text));
    OwnedRow {
        coordinate: Some(coordinate),
        text: text.filter(|_| fields.text).cloned(),
        length: fields.length.then_some(length),
        checksum: fields.checksum.then_some(checksum),
        number: None,
    }
}

fn ask(query: &Query, phext: &Phext) -> (Vec<OwnedRow>, Report) {
    let mut rows = Vec::new();
    let mut sink = |row: &ResultRow<'_>| {
        rows.push(OwnedRow {
            coordinate: row.coordinate,
            text: row.text.map(<[u8]>::to_vec),
            length: row.length,
            checksum: row.checksum,
            number: row.number,
        });
        Ok(Flow::Continue)
    };
    let report = run(query, phext, &mut sink).unwrap();
    (rows, report)
}

/// A store in memory and what it should hold.
struct Fixture {
    store: Store,
    model: Model,
}

impl Fixture {
    fn new(order: Order) -> Fixture {
        let options = Options {
            order,
            background: false,
            ..Options::default()
        };
        let store = Store::open_with(Arc::new(MemoryVfs::default()), Path::new("/data"), options);
        Fixture {
            store: store.unwrap(),
            model: Model::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Seal => self.store.seal().unwrap(),
            Step::Merge => self.store.merge().unwrap(),
            Step::Mutate(kind, scrolls) => self.mutate(kind, scrolls),
        }
    }

    /// Commits a mutation, whose lengths before must be those of the model at its turn.
    fn mutate(&mut self, kind: MutationKind, scrolls: Vec<(Coordinate, Bytes)>) {
        let expected: Vec<_> = scrolls
            .iter()
            .map(|(coordinate, text)| self.apply(kind, *coordinate, text))
            .collect();
        let phext = "notes".to_owned();
        let mutation = Mutation {
            phext,
            kind,
            scrolls,
        };
        let batch = mutation.into_batch().unwrap();
        assert_eq!(batch.phext, "notes");
        let commit = self.store.commit(batch).unwrap();
        assert_eq!(commit.previous_lengths, expected);
    }

    /// A change of the model. Gives the length of what was there.
    fn apply(&mut self, kind: MutationKind, coordinate: Coordinate, text: &[u8]) -> Option<u64> {
        let before = self.model.remove(&coordinate);
        let length = before.as_ref().map(|text| text.len() as u64);
        let after = match kind {
            MutationKind::Update => text.to_vec(),
            MutationKind::Insert => [&before.unwrap_or_default(), text].concat(),
            MutationKind::Delete => Vec::new(),
        };
        if !after.is_empty() {
            self.model.insert(coordinate, after);
        }
        length
    }

    fn check(&self, query: &Query) {
        let snapshot = self.store.snapshot();
        let phext = snapshot
            .phext("notes")
            .map_or(Phext::empty(), |phext| phext);
        let (rows, report) = ask(query, phext);
        assert_eq!(rows, naive(query, &self.model), "{query:?}");
        assert_eq!(report.rows, rows.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// 2000 stores with a dozen queries each.
    #[test]
    fn queries_answer_as_a_naive_scan(
        order in order(),
        steps in vec(step(), 1..12),
        queries in vec(query(), 12),
    ) {
        let mut fixture = Fixture::new(order);
        for step in steps {
            fixture.take(step);
        }
        for query in &queries {
            fixture.check(query);
        }
    }
}

/// The canary of the test above: stores and queries that never meet would prove nothing.
#[test]
fn stores_and_queries_meet() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut answered, mut absent, mut parts) = (0, 0, 0);
    for _ in 0..100 {
        let steps = vec(step(), 1..12).new_tree(&mut runner).unwrap().current();
        let query = query().new_tree(&mut runner).unwrap().current();
        let mut fixture = Fixture::new(Order::Auto);
        steps.into_iter().for_each(|step| fixture.take(step));
        let snapshot = fixture.store.snapshot();
        let phext = snapshot.phext("notes");
        parts += usize::from(phext.is_some_and(|phext| phext.parts() > 1));
        let lanes = naive_lanes(&query.target, &fixture.model);
        let present = lanes
            .iter()
            .filter(|c| fixture.model.contains_key(c))
            .count();
        answered += usize::from(present > 0);
        absent += usize::from(present < lanes.len());
    }
    assert!(answered > 40, "{answered} of 100 queries find a scroll");
    assert!(absent > 10, "{absent} of 100 queries name absent scrolls");
    assert!(parts > 10, "{parts} of 100 phexts have several parts");
}

fn point(scroll: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap()
}

#[test]
fn items_of_a_mutation_keep_their_order() {
    let check = |kind, texts: &[&'static str], expected: &str| {
        let mut fixture = Fixture::new(Order::Auto);
        fixture.mutate(MutationKind::Update, vec![(point(1), Bytes::from("old "))]);
        let item = |&text: &&'static str| (point(1), Bytes::from(text));
        fixture.mutate(kind, texts.iter().map(item).collect());
        let found = fixture.model.get(&point(1)).cloned().unwrap_or_default();
        assert_eq!(String::from_utf8(found).unwrap(), expected);
        fixture.check(&Query::point(point(1)));
    };
    check(MutationKind::Update, &["a", "b"], "b");
    check(MutationKind::Update, &["a", ""], "");
    check(MutationKind::Update, &["", "a"], "a");
    check(MutationKind::Insert, &["a", "b", "", "c"], "old abc");
    check(MutationKind::Delete, &["", ""], "");
}

#[test]
fn answers_longer_than_a_batch() {
    let mut fixture = Fixture::new(Order::Auto);
    let scrolls = |numbers: &mut dyn Iterator<Item = u32>| -> Vec<_> {
        let scroll = |n: u32| (point(n), Bytes::from(n.to_string()));
        numbers.map(scroll).collect()
    };
    fixture.mutate(MutationKind::Update, scrolls(&mut (1..=3000).rev()));
    fixture.take(Step::Seal);
    fixture.mutate(MutationKind::Insert, scrolls(&mut (1..=3000).step_by(3)));
    let points = || (1..6000).step_by(2).map(point).collect();
    let (from, to) = (point(500), point(2500));
    let check = |target: Target, output, batches| {
        for limit in [None, Some(1), Some(1024), Some(1025), Some(10_000)] {
            let target = target.clone();
            let query = Query {
                target,
                output,
                limit,
            };
            fixture.check(&query);
            if limit.is_none() {
                let snapshot = fixture.store.snapshot();
                let (_, report) = ask(&query, snapshot.phext("notes").unwrap());
                assert_eq!(report.batches, batches, "{query:?}");
            }
        }
    };
    for output in [
        Output::Rows(Fields::TEXT),
        Output::Rows(Fields::LENGTH),
        Output::Rows(Fields::default()),
        Output::Count,
        Output::TextBytes,
    ] {
        check(Target::All, output, 3);
        check(Target::Range { from, to }, output, 2);
        check(Target::Prefix(vec![1; 8]), output, 3);
        check(Target::Prefix(vec![2]), output, 0);
        check(Target::Points(points()), output, 3);
        let points = points();
        check(Target::Union { from, to, points }, output, 4);
    }
}

#[test]
fn a_limit_reads_no_further() {
    let check = |limit, lanes, rows| {
        let mut fixture = Fixture::new(Order::Auto);
        let scrolls = (1..=3000).map(|n| (point(n), Bytes::from("text")));
        fixture.mutate(MutationKind::Update, scrolls.collect());
        let query = Query {
            limit: Some(limit),
            ..Query::all(Fields::TEXT)
        };
        let snapshot = fixture.store.snapshot();
        let (_, report) = ask(&query, snapshot.phext("notes").unwrap());
        assert_eq!((report.lanes, report.rows), (lanes, rows), "{limit}");
    };
    check(0, 0, 0);
    check(1, 1, 1);
    check(100, 100, 100);
    check(1024, 1024, 1024);
    check(1025, 2048, 1025);
    check(9999, 3000, 3000);
}
