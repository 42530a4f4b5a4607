//! The parameters that sqd knows beside SQ's, and the query that they make.
//!
//! | parameter | value |
//! |---|---|
//! | `match` | a pattern; of several all must match |
//! | `nearest`, `k`, `metric`, `radius` | a coordinate; 10; `manhattan`, `chebyshev` or nine weights; no limit |
//! | `contains`, `starts` | a text; of several all must hold |
//! | `min_length`, `max_length` | bytes |
//! | `select` | columns |
//! | `lines`, `bytes` | the part of the text: `2-5`, `7-` or `3`, from line 1, from byte 0 |
//! | `group` | leading dimensions, by number or name, or one dimension |
//! | `order` | `coordinate`, `length`, `distance` or `count`; descending with a `-` before it or `desc` behind |
//! | `tier` | 0 to 3 |
//! | `explain` | 1: how it is answered, instead of the answer |
//!
//! An empty value is as good as none. `from`, `to`, `set` and `limit` mean what they mean to SQ.

use super::columns::{self, Columns};
use super::places;
use crate::routes::arguments::excerpt;
use phext_query::{
    Filter, Metric, Nearest, OptimizationTier, Order, OrderKey, Pattern, Query, Region, Slice,
    Target, Weights, Within,
};
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use std::fmt::Display;
use std::str::FromStr;

/// Those that make a request one of the extended form.
const EXTENSIONS: [&str; 16] = [
    "match",
    "nearest",
    "k",
    "metric",
    "radius",
    "contains",
    "starts",
    "min_length",
    "max_length",
    "select",
    "lines",
    "bytes",
    "group",
    "order",
    "tier",
    "explain",
];

/// Those whose values are texts, taken as they are: a space is one.
pub(super) const TEXTS: [&str; 2] = ["contains", "starts"];

/// How many of the nearest, where neither that nor a radius is said.
const NEAREST: u32 = 10;

/// Where values of parameters come from.
pub(crate) trait Asked {
    /// The values of a parameter, in the order that they were given.
    fn values(&self, name: &str) -> Vec<&str>;

    /// The value of a parameter, if there is one that is not empty: the last one of several.
    fn value(&self, name: &str) -> Option<&str> {
        let value = self.values(name).last()?.trim();
        (!value.is_empty()).then_some(value)
    }
}

/// Why a question is none: one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misasked(String);

impl Misasked {
    pub(super) fn new(text: impl Display) -> Misasked {
        Misasked(text.to_string())
    }
}

/// What is asked, and how it is to be answered.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) query: Query,
    pub(crate) columns: Columns,
    /// How the rows are found, instead of the rows.
    pub(crate) explain: bool,
}

/// Whether there is a parameter that SQ does not know.
pub(super) fn is_extended(asked: &dyn Asked) -> bool {
    let texts = TEXTS.into_iter().flat_map(|name| asked.values(name));
    EXTENSIONS.iter().any(|name| asked.value(name).is_some())
        || texts.into_iter().any(|text| !text.is_empty())
}

impl Question {
    /// Reads the parameters; `set` is the text of the set of coordinates.
    pub(crate) fn parse(asked: &dyn Asked, set: &str) -> Result<Question, Misasked> {
        let (target, within) = target(asked, set)?;
        let by_distance = matches!(target, Target::Nearest(_));
        let columns = columns::parse(asked, by_distance)?;
        let query = Query {
            target,
            within,
            filters: filters(asked)?,
            output: columns.output(slice(asked)?),
            order: order(asked)?,
            limit: number(asked, "limit", 0..=u64::MAX)?,
            tier: tier(asked)?,
        };
        Ok(Question {
            query,
            columns,
            explain: explain(asked)?,
        })
    }
}

/// Which scrolls, and what else they lie in.
fn target(asked: &dyn Asked, set: &str) -> Result<(Target, Vec<Within>), Misasked> {
    let range = places::range(asked)?;
    let points = places::points(set)?;
    let mut regions = regions(asked)?;
    if let Some(nearest) = nearest(asked)? {
        if !points.is_empty() {
            let text = "`nearest` looks among all scrolls: leave out the set of coordinates";
            return Err(Misasked::new(text));
        }
        let range = range.map(|(from, to)| Within::Range { from, to });
        let within = range
            .into_iter()
            .chain(regions.into_iter().map(Within::Region));
        return Ok((Target::Nearest(nearest), within.collect()));
    }
    let target = match range {
        Some((from, to)) if points.is_empty() => Target::Range { from, to },
        Some((from, to)) => Target::Union { from, to, points },
        None if !points.is_empty() => Target::Points(points),
        None => regions.pop().map_or(Target::All, Target::Region),
    };
    Ok((target, regions.into_iter().map(Within::Region).collect()))
}

fn regions(asked: &dyn Asked) -> Result<Vec<Region>, Misasked> {
    let patterns = asked.values("match").into_iter();
    let patterns = patterns.filter(|text| !text.trim().is_empty());
    let region = |text: &str| match text.parse::<Pattern>() {
        Ok(pattern) => Ok(pattern.into()),
        Err(error) => {
            let text = excerpt(text);
            Err(Misasked::new(format_args!("`match` ({text}) {error}")))
        }
    };
    patterns.map(region).collect()
}

