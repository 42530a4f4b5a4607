//! Regions and nearest searches in bytes.

use super::constant::{COORDINATE_BYTES, decode_coordinate, encode_coordinates};
use super::error::{DecodeError, DecodeReason};
use super::reader::Reader;
use phext_storage::coordinate::DIMENSIONS;
use phext_storage::page_table::{Constraint, Metric, Nearest, Region, Span, Weights};

const COUNT_BYTES: usize = 4;
const SPAN_BYTES: usize = 8;
const RADIUS_BYTES: usize = 8;
const WEIGHTS_BYTES: usize = DIMENSIONS * 4;

const CHEBYSHEV: u8 = 0;
const MANHATTAN: u8 = 1;
const WEIGHTED: u8 = 2;

pub(super) fn region_bytes(region: &Region) -> usize {
    let of = |constraint: &Constraint| COUNT_BYTES + constraint.spans().len() * SPAN_BYTES;
    region.constraints().iter().map(of).sum()
}

pub(super) fn encode_region(region: &Region, bytes: &mut Vec<u8>) {
    for constraint in region.constraints() {
        let spans = constraint.spans();
        // The caller has seen that the whole payload is below 4 GiB.
        bytes.extend((spans.len() as u32).to_le_bytes());
        for span in spans {
            bytes.extend(span.low.to_le_bytes());
            bytes.extend(span.high.to_le_bytes());
        }
    }
}

pub(super) fn decode_region(payload: &mut Reader<'_>) -> Result<Region, DecodeError> {
    let mut constraints = [const { Constraint::FREE }; DIMENSIONS];
    for constraint in &mut constraints {
        *constraint = decode_constraint(payload)?;
    }
    Ok(Region::new(constraints))
}

fn decode_constraint(payload: &mut Reader<'_>) -> Result<Constraint, DecodeError> {
    let start = payload.offset();
    let count = payload.u32()? as usize;
    if count == 0 {
        return Ok(Constraint::FREE);
    }
    payload.require(count.saturating_mul(SPAN_BYTES))?;
    let mut spans = Vec::with_capacity(count);
    for _ in 0..count {
        let (low, high) = (payload.u32()?, payload.u32()?);
        spans.push(Span { low, high });
    }
    match Constraint::new(spans) {
        Ok(constraint) if constraint.is_free() => {
            Err(DecodeError::new(start, DecodeReason::WholeSpan))
        }
        Ok(constraint) => Ok(constraint),
        Err(error) => Err(DecodeError::new(start, DecodeReason::Region(error))),
    }
}

pub(super) fn nearest_bytes(nearest: &Nearest) -> usize {
    let radius = nearest.radius.map_or(0, |_| RADIUS_BYTES);
    let weights = match nearest.metric {
        Metric::Chebyshev | Metric::Manhattan => 0,
        Metric::Weighted(_) => WEIGHTS_BYTES,
    };
    COORDINATE_BYTES + COUNT_BYTES + 2 + radius + weights
}

pub(super) fn encode_nearest(nearest: &Nearest, bytes: &mut Vec<u8>) {
    encode_coordinates([&nearest.to], bytes);
    bytes.extend(nearest.count.to_le_bytes());
    bytes.push(match nearest.metric {
        Metric::Chebyshev => CHEBYSHEV,
        Metric::Manhattan => MANHATTAN,
        Metric::Weighted(_) => WEIGHTED,
    });
    bytes.push(u8::from(nearest.radius.is_some()));
    if let Some(radius) = nearest.radius {
        bytes.extend(radius.to_le_bytes());
    }
    if let Metric::Weighted(weights) = nearest.metric {
        weights
            .get()
            .iter()
            .for_each(|weight| bytes.extend(weight.to_le_bytes()));
    }
}

pub(super) fn decode_nearest(payload: &mut Reader<'_>) -> Result<Nearest, DecodeError> {
    let to = decode_coordinate(payload)?;
    let count = payload.u32()?;
    let metric_at = payload.offset();
    let metric = payload.u8()?;
    let radius = match payload.u8()? {
        0 => None,
        1 => Some(payload.u64()?),
        found => return Err(DecodeError::new(metric_at + 1, DecodeReason::Flag(found))),
    };
    let metric = match metric {
        CHEBYSHEV => Metric::Chebyshev,
        MANHATTAN => Metric::Manhattan,
        WEIGHTED => Metric::Weighted(decode_weights(payload)?),
        kind => return Err(DecodeError::new(metric_at, DecodeReason::Metric(kind))),
    };
    Ok(Nearest {
        to,
        count,
        metric,
        radius,
    })
}

fn decode_weights(payload: &mut Reader<'_>) -> Result<Weights, DecodeError> {
    let start = payload.offset();
    let mut weights = [0; DIMENSIONS];
    for weight in &mut weights {
        *weight = payload.u32()?;
    }
    Weights::new(weights).map_err(|error| DecodeError::new(start, DecodeReason::Weight(error.0)))
}
