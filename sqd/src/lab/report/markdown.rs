//! `report.md`: every figure in tables, with what it means and how it misleads.

use super::{DimensionReport, Report};
use crate::lab::engine::EngineReport;
use crate::lab::figures::{Percentiles, Spread};
use crate::lab::measure::{Cell, CellOrder, NearestReport, OrderReport};
use crate::lab::query::Class;
use crate::lab::trace::TraceReport;
use std::fmt::Write;

/// What a figure means, and its trap.
pub(super) const METRICS: [(&str, &str, &str); 12] = [
    (
        "runs",
        "stretches of neighbouring slots that make up the matches of a query",
        "blind for selective queries, where there are as many runs as matches in every order; on a cube of a dense grid, plain rows have as few as Hilbert",
    ),
    (
        "pages",
        "pages of 4 KiB that hold a byte of a match's record; `least` is what they would fill without a gap",
        "few matches lie on as many pages in every order; it says nothing about what finding them costs",
    ),
    (
        "blocks",
        "key blocks of 128 slots that the zone map does not rule out: what is verified, or read from a medium",
        "a block costs about 2 KB of keys, not its records; in memory, thousands are scanned in tens of microseconds",
    ),
    (
        "over-read",
        "keys in those blocks for each match",
        "at least 128 for a query with one match, however good the order",
    ),
    (
        "box ratio",
        "the share of the space by ranks that a block's box spans, times the number of blocks: 1 where blocks part an even space",
        "correlated dimensions leave most of the space empty, so it can be far below 1, and one wide dimension hides narrow ones; compare orders, not data sets",
    ),
    (
        "slot distance",
        "slots between a point and its nearest (of equally near ones the closest slot)",
        "the tail is heavy in every order, and means are equal for all curves: percentiles only",
    ),
    (
        "recall",
        "the share of the ten nearest that lie within so many slots to either side",
        "a search by window is not exact; what it misses it does not know",
    ),
    (
        "blocks opened",
        "blocks that an exact search for the ten nearest opens, best first over block boxes",
        "by components, the dimensions with large numbers make up the distance; by ranks all count alike: orders rank differently",
    ),
    (
        "L1, L2, TLB",
        "the share of accesses that a model of the caches has: of codes in key blocks and lines of records of the same session in each order; L2 and the second TLB of what missed before",
        "one core, no prefetching, nothing else running. A record of 200 bytes has about four lines, which no order joins with others: most of the gain is in keys",
    ),
    (
        "scan",
        "the same for the columns that boxes of the session read in surviving blocks",
        "orders differ in how much they touch: compare misses for each query, not the rate",
    ),
    (
        "prefetch accuracy",
        "of the lines that a next-line and a stride prefetcher bring, those that are read before they are evicted",
        "lines that follow within one record are foreseen in every order; a scan of everything is foreseen perfectly and still reads everything",
    ),
    (
        "engine",
        "time of a query through plan, stream and page table in a store of this order, texts read, the faster of two runs, in memory",
        "one machine and whatever ran beside; the engine may answer from postings, whose cost does not depend on the order",
    ),
];

/// The report as a page.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_page(report, &mut out);
    out
}

fn write_page(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "# Locality of {}\n", report.data)?;
    writeln!(out, "{}\n", summary(report))?;
    writeln!(out, "| figure | means | trap |\n|---|---|---|")?;
    for (name, means, trap) in METRICS {
        writeln!(out, "| {name} | {means} | {trap} |")?;
    }
    for dimension in &report.dimensions {
        write_dimension(dimension, out)?;
    }
    Ok(())
}

/// How it was measured, in sentences.
pub(super) fn summary(report: &Report) -> String {
    let memory = report.peak_memory_bytes.map_or_else(
        || "an unknown amount of".to_owned(),
        |bytes| format!("{} MB of", bytes / 1_000_000),
    );
    format!(
        "At most {} scrolls, seed {}; {} queries of each class and number of free dimensions; a session of {} steps. \
         Blocks have {} slots, pages {} bytes. Caches are a model: {}. \
         Taken on {}, {} cores, kernel {}, in {:.0} s and {memory} memory at most.",
        report.scrolls,
        report.seed,
        report.queries,
        report.steps,
        report.block_slots,
        report.page_bytes,
        report.caches,
        report.machine.cpu,
        report.machine.cores,
        report.machine.kernel,
        report.seconds,
    )
}

