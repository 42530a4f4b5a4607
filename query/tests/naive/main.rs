//! Queries and mutations over random stores against a naive scan of a map.
//!
//! | module | what |
//! |---|---|
//! | [`store`] | random stores in memory, beside a map of what they should hold |
//! | [`question`] | random queries over all of the model |
//! | [`oracle`] | what a query should answer, by looking at every scroll of the map |

#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test, in its helpers too"
)]

mod oracle;
mod question;
mod store;

use bytes::Bytes;
use oracle::{OwnedRow, lanes, naive};
use phext_query::{
    Cancel, CorePool, ExecuteError, Fields, Filter, Flow, MutationKind, OptimizationTier, OrderKey,
    Output, Plan, PoolOptions, Pooled, Query, Report, ResultRow, Target, run, run_plan_with,
};
use phext_storage::{Order, Phext};
use proptest::collection::vec;
use proptest::prelude::*;
use question::query;
use std::sync::{Arc, LazyLock};
use store::{Fixture, Step, phext, point, step};

/// Workers that take pieces of a few lanes, and nothing is short.
static POOL: LazyLock<CorePool> = LazyLock::new(|| {
    let options = PoolOptions {
        workers: 3,
        inline_lanes: Some(0),
        piece_lanes: 4,
        ..PoolOptions::default()
    };
    CorePool::start(&options).unwrap()
});

/// The answer of the core pool: of its rows as they are, where the plan is direct, and of its streams one
/// after the other.
fn ask_pool(query: &Query, phext: &Arc<Phext>) -> Result<Vec<OwnedRow>, ExecuteError> {
    let plan = Plan::new(query)?;
    let cancel = Cancel::default();
    let mut pooled = Pooled {
        pool: Some(&POOL),
        phext: Arc::clone(phext),
        tenant: 1,
        deadline: None,
        cancel: &cancel,
    };
    let mut rows = Vec::new();
    let mut sink = |row: &ResultRow<'_>| {
        rows.push(OwnedRow::from(row));
        Ok(Flow::Continue)
    };
    let report = run_plan_with(&mut pooled, &plan, phext, &mut sink)?;
    assert_eq!(report.rows, rows.len() as u64);
    if plan.is_direct() {
        let work = plan.into_work(Arc::clone(phext), 2, None);
        let mut chunks = POOL.submit::<phext_siw::pool::Rows>(work);
        let mut direct = Vec::new();
        while let Some(chunk) = chunks.next()? {
            direct.extend(chunk.rows.iter().map(|row| OwnedRow::from(&row.row())));
        }
        assert_eq!(direct, rows, "{query:?}");
    }
    Ok(rows)
}

fn ask(query: &Query, phext: &Phext) -> Result<(Vec<OwnedRow>, Report), ExecuteError> {
    let mut rows = Vec::new();
    let mut sink = |row: &ResultRow<'_>| {
        rows.push(OwnedRow::from(row));
        Ok(Flow::Continue)
    };
    let report = run(query, phext, &mut sink)?;
    Ok((rows, report))
}

