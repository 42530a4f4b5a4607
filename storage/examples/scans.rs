//! What regions and nearest searches take in a store of one sealed part, beside a loop over all keys.
//!
//! ```text
//! cargo run --release -p phext-storage --example scans -- [keys]
//! ```
//!
//! Medians of 200 queries, each around a key that occurs, with all lanes fetched but no text. Every
//! tenth answer is compared with the loop's.

#![expect(
    clippy::unwrap_used,
    reason = "an example that cannot go on may stop with a panic"
)]

use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Constraint, Lane, LaneSpec, Metric, Nearest, Region};
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const QUERIES: usize = 200;
/// Keys written in one commit.
const BATCH: usize = 50_000;

/// Makes a specification around a key, given all keys.
type MakeSpec = fn(&Coordinate, &[Coordinate], &mut StdRng) -> LaneSpec;

fn uniform(random: &mut StdRng) -> [u32; 9] {
    std::array::from_fn(|_| random.random_range(1..=1 << 14))
}

/// Tenant, agent, kind, year, month, day, session, role, turn.
fn agents(random: &mut StdRng) -> [u32; 9] {
    let mut of = |most: u32| random.random_range(1..=most);
    [
        of(8),
        of(40),
        of(3),
        of(3),
        of(12),
        of(28),
        of(20),
        of(4),
        of(200),
    ]
}

fn main() {
    let keys = std::env::args()
        .nth(1)
        .map_or(1_000_000, |n| n.parse().unwrap());
    measure("uniform", keys, uniform);
    measure("agents", keys, agents);
}

fn measure(name: &str, keys: usize, components: fn(&mut StdRng) -> [u32; 9]) {
    let mut random = StdRng::seed_from_u64(7);
    let mut coordinates: Vec<Coordinate> = (0..keys)
        .map(|_| Coordinate::new(components(&mut random)).unwrap())
        .collect();
    coordinates.sort_unstable();
    coordinates.dedup();
    let store = load(&coordinates);
    let snapshot = store.snapshot();
    let phext = snapshot.phext("scans").unwrap();
    println!(
        "{name}: {} keys in {} part(s)",
        coordinates.len(),
        phext.parts()
    );
    let specs: [(&str, MakeSpec); 6] = [
        ("wildcard, 4 free", wildcard),
        ("one dimension fixed", one_fixed),
        ("box, 10 % in 5", ten_percent),
        ("10 nearest, Chebyshev", |c, _, r| {
            nearest(c, Metric::Chebyshev, r)
        }),
        ("10 nearest, Manhattan", |c, _, r| {
            nearest(c, Metric::Manhattan, r)
        }),
        ("prefix of 3", prefix),
    ];
    for (what, spec) in specs {
        report(what, phext, &coordinates, |random| {
            let near = coordinates[random.random_range(0..coordinates.len())];
            spec(&near, &coordinates, random)
        });
    }
}

fn load(coordinates: &[Coordinate]) -> Store {
    let options = Options {
        memtable_bytes: 1 << 40,
        background: false,
        ..Options::default()
    };
    let store = Store::open_with(Arc::new(MemoryVfs::new()), Path::new("/scans"), options).unwrap();
    for coordinates in coordinates.chunks(BATCH) {
        let put = |&coordinate: &Coordinate| WriteOp::Put {
            coordinate,
            text: "text".into(),
        };
        let operations = coordinates.iter().map(put).collect();
        let phext = "scans".to_owned();
        store.commit(WriteBatch { phext, operations }).unwrap();
    }
    store.seal().unwrap();
    store
}

fn wildcard(near: &Coordinate, _: &[Coordinate], random: &mut StdRng) -> LaneSpec {
    let mut constraints = near.components().map(|c| Constraint::equal(c).unwrap());
    let mut free = 0;
    while free < 4 {
        let constraint = &mut constraints[random.random_range(0..9)];
        if !constraint.is_free() {
            *constraint = Constraint::FREE;
            free += 1;
        }
    }
    LaneSpec::Region(Region::new(constraints))
}

fn one_fixed(near: &Coordinate, _: &[Coordinate], random: &mut StdRng) -> LaneSpec {
    let mut constraints = [const { Constraint::FREE }; 9];
    let dimension = random.random_range(1..9);
    constraints[dimension] = Constraint::equal(near.components()[dimension]).unwrap();
    LaneSpec::Region(Region::new(constraints))
}

