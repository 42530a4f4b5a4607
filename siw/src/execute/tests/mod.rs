//! Tests of the executor over a small store: against a scalar model, and by example.

mod examples;
mod scalar;

use super::{Flow, Flush, Report, ResultRow, execute};
use crate::tests::random;
use crate::{Constant, LaneSpec, Stream};
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, StoreError, WriteBatch, WriteOp};
use proptest::prelude::*;
use scalar::{Outcome, Scrolls, interpret};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// A row that outlives its stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct OwnedRow {
    coordinate: Option<Coordinate>,
    text: Option<Vec<u8>>,
    length: Option<u64>,
    checksum: Option<u128>,
    number: Option<u64>,
}

impl OwnedRow {
    fn of(row: &ResultRow<'_>) -> OwnedRow {
        OwnedRow {
            coordinate: row.coordinate,
            text: row.text.map(<[u8]>::to_vec),
            length: row.length,
            checksum: row.checksum,
            number: row.number,
        }
    }
}

/// Keeps the writes of each SFLUSH.
#[derive(Default)]
struct Flushes(Vec<Vec<WriteOp>>);

impl Flush for Flushes {
    fn flush(&mut self, operations: Vec<WriteOp>) -> Result<(), StoreError> {
        self.0.push(operations);
        Ok(())
    }
}

/// Runs a stream; the sink stops it after `limit` rows.
fn run(stream: &Stream, phext: &Phext, limit: Option<usize>) -> Outcome {
    let mut rows = Vec::new();
    let mut flushes = Flushes::default();
    let mut sink = |row: &ResultRow<'_>| {
        rows.push(OwnedRow::of(row));
        let stop = limit == Some(rows.len());
        Ok(if stop { Flow::Stop } else { Flow::Continue })
    };
    let report = execute(stream, phext, &mut sink, &mut flushes).unwrap();
    let Report {
        batches,
        lanes,
        ops,
        bytes_gathered,
        rows: sent,
    } = report;
    assert_eq!(sent, rows.len() as u64);
    Outcome {
        rows,
        flushes: flushes.0,
        batches,
        lanes,
        ops,
        bytes_gathered,
    }
}

/// A store with one phext, named "", and the same scrolls as a map.
struct Fixture {
    store: Store,
    scrolls: Scrolls,
}

impl Fixture {
    fn new() -> Fixture {
        let options = Options {
            background: false,
            ..Options::default()
        };
        let vfs = Arc::new(MemoryVfs::default());
        let store = Store::open_with(vfs, Path::new("/data"), options).unwrap();
        Fixture {
            store,
            scrolls: Scrolls::new(),
        }
    }

    fn put(&mut self, scrolls: impl Iterator<Item = (Coordinate, String)>) {
        let mut operations = Vec::new();
        for (coordinate, text) in scrolls {
            self.scrolls.insert(coordinate, text.clone().into_bytes());
            let text = text.into();
            operations.push(WriteOp::Put { coordinate, text });
        }
        self.commit(operations);
    }

    fn delete(&mut self, coordinates: impl Iterator<Item = Coordinate>) {
        let mut operations = Vec::new();
        for coordinate in coordinates {
            self.scrolls.remove(&coordinate);
            operations.push(WriteOp::Delete { coordinate });
        }
        self.commit(operations);
    }

    fn commit(&self, operations: Vec<WriteOp>) {
        let phext = String::new();
        let batch = WriteBatch { phext, operations };
        self.store.commit(batch).unwrap();
    }

    fn phext(&self) -> Arc<Phext> {
        let snapshot = self.store.snapshot();
        let none = || Arc::new(Phext::empty().clone());
        snapshot.phext("").cloned().unwrap_or_else(none)
    }

