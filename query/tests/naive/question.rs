//! Random queries over all of the model.

use crate::store::coordinate;
use phext_query::{
    Constraint, Fields, Filter, Metric, Nearest, OptimizationTier, Order, OrderKey, Output, Query,
    Region, Slice, Span, TallyKey, Target, Weights, Within,
};
use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

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
        14 => Just(Constraint::FREE),
        2 => component().prop_map(|c| Constraint::equal(c).unwrap()),
        2 => range,
        1 => set,
    ]
    .boxed()
}

fn region() -> impl Strategy<Value = Region> {
    proptest::array::uniform9(constraint()).prop_map(Region::new)
}

fn nearest() -> impl Strategy<Value = Nearest> {
    let weights = proptest::array::uniform9(prop_oneof![Just(0), Just(1), 0..1_000_000_u32])
        .prop_map(|weights| Metric::Weighted(Weights::new(weights).unwrap()));
    let metric = prop_oneof![Just(Metric::Chebyshev), Just(Metric::Manhattan), weights];
    let radius = option::weighted(0.4, prop_oneof![0..5_u64, 0..1_u64 << 33]);
    let count = prop_oneof![8 => 0..12_u32, 1 => Just(u32::MAX)];
    let parts = (coordinate(), count, metric, radius);
    parts.prop_map(|(to, count, metric, radius)| Nearest {
        to,
        count,
        metric,
        radius,
    })
}

/// Mostly ranges that hold something; those that end before they begin too.
fn range() -> impl Strategy<Value = (Coordinate, Coordinate)> {
    (coordinate(), coordinate(), any::<bool>()).prop_map(|(from, to, swap)| match swap {
        true if from > to => (from, to),
        _ => (from.min(to), from.max(to)),
    })
}

pub(crate) fn target() -> BoxedStrategy<Target> {
    prop_oneof![
        3 => Just(Target::All),
        2 => range().prop_map(|(from, to)| Target::Range { from, to }),
        1 => prefix().prop_map(Target::Prefix),
        1 => coordinate().prop_map(Target::Point),
        2 => points().prop_map(Target::Points),
        2 => (range(), points())
            .prop_map(|((from, to), points)| Target::Union { from, to, points }),
        2 => region().prop_map(Target::Region),
        3 => nearest().prop_map(Target::Nearest),
    ]
    .boxed()
}

fn within() -> impl Strategy<Value = Vec<Within>> {
    let one = prop_oneof![
        range().prop_map(|(from, to)| Within::Range { from, to }),
        region().prop_map(Within::Region),
    ];
    prop_oneof![3 => Just(Vec::new()), 2 => vec(one, 1..3)]
}

fn filters() -> impl Strategy<Value = Vec<Filter>> {
    let length = prop_oneof![6 => 0..14_u64, 1 => Just(300), 1 => Just(u64::MAX)];
    let one = prop_oneof![
        "[a-e]|é|\n|[a-e][a-z]|".prop_map(Filter::contains),
        "[a-e]|é|".prop_map(Filter::starts_with),
        (length.clone(), length).prop_map(|(least, most)| Filter::Length(least..=most)),
    ];
    prop_oneof![3 => Just(Vec::new()), 2 => vec(one, 1..4)]
}

fn fields() -> impl Strategy<Value = Fields> {
    let number = || prop_oneof![0..6_u64, Just(u64::MAX)];
    let slice = prop_oneof![
        4 => Just(Slice::Whole),
        1 => (number(), number()).prop_map(|(from, count)| Slice::Bytes { from, count }),
        1 => (number(), number()).prop_map(|(from, count)| Slice::Lines { from, count }),
    ];
    let text = option::of(slice);
    (text, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(text, length, checksum, distance)| Fields {
            text,
            length,
            checksum,
            distance,
        },
    )
}

fn output() -> impl Strategy<Value = Output> {
    let key = prop_oneof![
        (0..=10_u8).prop_map(TallyKey::Leading),
        (0..=9_u8).prop_map(TallyKey::Component),
    ];
    prop_oneof![
        6 => fields().prop_map(Output::Rows),
        1 => Just(Output::Count),
        1 => Just(Output::Lengths),
        2 => (key, any::<bool>()).prop_map(|(key, lengths)| Output::Groups { key, lengths }),
    ]
}

fn order() -> impl Strategy<Value = Option<Order>> {
    use OrderKey::{Coordinate, Count, Distance, Length};
    let key = proptest::sample::select(vec![Coordinate, Length, Distance, Count]);
    let order = (key, any::<bool>()).prop_map(|(key, descending)| Order { key, descending });
    option::of(order)
}

/// Queries of which some ask for what does not go together; a distance is mostly asked for where
/// there is one.
pub(crate) fn query() -> BoxedStrategy<Query> {
    let limit = option::of(prop_oneof![Just(0), 1..20_u64, Just(u64::MAX)]);
    let parts = (target(), within(), filters(), output(), order(), limit);
    (parts, 0..8_u8)
        .prop_map(
            |((target, within, filters, output, order, limit), honest)| {
                let mut query = Query {
                    target,
                    within,
                    filters,
                    output,
                    order,
                    limit,
                    tier: OptimizationTier::Tier3PhextOptimal,
                };
                if honest > 0 && !matches!(query.target, Target::Nearest(_)) {
                    leave_out_distance(&mut query);
                }
                query
            },
        )
        .boxed()
}

fn leave_out_distance(query: &mut Query) {
    if let Output::Rows(fields) = &mut query.output {
        fields.distance = false;
    }
    if let Some(order) = &mut query.order
        && order.key == OrderKey::Distance
    {
        order.key = OrderKey::Length;
    }
}
