//! The rows that CTALLY keeps.

use super::ExecuteError;
use super::registers::{Message, Order, Rows};
use crate::{MAX_ROWS, TallyKey};
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use std::collections::HashMap;

/// What is known of a value over the lanes of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// The sum, wrapping.
    pub sum: u64,
    /// The least, unsigned.
    pub min: u64,
    /// The greatest, unsigned.
    pub max: u64,
}

impl Tally {
    /// Of the lanes of both.
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            sum: self.sum.wrapping_add(other.sum),
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// The tallies of one key.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Coordinate,
    count: u64,
    tally: Option<Tally>,
}

/// A row for each key so far.
#[derive(Debug, Clone)]
pub(super) struct Tallies {
    key: TallyKey,
    entries: Vec<Entry>,
    by_key: HashMap<Coordinate, usize>,
    /// The entry of the lane before: lanes of one key often follow each other.
    last: usize,
}

impl Tallies {
    pub(super) fn new(key: TallyKey) -> Self {
        Self {
            key,
            entries: Vec::new(),
            by_key: HashMap::new(),
            last: 0,
        }
    }

    #[inline]
    pub(super) fn add(
        &mut self,
        coordinate: &Coordinate,
        value: Option<u64>,
    ) -> Result<(), ExecuteError> {
        let key = key_of(self.key, coordinate);
        if self
            .entries
            .get(self.last)
            .is_none_or(|entry| entry.key != key)
        {
            self.last = self.find(key)?;
        }
        let entry = &mut self.entries[self.last];
        entry.count = entry.count.wrapping_add(1);
        let one = value.map(|value| Tally {
            sum: value,
            min: value,
            max: value,
        });
        entry.tally = match (entry.tally, one) {
            (Some(tally), Some(one)) => Some(tally.join(one)),
            (_, one) => one,
        };
        Ok(())
    }

    /// The entry of a key, a new one where there is none.
    fn find(&mut self, key: Coordinate) -> Result<usize, ExecuteError> {
        if let Some(&entry) = self.by_key.get(&key) {
            return Ok(entry);
        }
        let entry = self.entries.len();
        if entry as u64 == MAX_ROWS {
            return Err(ExecuteError::TooManyKeys);
        }
        self.by_key.insert(key, entry);
        self.entries.push(Entry {
            key,
            count: 0,
            tally: None,
        });
        Ok(entry)
    }

    /// The rows, the keys ascending.
    pub(super) fn into_rows(mut self) -> Rows {
        self.entries.sort_unstable_by_key(|entry| entry.key);
        let row = |entry: Entry| Message {
            coordinate: Some(entry.key),
            number: Some(entry.count),
            tally: entry.tally,
            ..Message::default()
        };
        Rows::new(self.entries.into_iter().map(row).collect(), Order::Key)
    }
}

/// The key, with 1 in the other components.
#[inline]
fn key_of(key: TallyKey, coordinate: &Coordinate) -> Coordinate {
    let components = coordinate.components();
    let kept: [u32; DIMENSIONS] = match key {
        TallyKey::Leading(count) => std::array::from_fn(|d| {
            if d < usize::from(count) {
                components[d]
            } else {
                1
            }
        }),
        TallyKey::Component(dimension) => std::array::from_fn(|d| {
            if d == usize::from(dimension) {
                components[d]
            } else {
                1
            }
        }),
    };
    Coordinate::new(kept).expect("components of a coordinate, and 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_limited() {
        let at = |n: u32| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, n]).unwrap();
        let most = u32::try_from(MAX_ROWS).unwrap();
        let mut tallies = Tallies::new(TallyKey::Component(8));
        for n in 1..=most {
            tallies.add(&at(n), None).unwrap();
        }
        tallies.add(&at(1), None).unwrap();
        let error = tallies.add(&at(most + 1), None).unwrap_err();
        let expected = "CTALLY met more than 1048576 keys, the most that it keeps: count fewer lanes, \
                        or by a key that more of them share";
        assert_eq!(error.to_string(), expected);
        let rows = tallies.into_rows();
        assert_eq!(rows.rows().len(), most as usize);
        assert_eq!(rows.rows()[0].number, Some(2));
    }
}
