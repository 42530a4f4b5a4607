//! What a query should answer, by looking at every scroll.

use crate::store::Model;
use phext_query::{
    Fields, Filter, Nearest, Order, OrderKey, Output, Query, QueryError, ResultRow, Slice, Tally,
    TallyKey, Target, Within,
};
use phext_storage::coordinate::Coordinate;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_128;

/// A row that outlives its query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OwnedRow {
    pub(crate) coordinate: Option<Coordinate>,
    pub(crate) text: Option<Vec<u8>>,
    pub(crate) length: Option<u64>,
    pub(crate) checksum: Option<u128>,
    pub(crate) number: Option<u64>,
    pub(crate) tally: Option<Tally>,
}

impl From<&ResultRow<'_>> for OwnedRow {
    fn from(row: &ResultRow<'_>) -> OwnedRow {
        OwnedRow {
            coordinate: row.coordinate,
            text: row.text.map(<[u8]>::to_vec),
            length: row.length,
            checksum: row.checksum,
            number: row.number,
            tally: row.tally,
        }
    }
}

/// The rows of a query, or why there are none.
pub(crate) fn naive(query: &Query, model: &Model) -> Result<Vec<OwnedRow>, QueryError> {
    refuse(query)?;
    let lanes = lanes(query, model);
    let mut rows = match &query.output {
        Output::Rows(fields) => rows(query, *fields, lanes, model),
        Output::Count => vec![OwnedRow {
            number: Some(texts(&lanes, model).len() as u64),
            ..OwnedRow::default()
        }],
        Output::Lengths => vec![totals(texts(&lanes, model).values().copied())],
        Output::Groups { key, lengths } => groups(query, *key, *lengths, &lanes, model),
    };
    let limit = query.limit.unwrap_or(u64::MAX);
    rows.truncate(usize::try_from(limit).unwrap());
    Ok(rows)
}

fn refuse(query: &Query) -> Result<(), QueryError> {
    let key = query.order.map(|order| order.key);
    let selects_distance = matches!(query.output, Output::Rows(fields) if fields.distance);
    let wants_distance = selects_distance || key == Some(OrderKey::Distance);
    if wants_distance && !matches!(query.target, Target::Nearest(_)) {
        let is_other = matches!(query.output, Output::Rows(_)) && key == Some(OrderKey::Count);
        return Err(match is_other {
            true => QueryError::OrderOfRows,
            false => QueryError::NoOrigin,
        });
    }
    match (&query.output, key) {
        (Output::Rows(_), Some(OrderKey::Count)) => Err(QueryError::OrderOfRows),
        (Output::Rows(fields), _) => match fields.text {
            Some(Slice::Lines { from: 0, .. }) => Err(QueryError::LineZero),
            _ => Ok(()),
        },
        (Output::Count | Output::Lengths, Some(_)) => Err(QueryError::OrderOfTotals),
        (Output::Count | Output::Lengths, None) => Ok(()),
        (Output::Groups { key, .. }, order) => match (key, order) {
            (TallyKey::Leading(0 | 10..) | TallyKey::Component(9..), _) => {
                Err(QueryError::GroupKey)
            }
            (_, Some(key @ (OrderKey::Length | OrderKey::Distance))) => {
                Err(QueryError::OrderOfGroups(key))
            }
            _ => Ok(()),
        },
    }
}

/// The coordinates that count, in their natural order.
pub(crate) fn lanes(query: &Query, model: &Model) -> Vec<Coordinate> {
    let counts = |coordinate: &Coordinate| {
        let text = model.get(coordinate);
        let passes = |filter| text.is_some_and(|text| passes(filter, text));
        query.within.iter().all(|area| lies_in(area, coordinate))
            && query.filters.iter().all(passes)
    };
    let scrolls = |wanted: &dyn Fn(&Coordinate) -> bool| {
        let keys = model.keys().filter(|coordinate| wanted(coordinate));
        keys.copied().collect::<BTreeSet<_>>()
    };
    let ascending = match &query.target {
        Target::All => scrolls(&|_| true),
        Target::Range { from, to } => scrolls(&|c| from <= c && c <= to),
        Target::Prefix(prefix) => scrolls(&|c| c.components().starts_with(prefix)),
        Target::Point(point) => BTreeSet::from([*point]),
        Target::Points(points) => points.iter().copied().collect(),
        Target::Union { from, to, points } => {
            let mut all = scrolls(&|c| from <= c && c <= to);
            all.extend(points);
            all
        }
        Target::Region(region) => scrolls(&|c| region.matches(c)),
        Target::Nearest(nearest) => return nearest_of(nearest, scrolls(&counts)),
    };
    ascending.into_iter().filter(counts).collect()
}

fn nearest_of(nearest: &Nearest, scrolls: BTreeSet<Coordinate>) -> Vec<Coordinate> {
    let distance = |c: &Coordinate| nearest.metric.distance(&nearest.to, c);
    let near = |c: &Coordinate| distance(c) <= nearest.radius.unwrap_or(u64::MAX);
    let mut lanes: Vec<Coordinate> = scrolls.into_iter().filter(near).collect();
    lanes.sort_by_key(|c| (distance(c), *c));
    lanes.truncate(nearest.count as usize);
    lanes
}

