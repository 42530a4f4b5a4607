//! A region over a memtable.
//!
//! A memtable is an ordered map, so a region is walked as a range of it, from one end of the hull to
//! the other. Where scroll after scroll does not match, the walk asks the region for its next
//! coordinate and jumps there: a region of few leading components costs about what it returns.

use super::region::Region;
use crate::coordinate::Coordinate;
use crate::store::{Memtable, MemtableRange};
use bytes::Bytes;
use std::ops::RangeInclusive;

/// Scrolls passed over before a jump, which costs about as much as to pass over some ten.
const PATIENCE: u32 = 8;

/// The scrolls of a memtable that lie in a region, in coordinate order.
pub(super) struct RegionWalk<'a, 'r> {
    memtable: &'a Memtable,
    region: &'r Region,
    /// Where the walk ends.
    last: Coordinate,
    scrolls: MemtableRange<'a>,
    passed_over: u32,
}

impl<'a, 'r> RegionWalk<'a, 'r> {
    pub(super) fn new(memtable: &'a Memtable, region: &'r Region) -> RegionWalk<'a, 'r> {
        let (first, last) = region.hull();
        RegionWalk::within(memtable, region, &(first..=last))
    }

    /// Those from one coordinate to another, which do not lie beyond the region's hull.
    pub(super) fn within(
        memtable: &'a Memtable,
        region: &'r Region,
        range: &RangeInclusive<Coordinate>,
    ) -> RegionWalk<'a, 'r> {
        RegionWalk {
            memtable,
            region,
            last: *range.end(),
            scrolls: memtable.range(range.clone()),
            passed_over: 0,
        }
    }
}

impl std::fmt::Debug for RegionWalk<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegionWalk")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl<'a> Iterator for RegionWalk<'a, '_> {
    type Item = (&'a Coordinate, &'a Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (coordinate, text) = self.scrolls.next()?;
            if self.region.matches(coordinate) {
                self.passed_over = 0;
                return Some((coordinate, text));
            }
            self.passed_over += 1;
            if self.passed_over > PATIENCE {
                self.passed_over = 0;
                let next = self.region.next_from(coordinate)?;
                if next > self.last {
                    return None;
                }
                self.scrolls = self.memtable.range(next..=self.last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::region::Constraint;
    use super::*;

    #[test]
    fn a_walk_finds_what_matches_however_far_apart() {
        let at = |n: u32| {
            let components = [n / 400 + 1, 1, 1, n / 20 % 20 + 1, 1, 1, 1, 1, n % 20 + 1];
            Coordinate::new(components).unwrap()
        };
        let memtable: Memtable = (0..4000).map(|n| (at(n), Bytes::from("x"))).collect();
        let check = |library, collection, scroll| {
            let mut constraints = [const { Constraint::FREE }; 9];
            constraints[0] = library;
            constraints[3] = collection;
            constraints[8] = scroll;
            let region = Region::new(constraints);
            let found: Vec<Coordinate> = RegionWalk::new(&memtable, &region)
                .map(|(c, _)| *c)
                .collect();
            let matching = (0..4000).map(at).filter(|c| region.matches(c));
            assert_eq!(found, matching.collect::<Vec<_>>(), "{region}");
        };
        let only = |component| Constraint::equal(component).unwrap();
        let range = |low, high| Constraint::range(low, high).unwrap();
        check(Constraint::FREE, Constraint::FREE, Constraint::FREE);
        check(Constraint::FREE, only(7), Constraint::FREE);
        check(Constraint::FREE, only(20), only(20));
        check(range(3, 5), range(2, 4), only(1));
        check(only(11), Constraint::FREE, Constraint::FREE);
        check(Constraint::FREE, Constraint::FREE, range(15, 30));
    }
}
