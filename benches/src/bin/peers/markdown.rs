//! The report as tables.

use std::fmt::Write;

use crate::report::{DatasetFigures, Report, Row};
use crate::workload::open::Resident;

/// How to run it and what the rules are.
const INTRODUCTION: &str = include_str!("introduction.md");

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    format!("{INTRODUCTION}\n{}", tables(report))
}

/// The tables alone.
pub(crate) fn tables(report: &Report) -> String {
    let mut out = String::new();
    render(report, &mut out).expect("writing to a string does not fail");
    out
}

fn render(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "## Results\n")?;
    writeln!(out, "`cargo peers {}`: {}.", report.options, report.machine)?;
    writeln!(
        out,
        "Medians of {} rounds, of {} for loads.\n",
        report.rounds, report.load_rounds
    )?;
    for dataset in &report.datasets {
        render_dataset(report, dataset, out)?;
    }
    render_bars(report, out)?;
    render_settings(report, out)
}

fn render_dataset(report: &Report, dataset: &DatasetFigures, out: &mut String) -> std::fmt::Result {
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
    let rows: Vec<&Row> = report
        .rows
        .iter()
        .filter(|row| row.dataset == *name)
        .collect();
    let timed = |row: &&&Row| row.ns_per_op.is_some();
    grid(out, "workload, per", &rows, timed, |row| {
        let time = row.ns_per_op.map(time)?;
        Some(match row.ratio_to_sqd {
            Some(ratio) if row.engine != crate::report::SUBJECT => {
                format!("{time} ({})", ratio_text(ratio))
            }
            _ => time,
        })
    })?;
    writeln!(
        out,
        "Latency of single operations, median / 99th percentile:\n"
    )?;
    grid(
        out,
        "workload",
        &rows,
        |row| row.p50_ns.is_some(),
        |row| Some(format!("{} / {}", time(row.p50_ns?), time(row.p99_ns?))),
    )?;
    render_sizes(&rows, out)
}

/// A table of workloads by engines, of the rows that `wanted` chooses.
fn grid(
    out: &mut String,
    corner: &str,
    rows: &[&Row],
    wanted: impl Fn(&&&Row) -> bool,
    cell: impl Fn(&Row) -> Option<String>,
) -> std::fmt::Result {
    let rows: Vec<&&Row> = rows.iter().filter(|row| wanted(row)).collect();
    let engines = distinct(rows.iter().map(|row| row.engine));
    writeln!(out, "| {corner} | {} |", engines.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(engines.len() + 1))?;
    for workload in distinct(rows.iter().map(|row| row.workload.as_str())) {
        let of_workload: Vec<&&&Row> = rows.iter().filter(|row| row.workload == workload).collect();
        let unit = of_workload.first().map_or("", |row| row.unit);
        let label = match unit {
            unit if unit == workload || !corner.ends_with("per") => workload.to_owned(),
            _ => format!("{workload}, {unit}"),
        };
        let cells = engines.iter().map(|engine| {
            let row = of_workload.iter().find(|row| row.engine == *engine);
            row.and_then(|row| cell(row)).unwrap_or_default()
        });
        writeln!(
            out,
            "| {label} | {} |",
            cells.collect::<Vec<_>>().join(" | ")
        )?;
    }
    writeln!(out)
}

/// In order of first appearance.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

fn render_sizes(rows: &[&Row], out: &mut String) -> std::fmt::Result {
    let of = |workload: &str, engine: &str| {
        let is_it = |row: &&&Row| row.workload == workload && row.engine == engine;
        rows.iter().find(is_it).copied()
    };
    let about =
        |row: &&&Row| ["space", "open", "put", "load, sorted"].contains(&row.workload.as_str());
    let engines = distinct(rows.iter().filter(about).map(|row| row.engine));
    if engines.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "| engine | MB on disk | written per byte, load | written per byte, put | until the first text \
         | MB of heap, mapped: opened | after a scan |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for engine in engines {
        let open = of("open", engine);
        let amplification = |workload| of(workload, engine).and_then(|row| row.write_amplification);
        let cells = [
            of("space", engine)
                .and_then(|row| row.bytes_on_disk)
                .map(megabytes),
            amplification("load, sorted").map(ratio_text),
            amplification("put").map(ratio_text),
            open.and_then(|row| row.first_text_ns).map(time),
            open.and_then(|row| row.resident_after_open).map(resident),
            open.and_then(|row| row.resident_after_scan).map(resident),
        ];
        writeln!(
            out,
            "| {engine} | {} |",
            cells.map(Option::unwrap_or_default).join(" | ")
        )?;
    }
    writeln!(out)
}

fn render_bars(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.bars.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Bars\n")?;
    writeln!(out, "| data set | workload | bar | measured | |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for bar in &report.bars {
        let met = if bar.met { "met" } else { "**missed**" };
        writeln!(
            out,
            "| {} | {} | {} | {} | {met} |",
            bar.dataset, bar.workload, bar.bar, bar.measured
        )?;
    }
    writeln!(out)
}

fn render_settings(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "### Engines and durability\n")?;
    writeln!(
        out,
        "| engine | settings | a put is durable after | a load |"
    )?;
    writeln!(out, "|---|---|---|---|")?;
    for engine in &report.engines {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            engine.engine, engine.settings, engine.put_durability, engine.load_durability
        )?;
    }
    Ok(())
}

/// A time with three digits or so.
fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e5 => format!("{:.2} us", ns / 1e3),
        ns if ns < 1e6 => format!("{:.0} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// A ratio with three digits or so.
fn ratio_text(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.1 => format!("{ratio:.4}"),
        ratio if ratio < 10.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.0}"),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

fn resident(resident: Resident) -> String {
    format!(
        "{}, {}",
        megabytes(resident.heap),
        megabytes(resident.mapped)
    )
}
