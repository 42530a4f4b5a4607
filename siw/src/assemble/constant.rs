//! Constants: their kind and their value.

use super::cursor::Cursor;
use super::error::{AssembleError, AssembleReason};
use super::pattern;
use crate::constant::Queries;
use crate::{Constant, LaneSpec};
use bytes::Bytes;
use phext_storage::coordinate::Coordinate;

/// What follows the name of a constant.
pub(super) fn constant(cursor: &mut Cursor<'_>) -> Result<Constant, AssembleError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    Ok(match cursor.name() {
        "number" => Constant::Number(number(cursor)?),
        "coordinate" => Constant::Coordinate(coordinate(cursor)?),
        "lanes" => Constant::Lanes(lanes(cursor)?),
        "text" => Constant::Text(text(cursor)?),
        "texts" => Constant::Texts(texts(cursor)?),
        "queries" => Constant::Queries(Queries {
            count: number(cursor)?,
            vectors: texts(cursor)?,
        }),
        _ => {
            let kinds = "a kind of constant: number, coordinate, lanes, texts, text or queries";
            return Err(start.expected(kinds));
        }
    })
}

/// An integer below 2^64, or a double.
fn number(cursor: &mut Cursor<'_>) -> Result<u64, AssembleError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    let text = cursor.token();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = match text.strip_prefix("0x") {
        Some(hexadecimal) if !hexadecimal.starts_with('+') => {
            u64::from_str_radix(hexadecimal, 16).ok()
        }
        _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => text.parse().ok().map(double),
    };
    number.ok_or_else(|| start.expected("an integer below 2^64, or a double such as -3.0 or 1e9"))
}

/// The bits of a double; of NaN those that operations give.
fn double(number: f64) -> u64 {
    match number.is_nan() {
        true => f64::NAN.to_bits() & !(1 << 63),
        false => number.to_bits(),
    }
}

pub(super) fn coordinate(cursor: &mut Cursor<'_>) -> Result<Coordinate, AssembleError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    match cursor.token() {
        "" => Err(start.expected("a coordinate such as 1.1.1/1.1.1/1.1.1")),
        token => {
            Coordinate::parse(token).map_err(|error| start.fail(AssembleReason::Coordinate(error)))
        }
    }
}

fn lanes(cursor: &mut Cursor<'_>) -> Result<LaneSpec, AssembleError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    Ok(match cursor.name() {
        "all" => LaneSpec::All,
        "range" => LaneSpec::Range {
            from: coordinate(cursor)?,
            to: coordinate(cursor)?,
        },
        "points" => LaneSpec::Points(points(cursor)?),
        "union" => LaneSpec::Union {
            from: coordinate(cursor)?,
            to: coordinate(cursor)?,
            points: points(cursor)?,
        },
        "region" => LaneSpec::Region(pattern::region(cursor)?),
        "nearest" => LaneSpec::Nearest(pattern::nearest(cursor)?),
        _ => {
            let kinds = "lanes: all, range, points, union, region or nearest";
            return Err(start.expected(kinds));
        }
    })
}

/// The coordinates up to the end of the line.
fn points(cursor: &mut Cursor<'_>) -> Result<Vec<Coordinate>, AssembleError> {
    let mut points = Vec::new();
    while !cursor.is_at_end() {
        points.push(coordinate(cursor)?);
    }
    Ok(points)
}

/// The texts up to the end of the line.
fn texts(cursor: &mut Cursor<'_>) -> Result<Vec<Bytes>, AssembleError> {
    let mut texts = Vec::new();
    while !cursor.is_at_end() {
        texts.push(text(cursor)?);
    }
    Ok(texts)
}

fn text(cursor: &mut Cursor<'_>) -> Result<Bytes, AssembleError> {
    if !cursor.eat('"') {
        return Err(cursor.expected("a text in double quotes"));
    }
    let mut bytes = Vec::new();
    loop {
        bytes.extend_from_slice(cursor.take_while(|c| c != '"' && c != '\\').as_bytes());
        match cursor.next() {
            Some('"') => return Ok(bytes.into()),
            Some(_) => bytes.push(escape(cursor)?),
            None => return Err(cursor.expected("the `\"` that ends the text")),
        }
    }
}

/// The byte of an escape, after its backslash.
fn escape(cursor: &mut Cursor<'_>) -> Result<u8, AssembleError> {
    let start = cursor.clone();
    Ok(match cursor.next() {
        Some('t') => b'\t',
        Some('r') => b'\r',
        Some('n') => b'\n',
        Some('\'') => b'\'',
        Some('"') => b'"',
        Some('\\') => b'\\',
        Some('x') => return hexadecimal(cursor),
        _ => return Err(start.expected("an escape: \\t \\r \\n \\' \\\" \\\\ or \\xNN")),
    })
}

fn hexadecimal(cursor: &mut Cursor<'_>) -> Result<u8, AssembleError> {
    let mut byte = 0;
    for _ in 0..2 {
        let start = cursor.clone();
        let digit = cursor.next().and_then(|c| c.to_digit(16));
        let digit = digit.ok_or_else(|| start.expected("two hexadecimal digits"))?;
        byte = byte << 4 | digit as u8;
    }
    Ok(byte)
}
