//! Everything that is counted of a set of points in one number of dimensions.
//!
//! Queries are the same for all orders: drawn once, answered once, and then looked at in each order.
//! What is kept grows with points and orders, not with queries.

use super::figures::{Percentiles, Spread};
use super::layout::{Layout, least_pages, runs};
use super::nearest::{Distances, Neighbour, blocks_opened, nearest, recall, slot_distance};
use super::order::{LabOrder, Scale, suggested_prefix};
use super::points::Points;
use super::query::{Class, Query};
use super::session::{Step, walk};
use super::trace::{Traces, traces};
use phext_storage::lab::order::BLOCK_SLOTS;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::time::Instant;

/// Points searched for by a search for the nearest.
pub(super) const NEIGHBOURS: usize = 10;
/// How far to either side a search by window looks, in positions.
const WINDOWS: [u32; 3] = [32, 128, 1024];

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) queries: usize,
    pub(super) steps: usize,
    /// Queries of each class that the engine is asked.
    pub(super) timed: usize,
    pub(super) seed: u64,
}

/// The figures of one number of dimensions.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Counted {
    pub(super) dimensions: usize,
    pub(super) names: Vec<&'static str>,
    pub(super) points: usize,
    pub(super) blocks: usize,
    /// Dimensions in the prefix of `prefix-hilbert`.
    pub(super) prefix: usize,
    pub(super) orders: Vec<OrderReport>,
    pub(super) cells: Vec<Cell>,
}

/// The figures of an order that do not depend on a class of query.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OrderReport {
    pub(super) order: &'static str,
    /// To bring the points into this order, and to lay them out.
    pub(super) order_ms: f64,
    /// Of each block, its share of the space by ranks in as many blocks.
    pub(super) box_ratio: Percentiles,
    pub(super) nearest_by_components: NearestReport,
    pub(super) nearest_by_ranks: NearestReport,
    pub(super) session: Traces,
    /// By how many percent more accesses hit L1 than in random order, in the traces of keys and records.
    pub(super) keys_l1_over_random_percent: Option<f64>,
    pub(super) records_l1_over_random_percent: Option<f64>,
}

/// Where the ten nearest of stored points lie.
#[derive(Debug, Clone, Serialize)]
pub(super) struct NearestReport {
    pub(super) slot_distance: Percentiles,
    pub(super) recall: Vec<WindowRecall>,
    pub(super) blocks_opened: Spread,
}

/// The share of the ten nearest that a window holds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct WindowRecall {
    pub(super) window: u32,
    pub(super) percent: f64,
}

/// The figures of a class of query with some dimensions free.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Cell {
    pub(super) class: Class,
    pub(super) free: usize,
    pub(super) queries: usize,
    pub(super) matches: Spread,
    /// The pages that the matches would fill without a gap.
    pub(super) least_pages: Spread,
    pub(super) orders: Vec<CellOrder>,
}

/// What the queries of a cell come to in an order.
#[derive(Debug, Clone, Serialize)]
pub(super) struct CellOrder {
    pub(super) order: &'static str,
    pub(super) runs: Spread,
    pub(super) pages: Spread,
    pub(super) blocks: Spread,
    /// Keys in surviving blocks for each match.
    pub(super) over_read: Percentiles,
}

/// Points in several orders, and what is asked of them.
pub(super) struct Bench {
    pub(super) points: Points,
    pub(super) layouts: Vec<Layout>,
    pub(super) order_ms: Vec<f64>,
    pub(super) session: Vec<Step>,
    /// Searches for the nearest: from where, by what, and which they are.
    pub(super) searches: Vec<(u32, Scale, Vec<Neighbour>)>,
}

impl Bench {
    /// Lays the points out in all orders, and draws the session and the searches.
    pub(super) fn new(points: Points, orders: &[LabOrder], plan: Plan) -> Bench {
        let mut order_ms = Vec::new();
        let layouts = orders.iter().map(|&order| {
            let start = Instant::now();
            let layout = Layout::new(order, &points, plan.seed);
            order_ms.push(start.elapsed().as_secs_f64() * 1e3);
            layout
        });
        let layouts: Vec<Layout> = layouts.collect();
        // Leaves find the nearest in the fewest blocks; which layout finds them makes no difference.
        let leaves = Layout::new(LabOrder::Leaves, &points, plan.seed);
        let dice = &mut StdRng::seed_from_u64(plan.seed ^ 0x5e55_1014);
        let session = walk(&points, &leaves, plan.steps, dice);
        let mut searches = Vec::new();
        for _ in 0..plan.queries {
            let from = dice.random_range(0..points.len() as u32);
            for scale in [Scale::Raw, Scale::Ranks] {
                let found = nearest(&points, &leaves, from, NEIGHBOURS, scale);
                searches.push((from, scale, found.neighbours));
            }
        }
        Bench {
            points,
            layouts,
            order_ms,
            session,
            searches,
        }
    }