fn nearest(asked: &dyn Asked) -> Result<Option<Nearest>, Misasked> {
    let Some(text) = asked.value("nearest") else {
        let needs = ["k", "metric", "radius"].into_iter();
        return match needs.clone().find(|name| asked.value(name).is_some()) {
            None => Ok(None),
            Some(name) => Err(Misasked::new(format_args!(
                "`{name}` needs `nearest`, the coordinate to measure from"
            ))),
        };
    };
    let to = Coordinate::parse(text)
        .map_err(|error| Misasked::new(format_args!("`nearest`: {error}")))?;
    let radius = number(asked, "radius", 0..=u64::MAX)?;
    let count = match number(asked, "k", 0..=u64::from(u32::MAX))? {
        Some(count) => u32::try_from(count).expect("just compared with its greatest value"),
        None if radius.is_some() => u32::MAX,
        None => NEAREST,
    };
    Ok(Some(Nearest {
        to,
        count,
        metric: metric(asked)?,
        radius,
    }))
}

fn metric(asked: &dyn Asked) -> Result<Metric, Misasked> {
    let text = match asked.value("metric") {
        None | Some("manhattan") => return Ok(Metric::Manhattan),
        Some("chebyshev") => return Ok(Metric::Chebyshev),
        Some(text) => text,
    };
    let weights = text.split(',').map(|weight| weight.trim().parse().ok());
    let weights: Option<Vec<u32>> = weights.collect();
    let weights = weights.and_then(|weights| <[u32; DIMENSIONS]>::try_from(weights).ok());
    let Some(weights) = weights else {
        return Err(Misasked::new(format_args!(
            "`metric` is manhattan, chebyshev or nine weights such as 0,0,0,0,0,0,4,2,1, not {}",
            excerpt(text)
        )));
    };
    let weights = Weights::new(weights);
    let weights = weights.map_err(|error| Misasked::new(format_args!("`metric`: {error}")))?;
    Ok(Metric::Weighted(weights))
}

fn filters(asked: &dyn Asked) -> Result<Vec<Filter>, Misasked> {
    let texts = |name| {
        asked
            .values(name)
            .into_iter()
            .filter(|text| !text.is_empty())
    };
    let mut filters: Vec<Filter> = texts("contains")
        .map(|text| Filter::contains(text.to_owned()))
        .collect();
    filters.extend(texts("starts").map(|text| Filter::starts_with(text.to_owned())));
    let least = number(asked, "min_length", 0..=u64::MAX)?;
    let most = number(asked, "max_length", 0..=u64::MAX)?;
    if least.is_some() || most.is_some() {
        let length = least.unwrap_or(0)..=most.unwrap_or(u64::MAX);
        filters.push(Filter::Length(length));
    }
    Ok(filters)
}

/// The part of the text that `lines` or `bytes` asks for.
fn slice(asked: &dyn Asked) -> Result<Slice, Misasked> {
    let lines = span(asked, "lines", 1)?;
    let bytes = span(asked, "bytes", 0)?;
    match (lines, bytes) {
        (None, None) => Ok(Slice::Whole),
        (Some((from, count)), None) => Ok(Slice::Lines { from, count }),
        (None, Some((from, count))) => Ok(Slice::Bytes { from, count }),
        _ => Err(Misasked::new(
            "`lines` and `bytes` are of the same text: give one of them",
        )),
    }
}

/// A span such as `2-5`, `7-` or `3`, as its first number and how many there are.
fn span(asked: &dyn Asked, name: &str, least: u64) -> Result<Option<(u64, u64)>, Misasked> {
    let Some(text) = asked.value(name) else {
        return Ok(None);
    };
    let ends = match text.split_once('-') {
        None => text.parse().ok().map(|only: u64| (only, only)),
        Some((from, "")) => from.parse().ok().map(|from| (from, u64::MAX)),
        Some((from, to)) => from.parse().ok().zip(to.parse().ok()),
    };
    match ends {
        Some((from, to)) if least <= from && from <= to => {
            Ok(Some((from, (to - from).saturating_add(1))))
        }
        _ => Err(Misasked::new(format_args!(
            "`{name}` is a span such as 2-5, 7- or 3, counted from {least}, not {}",
            excerpt(text)
        ))),
    }
}

fn order(asked: &dyn Asked) -> Result<Option<Order>, Misasked> {
    let Some(text) = asked.value("order") else {
        return Ok(None);
    };
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    let (name, is_negative) = match name.strip_prefix('-') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let key = match name {
        "coordinate" => Some(OrderKey::Coordinate),
        "length" => Some(OrderKey::Length),
        "distance" => Some(OrderKey::Distance),
        "count" => Some(OrderKey::Count),
        _ => None,
    };
    let descending = match (words.next(), words.next()) {
        (None, None) => Some(is_negative),
        (Some("asc" | "ascending"), None) if !is_negative => Some(false),
        (Some("desc" | "descending"), None) if !is_negative => Some(true),
        _ => None,
    };
    match (key, descending) {
        (Some(key), Some(descending)) => Ok(Some(Order { key, descending })),
        _ => Err(Misasked::new(format_args!(
            "`order` is coordinate, length, distance or count, such as -length or `length desc`, not {}",
            excerpt(text)
        ))),
    }
}

fn tier(asked: &dyn Asked) -> Result<OptimizationTier, Misasked> {
    let number = number(asked, "tier", 0..=3)?;
    let tier = number.and_then(|number| OptimizationTier::of_number(number as u8));
    Ok(tier.unwrap_or(Query::default().tier))
}

fn explain(asked: &dyn Asked) -> Result<bool, Misasked> {
    match asked.value("explain") {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(text) => Err(Misasked::new(format_args!(
            "`explain` is 1 or 0, not {}",
            excerpt(text)
        ))),
    }
}

/// A number in a range, if it is given.
fn number(
    asked: &dyn Asked,
    name: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>, Misasked> {
    let Some(text) = asked.value(name) else {
        return Ok(None);
    };
    match u64::from_str(text) {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(Misasked::new(format_args!(
            "`{name}` is a number from {} to {}, not {}",
            range.start(),
            range.end(),
            excerpt(text)
        ))),
    }
}
