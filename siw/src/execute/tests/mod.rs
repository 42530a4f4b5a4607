//! Tests of the executor over a small store: against a scalar model, and by example.

mod examples;
mod scalar;
mod tiers;

use super::{Flow, Flush, Idle, Lanes, Outside, Report, ResultRow, Sentron, Sink, Tally, execute};
use crate::group::{TopologyType, run_part};
use crate::stream::Part;
use crate::tests::random;
use crate::{Constant, LaneSpec, Stream};
use phext_storage::coordinate::Coordinate;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, StoreError, WriteBatch, WriteOp};
use proptest::prelude::*;
use scalar::{Outcome, Scrolls, coordinates, interpret, interpret_group};
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
    tally: Option<Tally>,
}

impl OwnedRow {
    fn of(row: &ResultRow<'_>) -> OwnedRow {
        OwnedRow {
            coordinate: row.coordinate,
            text: row.text.map(<[u8]>::to_vec),
            length: row.length,
            checksum: row.checksum,
            number: row.number,
            tally: row.tally,
        }
    }
}

/// Keeps rows up to a limit.
#[derive(Default)]
struct Keeping {
    rows: Vec<OwnedRow>,
    limit: Option<usize>,
    fences: u64,
}

impl Sink for Keeping {
    fn row(&mut self, row: &ResultRow<'_>) -> std::io::Result<Flow> {
        self.rows.push(OwnedRow::of(row));
        let stop = self.limit == Some(self.rows.len());
        Ok(if stop { Flow::Stop } else { Flow::Continue })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.fences += 1;
        Ok(())
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

/// Runs a stream as its tier says; the sink stops it after `limit` rows.
fn run(stream: &Stream, phext: &Phext, limit: Option<usize>) -> Outcome {
    observe(limit, |outside| {
        execute(stream, phext, &mut *outside.sink, &mut *outside.flush).unwrap()
    })
}

/// Runs a stream in batches of `width` lanes.
fn run_in_batches(stream: &Stream, phext: &Phext, width: usize, limit: Option<usize>) -> Outcome {
    observe(limit, |outside| {
        let mut sentron = Sentron::open(Idle::default(), stream, phext);
        sentron.batch = width;
        sentron.run(outside).unwrap();
        sentron.close().1
    })
}

/// Runs a stream on a row of sentrons, given the pieces of each.
fn run_group(
    stream: &Stream,
    phext: &Phext,
    width: usize,
    limit: Option<usize>,
    pieces: &[Vec<Vec<Coordinate>>],
) -> Outcome {
    observe(limit, |outside| {
        let topology = TopologyType::ring(pieces.len());
        let mut sentrons: Vec<_> = (0..pieces.len())
            .map(|number| {
                let sentron = Sentron::open(Idle::default(), stream, phext);
                let mut sentron = sentron.numbered(number);
                sentron.batch = width;
                sentron
            })
            .collect();
        run_part(Part::Once, topology, &mut sentrons, outside).unwrap();
        let mut flow = Flow::Continue;
        for (sentron, pieces) in sentrons.iter_mut().zip(pieces) {
            for piece in pieces {
                if flow == Flow::Continue {
                    let mut lanes = Lanes::Points(piece);
                    flow = sentron.each(&mut lanes, outside).unwrap();
                }
            }
        }
        if flow == Flow::Continue {
            run_part(Part::Last, topology, &mut sentrons, outside).unwrap();
        }
        let mut report = Report::default();
        for sentron in sentrons {
            report += sentron.close().1;
        }
        report
    })
}

fn observe(limit: Option<usize>, run: impl FnOnce(&mut Outside<'_>) -> Report) -> Outcome {
    let mut flushes = Flushes::default();
    let mut sink = Keeping {
        limit,
        ..Keeping::default()
    };
    let report = run(&mut Outside {
        sink: &mut sink,
        flush: &mut flushes,
        interrupted: &|| false,
    });
    let Report {
        batches,
        lanes,
        ops,
        bytes_gathered,
        rows: sent,
    } = report;
    assert_eq!(sent, sink.rows.len() as u64);
    Outcome {
        rows: sink.rows,
        flushes: flushes.0,
        fences: sink.fences,
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
    /// in the memtable, in a part and shadowed by the memtable, in a part and deleted. Its text has
    /// lines, or is made of `vector`, or is that with one byte that is in no vector.
    fn of_fates(places: &[(Coordinate, u8)], vector: &[u8]) -> Fixture {
        let mut fixture = Fixture::new();
        let of = |fates: &'static [u8]| {
            let chosen = move |(_, fate): &&(Coordinate, u8)| fates.contains(&(fate % 6));
            places.iter().filter(chosen)
        };
        let text = |age: &str, &(c, fate): &(Coordinate, u8)| {
            let mut vector = vector.to_vec();
            if !vector.is_empty() {
                let length = vector.len();
                vector.rotate_left(usize::from(fate) % length);
            }
            let text = match (fate / 6 % 5, vector.last_mut()) {
                (0 | 1, Some(_)) => String::from_utf8(vector).unwrap(),
                (2, Some(last)) => {
                    *last = b'\n';
                    String::from_utf8(vector).unwrap()
                }
                (3, _) => format!("{age}\n{c}\n").repeat(usize::from(fate % 6) + 1),
                _ => format!("{age} {c} ").repeat(usize::from(fate % 6) + 1),
            };
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

/// The vector that a stream names.
fn vector_of(stream: &Stream) -> &[u8] {
    let texts = stream
        .constants
        .iter()
        .filter_map(|constant| match constant {
            Constant::Text(text) => Some(&text[..]),
            _ => None,
        });
    texts.last().unwrap_or_default()
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
            (Coordinate::new(components).unwrap(), (n % 30) as u8)
        })
        .collect();
    let fixture = Fixture::of_fates(&places, b"TWOFOLD");
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
        let outcome = interpret(
            &stream,
            &Fixture::of_fates(&places, vector_of(&stream)).scrolls,
            1024,
            None,
        );
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
        let fixture = Fixture::of_fates(&places, vector_of(&stream));
        let phext = fixture.phext();
        for width in [1, 3, 1024] {
            let expected = interpret(&stream, &fixture.scrolls, width, limit);
            let found = run_in_batches(&stream, &phext, width, limit);
            prop_assert_eq!(found, expected, "{} lanes: {}", width, stream);
        }
        let width = if stream.tier == 0 { 1 } else { 1024 };
        let expected = interpret(&stream, &fixture.scrolls, width, limit);
        prop_assert_eq!(run(&stream, &phext, limit), expected, "{}", stream);
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
        let expected = interpret(&stream, scrolls, 1024, limit);
        let found = run_in_batches(&stream, phext, 1024, limit);
        prop_assert!(found == expected, "{stream}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn groups_mean_what_the_scalar_model_says(
        stream in random::stream(),
        others in random::points(),
        fates in proptest::collection::vec(any::<u8>(), 12),
        limit in proptest::option::of(1..12_usize),
        sentrons in 1..4_usize,
        piece in 1..4_usize,
    ) {
        let places = places_of(&stream).into_iter().chain(others);
        let mut places: Vec<_> = places.zip(fates).collect();
        places.sort_unstable();
        places.dedup_by_key(|place| place.0);
        let fixture = Fixture::of_fates(&places, vector_of(&stream));
        let mut pieces = vec![Vec::new(); sentrons];
        for (number, piece) in coordinates(&stream, &fixture.scrolls).chunks(piece).enumerate() {
            pieces[number % sentrons].push(piece.to_vec());
        }
        let found = run_group(&stream, &fixture.phext(), 2, limit, &pieces);
        let expected = interpret_group(&stream, &fixture.scrolls, 2, limit, pieces);
        prop_assert_eq!(found, expected, "{} sentrons: {}", sentrons, stream);
    }
}