    /// Gives the scroll at each place one of six fates: absent, in an older part, in a newer part,
    /// in the memtable, in a part and shadowed by the memtable, in a part and deleted.
    fn of_fates(places: &[(Coordinate, u8)]) -> Fixture {
        let mut fixture = Fixture::new();
        let of = |fates: &'static [u8]| {
            let chosen = move |(_, fate): &&(Coordinate, u8)| fates.contains(&(fate % 6));
            places.iter().filter(chosen)
        };
        let text = |age: &str, &(c, fate): &(Coordinate, u8)| {
            let text = format!("{age} {c} ").repeat(usize::from(fate) + 1);
            (c, text)
        };
        fixture.put(of(&[1, 4, 5]).map(|place| text("old", place)));
        fixture.store.seal().unwrap();
        fixture.put(of(&[2]).map(|place| text("newer", place)));
        fixture.store.seal().unwrap();
        fixture.put(of(&[3, 4]).map(|place| text("newest", place)));
        fixture.delete(of(&[5]).map(|&(c, _)| c));
        fixture
    }
}

/// The coordinates that a stream names.
fn places_of(stream: &Stream) -> Vec<Coordinate> {
    let mut places = Vec::new();
    for constant in &stream.constants {
        match constant {
            Constant::Lanes(LaneSpec::Range { from, to }) => places.extend([*from, *to]),
            Constant::Lanes(LaneSpec::Points(points) | LaneSpec::Union { points, .. }) => {
                places.extend(points);
            }
            Constant::Lanes(LaneSpec::Region(region)) => {
                let (least, greatest) = region.hull();
                places.extend([least, greatest]);
            }
            Constant::Lanes(LaneSpec::Nearest(nearest)) => places.push(nearest.to),
            _ => {}
        }
    }
    places
}

/// More scrolls than two batches have lanes, in two parts and the memtable.
static LARGE: LazyLock<(Arc<Phext>, Scrolls)> = LazyLock::new(|| {
    let places: Vec<_> = (1..=3000)
        .map(|n| {
            let components = [1, 1, 1, 1, n % 7 + 1, 1, 1, 1, n];
            (Coordinate::new(components).unwrap(), (n % 6) as u8)
        })
        .collect();
    let fixture = Fixture::of_fates(&places);
    (fixture.phext(), fixture.scrolls)
});

/// The canary of the tests below: streams that do nothing would prove nothing.
#[test]
fn random_streams_do_things() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut sent, mut wrote, mut gathered, mut masked) = (0, 0, 0, 0);
    for _ in 0..100 {
        let stream = random::stream().new_tree(&mut runner).unwrap().current();
        let places: Vec<_> = places_of(&stream).into_iter().map(|c| (c, 1)).collect();
        let outcome = interpret(&stream, &Fixture::of_fates(&places).scrolls, None);
        sent += usize::from(!outcome.rows.is_empty());
        wrote += usize::from(outcome.flushes.iter().any(|writes| !writes.is_empty()));
        gathered += usize::from(outcome.bytes_gathered > 0);
        masked += usize::from(stream.to_string().contains(" {k"));
    }
    assert!(
        sent > 10 && wrote > 10 && gathered > 20 && masked > 20,
        "of 100 streams {sent} send, {wrote} write, {gathered} gather, {masked} mask"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn streams_mean_what_the_scalar_model_says(
        stream in random::stream(),
        others in random::points(),
        fates in proptest::collection::vec(any::<u8>(), 12),
        limit in proptest::option::of(1..12_usize),
    ) {
        let places = places_of(&stream).into_iter().chain(others);
        let mut places: Vec<_> = places.zip(fates).collect();
        places.sort_unstable();
        places.dedup_by_key(|place| place.0);
        let fixture = Fixture::of_fates(&places);
        let expected = interpret(&stream, &fixture.scrolls, limit);
        prop_assert_eq!(run(&stream, &fixture.phext(), limit), expected, "{}", stream);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn streams_over_several_batches_too(
        stream in random::stream(),
        limit in proptest::option::of(1..3000_usize),
    ) {
        let (phext, scrolls) = &*LARGE;
        let expected = interpret(&stream, scrolls, limit);
        let found = run(&stream, phext, limit);
        prop_assert!(found == expected, "{stream}");
    }
}
