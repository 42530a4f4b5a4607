//! Random stores, and what they should hold.

use bytes::Bytes;
use phext_query::{Mutation, MutationKind};
use phext_storage::coordinate::{Coordinate, MAX_COMPONENT};
use phext_storage::curves::Curve;
use phext_storage::vfs::MemoryVfs;
use phext_storage::{Options, Order, Phext, Snapshot, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What a phext holds.
pub(crate) type Model = BTreeMap<Coordinate, Vec<u8>>;

/// What happens to a store.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Mutate(MutationKind, Vec<(Coordinate, Bytes)>),
    Seal,
    Merge,
}

/// Few coordinates, so that they meet: the first of each is common.
pub(crate) fn coordinate() -> impl Strategy<Value = Coordinate> {
    let component = prop_oneof![
        6 => Just(1_u32),
        2 => 2..4_u32,
        1 => proptest::sample::select(vec![255, 256, 65_536, 20_260_222, MAX_COMPONENT]),
    ];
    proptest::array::uniform9(component).prop_map(|c| Coordinate::new(c).unwrap())
}

fn text() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        1 => Just(String::new()),
        8 => "[a-zé\n]{1,12}",
        1 => "[a-z]{300}",
    ]
    .prop_map(Bytes::from)
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    use MutationKind::{Delete, Insert, Update};
    let kind = proptest::sample::select(vec![Update, Update, Insert, Delete]);
    prop_oneof![
        5 => (kind, vec((coordinate(), text()), 0..24))
            .prop_map(|(kind, scrolls)| Step::Mutate(kind, scrolls)),
        2 => Just(Step::Seal),
        1 => Just(Step::Merge),
    ]
}

pub(crate) fn order() -> impl Strategy<Value = Order> {
    let curve = proptest::sample::select(vec![Curve::Hilbert, Curve::Morton, Curve::Peano]);
    prop_oneof![
        Just(Order::Auto),
        Just(Order::Lexicographic),
        (0..8_u8, curve).prop_map(|(prefix, curve)| Order::Curve { prefix, curve }),
    ]
}

/// A store in memory and what it should hold.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) model: Model,
}

impl Fixture {
    pub(crate) fn new(order: Order) -> Fixture {
        let options = Options {
            order,
            background: false,
            ..Options::default()
        };
        let store = Store::open_with(Arc::new(MemoryVfs::default()), Path::new("/data"), options);
        Fixture {
            store: store.unwrap(),
            model: Model::new(),
        }
    }

    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Seal => self.store.seal().unwrap(),
            Step::Merge => self.store.merge().unwrap(),
            Step::Mutate(kind, scrolls) => self.mutate(kind, scrolls),
        }
    }

    /// Commits a mutation, whose lengths before must be those of the model at its turn.
    pub(crate) fn mutate(&mut self, kind: MutationKind, scrolls: Vec<(Coordinate, Bytes)>) {
        let expected: Vec<_> = scrolls
            .iter()
            .map(|(coordinate, text)| self.apply(kind, *coordinate, text))
            .collect();
        let phext = "notes".to_owned();
        let mutation = Mutation {
            phext,
            kind,
            scrolls,
        };
        let batch = mutation.into_batch().unwrap();
        assert_eq!(batch.phext, "notes");
        let commit = self.store.commit(batch).unwrap();
        assert_eq!(commit.previous_lengths, expected);
    }

    /// A change of the model. Gives the length of what was there.
    fn apply(&mut self, kind: MutationKind, coordinate: Coordinate, text: &[u8]) -> Option<u64> {
        let before = self.model.remove(&coordinate);
        let length = before.as_ref().map(|text| text.len() as u64);
        let after = match kind {
            MutationKind::Update => text.to_vec(),
            MutationKind::Insert => [&before.unwrap_or_default(), text].concat(),
            MutationKind::Delete => Vec::new(),
        };
        if !after.is_empty() {
            self.model.insert(coordinate, after);
        }
        length
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }
}

/// The phext of the tests, also where it holds nothing yet.
pub(crate) fn phext(snapshot: &Snapshot) -> &Phext {
    snapshot
        .phext("notes")
        .map_or(Phext::empty(), |phext| phext)
}

pub(crate) fn point(scroll: u32) -> Coordinate {
    Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap()
}