fn ten_percent(near: &Coordinate, all: &[Coordinate], random: &mut StdRng) -> LaneSpec {
    let mut constraints = [const { Constraint::FREE }; 9];
    let sample = all.iter().step_by(all.len() / 1000 + 1);
    while constraints.iter().filter(|c| !c.is_free()).count() < 5 {
        let dimension = random.random_range(0..9);
        let most = sample
            .clone()
            .map(|c| c.components()[dimension])
            .max()
            .unwrap();
        let (at, reach) = (near.components()[dimension], most / 20);
        let low = at.saturating_sub(reach).max(1);
        constraints[dimension] = Constraint::range(low, at + reach).unwrap();
    }
    LaneSpec::Region(Region::new(constraints))
}

fn nearest(near: &Coordinate, metric: Metric, random: &mut StdRng) -> LaneSpec {
    let to = near.components().map(|c| c + random.random_range(0..3));
    LaneSpec::Nearest(Nearest {
        to: Coordinate::new(to).unwrap(),
        count: 10,
        metric,
        radius: None,
    })
}

fn prefix(near: &Coordinate, _: &[Coordinate], _: &mut StdRng) -> LaneSpec {
    let mut constraints = [const { Constraint::FREE }; 9];
    for (constraint, &component) in constraints.iter_mut().zip(near.components()).take(3) {
        *constraint = Constraint::equal(component).unwrap();
    }
    LaneSpec::Region(Region::new(constraints))
}

fn report(what: &str, phext: &Phext, all: &[Coordinate], spec: impl Fn(&mut StdRng) -> LaneSpec) {
    let mut random = StdRng::seed_from_u64(11);
    let before = phext.counters().read();
    let (mut ours, mut naive, mut lanes) = (Vec::new(), Vec::new(), 0);
    for query in 0..QUERIES {
        let spec = spec(&mut random);
        let start = Instant::now();
        let found = fetch(phext, &spec);
        ours.push(start.elapsed().as_nanos() as f64 / 1000.0);
        lanes += found.len();
        if query % 10 == 0 {
            let start = Instant::now();
            let expected = scan(all, &spec);
            naive.push(start.elapsed().as_nanos() as f64 / 1000.0);
            assert!(
                found.iter().map(|lane| lane.coordinate).eq(expected),
                "{spec:?}"
            );
        }
    }
    let now = phext.counters().read();
    let verified = (now.blocks_verified - before.blocks_verified) as f64 / QUERIES as f64;
    let postings = now.postings_used - before.postings_used;
    let (ours, naive) = (median(&mut ours), median(&mut naive));
    println!(
        "  {what:22} {ours:9.1} us   loop {naive:9.1} us   {:6.0} x   lanes {:8.1}   blocks read {verified:7.1}   postings {postings}",
        naive / ours,
        lanes as f64 / QUERIES as f64,
    );
}

fn fetch<'a>(phext: &'a Phext, spec: &'a LaneSpec) -> Vec<Lane<'a>> {
    let mut cursor = phext.lanes(spec).unwrap();
    let mut lanes = Vec::new();
    loop {
        let before = lanes.len();
        cursor.next_batch(&mut lanes, 1024).unwrap();
        if lanes.len() == before {
            return lanes;
        }
    }
}

fn scan(all: &[Coordinate], spec: &LaneSpec) -> Vec<Coordinate> {
    match spec {
        LaneSpec::Region(region) => all.iter().filter(|c| region.matches(c)).copied().collect(),
        LaneSpec::Nearest(nearest) => {
            let distance = |c: &Coordinate| (nearest.metric.distance(&nearest.to, c), *c);
            let mut keys: Vec<(u64, Coordinate)> = all.iter().map(distance).collect();
            let count = (nearest.count as usize).min(keys.len());
            if count < keys.len() {
                keys.select_nth_unstable(count);
            }
            keys.truncate(count);
            keys.sort_unstable();
            keys.into_iter().map(|(_, c)| c).collect()
        }
        _ => unreachable!("only regions and nearest searches are measured"),
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
