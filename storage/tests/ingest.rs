//! Bulk ingest: what it stores, and what a fault at any of its operations leaves.
//!
//! | test | question |
//! |---|---|
//! | model | do ingests among commits, seals, merges and reopenings give what a map gives? |
//! | power cut | is the phext as before or holds the whole ingest, with every acknowledged commit? |
//! | failed push | is nothing published, and the same error given again? |
//! | full medium | is the error named, and the store as it was, with no file left over? |
//! | concurrency | is an ingest one entry of the commit order for writers of the same phext? |

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::coordinate::Coordinate;
use phext_storage::phext::{PhextWriter, parse_slice};
use phext_storage::vfs::{Fault, MemoryVfs, Vfs};
use phext_storage::{IngestMode, IngestSummary, Options, Store, StoreError, WriteBatch};
use proptest::collection::vec;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{
    Model, SetOnDrop, append, apply, at, batch, contents, delete, open, put, root, small,
};

#[derive(Debug, Clone)]
enum Step {
    Commit(WriteBatch),
    Ingest(&'static str, IngestMode, Vec<(Coordinate, String)>),
    Seal,
    Merge,
    Reopen,
}

/// A store whose parts and memtables are full after a few scrolls.
fn tiny() -> Options {
    Options {
        ingest_part_bytes: 60,
        ..small()
    }
}

fn ingest(
    store: &Store,
    phext: &str,
    mode: IngestMode,
    scrolls: &[(Coordinate, String)],
) -> Result<IngestSummary, StoreError> {
    let mut ingest = store.ingest(phext, mode)?;
    for (coordinate, text) in scrolls {
        ingest.push(*coordinate, text.as_bytes())?;
    }
    ingest.finish()
}

/// Applies a step to the model; says whether it changes it.
fn model_step(model: &mut Model, step: &Step) -> bool {
    match step {
        Step::Commit(batch) => {
            apply(model, batch);
            true
        }
        Step::Ingest(phext, mode, scrolls) => {
            let phext = model.entry((*phext).to_owned()).or_default();
            if *mode == IngestMode::Replace {
                phext.clear();
            }
            for (coordinate, text) in scrolls {
                match text.is_empty() {
                    true => phext.remove(coordinate),
                    false => phext.insert(*coordinate, text.clone().into_bytes()),
                };
            }
            true
        }
        Step::Seal | Step::Merge | Step::Reopen => false,
    }
}

fn store_step(store: &Store, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::Commit(batch) => store.commit(batch.clone()).map(|_| ()),
        Step::Ingest(phext, mode, scrolls) => ingest(store, phext, *mode, scrolls).map(|_| ()),
        Step::Seal => store.seal(),
        Step::Merge => store.merge(),
        Step::Reopen => Ok(()),
    }
}

/// The names of segment files, finished or not.
fn segment_files(vfs: &MemoryVfs) -> Vec<String> {
    let mut names = vfs.list(&root().join("segments")).unwrap();
    names.sort();
    names
}

// ------------------------------------------------------------------------------------ model

fn coordinate() -> impl Strategy<Value = Coordinate> {
    (1..=3u32, 1..=9u32).prop_map(|(first, last)| at(first, last))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(String::new()), 6 => "[a-z\n]{1,30}"]
}

fn step() -> impl Strategy<Value = Step> {
    let phext = || prop_oneof![Just("a"), Just("b")];
    let operation = (coordinate(), text(), 0..3).prop_map(|(at, text, kind)| match kind {
        0 => delete(at),
        1 => append(at, text),
        _ => put(at, text),
    });
    let commit = (phext(), vec(operation, 1..4)).prop_map(|(p, ops)| Step::Commit(batch(p, ops)));
    let mode = prop_oneof![Just(IngestMode::Add), Just(IngestMode::Replace)];
    let ingest = (
        phext(),
        mode,
        vec((coordinate(), text()), 0..20),
        any::<bool>(),
    )
        .prop_map(|(phext, mode, mut scrolls, is_sorted)| {
            if is_sorted {
                scrolls.sort_by_key(|&(coordinate, _)| coordinate);
            }
            Step::Ingest(phext, mode, scrolls)
        });
    prop_oneof![
        4 => commit,
        4 => ingest,
        1 => Just(Step::Seal),
        1 => Just(Step::Merge),
        1 => Just(Step::Reopen),
    ]
}

