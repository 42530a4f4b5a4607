//! How lanes are said to be found, beside what a cursor finds.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees only functions marked as tests"
)]

use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{
    Access, Constraint, LaneSpec, Metric, Nearest, Place, Region, Strategy,
};
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Phext, Store, WriteBatch, WriteOp};
use std::path::Path;
use std::sync::Arc;

fn at(chapter: u32, scroll: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, chapter, 1, scroll]).unwrap()
}

/// 4,000 scrolls in a part, of which 10 are overwritten in memory, and one that is only there.
fn phext() -> (Store, Arc<Phext>) {
    let options = Options {
        background: false,
        ..Options::default()
    };
    let store = Store::open_with(Arc::new(MemoryVfs::new()), Path::new("/data"), options).unwrap();
    let put = |coordinate| WriteOp::Put {
        coordinate,
        text: "text".into(),
    };
    let commit = |operations| {
        let batch = WriteBatch {
            phext: "a".to_owned(),
            operations,
        };
        store.commit(batch).unwrap();
    };
    commit(
        (0..4000)
            .map(|n| put(at(n / 100 + 1, n % 100 + 1)))
            .collect(),
    );
    store.seal().unwrap();
    commit((1..=10).map(|n| put(at(1, n))).collect());
    commit(vec![put(at(90, 1))]);
    let phext = store.snapshot().phext("a").unwrap().clone();
    (store, phext)
}

/// What is said of a specification; where all slots are counted they are those that a cursor finds.
fn check(phext: &Phext, spec: &LaneSpec) -> Vec<Access> {
    let access = phext.access(spec).unwrap();
    let mut lanes = Vec::new();
    let mut cursor = phext.lanes(spec).unwrap();
    while {
        let before = lanes.len();
        cursor.next_batch(&mut lanes, 1000).unwrap();
        lanes.len() > before
    } {}
    let present = lanes.iter().filter(|lane| lane.location.is_present());
    let found: Option<u64> = access.iter().map(|access| access.slots).sum();
    if let Some(found) = found {
        assert_eq!(found, present.count() as u64, "{access:?}");
    }
    for access in &access {
        assert!(access.slots <= Some(access.estimated_slots), "{access}");
        assert!(
            access.blocks_pruned + access.blocks_tested <= access.blocks,
            "{access}"
        );
    }
    access
}

fn region(dimension: usize, constraint: Constraint) -> LaneSpec {
    let mut constraints = [const { Constraint::FREE }; 9];
    constraints[dimension] = constraint;
    LaneSpec::Region(Region::new(constraints))
}

#[test]
fn a_range_is_walked_in_memory_and_in_the_part() {
    let (_store, phext) = phext();
    let access = check(&phext, &LaneSpec::All);
    let walked = |access: &Access| access.strategy == Strategy::Walk;
    assert!(access.len() == 2 && access.iter().all(walked), "{access:?}");
    assert_eq!(access[0].place, Place::Memory);
    assert_eq!(
        (access[1].estimated_slots, access[1].slots),
        (4000, Some(3990))
    );
    let (from, to) = (at(3, 1), at(3, 100));
    let access = check(&phext, &LaneSpec::Range { from, to });
    assert_eq!((access.len(), access[0].estimated_slots), (1, 100));
    assert!(check(&phext, &LaneSpec::Range { from: to, to: from }).is_empty());
}

#[test]
fn a_region_is_found_by_blocks_or_lists_or_not_at_all() {
    let (_store, phext) = phext();
    let access = check(&phext, &region(8, Constraint::equal(7).unwrap()));
    let part = access.last().unwrap();
    assert!(
        matches!(part.strategy, Strategy::ZoneMap | Strategy::Postings),
        "{part}"
    );
    assert!(part.blocks > 0 && part.estimated_slots >= 39, "{part}");
    let access = check(&phext, &region(8, Constraint::equal(777).unwrap()));
    assert_eq!(access.last().unwrap().strategy, Strategy::RuledOut);
}

#[test]
fn points_are_counted_where_they_are() {
    let (_store, phext) = phext();
    let points = vec![at(1, 1), at(2, 1), at(2, 2), at(99, 9)];
    let access = check(&phext, &LaneSpec::Points(points));
    let found: Vec<_> = access
        .iter()
        .map(|access| (access.strategy, access.slots))
        .collect();
    assert_eq!(
        found,
        [(Strategy::Points, Some(1)), (Strategy::Points, Some(2))]
    );
}

#[test]
fn a_search_for_the_nearest_says_which_blocks_it_read() {
    let (_store, phext) = phext();
    let nearest = Nearest {
        to: at(20, 50),
        count: 3,
        metric: Metric::Manhattan,
        radius: None,
    };
    let access = check(&phext, &LaneSpec::Nearest(nearest));
    assert_eq!((access.len(), access[0].strategy), (1, Strategy::Nearest));
    assert!(
        access[0].blocks_tested > 0 && access[0].slots == Some(3),
        "{}",
        access[0]
    );
}