fn write_dimension(dimension: &DimensionReport, out: &mut String) -> std::fmt::Result {
    let counted = &dimension.counted;
    writeln!(out, "\n## {} dimensions\n", counted.dimensions)?;
    writeln!(
        out,
        "{}: {} points in {} blocks. The prefix of `prefix-hilbert` has {} dimensions.",
        counted.names.join(", "),
        counted.points,
        counted.blocks,
        counted.prefix,
    )?;
    for class in Class::ALL {
        let cells: Vec<&Cell> = counted
            .cells
            .iter()
            .filter(|cell| cell.class == class)
            .collect();
        let name = class.name();
        writeln!(out, "\n### Blocks, {name}: mean, and median")?;
        write_cells(
            &cells,
            out,
            |order| spread(&order.blocks),
            |_| String::new(),
        )?;
        writeln!(out, "\n### Pages, {name}: mean, and median")?;
        let least = |cell: &Cell| spread(&cell.least_pages);
        write_cells(&cells, out, |order| spread(&order.pages), least)?;
        writeln!(out, "\n### Runs, {name}: mean, and median")?;
        let matches = |cell: &Cell| spread(&cell.matches);
        write_cells(&cells, out, |order| spread(&order.runs), matches)?;
        writeln!(out, "\n### Over-read, {name}: median, and 90 %")?;
        let over_read = |order: &CellOrder| {
            format!(
                "{} ({})",
                short(order.over_read.p50),
                short(order.over_read.p90)
            )
        };
        write_cells(&cells, out, over_read, |_| String::new())?;
    }
    write_nearest(
        &counted.orders,
        "components",
        |order| &order.nearest_by_components,
        out,
    )?;
    write_nearest(
        &counted.orders,
        "ranks",
        |order| &order.nearest_by_ranks,
        out,
    )?;
    write_caches(&counted.orders, out)?;
    write_keys(dimension, out)?;
    match &dimension.engine {
        Some(engine) => write_engine(engine, out),
        None => Ok(()),
    }
}

/// A row for each order, a column for each number of free dimensions, and a last row of something else.
fn write_cells(
    cells: &[&Cell],
    out: &mut String,
    of: impl Fn(&CellOrder) -> String,
    last: impl Fn(&Cell) -> String,
) -> std::fmt::Result {
    let free: Vec<String> = cells
        .iter()
        .map(|cell| format!("{} free", cell.free))
        .collect();
    writeln!(out, "\n| order | {} |", free.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(cells.len()))?;
    let orders = cells.first().map_or(0, |cell| cell.orders.len());
    for at in 0..orders {
        let figures: Vec<String> = cells.iter().map(|cell| of(&cell.orders[at])).collect();
        writeln!(
            out,
            "| {} | {} |",
            cells[0].orders[at].order,
            figures.join(" | ")
        )?;
    }
    let lasts: Vec<String> = cells.iter().map(|cell| last(cell)).collect();
    match lasts.iter().all(String::is_empty) {
        true => Ok(()),
        false => writeln!(out, "| *least, or matches* | {} |", lasts.join(" | ")),
    }
}

fn write_nearest(
    orders: &[OrderReport],
    by: &str,
    of: impl Fn(&OrderReport) -> &NearestReport,
    out: &mut String,
) -> std::fmt::Result {
    writeln!(out, "\n### The ten nearest by {by}\n")?;
    let windows = orders.first().map(|order| of(order).recall.iter());
    let windows: Vec<String> = windows
        .into_iter()
        .flatten()
        .map(|recall| format!("recall in {}", recall.window))
        .collect();
    writeln!(
        out,
        "| order | slots to the nearest, p50 | p90 | p99 | {} | blocks opened, p50 | p90 |",
        windows.join(" | ")
    )?;
    writeln!(
        out,
        "|---|---|---|---|{}---|---|",
        "---|".repeat(windows.len())
    )?;
    for order in orders {
        let nearest = of(order);
        let Percentiles { p50, p90, p99 } = nearest.slot_distance;
        let recall: Vec<String> = nearest
            .recall
            .iter()
            .map(|recall| format!("{:.0} %", recall.percent))
            .collect();
        let opened = nearest.blocks_opened.percentiles;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            order.order,
            short(p50),
            short(p90),
            short(p99),
            recall.join(" | "),
            short(opened.p50),
            short(opened.p90),
        )?;
    }
    Ok(())
}