fn check_against_model(steps: &[Step], options: &Options) {
    let vfs = MemoryVfs::new();
    let mut model = Model::new();
    let mut store = open(&vfs, options.clone()).unwrap();
    for step in steps {
        if matches!(step, Step::Reopen) {
            drop(store);
            store = open(&vfs, options.clone()).unwrap();
        }
        let snapshot = store.snapshot();
        let before = model.clone();
        store_step(&store, step).unwrap();
        let changed = model_step(&mut model, step);
        assert_eq!(contents(&store.snapshot()).unwrap(), model, "{step:?}");
        assert_eq!(contents(&snapshot).unwrap(), before, "a snapshot changed");
        if changed && model != before {
            assert_ne!(
                store.snapshot().lsn(),
                snapshot.lsn(),
                "an LSN names one state"
            );
        }
    }
    drop(store);
    let store = open(&vfs.after_crash(0), options.clone()).unwrap();
    assert_eq!(contents(&store.snapshot()).unwrap(), model, "after a crash");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn ingests_among_other_changes_agree_with_a_map(steps in vec(step(), 1..14)) {
        check_against_model(&steps, &tiny());
    }

    #[test]
    fn so_do_ingests_built_by_threads(steps in vec(step(), 1..6)) {
        check_against_model(&steps, &Options { background: true, ..tiny() });
    }
}

// -------------------------------------------------------------------------------- power cut

/// Unsealed commits before each kind of ingest, and commits that build on it after.
fn scenario() -> Vec<Step> {
    let scrolls = |range: std::ops::Range<u32>, text: &str| -> Vec<(Coordinate, String)> {
        range.map(|n| (at(1, n), format!("{text} {n}"))).collect()
    };
    let mut unsorted = scrolls(2..12, "added");
    unsorted.reverse();
    unsorted.push((at(1, 4), String::new()));
    vec![
        Step::Commit(batch(
            "a",
            vec![put(at(1, 1), "one"), put(at(1, 5), "five")],
        )),
        Step::Ingest("a", IngestMode::Replace, scrolls(3..9, "replaced")),
        Step::Commit(batch("a", vec![append(at(1, 5), "+"), delete(at(1, 6))])),
        Step::Commit(batch("b", vec![put(at(1, 1), "other")])),
        Step::Ingest("a", IngestMode::Add, unsorted),
        Step::Commit(batch("a", vec![put(at(1, 4), "again"), delete(at(1, 7))])),
        Step::Seal,
        Step::Commit(batch(
            "a",
            vec![put(at(1, 20), "twenty"), append(at(1, 8), "+")],
        )),
        Step::Ingest("new", IngestMode::Add, scrolls(1..3, "first")),
        Step::Ingest("a", IngestMode::Replace, scrolls(5..6, "last")),
        Step::Commit(batch("new", vec![put(at(1, 2), "second")])),
    ]
}

/// The states after each prefix of the steps that change something, the empty one first.
fn states(steps: &[Step]) -> Vec<Model> {
    let mut states = vec![Model::new()];
    for step in steps {
        let mut next = states[states.len() - 1].clone();
        if model_step(&mut next, step) {
            states.push(next);
        }
    }
    states
}