fn lies_in(area: &Within, coordinate: &Coordinate) -> bool {
    match area {
        Within::Range { from, to } => from <= coordinate && coordinate <= to,
        Within::Region(region) => region.matches(coordinate),
    }
}

fn passes(filter: &Filter, text: &[u8]) -> bool {
    match filter {
        Filter::Contains(part) => {
            part.is_empty() || text.windows(part.len()).any(|window| window == part)
        }
        Filter::StartsWith(part) => text.starts_with(part),
        Filter::Length(range) => range.contains(&(text.len() as u64)),
    }
}

/// The scrolls among the lanes.
fn texts<'m>(lanes: &[Coordinate], model: &'m Model) -> BTreeMap<Coordinate, &'m Vec<u8>> {
    let scroll = |coordinate: &Coordinate| Some((*coordinate, model.get(coordinate)?));
    lanes.iter().filter_map(scroll).collect()
}

fn rows(query: &Query, fields: Fields, mut lanes: Vec<Coordinate>, model: &Model) -> Vec<OwnedRow> {
    let distance = |coordinate: &Coordinate| match &query.target {
        Target::Nearest(nearest) => nearest.metric.distance(&nearest.to, coordinate),
        _ => 0,
    };
    let length = |coordinate: &Coordinate| model.get(coordinate).map_or(0, Vec::len) as u64;
    if let Some(Order { key, descending }) = query.order {
        lanes.sort_unstable();
        let by = |coordinate: &Coordinate| match key {
            OrderKey::Length => length(coordinate),
            OrderKey::Distance => distance(coordinate),
            _ => 0,
        };
        match (key, descending) {
            (OrderKey::Coordinate, true) => lanes.reverse(),
            (_, true) => lanes.sort_by_key(|coordinate| Reverse(by(coordinate))),
            (_, false) => lanes.sort_by_key(by),
        }
    }
    let row = |coordinate: &Coordinate| {
        let text = model.get(coordinate);
        OwnedRow {
            coordinate: Some(*coordinate),
            text: text.and_then(|text| Some(cut(text, fields.text?))),
            length: fields.length.then(|| length(coordinate)),
            checksum: fields
                .checksum
                .then(|| text.map_or(0, |text| xxh3_128(text))),
            number: fields.distance.then(|| distance(coordinate)),
            tally: None,
        }
    };
    lanes.iter().map(row).collect()
}

fn cut(text: &[u8], slice: Slice) -> Vec<u8> {
    let size = |number: u64| usize::try_from(number).unwrap();
    match slice {
        Slice::Whole => text.to_vec(),
        Slice::Bytes { from, count } => {
            let bytes = text.iter().skip(size(from)).take(size(count));
            bytes.copied().collect()
        }
        Slice::Lines { from, count } => {
            let lines = text.split_inclusive(|&byte| byte == b'\n');
            let lines = lines.skip(size(from - 1)).take(size(count));
            lines.flatten().copied().collect()
        }
    }
}

/// The row of the totals of texts.
fn totals<'m>(texts: impl Iterator<Item = &'m Vec<u8>> + Clone) -> OwnedRow {
    let lengths = texts.map(|text| text.len() as u64);
    let tally = lengths.clone().min().map(|min| Tally {
        sum: lengths.clone().sum(),
        min,
        max: lengths.clone().max().unwrap(),
    });
    OwnedRow {
        number: Some(lengths.count() as u64),
        tally,
        ..OwnedRow::default()
    }
}

fn groups(
    query: &Query,
    key: TallyKey,
    lengths: bool,
    lanes: &[Coordinate],
    model: &Model,
) -> Vec<OwnedRow> {
    let mut groups: BTreeMap<Coordinate, Vec<&Vec<u8>>> = BTreeMap::new();
    for (coordinate, text) in texts(lanes, model) {
        groups
            .entry(key_of(key, &coordinate))
            .or_default()
            .push(text);
    }
    let row = |(coordinate, texts): (&Coordinate, &Vec<&Vec<u8>>)| {
        let totals = totals(texts.iter().copied());
        OwnedRow {
            coordinate: Some(*coordinate),
            tally: totals.tally.filter(|_| lengths),
            ..totals
        }
    };
    let mut rows: Vec<OwnedRow> = groups.iter().map(row).collect();
    match query.order {
        Some(Order {
            key: OrderKey::Count,
            descending: true,
        }) => {
            rows.sort_by_key(|row| Reverse(row.number));
        }
        Some(Order {
            key: OrderKey::Count,
            ..
        }) => rows.sort_by_key(|row| row.number),
        Some(Order {
            descending: true, ..
        }) => rows.reverse(),
        _ => {}
    }
    rows
}

fn key_of(key: TallyKey, coordinate: &Coordinate) -> Coordinate {
    let is_kept = |dimension: usize| match key {
        TallyKey::Leading(count) => dimension < usize::from(count),
        TallyKey::Component(only) => dimension == usize::from(only),
    };
    let components = coordinate.components();
    let component = |dimension| match is_kept(dimension) {
        true => components[dimension],
        false => 1,
    };
    Coordinate::new(std::array::from_fn(component)).unwrap()
}
