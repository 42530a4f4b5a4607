//! The order of slots inside a part.
//!
//! Two things have an order: the key blocks, and the texts. The first P dimensions are ordered
//! lexicographically, the rest by a space-filling curve over equi-depth ranks. P = 9 is plain
//! coordinate order. Key blocks may also be the leaves of a k-d tree over all dimensions
//! ([`leaves`](super::leaves)), which no order asks for by name.
//!
//! | order | key blocks | texts |
//! |---|---|---|
//! | [`Order::Lexicographic`] | coordinate order | coordinate order |
//! | [`Order::Auto`] | coordinate order, a prefix and then Hilbert, or k-d leaves, as [`order_choice`](super::order_choice) finds | coordinate order |
//! | [`Order::Curve`] | a prefix, then the curve | as the key blocks |
//!
//! Key blocks along a curve or as leaves make boxes and nearest neighbours cheap, because zone maps prune; texts in
//! coordinate order make prefixes and scans one run. [`Order::Auto`] has both, at the price of texts
//! of one box that lie further apart. It extends the prefix while the number of distinct prefixes
//! stays below slots / 1024.

use super::dictionary::Dictionary;
use super::layout::BLOCK_SLOTS;
use super::leaves;
use super::order_choice::{Why, choose};
use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::curves::{self, Curve};
use std::fmt;
use std::str::FromStr;

/// The mean number of slots that share a prefix, above which [`Order::Auto`] lengthens it.
const SLOTS_PER_PREFIX: usize = 1024;

/// The order chosen for a phext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Keys: as a sample of them suggests, coordinate order, a prefix and then Hilbert, Hilbert
    /// alone, or the leaves of a k-d tree. Texts: coordinate order.
    #[default]
    Auto,
    /// Coordinate order.
    Lexicographic,
    /// The first `prefix` dimensions (0 to 7) in coordinate order, the rest along `curve`.
    Curve {
        /// Number of leading dimensions in coordinate order.
        prefix: u8,
        /// The curve over the others.
        curve: Curve,
    },
}

/// A text that names no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an order: use auto, lexicographic, hilbert, morton, peano, or prefix=P,curve with P from 0 to 7"
)]
pub struct OrderError(String);

/// A curve needs at least two dimensions.
const MAX_PREFIX: u8 = DIMENSIONS as u8 - 2;

impl FromStr for Order {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Order, OrderError> {
        let error = || OrderError(text.to_owned());
        match text {
            "auto" => return Ok(Order::Auto),
            "lexicographic" => return Ok(Order::Lexicographic),
            _ => {}
        }
        let (prefix, curve) = match text.strip_prefix("prefix=") {
            Some(rest) => rest.split_once(',').ok_or_else(error)?,
            None => ("0", text),
        };
        let prefix = prefix
            .parse()
            .ok()
            .filter(|&p| p <= MAX_PREFIX)
            .ok_or_else(error)?;
        let curve = curve_from_name(curve).ok_or_else(error)?;
        Ok(Order::Curve { prefix, curve })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Auto => f.write_str("auto"),
            Order::Lexicographic => f.write_str("lexicographic"),
            Order::Curve { prefix: 0, curve } => f.write_str(curve_name(*curve)),
            Order::Curve { prefix, curve } => write!(f, "prefix={prefix},{}", curve_name(*curve)),
        }
    }
}

fn curve_name(curve: Curve) -> &'static str {
    match curve {
        Curve::Hilbert => "hilbert",
        Curve::Morton => "morton",
        Curve::Peano => "peano",
    }
}

fn curve_from_name(name: &str) -> Option<Curve> {
    [Curve::Hilbert, Curve::Morton, Curve::Peano]
        .into_iter()
        .find(|&c| curve_name(c) == name)
}

