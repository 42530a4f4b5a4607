//! The same queries through the engine: a store for each order that it has, timed.
//!
//! Stores hold all points in nine dimensions, with texts as long as theirs. A query goes the way of every
//! read: a plan, a stream, the page table, and the text of each match. Its rows are counted, and must be
//! as many as the lab counted itself. All stores are open at once, and take turns query by query.

use super::LabError;
use super::figures::{Percentiles, Spread};
use super::measure::{Bench, NEIGHBOURS, Plan};
use super::order::{LabOrder, Path as CurvePath, Scale, suggested_prefix};
use super::points::Points;
use super::query::{Class, Query};
use phext_query::{self as query, Fields, Flow, ResultRow, Target};
use phext_siw::telemetry::Measured;
use phext_siw::telemetry::hardware::Hardware;
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use phext_storage::lab::dataset::write_text;
use phext_storage::page_table::{Constraint, Metric, Nearest, Region};
use phext_storage::vfs::{RealVfs, Vfs};
use phext_storage::{IngestMode, Options, Order, Phext, Store};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PHEXT: &str = "lab";
/// Time after which a class of queries with some dimensions free is asked no more of them.
const CELL_TIME: Duration = Duration::from_secs(3);
/// Runs of a query of which the fastest counts, after one that does not.
const RUNS: usize = 2;
/// Steps of the session that are asked.
const SESSION_STEPS: usize = 64;

/// What the engine took.
#[derive(Debug, Clone, Serialize)]
pub(super) struct EngineReport {
    pub(super) stores: Vec<StoreReport>,
    pub(super) cells: Vec<EngineCell>,
}

/// A store in one order.
#[derive(Debug, Clone, Serialize)]
pub(super) struct StoreReport {
    pub(super) order: String,
    /// How the engine names it.
    pub(super) engine_order: String,
    /// How its parts lie.
    pub(super) placements: Vec<String>,
    pub(super) bytes: u64,
    pub(super) load_ms: f64,
    /// Share of reads that hit L1 while the session ran, from hardware counters.
    pub(super) counted_l1_hit_rate: Option<f64>,
    pub(super) counted_l1_missing: Option<String>,
}

/// A class of queries, timed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct EngineCell {
    pub(super) class: &'static str,
    pub(super) free: Option<usize>,
    pub(super) queries: usize,
    pub(super) rows: Spread,
    /// By store.
    pub(super) microseconds: Vec<Percentiles>,
}

/// A query, and how many rows it must give.
struct Asked {
    query: query::Query,
    rows: u64,
}

/// An order of the engine.
struct EngineOrder {
    name: String,
    order: Order,
}

/// The orders that the engine has among these, and the one that it chooses.
fn engine_orders(orders: &[LabOrder], points: &Points) -> Vec<EngineOrder> {
    let prefix = suggested_prefix(points) as u8;
    let known = |order: &LabOrder| match *order {
        LabOrder::Lexicographic => Some(Order::Lexicographic),
        LabOrder::Along(CurvePath::Engine(curve), Scale::Ranks) => {
            Some(Order::Curve { prefix: 0, curve })
        }
        LabOrder::PrefixHilbert => Some(Order::Curve {
            prefix,
            curve: phext_storage::curves::Curve::Hilbert,
        }),
        _ => None,
    };
    let named = orders.iter().filter_map(|order| {
        let name = order.name().to_owned();
        Some(EngineOrder {
            name,
            order: known(order)?,
        })
    });
    let auto = EngineOrder {
        name: "auto".to_owned(),
        order: Order::Auto,
    };
    named.chain([auto]).collect()
}

/// A store that is there as long as this is.
struct Loaded {
    directory: PathBuf,
    phext: Arc<Phext>,
    report: StoreReport,
    _store: Store,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // What is left behind is in the report's directory, and the next run removes it.
        let _ = RealVfs.remove_dir_all(&self.directory);
    }
}

