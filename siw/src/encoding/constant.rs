//! Constants in bytes.

use super::error::{DecodeError, DecodeReason};
use super::pattern;
use super::reader::Reader;
use crate::constant::Queries;
use crate::{Constant, LaneSpec};
use bytes::Bytes;
use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};

const NUMBER: u8 = 1;
const COORDINATE: u8 = 2;
const LANES: u8 = 3;
const TEXTS: u8 = 4;
const TEXT: u8 = 5;
const QUERIES: u8 = 6;

const ALL: u8 = 0;
const RANGE: u8 = 1;
const POINTS: u8 = 2;
const UNION: u8 = 3;
const REGION: u8 = 4;
const NEAREST: u8 = 5;

pub(super) const COORDINATE_BYTES: usize = DIMENSIONS * 4;

/// Bytes of the length before each text.
const TEXT_LENGTH_BYTES: usize = 4;

/// Bytes of the payload.
pub(super) fn payload_bytes(constant: &Constant) -> usize {
    match constant {
        Constant::Number(_) => 8,
        Constant::Coordinate(_) => COORDINATE_BYTES,
        Constant::Lanes(LaneSpec::All) => 1,
        Constant::Lanes(LaneSpec::Range { .. }) => 1 + 2 * COORDINATE_BYTES,
        Constant::Lanes(LaneSpec::Points(points)) => 1 + points.len() * COORDINATE_BYTES,
        Constant::Lanes(LaneSpec::Union { points, .. }) => {
            1 + (2 + points.len()) * COORDINATE_BYTES
        }
        Constant::Lanes(LaneSpec::Region(region)) => 1 + pattern::region_bytes(region),
        Constant::Lanes(LaneSpec::Nearest(nearest)) => 1 + pattern::nearest_bytes(nearest),
        Constant::Texts(texts) => texts_bytes(texts),
        Constant::Text(text) => text.len(),
        Constant::Queries(queries) => texts_bytes(&queries.vectors).saturating_add(8),
    }
}

fn texts_bytes(texts: &[Bytes]) -> usize {
    let lengths = texts.iter().map(|text| TEXT_LENGTH_BYTES + text.len());
    // A pool may name one text many times, so that the sum can exceed the memory.
    lengths.fold(0, usize::saturating_add)
}

pub(super) fn encode(constant: &Constant, bytes: &mut Vec<u8>) {
    bytes.push(match constant {
        Constant::Number(_) => NUMBER,
        Constant::Coordinate(_) => COORDINATE,
        Constant::Lanes(_) => LANES,
        Constant::Texts(_) => TEXTS,
        Constant::Text(_) => TEXT,
        Constant::Queries(_) => QUERIES,
    });
    bytes.extend(length(payload_bytes(constant)));
    match constant {
        Constant::Number(number) => bytes.extend(number.to_le_bytes()),
        Constant::Coordinate(coordinate) => encode_coordinates([coordinate], bytes),
        Constant::Lanes(lanes) => encode_lanes(lanes, bytes),
        Constant::Texts(texts) => encode_texts(texts, bytes),
        Constant::Text(text) => bytes.extend_from_slice(text),
        Constant::Queries(queries) => {
            bytes.extend(queries.count.to_le_bytes());
            encode_texts(&queries.vectors, bytes);
        }
    }
}

fn encode_texts(texts: &[Bytes], bytes: &mut Vec<u8>) {
    for text in texts {
        bytes.extend(length(text.len()));
        bytes.extend_from_slice(text);
    }
}

fn length(bytes: usize) -> [u8; 4] {
    let length = u32::try_from(bytes).expect("a constant of a valid stream is below 4 GiB");
    length.to_le_bytes()
}

