//! The questions of one read workload in one round, and what their answers must add up to.
//!
//! Questions differ from round to round, so that no engine lives on what the last round left in the
//! caches. The expected sums come from the data set by the plainest means: no index, every key
//! looked at.

use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use rand::Rng;
use rand::rngs::StdRng;

use crate::dataset::Dataset;
use crate::engine::{Outcome, Reader};
use crate::key::Key;
use crate::query::{Batch, Nearest, NearestQuestion, Prefix, Region, RegionQuestion};
use crate::tally::Tally;
use crate::workload::Workload;

const POINTS: usize = 200_000;
const BATCHES: usize = 200;
const BATCH_KEYS: usize = 1_000;
const RANGES: usize = 5_000;
const RANGE_RECORDS: usize = 100;
const PREFIXES: usize = 20_000;
const REGIONS: usize = 12;
const NEIGHBOURS: usize = 10;
/// Dimensions that a wildcard or a box constrains.
const CONSTRAINED: usize = 5;
/// How far a box reaches to either side, as a share of the ranks.
const HALF_WINDOW: f64 = 0.05;
/// A narrow box reaches as far among this many records.
const NARROW_FROM: f64 = 1e6;

/// The questions of a round.
pub(crate) struct Questions {
    asked: Asked,
    /// What all answers together give.
    pub(crate) expected: Tally,
    /// Operations in one pass, in the workload's unit.
    pub(crate) operations: u64,
}

enum Asked {
    Points(Vec<Key>),
    Batches(Vec<Key>, Vec<Coordinate>),
    Ranges(Vec<Key>),
    Scan,
    Prefixes(Vec<Prefix>),
    Regions(Vec<RegionQuestion>),
    Nearest(Vec<NearestQuestion>),
}

impl Questions {
    /// The questions of a workload that reads.
    pub(crate) fn new(workload: Workload, dataset: &Dataset, round: usize) -> Questions {
        let random = &mut dataset.random(workload as u64, round);
        match workload {
            Workload::Point => points(dataset, random),
            Workload::Miss => misses(dataset, random),
            Workload::Batch => batches(dataset, random),
            Workload::Range => ranges(dataset, random),
            Workload::Scan => scan(dataset),
            Workload::Prefix => prefixes(dataset, random),
            Workload::Wildcard => regions(dataset, random, wildcard),
            Workload::Box => boxes(dataset, random, HALF_WINDOW),
            Workload::NarrowBox => boxes(dataset, random, narrow_half_window(dataset.keys.len())),
            Workload::Nearest => nearest(dataset, random),
            _ => unreachable!("{workload:?} asks no questions"),
        }
    }

    /// How many questions there are.
    pub(crate) fn len(&self) -> usize {
        match &self.asked {
            Asked::Points(keys) | Asked::Ranges(keys) => keys.len(),
            Asked::Batches(keys, _) => keys.len() / BATCH_KEYS,
            Asked::Scan => 1,
            Asked::Prefixes(prefixes) => prefixes.len(),
            Asked::Regions(regions) => regions.len(),
            Asked::Nearest(centres) => centres.len(),
        }
    }

    /// Asks one of them.
    #[inline]
    pub(crate) fn ask(&self, at: usize, reader: &mut dyn Reader, tally: &mut Tally) -> Outcome {
        match &self.asked {
            Asked::Points(keys) => reader.point(&keys[at], tally),
            Asked::Batches(keys, coordinates) => {
                let range = at * BATCH_KEYS..(at + 1) * BATCH_KEYS;
                let batch = Batch {
                    keys: &keys[range.clone()],
                    coordinates: &coordinates[range],
                };
                reader.batch(batch, tally)
            }
            Asked::Ranges(keys) => reader.range(&keys[at], RANGE_RECORDS, tally),
            Asked::Scan => reader.scan(tally),
            Asked::Prefixes(prefixes) => reader.prefix(&prefixes[at], tally),
            Asked::Regions(regions) => reader.region(&regions[at], tally),
            Asked::Nearest(centres) => reader.nearest(&centres[at], tally),
        }
    }

    /// Whether one question takes so long that reading the clock around it costs nothing.
    pub(crate) fn are_long(&self) -> bool {
        !matches!(self.asked, Asked::Points(_) | Asked::Prefixes(_))
    }
}

