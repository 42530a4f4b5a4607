//! The report as tables.

use std::fmt::{Result, Write};

use super::{DatasetFigures, Report, Resident, Row, SUBJECT};
use crate::report::format::{distinct, megabytes, rate, ratio, table_head, table_row, time};

impl Report {
    pub(in crate::report) fn render(&self, out: &mut String) -> Result {
        let Report {
            command,
            machine,
            rounds,
            load_rounds,
            ..
        } = self;
        writeln!(out, "## Embedded engines\n")?;
        writeln!(out, "`{command}`: {machine}.")?;
        writeln!(
            out,
            "Medians of {rounds} rounds, of {load_rounds} for loads.\n"
        )?;
        for dataset in &self.datasets {
            self.render_dataset(dataset, out)?;
        }
        self.render_settings(out)
    }

    fn render_dataset(&self, dataset: &DatasetFigures, out: &mut String) -> Result {
        let DatasetFigures {
            dataset: name,
            scrolls,
            text_bytes,
            strangers,
        } = dataset;
        let busiest = strangers.iter().copied().fold(0.0, f64::max);
        writeln!(
            out,
            "### {name}: {scrolls} scrolls, {text_bytes} bytes of text\n"
        )?;
        writeln!(
            out,
            "Up to {busiest:.1} cores were busy with other things. In parentheses: times what sqd takes.\n"
        )?;
        let of_dataset = self.rows.iter().filter(|row| row.dataset == *name);
        let (mixes, rows): (Vec<&Row>, Vec<&Row>) = of_dataset.partition(|row| row.is_mix());
        render_times(&rows, out)?;
        render_latencies(&rows, out)?;
        render_sizes(&rows, out)?;
        render_mixes(&mixes, out)
    }

    fn render_settings(&self, out: &mut String) -> Result {
        writeln!(out, "### Engines and durability\n")?;
        let head = ["engine", "settings", "a put is durable after", "a load"];
        table_head(out, &head)?;
        for engine in &self.engines {
            let cells = [
                &engine.engine,
                &engine.settings,
                &engine.put_durability,
                &engine.load_durability,
            ];
            table_row(out, &cells.map(Clone::clone))?;
        }
        writeln!(out)
    }
}

fn render_times(rows: &[&Row], out: &mut String) -> Result {
    grid(out, "workload, per", rows, |row| {
        let time = row.ns_per_op.map(time)?;
        Some(match row.ratio_to_sqd {
            Some(times) if row.engine != SUBJECT => format!("{time} ({})", ratio(times)),
            _ => time,
        })
    })
}

fn render_latencies(rows: &[&Row], out: &mut String) -> Result {
    if rows.iter().all(|row| row.p50_ns.is_none()) {
        return Ok(());
    }
    writeln!(
        out,
        "Latency of single operations, median / 99th percentile:\n"
    )?;
    grid(out, "workload", rows, latencies)
}

fn latencies(row: &Row) -> Option<String> {
    Some(format!("{} / {}", time(row.p50_ns?), time(row.p99_ns?)))
}

/// A table of workloads by engines, of the rows that have something to show.
fn grid(
    out: &mut String,
    corner: &str,
    rows: &[&Row],
    cell: impl Fn(&Row) -> Option<String>,
) -> Result {
    let shown = rows.iter().copied().filter(|row| cell(row).is_some());
    let shown: Vec<&Row> = shown.collect();
    if shown.is_empty() {
        return Ok(());
    }
    let engines = distinct(shown.iter().map(|row| row.engine.as_str()));
    let mut head = vec![corner];
    head.extend(&engines);
    table_head(out, &head)?;
    for workload in distinct(shown.iter().map(|row| row.workload.as_str())) {
        let of_workload = shown.iter().filter(|row| row.workload == workload);
        let of_workload: Vec<&Row> = of_workload.copied().collect();
        let unit = of_workload.first().map_or("", |row| row.unit.as_str());
        let mut cells = vec![match unit {
            unit if unit == workload || !corner.ends_with("per") => workload.to_owned(),
            _ => format!("{workload}, {unit}"),
        }];
        cells.extend(engines.iter().map(|engine| {
            let row = of_workload.iter().find(|row| row.engine == *engine);
            row.and_then(|row| cell(row)).unwrap_or_default()
        }));
        table_row(out, &cells)?;
    }
    writeln!(out)
}

fn render_sizes(rows: &[&Row], out: &mut String) -> Result {
    let of = |workload: &str, engine: &str| {
        let is_it = |row: &&&Row| row.workload == workload && row.engine == engine;
        rows.iter().find(is_it).copied()
    };
    let about =
        |row: &&&Row| ["space", "open", "put", "load, sorted"].contains(&row.workload.as_str());
    let engines = distinct(rows.iter().filter(about).map(|row| row.engine.as_str()));
    if engines.is_empty() {
        return Ok(());
    }
    let head = [
        "engine",
        "MB on disk",
        "written per byte, load",
        "written per byte, put",
        "written per byte, group",
        "until the first text",
        "MB of heap, mapped: opened",
        "after a scan",
    ];
    table_head(out, &head)?;
    for engine in engines {
        let open = of("open", engine);
        let space = of("space", engine).and_then(|row| row.bytes_on_disk);
        let amplification = |workload| {
            let row = of(workload, engine);
            row.and_then(|row| row.write_amplification).map(ratio)
        };
        let cells = [
            Some(engine.to_owned()),
            space.map(megabytes),
            amplification("load, sorted"),
            amplification("put"),
            amplification("group"),
            open.and_then(|row| row.first_text_ns).map(time),
            open.and_then(|row| row.resident_after_open).map(resident),
            open.and_then(|row| row.resident_after_scan).map(resident),
        ];
        table_row(out, &cells.map(Option::unwrap_or_default))?;
    }
    writeln!(out)
}

fn resident(resident: Resident) -> String {
    format!(
        "{}, {}",
        megabytes(resident.heap),
        megabytes(resident.mapped)
    )
}

/// Mixes of reads and writes, in operations a second.
fn render_mixes(rows: &[&Row], out: &mut String) -> Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "Mixes of YCSB, operations a second, and in parentheses sqd's rate over the engine's; each write is durable before it \
         returns, by the means that the last table names:\n"
    )?;
    grid(out, "mix", rows, |row| {
        let per_second = rate(1e9 / row.ns_per_op?);
        Some(match row.ratio_to_sqd {
            Some(times) if row.engine != SUBJECT => format!("{per_second} ({})", ratio(times)),
            _ => per_second,
        })
    })?;
    writeln!(
        out,
        "Their latencies, reads and writes together, median / 99th percentile:\n"
    )?;
    grid(out, "mix", rows, latencies)?;
    writeln!(
        out,
        "Bytes written to the medium for each byte of keys and texts:\n"
    )?;
    grid(out, "mix", rows, |row| row.write_amplification.map(ratio))
}