    /// Counts everything.
    pub(super) fn count(&self, plan: Plan, progress: &mut dyn FnMut(&str)) -> Counted {
        let dice = &mut StdRng::seed_from_u64(plan.seed ^ 0xce11);
        let mut cells = Vec::new();
        for class in Class::ALL {
            for free in class.free(self.points.dimensions()) {
                progress(&format!("{} with {free} free", class.name()));
                cells.push(self.cell(class, free, plan.queries, dice));
            }
        }
        let mut orders: Vec<OrderReport> = (0..self.layouts.len())
            .map(|at| {
                progress(&format!("session and nearest, {}", self.layouts[at].order));
                self.order(at)
            })
            .collect();
        compare_with_random(&mut orders);
        Counted {
            dimensions: self.points.dimensions(),
            names: self.points.names(),
            points: self.points.len(),
            blocks: self.points.len().div_ceil(BLOCK_SLOTS),
            prefix: suggested_prefix(&self.points),
            orders,
            cells,
        }
    }

    fn cell(&self, class: Class, free: usize, queries: usize, dice: &mut StdRng) -> Cell {
        let mut tallies: Vec<Tally> = self.layouts.iter().map(|_| Tally::default()).collect();
        let (mut counts, mut least) = (Vec::new(), Vec::new());
        for _ in 0..queries {
            let query = Query::draw(class, free, &self.points, dice);
            let matches = query.matches(&self.points);
            counts.push(matches.len() as u64);
            least.push(least_pages(&self.points, &matches));
            for (tally, layout) in tallies.iter_mut().zip(&self.layouts) {
                tally.add(layout, &query, &matches);
            }
        }
        let orders = tallies.iter().zip(&self.layouts);
        Cell {
            class,
            free,
            queries,
            matches: Spread::of(&counts),
            least_pages: Spread::of(&least),
            orders: orders
                .map(|(tally, layout)| tally.report(layout.order.name()))
                .collect(),
        }
    }

    fn order(&self, at: usize) -> OrderReport {
        let layout = &self.layouts[at];
        OrderReport {
            order: layout.order.name(),
            order_ms: self.order_ms[at],
            box_ratio: Percentiles::of(box_ratios(&self.points, layout)),
            nearest_by_components: self.nearest(layout, Scale::Raw),
            nearest_by_ranks: self.nearest(layout, Scale::Ranks),
            session: traces(&self.points, layout, &self.session),
            keys_l1_over_random_percent: None,
            records_l1_over_random_percent: None,
        }
    }

    fn nearest(&self, layout: &Layout, scale: Scale) -> NearestReport {
        let searches = || self.searches.iter().filter(|search| search.1 == scale);
        let opened: Vec<u64> = searches()
            .map(|(from, _, found)| {
                let distances = Distances::new(&self.points, *from, scale);
                let last = found.last().map_or(0, |last| last.0);
                blocks_opened(layout, &distances, last)
            })
            .collect();
        let apart = searches().filter_map(|(from, _, found)| slot_distance(layout, *from, found));
        let recall_in = |window: u32| {
            let recalls = searches().map(|(from, _, found)| recall(layout, *from, found, window));
            WindowRecall {
                window,
                percent: 100.0 * recalls.sum::<f64>() / searches().count().max(1) as f64,
            }
        };
        NearestReport {
            slot_distance: Percentiles::of(apart.map(f64::from)),
            recall: WINDOWS.map(recall_in).to_vec(),
            blocks_opened: Spread::of(&opened),
        }
    }
}

/// What the queries of a cell came to so far.
#[derive(Default)]
struct Tally {
    runs: Vec<u64>,
    pages: Vec<u64>,
    blocks: Vec<u64>,
    over_read: Vec<f64>,
}

impl Tally {
    fn add(&mut self, layout: &Layout, query: &Query, matches: &[u32]) {
        let positions = layout.positions(matches);
        let blocks = layout.survivors(query).len() as u64;
        self.runs.push(runs(&positions));
        self.pages.push(layout.pages(&positions));
        self.blocks.push(blocks);
        self.over_read
            .push((blocks * BLOCK_SLOTS as u64) as f64 / matches.len() as f64);
    }