fn random_keys(
    dataset: &Dataset,
    random: &mut StdRng,
    count: usize,
    tally: &mut Tally,
) -> Vec<Key> {
    let draw = |_| {
        let rank = dataset.random_rank(random);
        dataset.expect_text(rank, tally);
        Key::new(dataset.keys[rank])
    };
    (0..count).map(draw).collect()
}

fn points(dataset: &Dataset, random: &mut StdRng) -> Questions {
    let mut expected = Tally::default();
    let keys = random_keys(dataset, random, POINTS, &mut expected);
    Questions {
        asked: Asked::Points(keys),
        expected,
        operations: POINTS as u64,
    }
}

fn misses(dataset: &Dataset, random: &mut StdRng) -> Questions {
    let absent = |_| loop {
        let mut components = *dataset.keys[dataset.random_rank(random)].components();
        let dimension = random.random_range(0..DIMENSIONS);
        components[dimension] =
            (components[dimension] + random.random_range(1..100)).min(MAX_COMPONENT);
        let coordinate = Coordinate::new(components).expect("components stay in their range");
        if dataset.keys.binary_search(&coordinate).is_err() {
            return Key::new(coordinate);
        }
    };
    let keys = (0..POINTS).map(absent).collect();
    Questions {
        asked: Asked::Points(keys),
        expected: Tally::default(),
        operations: POINTS as u64,
    }
}

fn batches(dataset: &Dataset, random: &mut StdRng) -> Questions {
    // Keys within a batch are distinct: a set is asked for.
    let mut expected = Tally::default();
    let mut keys = Vec::with_capacity(BATCHES * BATCH_KEYS);
    let size = BATCH_KEYS.min(dataset.keys.len());
    for _ in 0..BATCHES {
        for rank in rand::seq::index::sample(random, dataset.keys.len(), size) {
            dataset.expect_text(rank, &mut expected);
            keys.push(Key::new(dataset.keys[rank]));
        }
    }
    let coordinates = keys.iter().map(|key| key.coordinate).collect();
    Questions {
        operations: keys.len() as u64,
        asked: Asked::Batches(keys, coordinates),
        expected,
    }
}

fn ranges(dataset: &Dataset, random: &mut StdRng) -> Questions {
    let mut expected = Tally::default();
    let draw = |_| {
        let rank = dataset.random_rank(random);
        let end = (rank + RANGE_RECORDS).min(dataset.keys.len());
        (rank..end).for_each(|rank| dataset.expect_record(rank, &mut expected));
        Key::new(dataset.keys[rank])
    };
    let keys = (0..RANGES).map(draw).collect();
    Questions {
        asked: Asked::Ranges(keys),
        expected,
        operations: RANGES as u64,
    }
}

fn scan(dataset: &Dataset) -> Questions {
    let mut expected = Tally::default();
    (0..dataset.keys.len()).for_each(|rank| dataset.expect_record(rank, &mut expected));
    Questions {
        asked: Asked::Scan,
        expected,
        operations: dataset.keys.len() as u64,
    }
}

fn prefixes(dataset: &Dataset, random: &mut StdRng) -> Questions {
    let mut expected = Tally::default();
    let draw = |at: usize| {
        let prefix = Prefix::of(&dataset.keys[dataset.random_rank(random)], 6 + at % 2);
        let (from, to) = (prefix.from.coordinate, prefix.to.coordinate);
        let first = dataset.keys.partition_point(|key| *key < from);
        let end = dataset.keys.partition_point(|key| *key <= to);
        (first..end).for_each(|rank| dataset.expect_record(rank, &mut expected));
        prefix
    };
    let prefixes = (0..PREFIXES).map(draw).collect();
    Questions {
        asked: Asked::Prefixes(prefixes),
        expected,
        operations: PREFIXES as u64,
    }
}

fn regions(
    dataset: &Dataset,
    random: &mut StdRng,
    shape: impl Fn(&Coordinate, &mut StdRng) -> Region,
) -> Questions {
    let mut expected = Tally::default();
    let draw = |_| {
        let region = shape(&dataset.keys[dataset.random_rank(random)], random);
        for (rank, key) in dataset.keys.iter().enumerate() {
            if region.contains(key.components()) {
                dataset.expect_record(rank, &mut expected);
            }
        }
        RegionQuestion::new(region)
    };
    let regions = (0..REGIONS).map(draw).collect();
    Questions {
        asked: Asked::Regions(regions),
        expected,
        operations: REGIONS as u64,
    }
}

