//! Figures and tables as text.

use std::fmt::{Result, Write};

/// A time with three digits or so.
pub(crate) fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e5 => format!("{:.2} us", ns / 1e3),
        ns if ns < 1e6 => format!("{:.0} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// A ratio with three digits or so.
pub(crate) fn ratio(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.1 => format!("{ratio:.4}"),
        ratio if ratio < 10.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.0}"),
    }
}

/// Events a second, with a digit behind the point where they are few.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        few if few < 100.0 => format!("{few:.1}"),
        many => format!("{many:.0}"),
    }
}

/// Millions of bytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// The first two lines of a table.
pub(crate) fn table_head(out: &mut String, columns: &[&str]) -> Result {
    writeln!(out, "| {} |", columns.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(columns.len()))
}

/// A line of a table.
pub(crate) fn table_row(out: &mut String, cells: &[String]) -> Result {
    writeln!(out, "| {} |", cells.join(" | "))
}

/// In order of first appearance.
pub(crate) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}
