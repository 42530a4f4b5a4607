//! A repair of a log that lost its header, its end or itself: no acknowledged commit goes without a
//! word, and none that its records still hold goes at all.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

mod support;

use phext_storage::vfs::{MemoryVfs, Vfs};
use phext_storage::{Loss, Options, RepairMode, RepairReport, check_with, repair_with};
use std::path::PathBuf;
use std::sync::Arc;
use support::{
    Model, apply, at, batch, contents, is_in, lose_both_catalogs, open, put, root, small,
};

const HEADER_BYTES: usize = 64;

/// A store of a sealed phext and of commits that are in the log only, and what it held after each of
/// these, none among them.
struct Logged {
    vfs: MemoryVfs,
    states: Vec<Model>,
}

/// Where `is_reused`, the log file was another one before.
fn logged(commits: u32, is_reused: bool) -> Logged {
    let vfs = MemoryVfs::new();
    let options = Options {
        memtable_bytes: 4000,
        ..small()
    };
    let store = open(&vfs, options).unwrap();
    let mut model = Model::new();
    let mut commit = |number: u32| {
        let batch = batch("a", vec![put(at(number, 1), format!("{number:050}"))]);
        store.commit(batch.clone()).unwrap();
        apply(&mut model, &batch);
        model.clone()
    };
    let mut number = 1;
    let mut state = commit(number);
    while number < 40 || is_reused && vfs.bytes(&newest_log(&vfs))[12] == 0 {
        number += 1;
        state = commit(number);
        assert!(number < 10_000, "no log file is used again");
    }
    if !is_reused {
        store.seal().unwrap();
    }
    let mut states = vec![state];
    states.extend((number + 1..=number + commits).map(commit));
    Logged { vfs, states }
}

fn logs(vfs: &MemoryVfs) -> Vec<PathBuf> {
    let files = vfs.files().into_iter().map(|(path, _)| path);
    files
        .filter(|path| is_in(path, "log") && !path.ends_with("spare"))
        .collect()
}

fn newest_log(vfs: &MemoryVfs) -> PathBuf {
    logs(vfs).pop().unwrap()
}

fn cut(vfs: &MemoryVfs, path: &std::path::Path, length: u64) {
    Vfs::open(vfs, path).unwrap().truncate(length).unwrap();
}

fn repair(vfs: &MemoryVfs) -> RepairReport {
    let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let report = repair_with(&shared, &root(), RepairMode::Apply).unwrap();
    let checked = check_with(vfs, &root(), |_| {}).unwrap();
    assert_eq!(checked.damages, [], "after the repair");
    report
}

fn held(vfs: &MemoryVfs) -> Model {
    contents(&open(vfs, small()).unwrap().snapshot()).unwrap()
}

/// What check, opening and repair say of a damage that loses all that only the log held.
fn all_is_lost(what: &str, damage: impl Fn(&MemoryVfs)) {
    for is_reused in [false, true] {
        let Logged { vfs, states } = logged(7, is_reused);
        damage(&vfs);
        let checked = check_with(&vfs, &root(), |_| {}).unwrap();
        assert!(!checked.damages.is_empty(), "{what}: {checked:?}");
        assert!(open(&vfs, small()).is_err(), "{what}");
        let report = repair(&vfs);
        let [Loss::Commits { first, last }, ref later @ ..] = report.losses[..] else {
            panic!("{what}: {report:?}");
        };
        assert!(last - first + 1 >= 7, "{what}: {report:?}");
        assert!(
            later
                .iter()
                .all(|loss| *loss == Loss::Later { after: last })
        );
        assert!(states.contains(&held(&vfs)), "{what}");
    }
}

