//! What a session touches, as addresses in an order's layout, run through the model of the caches.
//!
//! | trace | accesses |
//! |---|---|
//! | keys | of every record that a step reads, in the order of positions, its code in each dimension |
//! | records | of every record that a step reads, each line of its entry |
//! | scan | of every block that a step's box leaves, each line of each column that it bounds |
//!
//! The first two are the same accesses in every order, which differ only in where the data lie; their
//! rates can be compared. In the third the orders differ in how much they touch: misses for each query
//! say more than the rate. The zone map itself is not in it.

use super::cache::{Counts, Guess, Hierarchy, LINE_BYTES, Prefetcher};
use super::figures::ratio;
use super::layout::Layout;
use super::points::Points;
use super::session::Step;
use phext_storage::lab::order::BLOCK_SLOTS;
use serde::Serialize;

/// Steps whose boxes are scanned: without pruning, each touches all key blocks.
const SCANNED_STEPS: usize = 64;

/// Where the codes of positions are, as in a part's key blocks.
struct KeyBlocks {
    /// By dimension, where its column starts in a block, and the bytes of a code.
    columns: Vec<(u64, u64)>,
    block_bytes: u64,
}

impl KeyBlocks {
    fn new(points: &Points) -> KeyBlocks {
        let mut end = 0;
        let columns = points.columns.iter().map(|column| {
            let width = column.code_bytes() as u64;
            let start = end;
            end += width * BLOCK_SLOTS as u64;
            (start, width)
        });
        KeyBlocks {
            columns: columns.collect(),
            block_bytes: end,
        }
    }

    /// The address of a code; `None` where the dimension has one component, and so no column.
    fn code(&self, dimension: usize, position: u32) -> Option<u64> {
        let (start, width) = self.columns[dimension];
        let (block, index) = (
            u64::from(position) / BLOCK_SLOTS as u64,
            u64::from(position) % BLOCK_SLOTS as u64,
        );
        (width > 0).then(|| block * self.block_bytes + start + index * width)
    }

    /// The addresses of the lines of a column of a block.
    fn column(&self, dimension: usize, block: u32) -> impl Iterator<Item = u64> + use<> {
        let (start, width) = self.columns[dimension];
        let start = u64::from(block) * self.block_bytes + start;
        lines(start, start + width * BLOCK_SLOTS as u64)
    }
}

/// The first address in each line of a stretch.
fn lines(start: u64, end: u64) -> impl Iterator<Item = u64> + use<> {
    let first = start / LINE_BYTES;
    (first..end.div_ceil(LINE_BYTES).max(first)).map(|line| line * LINE_BYTES)
}

/// Rates of a trace, in percent, and misses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct TraceReport {
    pub(super) accesses: u64,
    pub(super) l1_hit_percent: f64,
    /// Of what missed L1.
    pub(super) l2_hit_percent: f64,
    pub(super) tlb_hit_percent: f64,
    /// Of what missed the first TLB.
    pub(super) second_tlb_hit_percent: f64,
    pub(super) l1_misses_per_query: f64,
    pub(super) next_line: PrefetchReport,
    pub(super) stride: PrefetchReport,
}

/// How often a prefetcher was right; no percentage where it brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct PrefetchReport {
    pub(super) issued: u64,
    pub(super) accuracy_percent: Option<f64>,
}

/// A trace as it is run.
struct Recorder {
    hierarchy: Hierarchy,
    next_line: Prefetcher,
    stride: Prefetcher,
}

impl Recorder {
    fn new(streams: usize) -> Recorder {
        Recorder {
            hierarchy: Hierarchy::new(),
            next_line: Prefetcher::new(Guess::NextLine, streams),
            stride: Prefetcher::new(Guess::Stride, streams),
        }
    }

    fn read(&mut self, address: u64, stream: usize) {
        self.hierarchy.read(address);
        self.next_line.read(address, stream);
        self.stride.read(address, stream);
    }

    fn report(&self, queries: usize) -> TraceReport {
        let counts = self.hierarchy.counts;
        let Counts { accesses, .. } = counts;
        let misses = accesses - counts.first_hits;
        let percent = |part, whole| 100.0 * ratio(part, whole);
        let prefetch = |prefetcher: &Prefetcher| PrefetchReport {
            issued: prefetcher.issued,
            accuracy_percent: (prefetcher.issued > 0)
                .then(|| percent(prefetcher.used, prefetcher.issued)),
        };
        TraceReport {
            accesses,
            l1_hit_percent: percent(counts.first_hits, accesses),
            l2_hit_percent: percent(counts.second_hits, misses),
            tlb_hit_percent: percent(counts.page_hits, accesses),
            second_tlb_hit_percent: percent(counts.second_page_hits, accesses - counts.page_hits),
            l1_misses_per_query: ratio(misses, queries as u64),
            next_line: prefetch(&self.next_line),
            stride: prefetch(&self.stride),
        }
    }
}

