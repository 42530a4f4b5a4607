//! Ranges and sets of coordinates, with the words that SQ has for what is wrong with them.

use super::question::{Asked, Misasked};
use crate::routes::arguments::excerpt;
use phext_storage::coordinate::Coordinate;

/// The range of `from` and `to`, if they are there.
pub(super) fn range(asked: &dyn Asked) -> Result<Option<(Coordinate, Coordinate)>, Misasked> {
    match (asked.value("from"), asked.value("to")) {
        (Some(from), Some(to)) => Ok(Some(parse_range(from, to)?)),
        (None, None) => Ok(None),
        _ => Err(Misasked::new("a range needs both 'from' and 'to'")),
    }
}

fn parse_range(from: &str, to: &str) -> Result<(Coordinate, Coordinate), Misasked> {
    let parse = |name: &str, text: &str| {
        Coordinate::parse(text).map_err(|_| {
            let text = excerpt(text);
            Misasked::new(format_args!("invalid '{name}' coordinate: {text}"))
        })
    };
    let (first, last) = (parse("from", from)?, parse("to", to)?);
    if first > last {
        let (from, to) = (excerpt(from), excerpt(to));
        let text = format!("'from' ({from}) is after 'to' ({to})");
        return Err(Misasked::new(text));
    }
    Ok((first, last))
}

/// The coordinates of a set.
pub(super) fn points(text: &str) -> Result<Vec<Coordinate>, Misasked> {
    let items = text
        .split([',', '\n', ';'])
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let parse = |item: &str| {
        Coordinate::parse(item).map_err(|_| {
            let item = excerpt(item);
            Misasked::new(format_args!("invalid coordinate in set: {item}"))
        })
    };
    items.map(parse).collect()
}