/// How far a narrow box reaches to either side: of independent dimensions, as many records lie in it as in a
/// box among [`NARROW_FROM`].
fn narrow_half_window(records: usize) -> f64 {
    let share = NARROW_FROM / records as f64;
    let narrower = share.powf(1.0 / CONSTRAINED as f64);
    (HALF_WINDOW * narrower).min(0.5)
}

fn boxes(dataset: &Dataset, random: &mut StdRng, half_window: f64) -> Questions {
    let ranks = Ranks::sample(dataset, random);
    regions(dataset, random, |centre, random| {
        ranks.window(centre, half_window, random)
    })
}

fn constrained(random: &mut StdRng) -> Vec<usize> {
    rand::seq::index::sample(random, DIMENSIONS, CONSTRAINED).into_vec()
}

fn wildcard(centre: &Coordinate, random: &mut StdRng) -> Region {
    let mut region = Region::ALL;
    for dimension in constrained(random) {
        let component = centre.components()[dimension];
        (region.low[dimension], region.high[dimension]) = (component, component);
    }
    region
}

/// The components of some keys, sorted within each dimension.
struct Ranks([Vec<u32>; DIMENSIONS]);

impl Ranks {
    const SAMPLED: usize = 10_000;

    fn sample(dataset: &Dataset, random: &mut StdRng) -> Ranks {
        let sampled: Vec<usize> = (0..Self::SAMPLED)
            .map(|_| dataset.random_rank(random))
            .collect();
        Ranks(std::array::from_fn(|dimension| {
            let component = |&rank: &usize| dataset.keys[rank].components()[dimension];
            let mut components: Vec<u32> = sampled.iter().map(component).collect();
            components.sort_unstable();
            components
        }))
    }

    /// A box around a centre, which reaches over this share of the ranks to either side.
    fn window(&self, centre: &Coordinate, half_window: f64, random: &mut StdRng) -> Region {
        let mut region = Region::ALL;
        let reach = (Self::SAMPLED as f64 * half_window) as usize;
        for dimension in constrained(random) {
            let (sorted, component) = (&self.0[dimension], centre.components()[dimension]);
            let rank = sorted.partition_point(|&other| other < component);
            let last = sorted.len() - 1;
            let (low, high) = (rank.saturating_sub(reach), (rank + reach).min(last));
            region.low[dimension] = sorted[low].min(component);
            region.high[dimension] = sorted[high].max(component);
        }
        region
    }
}

fn nearest(dataset: &Dataset, random: &mut StdRng) -> Questions {
    let mut expected = Tally::default();
    let draw = |_| {
        let nearest = Nearest {
            centre: dataset.keys[dataset.random_rank(random)],
            count: NEIGHBOURS,
        };
        expect_nearest(dataset, &nearest, &mut expected);
        NearestQuestion::new(nearest)
    };
    let centres = (0..REGIONS).map(draw).collect();
    Questions {
        asked: Asked::Nearest(centres),
        expected,
        operations: REGIONS as u64,
    }
}

fn expect_nearest(dataset: &Dataset, nearest: &Nearest, expected: &mut Tally) {
    // Ranks are in coordinate order, which is how ties are broken.
    let distance = |(rank, key): (usize, &Coordinate)| (nearest.distance(key.components()), rank);
    let mut all: Vec<(u64, usize)> = dataset.keys.iter().enumerate().map(distance).collect();
    let count = nearest.count.min(all.len());
    if count < all.len() {
        all.select_nth_unstable(count);
    }
    for &(_, rank) in &all[..count] {
        dataset.expect_record(rank, expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_boxes_hold_as_many_of_any_number() {
        let held = |records: usize| {
            let share = 2.0 * narrow_half_window(records);
            records as f64 * share.powi(CONSTRAINED as i32)
        };
        let of_a_million = 1e6 * (2.0 * HALF_WINDOW).powi(CONSTRAINED as i32);
        for records in [10_000, 1_000_000, 10_000_000] {
            let ratio = held(records) / of_a_million;
            assert!((0.999..1.001).contains(&ratio), "{records}: {ratio}");
        }
        assert_eq!(
            narrow_half_window(2),
            0.5,
            "no box is wider than everything"
        );
    }
}