/// Runs the steps until the first error: how many changes were acknowledged and asked for.
fn run(vfs: &MemoryVfs, steps: &[Step]) -> (usize, usize, Option<StoreError>) {
    let (mut acknowledged, mut attempted) = (0, 0);
    let store = match open(vfs, tiny()) {
        Ok(store) => store,
        Err(error) => return (0, 0, Some(error)),
    };
    for step in steps {
        let changes = usize::from(matches!(step, Step::Commit(_) | Step::Ingest(..)));
        attempted += changes;
        if let Err(error) = store_step(&store, step) {
            return (acknowledged, attempted, Some(error));
        }
        acknowledged += changes;
    }
    (acknowledged, attempted, None)
}

fn operations(steps: &[Step]) -> u64 {
    let vfs = MemoryVfs::new();
    assert!(run(&vfs, steps).2.is_none());
    vfs.operations()
}

/// Opens the survivor, compares, commits on top, and opens it once more after a second cut.
fn check_survivor(survivor: &MemoryVfs, allowed: &[Model], context: &str) {
    let store = open(survivor, tiny()).unwrap_or_else(|error| panic!("{context}: {error}"));
    let mut expected = contents(&store.snapshot()).unwrap();
    assert!(allowed.contains(&expected), "{context}: {expected:?}");
    let on_top = batch("a", vec![put(at(1, 5), "on top"), delete(at(1, 3))]);
    store.commit(on_top.clone()).unwrap();
    apply(&mut expected, &on_top);
    for seed in [0, 1] {
        let again = open(&survivor.after_crash(seed), tiny()).unwrap();
        let found = contents(&again.snapshot()).unwrap();
        assert_eq!(found, expected, "{context}, then crash {seed}");
    }
}

#[test]
fn a_power_cut_leaves_an_ingest_whole_or_absent() {
    let steps = scenario();
    let states = states(&steps);
    let total = operations(&steps);
    for cut in 0..total {
        let vfs = MemoryVfs::new();
        vfs.set_fault(Some(Fault::PowerOff { at: cut }));
        let (acknowledged, attempted, _) = run(&vfs, &steps);
        for seed in [0, 1, 2 + 3 * cut, 3 + 3 * cut, 4 + 3 * cut] {
            let context = format!("cut at {cut}, seed {seed}");
            let allowed = &states[acknowledged..=attempted];
            check_survivor(&vfs.after_crash(seed), allowed, &context);
        }
    }
    println!("{} crash states at {total} operations", 5 * total);
}

#[test]
fn nothing_is_left_over_after_a_power_cut() {
    let steps = scenario();
    for cut in 0..operations(&steps) {
        let vfs = MemoryVfs::new();
        vfs.set_fault(Some(Fault::PowerOff { at: cut }));
        run(&vfs, &steps);
        let survivor = vfs.after_crash(1);
        let store = open(&survivor, tiny()).unwrap();
        store.seal().unwrap();
        let mut named = 0;
        store.verify(|_| named += 1).unwrap();
        assert_eq!(segment_files(&survivor).len(), named, "cut at {cut}");
    }
}

// ------------------------------------------------------------------------- faults that pass

#[test]
fn a_failing_operation_leaves_an_ingest_whole_or_absent() {
    let steps = scenario();
    let states = states(&steps);
    for failing in 0..operations(&steps) {
        let vfs = MemoryVfs::new();
        vfs.set_fault(Some(Fault::Fail {
            at: failing,
            kind: std::io::ErrorKind::Other,
        }));
        let (acknowledged, attempted, failure) = run(&vfs, &steps);
        let context = format!("operation {failing} fails: {failure:?}");
        vfs.set_fault(None);
        check_survivor(
            &vfs.after_crash(0),
            &states[acknowledged..=attempted],
            &context,
        );
        check_survivor(&vfs, &states[acknowledged..=attempted], &context);
    }
}