fn write_caches(orders: &[OrderReport], out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n### A drifting session in the caches\n")?;
    writeln!(
        out,
        "| order | L1 keys | over random | L2 keys | TLB keys | second TLB keys | L1 records | over random | TLB records \
         | scan: L1 misses a query | next-line keys | stride keys | next-line records | box ratio p50 | p99 | ordering, ms |"
    )?;
    writeln!(out, "|---|{}", "---|".repeat(15))?;
    let percent = |value: f64| format!("{value:.1} %");
    let signed = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:+.1} %"));
    for order in orders {
        let TraceReport {
            next_line, stride, ..
        } = order.session.keys;
        let (keys, records) = (order.session.keys, order.session.records);
        let accuracy = |value: Option<f64>| value.map_or("-".to_owned(), percent);
        let figures = [
            percent(keys.l1_hit_percent),
            signed(order.keys_l1_over_random_percent),
            percent(keys.l2_hit_percent),
            percent(keys.tlb_hit_percent),
            percent(keys.second_tlb_hit_percent),
            percent(records.l1_hit_percent),
            signed(order.records_l1_over_random_percent),
            percent(records.tlb_hit_percent),
            short(order.session.scan.l1_misses_per_query),
            accuracy(next_line.accuracy_percent),
            accuracy(stride.accuracy_percent),
            accuracy(records.next_line.accuracy_percent),
            format!("{:.2e}", order.box_ratio.p50),
            format!("{:.2e}", order.box_ratio.p99),
            short(order.order_ms),
        ];
        writeln!(out, "| {} | {} |", order.order, figures.join(" | "))?;
    }
    Ok(())
}

fn write_keys(dimension: &DimensionReport, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n### Nanoseconds for a key\n")?;
    writeln!(
        out,
        "| curve | encode | in batches | decode |\n|---|---|---|---|"
    )?;
    for row in &dimension.encode {
        writeln!(
            out,
            "| {} | {:.1} | {:.1} | {:.1} |",
            row.curve, row.encode_ns, row.encode_batch_ns, row.decode_ns
        )?;
    }
    Ok(())
}

fn write_engine(engine: &EngineReport, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "\n### Through the engine: microseconds, median (90 %)\n"
    )?;
    let names: Vec<&str> = engine.stores.iter().map(|store| &*store.order).collect();
    writeln!(out, "| query | rows | {} |", names.join(" | "))?;
    writeln!(out, "|---|---|{}", "---|".repeat(names.len()))?;
    for cell in &engine.cells {
        let free = cell
            .free
            .map_or(String::new(), |free| format!(", {free} free"));
        let taken = cell.microseconds.iter();
        let taken: Vec<String> = taken
            .map(|taken| format!("{} ({})", short(taken.p50), short(taken.p90)))
            .collect();
        let rows = short(cell.rows.percentiles.p50);
        writeln!(
            out,
            "| {}{free} | {rows} | {} |",
            cell.class,
            taken.join(" | ")
        )?;
    }
    writeln!(
        out,
        "\n| store | order of the engine | keys of its parts | MB | load, ms | L1 hit rate counted |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for store in &engine.stores {
        let counted = match (store.counted_l1_hit_rate, &store.counted_l1_missing) {
            (Some(rate), _) => format!("{:.1} %", rate * 100.0),
            (None, reason) => reason.clone().unwrap_or_default(),
        };
        writeln!(
            out,
            "| {} | {} | {} | {:.0} | {:.0} | {counted} |",
            store.order,
            store.engine_order,
            store.placements.join("; "),
            store.bytes as f64 / 1e6,
            store.load_ms,
        )?;
    }
    Ok(())
}

fn spread(spread: &Spread) -> String {
    format!("{} ({})", short(spread.mean), short(spread.percentiles.p50))
}

/// A number in as many digits as matter.
fn short(number: f64) -> String {
    match number {
        n if n >= 100.0 => format!("{n:.0}"),
        n if n == n.trunc() => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!(
            [0.0, 1.0, 1.234, 12.34, 123.4, 12_345.6].map(short),
            ["0", "1", "1.23", "12.3", "123", "12346"]
        );
    }
}