/// Loads the stores and times the queries; `None` where points are not scrolls, in nine dimensions.
pub(super) fn measure(
    bench: &Bench,
    plan: Plan,
    out: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Option<EngineReport>, LabError> {
    if bench.points.dimensions() != DIMENSIONS || plan.timed == 0 {
        return Ok(None);
    }
    let orders: Vec<LabOrder> = bench.layouts.iter().map(|layout| layout.order).collect();
    let mut stores = Vec::new();
    for order in engine_orders(&orders, &bench.points) {
        progress(&format!("loading a store, {}", order.name));
        let directory = out.join("stores").join(&order.name);
        stores.push(load(&bench.points, &order, directory)?);
    }
    let mut cells = Vec::new();
    for (class, free, asked) in questions(bench, plan) {
        let with = free.map_or_else(String::new, |free| format!(" with {free} free"));
        progress(&format!("timing {class}{with}, {} stores", stores.len()));
        cells.push(time(class, free, &asked, &stores)?);
    }
    let session = session_questions(bench);
    for store in &mut stores {
        count_in_hardware(store, &session)?;
    }
    let reports = stores.iter().map(|loaded| loaded.report.clone()).collect();
    drop(stores);
    // Every store has removed its own directory in it.
    let _ = RealVfs.remove_dir_all(&out.join("stores"));
    Ok(Some(EngineReport {
        stores: reports,
        cells,
    }))
}

fn load(points: &Points, order: &EngineOrder, directory: PathBuf) -> Result<Loaded, LabError> {
    let _ = RealVfs.remove_dir_all(&directory);
    let start = Instant::now();
    let options = Options {
        order: order.order,
        background: false,
        ..Options::default()
    };
    let store = Store::open(&directory, options)?;
    let mut ingest = store.ingest(PHEXT, IngestMode::Replace)?;
    let mut text = Vec::new();
    for (point, &entry_bytes) in (0..).zip(&points.entry_bytes) {
        let length = entry_bytes.saturating_sub(HEADER_BYTES).max(1) as usize;
        fill(&mut text, u64::from(point), length);
        ingest.push(coordinate(points, point), &text)?;
    }
    ingest.finish()?;
    store.merge()?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let snapshot = store.snapshot();
    let phext = snapshot.phext(PHEXT).expect("it was loaded").clone();
    let parts: Vec<_> = phext.part_summaries().collect();
    let report = StoreReport {
        order: order.name.clone(),
        engine_order: phext.order().to_string(),
        placements: parts.iter().map(|part| part.placement.clone()).collect(),
        bytes: parts.iter().map(|part| part.length_bytes).sum(),
        load_ms,
        counted_l1_hit_rate: None,
        counted_l1_missing: None,
    };
    Ok(Loaded {
        directory,
        phext,
        report,
        _store: store,
    })
}

/// About what the header of an entry has.
const HEADER_BYTES: u32 = 18;

/// Makes the text one of so many bytes.
fn fill(text: &mut Vec<u8>, seed: u64, length: usize) {
    text.clear();
    write_text(seed, text);
    while text.len() < length {
        write_text(seed, text);
    }
    text.truncate(length);
}

fn coordinate(points: &Points, point: u32) -> Coordinate {
    let coordinate = points.coordinate(point);
    coordinate.expect("points in nine dimensions are scrolls")
}

/// The questions, class by class.
fn questions(bench: &Bench, plan: Plan) -> Vec<(&'static str, Option<usize>, Vec<Asked>)> {
    let dice = &mut StdRng::seed_from_u64(plan.seed ^ 0xe1f1e);
    let points = &bench.points;
    let mut questions = Vec::new();
    for class in Class::ALL {
        for free in class.free(DIMENSIONS) {
            let mut draw = |_| {
                let query = Query::draw(class, free, points, dice);
                region(points, &query, class == Class::Prefix)
            };
            let asked = (0..plan.timed).map(&mut draw).collect();
            questions.push((class.name(), Some(free), asked));
        }
    }
    let searches = bench
        .searches
        .iter()
        .filter(|search| search.1 == Scale::Raw);
    let searches = searches
        .take(plan.timed)
        .map(|&(from, _, _)| nearest(points, from));
    questions.push(("nearest", None, searches.collect()));
    questions.push(("session", None, session_questions(bench)));
    questions
}

fn session_questions(bench: &Bench) -> Vec<Asked> {
    let steps = bench.session.iter().take(SESSION_STEPS);
    steps
        .map(|step| region(&bench.points, &step.query, false))
        .collect()
}

fn region(points: &Points, query: &Query, is_prefix: bool) -> Asked {
    let mut components = Vec::new();
    let mut constraints: [Constraint; DIMENSIONS] = std::array::from_fn(|_| Constraint::default());
    for (dimension, codes) in &query.constraints {
        let component = |code: &u32| points.columns[*dimension].components()[*code as usize];
        let (low, high) = (component(codes.start()), component(codes.end()));
        components.push(low);
        constraints[*dimension] =
            Constraint::range(low, high).expect("codes and components ascend");
    }
    let target = match is_prefix {
        true => Target::Prefix(components),
        false => Target::Region(Region::new(constraints)),
    };
    Asked {
        query: query::Query::rows(target, Fields::TEXT),
        rows: query.matches(points).len() as u64,
    }
}

fn nearest(points: &Points, from: u32) -> Asked {
    let count = NEIGHBOURS + 1;
    let target = Target::Nearest(Nearest {
        to: coordinate(points, from),
        count: count as u32,
        metric: Metric::Manhattan,
        radius: None,
    });
    Asked {
        query: query::Query::rows(target, Fields::TEXT),
        rows: count.min(points.len()) as u64,
    }
}

/// Asks a class of questions of all stores in turn.
fn time(
    class: &'static str,
    free: Option<usize>,
    asked: &[Asked],
    stores: &[Loaded],
) -> Result<EngineCell, LabError> {
    let start = Instant::now();
    let mut rows = Vec::new();
    let mut taken: Vec<Vec<f64>> = stores.iter().map(|_| Vec::new()).collect();
    for (number, asked) in asked.iter().enumerate() {
        for turn in 0..stores.len() {
            // Whoever comes first finds caches as the last one left them.
            let at = (number + turn) % stores.len();
            run(&stores[at], asked)?;
            let runs = (0..RUNS).map(|_| run(&stores[at], asked));
            let seconds = runs.collect::<Result<Vec<f64>, LabError>>()?;
            taken[at].push(seconds.into_iter().fold(f64::INFINITY, f64::min) * 1e6);
        }
        rows.push(asked.rows);
        if start.elapsed() > CELL_TIME {
            break;
        }
    }
    Ok(EngineCell {
        class,
        free,
        queries: rows.len(),
        rows: Spread::of(&rows),
        microseconds: taken.into_iter().map(Percentiles::of).collect(),
    })
}

/// Asks a store, and gives the seconds that it took.
fn run(store: &Loaded, asked: &Asked) -> Result<f64, LabError> {
    let (mut rows, mut bytes) = (0, 0);
    let start = Instant::now();
    query::run(&asked.query, &store.phext, &mut |row: &ResultRow<'_>| {
        rows += 1;
        bytes += row.text.map_or(0, |text| text.len() + usize::from(text[0]));
        Ok(Flow::Continue)
    })?;
    let seconds = start.elapsed().as_secs_f64();
    std::hint::black_box(bytes);
    match rows == asked.rows {
        true => Ok(seconds),
        false => Err(LabError::Disagree {
            order: store.report.order.clone(),
            expected: asked.rows,
            rows,
        }),
    }
}