impl Order {
    /// Whether a part that was placed so, for this reason, is as this order wants it.
    pub(crate) fn is_met_by(self, placement: Placement, why: Why) -> bool {
        match self.given() {
            Some(given) => placement == given && why == Why::Given,
            None => why != Why::Given,
        }
    }

    /// Whether texts lie in coordinate order, whatever the keys are.
    pub(crate) fn keeps_texts_by_coordinate(self) -> bool {
        self.given().is_none_or(Placement::has_coordinate_slots)
    }

    /// The placement that the order prescribes; `None` where it depends on the keys.
    fn given(self) -> Option<Placement> {
        match self {
            Order::Auto => None,
            Order::Lexicographic => Some(Placement::LEXICOGRAPHIC),
            Order::Curve { prefix, curve } => Some(Placement {
                prefix,
                keys: KeyOrder::Curve(curve),
                texts: TextOrder::Keys,
            }),
        }
    }

    /// The placement of these keys, which are in coordinate order, and why it is that one.
    pub(super) fn resolve(self, keys: &[Coordinate]) -> (Placement, Why) {
        match self.given() {
            Some(given) => (given, Why::Given),
            // One block is scanned whole whatever its order.
            None if keys.len() <= BLOCK_SLOTS => (Placement::LEXICOGRAPHIC, Why::Small),
            None => choose(keys, suggested(keys)),
        }
    }
}

/// The prefix that the keys suggest, then Hilbert.
fn suggested(keys: &[Coordinate]) -> Placement {
    match prefix_for(keys) {
        prefix if prefix > MAX_PREFIX => Placement::LEXICOGRAPHIC,
        prefix => Placement::prefixed(prefix),
    }
}

/// The longest prefix with fewer distinct values than one in [`SLOTS_PER_PREFIX`] slots.
fn prefix_for(keys: &[Coordinate]) -> u8 {
    let most = keys.len().div_ceil(SLOTS_PER_PREFIX);
    let distinct = |length: usize| {
        keys.chunk_by(|a, b| a.components()[..length] == b.components()[..length])
            .count()
    };
    (1..=DIMENSIONS)
        .take_while(|&length| distinct(length) < most)
        .last()
        .unwrap_or(0) as u8
}

/// The order of a part's texts, and so of its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextOrder {
    /// Coordinate order.
    Coordinates,
    /// The order of the key blocks.
    Keys,
}

/// The order that a part was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(super) prefix: u8,
    pub(super) keys: KeyOrder,
    /// Means nothing where keys are in coordinate order: both orders are the same then.
    pub(super) texts: TextOrder,
}

/// The order of a part's keys behind the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyOrder {
    /// All dimensions are in the prefix.
    Coordinates,
    /// Along a curve.
    Curve(Curve),
    /// As the leaves of a k-d tree; there is no prefix.
    Leaves,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keys {
            KeyOrder::Coordinates => Order::Lexicographic.fmt(f),
            KeyOrder::Curve(curve) => Order::Curve {
                prefix: self.prefix,
                curve,
            }
            .fmt(f),
            KeyOrder::Leaves => f.write_str("k-d leaves"),
        }
    }
}

impl Placement {
    pub(super) const LEXICOGRAPHIC: Placement = Placement {
        prefix: DIMENSIONS as u8,
        keys: KeyOrder::Coordinates,
        texts: TextOrder::Coordinates,
    };

    /// Keys as the leaves of a k-d tree, texts in coordinate order.
    pub(super) const LEAVES: Placement = Placement {
        prefix: 0,
        keys: KeyOrder::Leaves,
        texts: TextOrder::Coordinates,
    };

    /// Keys along Hilbert over all dimensions, texts in coordinate order.
    pub(super) const HILBERT: Placement = Placement::prefixed(0);

    /// Keys along Hilbert behind a prefix of so many dimensions, texts in coordinate order.
    pub(super) const fn prefixed(prefix: u8) -> Placement {
        Placement {
            prefix,
            keys: KeyOrder::Curve(Curve::Hilbert),
            texts: TextOrder::Coordinates,
        }
    }

