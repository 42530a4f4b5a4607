//! What is asked in more than one dimension.
//!
//! A question carries what sqd asks its page table, beside what the other engines work with, so
//! that no engine converts inside a timed loop.

use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use phext_storage::page_table::{self, Constraint, LaneSpec, Metric};

use crate::key::Key;

/// All coordinates that begin with some components: those from one key to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefix {
    pub(crate) from: Key,
    pub(crate) to: Key,
}

impl Prefix {
    /// The first `length` components of a coordinate.
    pub(crate) fn of(coordinate: &Coordinate, length: usize) -> Prefix {
        let filled = |filler| {
            let mut components = *coordinate.components();
            components[length..].fill(filler);
            Key::new(Coordinate::new(components).expect("components stay in their range"))
        };
        Prefix {
            from: filled(1),
            to: filled(MAX_COMPONENT),
        }
    }
}

/// Keys that are asked for at once, in both forms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) keys: &'a [Key],
    pub(crate) coordinates: &'a [Coordinate],
}

/// A range in each dimension, both ends included; free dimensions have all of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    pub(crate) low: [u32; DIMENSIONS],
    pub(crate) high: [u32; DIMENSIONS],
}

impl Region {
    /// Everything.
    pub(crate) const ALL: Region = Region {
        low: [1; DIMENSIONS],
        high: [MAX_COMPONENT; DIMENSIONS],
    };

    /// Whether it holds these components.
    #[inline]
    pub(crate) fn contains(&self, components: &[u32; DIMENSIONS]) -> bool {
        let inside = |dimension: usize| {
            (self.low[dimension]..=self.high[dimension]).contains(&components[dimension])
        };
        (0..DIMENSIONS).all(inside)
    }

    /// The components around a centre at a distance of at most `radius` in every dimension.
    pub(crate) fn around(centre: &[u32; DIMENSIONS], radius: u64) -> Region {
        let radius = u32::try_from(radius).unwrap_or(MAX_COMPONENT);
        Region {
            low: centre.map(|component| component.saturating_sub(radius).max(1)),
            high: centre.map(|component| component.saturating_add(radius).min(MAX_COMPONENT)),
        }
    }

    /// The least components in the region that are not below `at` in coordinate order, where `at`
    /// is outside; `None` where there are none. This is what makes a scan skip.
    pub(crate) fn next_possible(&self, at: &[u32; DIMENSIONS]) -> Option<[u32; DIMENSIONS]> {
        let outside = (0..DIMENSIONS).find(|&dimension| {
            !(self.low[dimension]..=self.high[dimension]).contains(&at[dimension])
        })?;
        let mut next = *at;
        if at[outside] < self.low[outside] {
            next[outside..].copy_from_slice(&self.low[outside..]);
            return Some(next);
        }
        let carried = (0..outside)
            .rev()
            .find(|&dimension| at[dimension] < self.high[dimension])?;
        next[carried] += 1;
        next[carried + 1..].copy_from_slice(&self.low[carried + 1..]);
        Some(next)
    }
}

/// A region as a question.
#[derive(Debug, Clone)]
pub(crate) struct RegionQuestion {
    pub(crate) region: Region,
    pub(crate) lanes: LaneSpec,
}

impl RegionQuestion {
    /// Both forms of a region.
    pub(crate) fn new(region: Region) -> RegionQuestion {
        let constraints = std::array::from_fn(|dimension| {
            let (low, high) = (region.low[dimension], region.high[dimension]);
            Constraint::range(low, high).expect("a region's components are in range and in order")
        });
        RegionQuestion {
            region,
            lanes: LaneSpec::Region(page_table::Region::new(constraints)),
        }
    }
}

/// The nearest records as a question.
#[derive(Debug, Clone)]
pub(crate) struct NearestQuestion {
    pub(crate) nearest: Nearest,
    pub(crate) lanes: LaneSpec,
}

impl NearestQuestion {
    /// Both forms of a search.
    pub(crate) fn new(nearest: Nearest) -> NearestQuestion {
        let lanes = LaneSpec::Nearest(page_table::Nearest {
            to: nearest.centre,
            count: u32::try_from(nearest.count).expect("few records are searched"),
            metric: Metric::Manhattan,
            radius: None,
        });
        NearestQuestion { nearest, lanes }
    }
}

/// The `count` records nearest to a centre by Manhattan distance; of equally distant ones those
/// with the smaller coordinates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nearest {
    pub(crate) centre: Coordinate,
    pub(crate) count: usize,
}

impl Nearest {
    /// The Manhattan distance from the centre.
    #[inline]
    pub(crate) fn distance(&self, components: &[u32; DIMENSIONS]) -> u64 {
        let pairs = self.centre.components().iter().zip(components);
        pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regions of three dimensions, the others fixed at 1, against a search through all of them.
    #[test]
    fn next_possible_is_the_least_above() {
        let fill = |first: [u32; 3]| {
            let mut components = [1; DIMENSIONS];
            components[..3].copy_from_slice(&first);
            components
        };
        let cube =
            || (1..=4).flat_map(|a| (1..=4).flat_map(move |b| (1..=4).map(move |c| [a, b, c])));
        for (low, high) in [
            ([2, 1, 2], [3, 4, 3]),
            ([1, 2, 1], [4, 2, 4]),
            ([3, 3, 3], [3, 3, 3]),
        ] {
            let region = Region {
                low: fill(low),
                high: fill(high),
            };
            for at in cube().map(fill).filter(|at| !region.contains(at)) {
                let expected = cube()
                    .map(fill)
                    .filter(|k| region.contains(k))
                    .find(|k| *k > at);
                assert_eq!(region.next_possible(&at), expected, "{at:?} in {region:?}");
            }
        }
    }
}