/// Runs the session once more while hardware counters count, where there are any.
fn count_in_hardware(store: &mut Loaded, session: &[Asked]) -> Result<(), LabError> {
    let mut hardware = Hardware::open();
    hardware.sample();
    for asked in session {
        run(store, asked)?;
    }
    match hardware.sample().l1_hit_rate {
        Measured::Value(rate) => store.report.counted_l1_hit_rate = Some(rate),
        Measured::Missing(reason) => store.report.counted_l1_missing = Some(reason.into_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::measure::tests::SMALL;
    use super::super::source::rows;
    use super::*;

    fn bench(orders: &[&str]) -> Bench {
        let rows = rows(&"hierarchy".parse().unwrap(), 4_000, 5, DIMENSIONS).unwrap();
        let orders: Vec<LabOrder> = orders.iter().map(|order| order.parse().unwrap()).collect();
        Bench::new(Points::new(&rows, DIMENSIONS), &orders, SMALL)
    }

    #[test]
    fn every_store_answers_as_the_lab_counts() {
        let directory = tempfile::tempdir().unwrap();
        let orders = [
            "random",
            "lexicographic",
            "morton-ranks",
            "peano-ranks",
            "hilbert",
        ];
        let bench = bench(&orders);
        let report = measure(&bench, SMALL, directory.path(), &mut |_| {});
        let report = report.unwrap().unwrap();
        let named: Vec<_> = report
            .stores
            .iter()
            .map(|s| (&*s.order, &*s.engine_order))
            .collect();
        let expected = [
            ("lexicographic", "lexicographic"),
            ("morton-ranks", "morton"),
            ("peano-ranks", "peano"),
            ("auto", "auto"),
        ];
        assert_eq!(named, expected);
        assert_eq!(report.cells.len(), 8 + 8 + 9 + 2);
        assert!(report.cells.iter().all(|cell| cell.microseconds.len() == 4));
        for store in &report.stores {
            let (rate, reason) = (&store.counted_l1_hit_rate, &store.counted_l1_missing);
            assert_ne!(rate.is_some(), reason.is_some());
        }
        let left = RealVfs.list(directory.path()).unwrap();
        assert!(left.is_empty(), "{left:?}");
    }

    /// The lab's orders over ranks are the engine's.
    #[test]
    fn permutations_are_those_of_the_engine() {
        let bench = bench(&[
            "lexicographic",
            "hilbert-ranks",
            "morton-ranks",
            "peano-ranks",
            "prefix-hilbert",
        ]);
        let points = &bench.points;
        let keys: Vec<Coordinate> = (0..points.len() as u32)
            .map(|p| coordinate(points, p))
            .collect();
        let orders: Vec<LabOrder> = bench.layouts.iter().map(|layout| layout.order).collect();
        let mut engine = engine_orders(&orders, points);
        engine.pop();
        assert_eq!(engine.len(), orders.len());
        for (layout, engine) in bench.layouts.iter().zip(&engine) {
            let positions = phext_storage::lab::order::positions(engine.order, &keys);
            assert_eq!(layout.points, positions, "{}", engine.name);
        }
    }
}