    /// Whether key blocks are in coordinate order.
    pub(super) fn is_lexicographic(self) -> bool {
        self.keys == KeyOrder::Coordinates
    }

    /// The key order's code on disk.
    pub(super) fn key_order_code(self) -> u8 {
        match self.keys {
            KeyOrder::Coordinates => 0,
            KeyOrder::Curve(Curve::Hilbert) => 1,
            KeyOrder::Curve(Curve::Morton) => 2,
            KeyOrder::Curve(Curve::Peano) => 3,
            KeyOrder::Leaves => 4,
        }
    }

    /// Whether slots are in coordinate order.
    pub(super) fn has_coordinate_slots(self) -> bool {
        self.is_lexicographic() || self.texts == TextOrder::Coordinates
    }

    /// The text order's code on disk.
    pub(super) fn text_order_code(self) -> u8 {
        match self.texts {
            TextOrder::Coordinates => 0,
            TextOrder::Keys => 1,
        }
    }

    /// The placement with these codes on disk.
    pub(super) fn from_codes(prefix: u8, keys: u8, texts: u8) -> Option<Placement> {
        let texts = match texts {
            0 => TextOrder::Coordinates,
            1 => TextOrder::Keys,
            _ => return None,
        };
        let only = |placement: Placement| {
            (prefix == placement.prefix && texts == placement.texts).then_some(placement)
        };
        let curve = match keys {
            0 => return only(Placement::LEXICOGRAPHIC),
            4 => return only(Placement::LEAVES),
            1 => Curve::Hilbert,
            2 => Curve::Morton,
            3 => Curve::Peano,
            _ => return None,
        };
        (prefix <= MAX_PREFIX).then_some(Placement {
            prefix,
            keys: KeyOrder::Curve(curve),
            texts,
        })
    }

    /// The keys (indexes in coordinate order) in the order of the key blocks.
    pub(super) fn positions(
        self,
        keys: &[Coordinate],
        dictionaries: &[Dictionary; DIMENSIONS],
    ) -> Vec<u32> {
        match self.keys {
            KeyOrder::Coordinates => (0..keys.len() as u32).collect(),
            KeyOrder::Curve(curve) => self.along(curve, keys, dictionaries),
            KeyOrder::Leaves => leaves::positions(dictionaries.each_ref()),
        }
    }

    /// The keys along a curve behind the prefix.
    fn along(
        self,
        curve: Curve,
        keys: &[Coordinate],
        dictionaries: &[Dictionary; DIMENSIONS],
    ) -> Vec<u32> {
        let prefix = usize::from(self.prefix);
        let mut positions: Vec<(u128, u32)> = match DIMENSIONS - prefix {
            9 => curve_keys::<9>(curve, dictionaries),
            8 => curve_keys::<8>(curve, dictionaries),
            7 => curve_keys::<7>(curve, dictionaries),
            6 => curve_keys::<6>(curve, dictionaries),
            5 => curve_keys::<5>(curve, dictionaries),
            4 => curve_keys::<4>(curve, dictionaries),
            3 => curve_keys::<3>(curve, dictionaries),
            2 => curve_keys::<2>(curve, dictionaries),
            _ => unreachable!("a prefix is at most {MAX_PREFIX}"),
        };
        // Keys with the same prefix are neighbours already: only runs need sorting. Equal curve
        // keys order by index, which is coordinate order.
        let same =
            |a: &Coordinate, b: &Coordinate| a.components()[..prefix] == b.components()[..prefix];
        let mut start = 0;
        for run in keys.chunk_by(same) {
            positions[start..start + run.len()].sort_unstable();
            start += run.len();
        }
        positions.into_iter().map(|(_, key)| key).collect()
    }
}

