//! `where`: a coordinate computed from a text. It is a hash, not a search.

use super::arguments::Arguments;
use super::{Answer, Refusal};
use crate::http::Response;
use phext_storage::coordinate::DIMENSIONS;
use phext_storage::phext::{checksum, checksum_hex, dimension_of};

/// Scrolls shorter than this do not count, where the request does not say otherwise.
const DEFAULT_LIMIT: usize = 100;
/// Checksum components are below this.
const MODULUS: u32 = 999;

/// The coordinate of the request's text.
pub(super) fn coordinate_of_text(arguments: &Arguments<'_>) -> Answer {
    let text = arguments.text(true)?;
    let limit = arguments
        .get("limit")
        .and_then(|text| text.parse().ok())
        .unwrap_or(DEFAULT_LIMIT);
    let (name, components) = match arguments.get("algo") {
        Some("checksum") => ("checksum", from_checksum(&text)),
        _ => ("xor", from_places(&text, limit).ok_or_else(too_deep)?),
    };
    let [a, b, c, d, e, f, g, h, i] = components;
    let coordinate = format!("{a}.{b}.{c}/{d}.{e}.{f}/{g}.{h}.{i}");
    let answer =
        format!("Calculated coordinate {coordinate} for input (algo={name}, limit={limit}).");
    Ok(Response::text(200, answer))
}

fn too_deep() -> Refusal {
    Refusal::bad_request("the text holds more than 2^32 breaks of one kind")
}

/// Two characters of the text's checksum a component.
fn from_checksum(text: &str) -> [u32; DIMENSIONS] {
    let hex = checksum_hex(checksum(text.as_bytes()));
    let digits = hex.as_bytes();
    std::array::from_fn(|d| {
        let pair = u32::from(digits[2 * d]) << 8 | u32::from(digits[2 * d + 1]);
        (pair % MODULUS).max(1)
    })
}

/// The exclusive or of the origin and of the places of all scrolls of at least `limit` bytes.
///
/// Follows libphext's tokens: a token is the breaks before a text, the text, and the one break that
/// ends it; breaks with no text after them are a token of their own, placed where they begin.
fn from_places(text: &str, limit: usize) -> Option<[u32; DIMENSIONS]> {
    let bytes = text.as_bytes();
    let mut folded = [1; DIMENSIONS];
    let mut place = [1; DIMENSIONS];
    let mut at = 0;
    loop {
        let start = place;
        while let Some(dimension) = bytes.get(at).and_then(|&byte| dimension_of(byte)) {
            advance(&mut place, dimension)?;
            at += 1;
        }
        let length = bytes[at..]
            .iter()
            .take_while(|&&byte| dimension_of(byte).is_none())
            .count();
        let token = if length == 0 { start } else { place };
        if length >= limit {
            folded
                .iter_mut()
                .zip(token)
                .for_each(|(folded, component)| *folded ^= component);
        }
        at += length;
        if let Some(dimension) = bytes.get(at).and_then(|&byte| dimension_of(byte)) {
            advance(&mut place, dimension)?;
            at += 1;
        }
        if at == bytes.len() {
            return Some(folded);
        }
    }
}

fn advance(place: &mut [u32; DIMENSIONS], dimension: usize) -> Option<()> {
    place[dimension] = place[dimension].checked_add(1)?;
    place[dimension + 1..].fill(1);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_fold_as_libphext_tokens() {
        let check = |text: &str, limit, expected| {
            assert_eq!(
                from_places(text, limit),
                Some(expected),
                "{text:?} from {limit}"
            );
        };
        let one = [1; DIMENSIONS];
        let zero = [0; DIMENSIONS];
        check("", 1, one);
        check("", 0, zero);
        check("abc", 3, zero);
        check("abc", 4, one);
        check("a\x17b", 1, [1, 1, 1, 1, 1, 1, 1, 1, 2]);
        check("\x18a", 1, [0, 0, 0, 0, 0, 0, 0, 1 ^ 2, 0]);
        check("a\x17", 0, zero);
        check("a\x17\x17", 0, [1, 1, 1, 1, 1, 1, 1, 1, 2]);
    }
}