/// The three traces of a session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Traces {
    pub(super) keys: TraceReport,
    pub(super) records: TraceReport,
    pub(super) scan: TraceReport,
}

/// Runs a session through the caches.
pub(super) fn traces(points: &Points, layout: &Layout, session: &[Step]) -> Traces {
    let blocks = KeyBlocks::new(points);
    let mut keys = Recorder::new(points.dimensions());
    let mut records = Recorder::new(1);
    for step in session {
        for position in layout.positions(&step.read) {
            let codes =
                (0..points.dimensions()).filter_map(|d| Some((d, blocks.code(d, position)?)));
            codes.for_each(|(dimension, address)| keys.read(address, dimension));
            let (start, end) = layout.entry(position);
            lines(start, end).for_each(|address| records.read(address, 0));
        }
    }
    let mut scan = Recorder::new(points.dimensions());
    let scanned = &session[..session.len().min(SCANNED_STEPS)];
    for step in scanned {
        for block in layout.survivors(&step.query) {
            for &(dimension, _) in &step.query.constraints {
                let column = blocks.column(dimension, block);
                column.for_each(|address| scan.read(address, dimension));
            }
        }
    }
    Traces {
        keys: keys.report(session.len()),
        records: records.report(session.len()),
        scan: scan.report(scanned.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::LabOrder;
    use super::super::points::tests::points;
    use super::super::query::Query;
    use super::*;

    /// 300 points in a row: dimension 0 has one component, dimension 1 has 300, in two bytes each.
    fn row() -> Points {
        let mut points = points(&std::array::from_fn::<[u32; 2], 300, _>(|n| [1, n as u32]));
        points.entry_bytes.fill(128);
        points
    }

    #[test]
    fn codes_and_columns_have_addresses() {
        let points = row();
        let blocks = KeyBlocks::new(&points);
        assert_eq!(blocks.code(0, 5), None);
        assert_eq!(blocks.code(1, 5), Some(10));
        assert_eq!(blocks.code(1, 129), Some(256 + 2));
        assert!(blocks.column(1, 1).eq([256, 320, 384, 448]));
        assert_eq!(blocks.column(0, 1).count(), 0);
        assert!(lines(100, 130).eq([64, 128]));
        assert_eq!(lines(64, 64).count(), 0);
    }

    /// By hand: the step reads positions 0, 1, 40 and 130. Their codes are on lines 0, 0, 1 and 4;
    /// their entries on two lines each. The box leaves blocks 0 and 1, four lines each.
    #[test]
    fn a_step_touches_what_it_reads() {
        let points = row();
        let layout = Layout::new(LabOrder::Lexicographic, &points, 1);
        let step = Step {
            read: vec![40, 130, 1, 0],
            query: Query {
                constraints: vec![(1, 100..=130)],
            },
        };
        let traces = traces(&points, &layout, &[step]);
        assert_eq!(
            (traces.keys.accesses, traces.keys.l1_hit_percent),
            (4, 25.0)
        );
        assert_eq!(traces.keys.l1_misses_per_query, 3.0);
        assert_eq!(
            (traces.records.accesses, traces.records.l1_hit_percent),
            (8, 0.0)
        );
        assert_eq!(
            (traces.scan.accesses, traces.scan.l1_misses_per_query),
            (8, 8.0)
        );
        // Eight lines in a row: each second one was brought by the miss before it.
        assert_eq!(traces.scan.next_line.issued, 4);
        assert_eq!(traces.scan.next_line.accuracy_percent, Some(100.0));
        // All lines are on one page.
        assert_eq!(traces.scan.tlb_hit_percent, 87.5);
    }

    #[test]
    fn accesses_of_the_same_session_are_as_many_in_every_order() {
        let points = super::super::layout::tests::some_points();
        let layouts =
            ["leaves", "random"].map(|order| Layout::new(order.parse().unwrap(), &points, 1));
        let dice = &mut rand::SeedableRng::seed_from_u64(2);
        let session = super::super::session::walk(&points, &layouts[0], 50, dice);
        let [leaves, random] = layouts.map(|layout| traces(&points, &layout, &session));
        assert_eq!(leaves.keys.accesses, random.keys.accesses);
        assert!(leaves.keys.l1_hit_percent > random.keys.l1_hit_percent);
        assert!(leaves.scan.accesses < random.scan.accesses);
    }
}