/// Every key's position along the curve over its last `D` dimensions, with its index.
fn curve_keys<const D: usize>(
    curve: Curve,
    dictionaries: &[Dictionary; DIMENSIONS],
) -> Vec<(u128, u32)> {
    let dictionaries = &dictionaries[DIMENSIONS - D..];
    let count = dictionaries[0].codes.len();
    let cells: Vec<Vec<u16>> = dictionaries
        .iter()
        .map(|dictionary| {
            let cell = |&below| curves::cell_of_rank::<D>(curve, u64::from(below), count as u64);
            dictionary.below.iter().map(cell).collect()
        })
        .collect();
    let point = |key: usize| -> [u16; D] {
        std::array::from_fn(|d| cells[d][dictionaries[d].codes[key] as usize])
    };
    let points: Vec<[u16; D]> = (0..count).map(point).collect();
    let mut keys = vec![0; count];
    curves::encode_batch(curve, &points, &mut keys);
    keys.into_iter().zip(0..).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_read_and_print() {
        let check = |text: &str, expected: Option<Order>| {
            assert_eq!(text.parse::<Order>().ok(), expected, "{text}");
            if let Some(order) = expected {
                assert_eq!(order.to_string().parse(), Ok(order));
            }
        };
        let curve = |prefix, curve| Some(Order::Curve { prefix, curve });
        check("auto", Some(Order::Auto));
        check("lexicographic", Some(Order::Lexicographic));
        check("hilbert", curve(0, Curve::Hilbert));
        check("morton", curve(0, Curve::Morton));
        check("peano", curve(0, Curve::Peano));
        check("prefix=3,peano", curve(3, Curve::Peano));
        check("prefix=7,hilbert", curve(7, Curve::Hilbert));
        check("prefix=8,hilbert", None);
        check("prefix=,hilbert", None);
        check("prefix=2", None);
        check("Hilbert", None);
        check("", None);
    }

    #[test]
    fn placements_are_read_back() {
        for prefix in 0..=u8::MAX {
            for (keys, texts) in (0..6).flat_map(|keys| [(keys, 0), (keys, 1), (keys, 2)]) {
                let placement = Placement::from_codes(prefix, keys, texts);
                let expected = match keys {
                    0 => prefix == 9 && texts == 0,
                    1..=3 => prefix <= MAX_PREFIX && texts < 2,
                    4 => prefix == 0 && texts == 0,
                    _ => false,
                };
                assert_eq!(placement.is_some(), expected, "{prefix} {keys} {texts}");
                if let Some(placement) = placement {
                    let codes = (
                        placement.prefix,
                        placement.key_order_code(),
                        placement.text_order_code(),
                    );
                    assert_eq!(codes, (prefix, keys, texts));
                }
            }
        }
        assert_eq!(Placement::LEAVES.to_string().parse::<Order>().ok(), None);
    }

    #[test]
    fn auto_takes_the_prefix_that_the_data_suggests() {
        let key = |book, n| Coordinate::new([1, 1, 1, 1, 1, book, n, 1, n]).unwrap();
        let few: Vec<Coordinate> = (1..=100).map(|n| key(1, n)).collect();
        assert_eq!(
            Order::Auto.resolve(&few),
            (Placement::LEXICOGRAPHIC, Why::Small),
            "one block"
        );
        let books = (1..=4).flat_map(|book| (1..=2048).map(move |n| key(book, n)));
        let books: Vec<Coordinate> = books.collect();
        let hilbert = KeyOrder::Curve(Curve::Hilbert);
        assert_eq!(
            Order::Auto.resolve(&books).0,
            Placement {
                prefix: 6,
                keys: hilbert,
                texts: TextOrder::Coordinates,
            }
        );
        let spread: Vec<Coordinate> = (1..=4096).map(|n| key(n, 1)).collect();
        assert_eq!(
            Order::Auto.resolve(&spread).0,
            Placement {
                prefix: 5,
                keys: hilbert,
                texts: TextOrder::Coordinates,
            }
        );
    }
}