#[test]
fn nothing_is_published_after_a_push_that_failed() {
    let scrolls: Vec<_> = (3..40)
        .map(|n| (at(1, n * 7 % 41), "x".repeat(20)))
        .collect();
    let mut failed = 0;
    for failing in 0..30 {
        let vfs = MemoryVfs::new();
        let store = open(&vfs, tiny()).unwrap();
        store
            .commit(batch("a", vec![put(at(1, 1), "one")]))
            .unwrap();
        let before = contents(&store.snapshot()).unwrap();
        let mut ingest = store.ingest("a", IngestMode::Add).unwrap();
        vfs.set_fault(Some(Fault::Fail {
            at: vfs.operations() + failing,
            kind: std::io::ErrorKind::Other,
        }));
        let mut pushes = scrolls
            .iter()
            .map(|(at, text)| ingest.push(*at, text.as_bytes()));
        let Some(error) = pushes.find_map(Result::err) else {
            continue;
        };
        drop(pushes);
        failed += 1;
        vfs.set_fault(None);
        let again = ingest.push(at(9, 9), b"later").unwrap_err();
        let end = ingest.finish().unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
        assert_eq!(end.to_string(), error.to_string());
        assert_eq!(
            contents(&store.snapshot()).unwrap(),
            before,
            "operation {failing}"
        );
    }
    assert!(failed > 3, "{failed} of 30 failed in a push");
}

#[test]
fn a_full_medium_refuses_an_ingest_and_keeps_nothing_of_it() {
    let prepared = |vfs: &MemoryVfs| {
        let store = open(vfs, tiny()).unwrap();
        let first = batch("a", vec![put(at(1, 1), "one"), put(at(1, 5), "five")]);
        store.commit(first).unwrap();
        store.seal().unwrap();
        store
            .commit(batch("a", vec![append(at(1, 5), "+")]))
            .unwrap();
        store
    };
    let scrolls: Vec<_> = (3..30).map(|n| (at(1, n), format!("scroll {n}"))).collect();
    for mode in [IngestMode::Add, IngestMode::Replace] {
        let mut refused = 0;
        for from in 0.. {
            let vfs = MemoryVfs::new();
            let store = prepared(&vfs);
            let before = contents(&store.snapshot()).unwrap();
            let began = vfs.operations();
            vfs.set_fault(Some(Fault::Full { from: began + from }));
            let outcome = ingest(&store, "a", mode, &scrolls);
            vfs.set_fault(None);
            let Err(error) = outcome else { break };
            refused += 1;
            let context = format!("{mode:?}, full from {from}: {error}");
            assert!(matches!(error, StoreError::DiskFull { .. }), "{context}");
            assert_eq!(store.poison(), None, "{context}");
            assert_eq!(contents(&store.snapshot()).unwrap(), before, "{context}");
            let mut named = 0;
            store.verify(|_| named += 1).unwrap();
            assert_eq!(segment_files(&vfs).len(), named, "{context}");
            let summary = ingest(&store, "a", mode, &scrolls).unwrap();
            assert_eq!(summary.scrolls, 27, "{context}");
        }
        assert!(refused > 3, "{mode:?}: {refused}");
    }
}

#[test]
fn an_ingest_that_is_dropped_leaves_nothing() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, tiny()).unwrap();
    let mut ingest = store.ingest("a", IngestMode::Replace).unwrap();
    for n in 1..40 {
        ingest.push(at(1, n), b"some text").unwrap();
    }
    assert!(
        !segment_files(&vfs).is_empty(),
        "parts were built on the way"
    );
    drop(ingest);
    assert!(segment_files(&vfs).is_empty());
    assert!(store.snapshot().phext("a").is_none());
}