    fn report(&self, order: &'static str) -> CellOrder {
        CellOrder {
            order,
            runs: Spread::of(&self.runs),
            pages: Spread::of(&self.pages),
            blocks: Spread::of(&self.blocks),
            over_read: Percentiles::of(self.over_read.iter().copied()),
        }
    }
}

/// Of each block, the product over the dimensions of the share of all ranks that its box spans, times the
/// number of blocks: 1 for blocks that part evenly spread points without overlap.
fn box_ratios(points: &Points, layout: &Layout) -> Vec<f64> {
    let share = |d: usize, block: usize| {
        let (least, greatest) = layout.zones[d][block];
        points.count(d, &(least..=greatest)) as f64 / points.len() as f64
    };
    let ratio = |block: usize| {
        let shares = (0..points.dimensions()).map(|d| share(d, block));
        shares.product::<f64>() * layout.blocks() as f64
    };
    (0..layout.blocks()).map(ratio).collect()
}

fn compare_with_random(orders: &mut [OrderReport]) {
    let random = orders
        .iter()
        .find(|order| order.order == LabOrder::Random.name());
    let Some(random) = random.map(|order| order.session) else {
        return;
    };
    let over = |rate: f64, random: f64| (random > 0.0).then(|| 100.0 * (rate / random - 1.0));
    for order in orders {
        let (keys, records) = (order.session.keys, order.session.records);
        order.keys_l1_over_random_percent = over(keys.l1_hit_percent, random.keys.l1_hit_percent);
        order.records_l1_over_random_percent =
            over(records.l1_hit_percent, random.records.l1_hit_percent);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::layout::tests::some_points;
    use super::super::points::tests::points;
    use super::*;

    pub(in crate::lab) const SMALL: Plan = Plan {
        queries: 5,
        steps: 20,
        timed: 3,
        seed: 3,
    };

    /// A grid of 16 by 16 in rows: two blocks, each of half of the space.
    #[test]
    fn blocks_that_part_the_space_have_a_ratio_of_one() {
        let points = points(&std::array::from_fn::<[u32; 2], 256, _>(|n| {
            [n as u32 / 16, n as u32 % 16]
        }));
        let layout = Layout::new(LabOrder::Lexicographic, &points, 1);
        assert_eq!(box_ratios(&points, &layout), [1.0, 1.0]);
        let layout = Layout::new(LabOrder::Random, &points, 1);
        assert_eq!(box_ratios(&points, &layout), [2.0, 2.0], "each spans all");
    }

    #[test]
    fn a_tally_is_what_one_query_gives() {
        let points = points(&std::array::from_fn::<[u32; 2], 256, _>(|n| {
            [n as u32 / 16, n as u32 % 16]
        }));
        let layout = Layout::new(LabOrder::Lexicographic, &points, 1);
        let query = Query {
            constraints: vec![(1, 3..=4)],
        };
        let mut tally = Tally::default();
        tally.add(&layout, &query, &query.matches(&points));
        // Two of each row of 16. Rows have 3,200 bytes, so no page of the first twelve lacks one; the
        // last half page does.
        assert_eq!(
            (tally.runs[0], tally.blocks[0], tally.pages[0]),
            (16, 2, 12)
        );
        assert_eq!(tally.over_read[0], 256.0 / 32.0);
    }

    #[test]
    fn all_orders_are_counted_and_compared_with_random() {
        let orders = LabOrder::all();
        let bench = Bench::new(some_points(), &orders, SMALL);
        let mut said = Vec::new();
        let counted = bench.count(SMALL, &mut |what| said.push(what.to_owned()));
        assert_eq!(counted.orders.len(), orders.len());
        assert_eq!(counted.cells.len(), 5 + 5 + 6);
        assert!(
            said.iter()
                .any(|what| what.contains("wildcard with 3 free"))
        );
        let random = &counted.orders[0];
        assert_eq!(random.keys_l1_over_random_percent, Some(0.0));
        for cell in &counted.cells {
            assert_eq!(cell.orders.len(), orders.len());
            for order in &cell.orders {
                assert!(order.runs.mean <= cell.matches.mean);
                assert!(order.pages.mean >= cell.least_pages.mean, "{cell:?}");
                assert!(order.over_read.p50 >= 1.0);
            }
            if cell.class == Class::Prefix {
                assert_eq!(cell.orders[1].runs.percentiles.p99, 1.0, "lexicographic");
            }
        }
        for order in &counted.orders {
            let recall = &order.nearest_by_ranks.recall;
            assert!(recall.is_sorted_by(|a, b| a.percent <= b.percent));
        }
    }
}
