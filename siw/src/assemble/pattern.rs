//! Regions and nearest searches.

use super::constant::coordinate;
use super::cursor::Cursor;
use super::error::{AssembleError, AssembleReason};
use phext_storage::coordinate::DIMENSIONS;
use phext_storage::page_table::{Metric, Nearest, Pattern, PatternError, Region, Weights};
use std::str::FromStr;

/// `1.*.2-5/{1,3,9-12}.*.*/*.*.7`, as in a query: up to the next space.
pub(super) fn region(cursor: &mut Cursor<'_>) -> Result<Region, AssembleError> {
    cursor.skip_spaces();
    let mut at = cursor.clone();
    let pattern: Result<Pattern, PatternError> = cursor.token().parse();
    pattern.map(Region::from).map_err(|error| {
        for _ in 1..error.character {
            at.next();
        }
        at.fail(AssembleReason::Pattern(error.reason))
    })
}

fn integer<N: FromStr>(cursor: &mut Cursor<'_>, expected: &str) -> Result<N, AssembleError> {
    let start = cursor.clone();
    let digits = cursor.take_while(|c| c.is_ascii_digit());
    digits.parse().map_err(|_| start.expected(expected))
}

/// `5 to 1.1.1/1.1.1/1.1.1 by manhattan within 40`
pub(super) fn nearest(cursor: &mut Cursor<'_>) -> Result<Nearest, AssembleError> {
    cursor.skip_spaces();
    let count = integer(cursor, "how many, an integer below 2^32")?;
    keyword(cursor, "to")?;
    let to = coordinate(cursor)?;
    keyword(cursor, "by")?;
    let metric = metric(cursor)?;
    let radius = match cursor.is_at_end() {
        true => None,
        false => {
            keyword(cursor, "within")?;
            cursor.skip_spaces();
            Some(integer(cursor, "a distance, an integer below 2^64")?)
        }
    };
    Ok(Nearest {
        to,
        count,
        metric,
        radius,
    })
}

fn keyword(cursor: &mut Cursor<'_>, keyword: &str) -> Result<(), AssembleError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    match cursor.name() == keyword {
        true => Ok(()),
        false => Err(start.expected(format!("`{keyword}`"))),
    }
}

fn metric(cursor: &mut Cursor<'_>) -> Result<Metric, AssembleError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    match cursor.name() {
        "chebyshev" => Ok(Metric::Chebyshev),
        "manhattan" => Ok(Metric::Manhattan),
        "weighted" => weights(cursor).map(Metric::Weighted),
        _ => Err(start.expected("a metric: chebyshev, manhattan or weighted")),
    }
}

/// `[1, 2, 3, 4, 5, 6, 7, 8, 9]`
fn weights(cursor: &mut Cursor<'_>) -> Result<Weights, AssembleError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    let mut weights = [0; DIMENSIONS];
    for (dimension, weight) in weights.iter_mut().enumerate() {
        let separator = if dimension == 0 { '[' } else { ',' };
        if !cursor.eat(separator) {
            return Err(cursor.expected(format!("`{separator}`: there are nine weights")));
        }
        cursor.skip_spaces();
        *weight = integer(cursor, "a weight")?;
    }
    if !cursor.eat(']') {
        return Err(cursor.expected("`]` after nine weights"));
    }
    Weights::new(weights).map_err(|error| start.fail(AssembleReason::Weight(error)))
}