#[test]
fn a_scroll_above_the_limit_is_refused_and_the_others_stay() {
    let vfs = MemoryVfs::new();
    let options = Options {
        max_scroll_bytes: 5,
        ..tiny()
    };
    let store = open(&vfs, options).unwrap();
    let mut ingest = store.ingest("a", IngestMode::Add).unwrap();
    ingest.push(at(1, 1), b"12345").unwrap();
    let error = ingest.push(at(1, 2), b"123456").unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::ScrollTooLarge {
                length: 6,
                limit: 5,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(ingest.finish().unwrap().scrolls, 1);
}

/// A real document, read and written back, in parts of 64 kB.
#[test]
fn the_odyssey_comes_back_as_it_was() {
    let directory = std::env::var_os("SQD_SHARED_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        std::path::PathBuf::from,
    );
    let path = directory.join("the-odyssey.phext");
    let Ok(document) = std::fs::read(&path) else {
        println!("skipped: there is no {}", path.display());
        return;
    };
    let options = Options {
        ingest_part_bytes: 64 << 10,
        ..small()
    };
    let store = open(&MemoryVfs::new(), options).unwrap();
    let mut ingest = store.ingest("odyssey", IngestMode::Replace).unwrap();
    for scroll in parse_slice(&document) {
        let (coordinate, text) = scroll.unwrap();
        ingest.push(coordinate, text.as_bytes()).unwrap();
    }
    assert!(ingest.finish().unwrap().parts > 5);
    let found = contents(&store.snapshot()).unwrap();
    let mut writer = PhextWriter::new(Vec::new());
    for (coordinate, text) in &found["odyssey"] {
        let text = std::str::from_utf8(text).unwrap();
        writer.write(*coordinate, text).unwrap();
    }
    let mut expected = PhextWriter::new(Vec::new());
    for scroll in parse_slice(&document) {
        let (coordinate, text) = scroll.unwrap();
        expected.write(coordinate, text).unwrap();
    }
    assert!(writer.finish().unwrap() == expected.finish().unwrap());
}

// ------------------------------------------------------------------------------ threads

/// Builders and the files' own threads, with parts of a few pieces.
fn threaded() -> Options {
    Options {
        ingest_part_bytes: 16 << 20,
        ..Options::default()
    }
}

/// Scrolls of two parts, in coordinate order.
fn many() -> Vec<(Coordinate, String)> {
    let scroll = |n: u32| (at(1 + n / 1000, 1 + n % 1000), format!("{n:0600}"));
    (0..25_000).map(scroll).collect()
}

fn check_threaded(scrolls: &[(Coordinate, String)], context: &str) {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, threaded()).unwrap();
    let summary = ingest(&store, "a", IngestMode::Replace, scrolls).unwrap();
    assert_eq!(segment_files(&vfs).len(), summary.parts, "{context}");
    let texts = scrolls.iter().cloned();
    let texts = texts.map(|(coordinate, text)| (coordinate, text.into_bytes()));
    let mut expected: BTreeMap<_, _> = texts.collect();
    expected.retain(|_, text| !text.is_empty());
    drop(store);
    let store = open(&vfs.after_crash(0), threaded()).unwrap();
    let found = contents(&store.snapshot()).unwrap();
    assert!(found["a"] == expected, "{context}");
}

#[test]
fn large_loads_come_back_whatever_their_order() {
    let mut scrolls = many();
    check_threaded(&scrolls, "in order");
    for index in [5, 12_000, 24_999] {
        scrolls[index].1.clear();
    }
    check_threaded(&scrolls, "in order, with removals");
    scrolls.push((at(3, 7), "late".to_owned()));
    scrolls.push((at(3, 8), String::new()));
    check_threaded(&scrolls, "out of order at the end");
    scrolls.reverse();
    check_threaded(&scrolls, "from the end");
    scrolls.extend(many());
    let long = String::from_utf8(vec![b'l'; 300_000]).unwrap();
    scrolls.insert(20_000, (at(9, 9), long));
    check_threaded(&scrolls, "from the end and over again, more than a part");
}