#[test]
fn every_flipped_bit_of_a_log_header_costs_nothing() {
    for (commits, is_reused) in [(1, false), (9, false), (1, true), (9, true)] {
        let Logged { vfs, states } = logged(commits, is_reused);
        for bit in 0..HEADER_BYTES * 8 {
            let vfs = vfs.after_crash(1);
            vfs.damage(&newest_log(&vfs), bit / 8, 1 << (bit % 8));
            assert!(open(&vfs, small()).is_err(), "bit {bit}");
            let report = repair(&vfs);
            assert_eq!(report.losses, [], "bit {bit}");
            assert!(held(&vfs) == *states.last().unwrap(), "bit {bit}");
        }
    }
}

#[test]
fn a_header_of_zeros_costs_nothing_either() {
    for is_reused in [false, true] {
        let Logged { vfs, states } = logged(9, is_reused);
        let file = Vfs::open(&vfs, &newest_log(&vfs)).unwrap();
        file.write_at(0, &[0; HEADER_BYTES]).unwrap();
        assert_eq!(repair(&vfs).losses, []);
        assert!(held(&vfs) == *states.last().unwrap());
    }
}

#[test]
fn a_lost_header_is_told_without_the_catalog_too() {
    let Logged { vfs, states } = logged(9, false);
    vfs.damage(&newest_log(&vfs), 25, 1);
    lose_both_catalogs(&vfs);
    let report = repair(&vfs);
    let is_commits = |loss: &Loss| matches!(loss, Loss::Commits { .. } | Loss::Later { .. });
    assert!(!report.losses.iter().any(is_commits), "{:?}", report.losses);
    assert!(held(&vfs) == *states.last().unwrap());
}

#[test]
fn what_was_in_a_lost_log_is_named() {
    all_is_lost("its first sector is zeroed", |vfs| {
        let file = Vfs::open(vfs, &newest_log(vfs)).unwrap();
        file.write_at(0, &[0; 512]).unwrap();
    });
    for length in [0, 40, HEADER_BYTES as u64, 80] {
        all_is_lost("it is cut", |vfs| cut(vfs, &newest_log(vfs), length));
    }
    all_is_lost("there is no file", |vfs| {
        logs(vfs).iter().for_each(|log| vfs.remove(log).unwrap());
    });
    all_is_lost("there is no directory", |vfs| {
        vfs.remove_dir_all(&root().join("log")).unwrap();
    });
    all_is_lost("neither log nor catalogs", |vfs| {
        logs(vfs).iter().for_each(|log| vfs.remove(log).unwrap());
        vfs.rename_catalog(&root().join("catalog"), &PathBuf::from("/elsewhere"))
            .unwrap();
    });
}

/// A mark that a power cut lost says nothing. That the log is gone is said all the same.
#[test]
fn a_lost_log_is_told_without_the_mark() {
    for length in [0, 40] {
        let Logged { vfs, states } = logged(7, false);
        vfs.remove(&root().join("DURABLE")).unwrap();
        for log in logs(&vfs) {
            cut(&vfs, &log, length);
        }
        let report = repair(&vfs);
        assert!(
            matches!(report.losses[..], [Loss::Later { .. }]),
            "{report:?}"
        );
        assert_eq!(held(&vfs), states[0]);
    }
}

/// The mark says how far the log went: one that was cut is told from one that ended there.
#[test]
fn a_log_cut_anywhere_loses_nothing_in_silence() {
    let Logged { vfs, states } = logged(7, false);
    let log = newest_log(&vfs);
    let bytes = vfs.bytes(&log);
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    for length in (0..end).step_by(7) {
        let vfs = vfs.after_crash(1);
        cut(&vfs, &log, length as u64);
        let checked = check_with(&vfs, &root(), |_| {}).unwrap();
        assert!(!checked.damages.is_empty(), "cut to {length}");
        assert!(open(&vfs, small()).is_err(), "cut to {length}");
        let report = repair(&vfs);
        let Some(Loss::Commits { first, last }) = report.losses.first() else {
            panic!("cut to {length}: {report:?}");
        };
        let lost = (last - first + 1).min(7) as usize;
        assert_eq!(held(&vfs), states[7 - lost], "cut to {length}");
    }
}