fn encode_lanes(lanes: &LaneSpec, bytes: &mut Vec<u8>) {
    match lanes {
        LaneSpec::All => bytes.push(ALL),
        LaneSpec::Range { from, to } => {
            bytes.push(RANGE);
            encode_coordinates([from, to], bytes);
        }
        LaneSpec::Points(points) => {
            bytes.push(POINTS);
            encode_coordinates(points, bytes);
        }
        LaneSpec::Union { from, to, points } => {
            bytes.push(UNION);
            encode_coordinates([from, to], bytes);
            encode_coordinates(points, bytes);
        }
        LaneSpec::Region(region) => {
            bytes.push(REGION);
            pattern::encode_region(region, bytes);
        }
        LaneSpec::Nearest(nearest) => {
            bytes.push(NEAREST);
            pattern::encode_nearest(nearest, bytes);
        }
    }
}

pub(super) fn encode_coordinates<'a>(
    coordinates: impl IntoIterator<Item = &'a Coordinate>,
    bytes: &mut Vec<u8>,
) {
    for coordinate in coordinates {
        for component in coordinate.components() {
            bytes.extend(component.to_le_bytes());
        }
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Constant, DecodeError> {
    let start = reader.offset();
    let kind = reader.u8()?;
    let length = read_length(reader)?;
    let mut payload = reader.nested(length)?;
    let constant = match kind {
        NUMBER => Constant::Number(payload.u64()?),
        COORDINATE => Constant::Coordinate(decode_coordinate(&mut payload)?),
        LANES => Constant::Lanes(decode_lanes(&mut payload)?),
        TEXTS => Constant::Texts(decode_texts(&mut payload)?),
        TEXT => Constant::Text(payload.slice(payload.left())?),
        QUERIES => Constant::Queries(Queries {
            count: payload.u64()?,
            vectors: decode_texts(&mut payload)?,
        }),
        kind => return Err(DecodeError::new(start, DecodeReason::ConstantKind(kind))),
    };
    payload.finish()?;
    Ok(constant)
}

fn read_length(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    // Saturating where addresses are shorter than the field: more bytes than there can be.
    Ok(usize::try_from(reader.u32()?).unwrap_or(usize::MAX))
}

fn decode_lanes(payload: &mut Reader<'_>) -> Result<LaneSpec, DecodeError> {
    let start = payload.offset();
    Ok(match payload.u8()? {
        ALL => LaneSpec::All,
        RANGE => LaneSpec::Range {
            from: decode_coordinate(payload)?,
            to: decode_coordinate(payload)?,
        },
        POINTS => LaneSpec::Points(decode_points(payload)?),
        UNION => LaneSpec::Union {
            from: decode_coordinate(payload)?,
            to: decode_coordinate(payload)?,
            points: decode_points(payload)?,
        },
        REGION => LaneSpec::Region(pattern::decode_region(payload)?),
        NEAREST => LaneSpec::Nearest(pattern::decode_nearest(payload)?),
        kind => return Err(DecodeError::new(start, DecodeReason::LanesKind(kind))),
    })
}

/// The coordinates up to the end of the payload.
fn decode_points(payload: &mut Reader<'_>) -> Result<Vec<Coordinate>, DecodeError> {
    let mut points = Vec::with_capacity(payload.left() / COORDINATE_BYTES);
    while payload.left() > 0 {
        points.push(decode_coordinate(payload)?);
    }
    Ok(points)
}

pub(super) fn decode_coordinate(payload: &mut Reader<'_>) -> Result<Coordinate, DecodeError> {
    payload.require(COORDINATE_BYTES)?;
    let start = payload.offset();
    let mut components = [0; DIMENSIONS];
    for component in &mut components {
        *component = payload.u32()?;
    }
    Coordinate::new(components).map_err(|_| wrong_component(start, &components))
}

fn wrong_component(start: usize, components: &[u32; DIMENSIONS]) -> DecodeError {
    let wrong = |component: &u32| !(1..=MAX_COMPONENT).contains(component);
    let position = components.iter().position(wrong).unwrap_or(0);
    let reason = DecodeReason::Component(components[position]);
    DecodeError::new(start + position * 4, reason)
}

fn decode_texts(payload: &mut Reader<'_>) -> Result<Vec<Bytes>, DecodeError> {
    let mut texts = Vec::new();
    while payload.left() > 0 {
        let length = read_length(payload)?;
        texts.push(payload.slice(length)?);
    }
    Ok(texts)
}