#[test]
fn a_medium_that_fills_while_a_large_load_is_written_keeps_nothing_of_it() {
    let scrolls = many();
    let mut refused = 0;
    for from in 0.. {
        let vfs = MemoryVfs::new();
        let store = open(&vfs, threaded()).unwrap();
        let from = vfs.operations() + from;
        vfs.set_fault(Some(Fault::Full { from }));
        let outcome = ingest(&store, "a", IngestMode::Replace, &scrolls);
        vfs.set_fault(None);
        let Err(error) = outcome else { break };
        refused += 1;
        assert!(
            matches!(error, StoreError::DiskFull { .. }),
            "{from}: {error}"
        );
        assert_eq!(segment_files(&vfs), [""; 0], "{from}");
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_large_load_that_is_dropped_leaves_nothing() {
    let vfs = MemoryVfs::new();
    let store = open(&vfs, threaded()).unwrap();
    let mut ingest = store.ingest("a", IngestMode::Replace).unwrap();
    for (coordinate, text) in &many()[..10_000] {
        ingest.push(*coordinate, text.as_bytes()).unwrap();
    }
    assert!(!segment_files(&vfs).is_empty(), "a part was begun");
    for (coordinate, text) in many()[..10_000].iter().rev() {
        ingest.push(*coordinate, text.as_bytes()).unwrap();
    }
    drop(ingest);
    assert_eq!(segment_files(&vfs), [""; 0]);
}

// ------------------------------------------------------------------------------ concurrency

/// Writers append to scrolls of their own while ingests go on. Each scroll must be what the last
/// ingest that came between made of it, with every append acknowledged after it.
#[test]
fn commits_on_the_same_phext_go_on_meanwhile() {
    let vfs = MemoryVfs::new();
    let options = Options {
        background: true,
        memtable_bytes: 4000,
        ..tiny()
    };
    let store = open(&vfs, options.clone()).unwrap();
    let done = AtomicBool::new(false);
    let (ingests, appends) = std::thread::scope(|scope| {
        let ended = SetOnDrop(&done);
        let writers: Vec<_> = (1..=2u32)
            .map(|writer| {
                let (store, done) = (&store, &done);
                scope.spawn(move || {
                    let mut lsns = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        let write = batch("a", vec![append(at(writer, 1), "+")]);
                        lsns.push(store.commit(write).unwrap().lsn);
                    }
                    lsns
                })
            })
            .collect();
        let mut dice = StdRng::seed_from_u64(3);
        let mut ingests = Vec::new();
        for number in 0..60 {
            let mode = [IngestMode::Add, IngestMode::Replace][number % 2];
            let target = dice.random_range(1..=2u32);
            let scrolls = [
                (at(target, 1), format!("{number}:")),
                (at(3, 1), "x".to_owned()),
            ];
            let lsn = ingest(&store, "a", mode, &scrolls).unwrap().lsn;
            ingests.push((lsn, mode, target, format!("{number}:")));
        }
        drop(ended);
        let appends: BTreeMap<u32, Vec<u64>> = (1..)
            .zip(writers.into_iter().map(|writer| writer.join().unwrap()))
            .collect();
        (ingests, appends)
    });
    for store in [store, open(&vfs.after_crash(0), options).unwrap()] {
        let phext = Arc::clone(store.snapshot().phext("a").unwrap());
        for (&writer, lsns) in &appends {
            let touching = |&&(_, mode, target, _): &&(u64, IngestMode, u32, String)| {
                mode == IngestMode::Replace || target == writer
            };
            let (since, base) = match ingests.iter().rev().find(touching) {
                Some((lsn, _, target, text)) if *target == writer => (*lsn, text.as_str()),
                Some((lsn, ..)) => (*lsn, ""),
                None => (0, ""),
            };
            let later = lsns.iter().filter(|&&lsn| lsn > since).count();
            let expected = format!("{base}{}", "+".repeat(later));
            let location = phext.locate(&at(writer, 1)).unwrap();
            let found = match later == 0 && base.is_empty() {
                true => "",
                false => std::str::from_utf8(location.text().unwrap()).unwrap(),
            };
            assert_eq!(found, expected, "writer {writer}");
        }
    }
}