impl Fixture {
    /// Compares the answers at all tiers with a naive scan.
    fn check(&self, query: &Query) {
        let snapshot = self.snapshot();
        let expected = naive(query, &self.model);
        for tier in OptimizationTier::ALL {
            let query = Query {
                tier,
                ..query.clone()
            };
            match (ask(&query, phext(&snapshot)), &expected) {
                (Ok((rows, report)), Ok(expected)) => {
                    assert_eq!(&rows, expected, "{query:?}");
                    assert_eq!(report.rows, rows.len() as u64);
                }
                (Err(ExecuteError::Query(found)), Err(expected)) => assert_eq!(&found, expected),
                (found, expected) => panic!("{query:?}: {found:?}, not {expected:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// 1000 stores with a dozen queries each, at four tiers.
    #[test]
    fn queries_answer_as_a_naive_scan(
        order in store::order(),
        steps in vec(step(), 1..12),
        queries in vec(query(), 12),
    ) {
        let mut fixture = Fixture::new(order);
        for step in steps {
            fixture.take(step);
        }
        for query in &queries {
            fixture.check(query);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// 200 stores, each asked a dozen queries by four threads at once, on the pool and here.
    #[test]
    fn the_core_pool_answers_as_one_thread(
        order in store::order(),
        steps in vec(step(), 1..12),
        queries in vec(query(), 12),
    ) {
        let mut fixture = Fixture::new(order);
        for step in steps {
            fixture.take(step);
        }
        let phext = Arc::new(phext(&fixture.snapshot()).clone());
        let check = |query: &Query| match (ask_pool(query, &phext), ask(query, &phext)) {
            (Ok(pooled), Ok((here, _))) => assert_eq!(pooled, here, "{query:?}"),
            (Err(ExecuteError::Query(pooled)), Err(ExecuteError::Query(here))) => {
                assert_eq!(pooled, here);
            }
            (pooled, here) => panic!("{query:?}: {pooled:?}, not {here:?}"),
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| queries.iter().for_each(check));
            }
        });
    }
}

/// The canary of the test above: stores and queries that never meet would prove nothing.
#[test]
fn stores_and_queries_meet() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut answered, mut absent, mut parts, mut refused) = (0, 0, 0, 0);
    let (mut filtered, mut cut, mut ordered) = (0, 0, 0);
    for _ in 0..400 {
        let steps = vec(step(), 1..12).new_tree(&mut runner).unwrap().current();
        let query = query().new_tree(&mut runner).unwrap().current();
        let mut fixture = Fixture::new(Order::Auto);
        steps.into_iter().for_each(|step| fixture.take(step));
        let snapshot = fixture.snapshot();
        parts += usize::from(phext(&snapshot).parts() > 1);
        let Ok(rows) = naive(&query, &fixture.model) else {
            refused += 1;
            continue;
        };
        let lanes = lanes(&query, &fixture.model);
        let is_present = |c: &&_| fixture.model.contains_key(c);
        let present = lanes.iter().filter(is_present).count();
        answered += usize::from(present > 0);
        absent += usize::from(present < lanes.len());
        filtered += usize::from(present > 0 && !query.filters.is_empty());
        cut += usize::from(present > 0 && !query.within.is_empty());
        ordered += usize::from(rows.len() > 1 && query.order.is_some());
    }
    assert!(answered > 60, "{answered} of 400 queries find a scroll");
    assert!(absent > 10, "{absent} of 400 queries name absent scrolls");
    assert!(parts > 40, "{parts} of 400 phexts have several parts");
    assert!((10..200).contains(&refused), "{refused} of 400 are refused");
    assert!(filtered > 5, "{filtered} of 400 pass scrolls by a filter");
    assert!(cut > 5, "{cut} of 400 find scrolls within something");
    assert!(ordered > 5, "{ordered} of 400 order several rows");
}

#[test]
fn items_of_a_mutation_keep_their_order() {
    let check = |kind, texts: &[&'static str], expected: &str| {
        let mut fixture = Fixture::new(Order::Auto);
        fixture.mutate(MutationKind::Update, vec![(point(1), Bytes::from("old "))]);
        let item = |&text: &&'static str| (point(1), Bytes::from(text));
        fixture.mutate(kind, texts.iter().map(item).collect());
        let found = fixture.model.get(&point(1)).cloned().unwrap_or_default();
        assert_eq!(String::from_utf8(found).unwrap(), expected);
        fixture.check(&Query::point(point(1)));
    };
    check(MutationKind::Update, &["a", "b"], "b");
    check(MutationKind::Update, &["a", ""], "");
    check(MutationKind::Update, &["", "a"], "a");
    check(MutationKind::Insert, &["a", "b", "", "c"], "old abc");
    check(MutationKind::Delete, &["", ""], "");
}

#[test]
fn answers_longer_than_a_batch() {
    let mut fixture = Fixture::new(Order::Auto);
    let scrolls = |numbers: &mut dyn Iterator<Item = u32>| -> Vec<_> {
        let scroll = |n: u32| (point(n), Bytes::from(n.to_string()));
        numbers.map(scroll).collect()
    };
    fixture.mutate(MutationKind::Update, scrolls(&mut (1..=3000).rev()));
    fixture.take(Step::Seal);
    fixture.mutate(MutationKind::Insert, scrolls(&mut (1..=3000).step_by(3)));
    let points = || (1..6000).step_by(2).map(point).collect();
    let (from, to) = (point(500), point(2500));
    let check = |target: Target, output: &Output, batches| {
        for limit in [None, Some(1), Some(1024), Some(1025), Some(10_000)] {
            let query = Query {
                target: target.clone(),
                output: Output::clone(output),
                limit,
                ..Query::default()
            };
            fixture.check(&query);
            if limit.is_none() {
                let (_, report) = ask(&query, phext(&fixture.snapshot())).unwrap();
                assert_eq!(report.batches, batches, "{query:?}");
            }
        }
    };
    for output in &[
        Output::Rows(Fields::TEXT),
        Output::Rows(Fields::LENGTH),
        Output::Rows(Fields::default()),
        Output::Count,
        Output::Lengths,
    ] {
        check(Target::All, output, 3);
        check(Target::Range { from, to }, output, 2);
        check(Target::Prefix(vec![1; 8]), output, 3);
        check(Target::Prefix(vec![2]), output, 0);
        check(Target::Points(points()), output, 3);
        let points = points();
        check(Target::Union { from, to, points }, output, 4);
    }
}

#[test]
fn a_limit_reads_no_further() {
    let check = |limit, lanes, rows| {
        let mut fixture = Fixture::new(Order::Auto);
        let scrolls = (1..=3000).map(|n| (point(n), Bytes::from("text")));
        fixture.mutate(MutationKind::Update, scrolls.collect());
        let query = Query {
            limit: Some(limit),
            ..Query::all(Fields::TEXT)
        };
        let (_, report) = ask(&query, phext(&fixture.snapshot())).unwrap();
        assert_eq!((report.lanes, report.rows), (lanes, rows), "{limit}");
    };
    check(0, 0, 0);
    check(1, 1, 1);
    check(100, 100, 100);
    check(1024, 1024, 1024);
    check(1025, 2048, 1025);
    check(9999, 3000, 3000);
}

#[test]
fn the_last_rows_are_looked_for_at_the_end() {
    let mut fixture = Fixture::new(Order::Auto);
    let scrolls = (1..=5000).map(|n| (point(n), Bytes::from(n.to_string())));
    fixture.mutate(MutationKind::Update, scrolls.collect());
    fixture.take(Step::Seal);
    fixture.mutate(
        MutationKind::Delete,
        (4990..5000).map(|n| (point(n), Bytes::new())).collect(),
    );
    let (from, to) = (point(10), point(4900));
    let check = |target: Target, filters: Vec<Filter>, limit, most_lanes| {
        let query = Query {
            filters,
            order: Some(phext_query::Order::descending(OrderKey::Coordinate)),
            limit,
            ..Query::rows(target, Fields::TEXT)
        };
        fixture.check(&query);
        let (_, report) = ask(&query, phext(&fixture.snapshot())).unwrap();
        assert!(report.lanes <= most_lanes, "{query:?}: {report:?}");
    };
    let holds = |text: &'static str| vec![Filter::contains(text)];
    check(Target::All, vec![], Some(5), 1100);
    check(Target::Range { from, to }, vec![], Some(20), 1100);
    check(Target::Prefix(vec![1; 8]), holds("7"), Some(3), 1100);
    // The only one is far from the end, or there is none.
    check(Target::All, holds("1234"), Some(1), 5100);
    check(Target::All, holds("x"), Some(1), 5100);
    check(Target::All, vec![], None, 10_100);
    check(
        Target::Points((1..=5000).map(point).collect()),
        vec![],
        Some(5),
        5100,
    );
}
