//! Rows as a JSON array of objects.

use super::super::json_text::write_json_string;
use super::columns::{Column, Columns};
use phext_query::{Flow, ResultRow};
use phext_storage::phext::checksum_hex;
use std::io::{self, Write};

/// Writes rows as they come.
pub(crate) struct RowWriter<'w> {
    out: &'w mut dyn Write,
    columns: &'w Columns,
    is_first: bool,
}

impl<'w> RowWriter<'w> {
    /// Writes nothing yet: what is refused has no array.
    pub(crate) fn new(out: &'w mut dyn Write, columns: &'w Columns) -> RowWriter<'w> {
        RowWriter {
            out,
            columns,
            is_first: true,
        }
    }

    /// Writes a row.
    pub(crate) fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        self.separate()?;
        write_object(self.columns, row, &mut self.out)?;
        Ok(Flow::Continue)
    }

    /// Ends the array.
    pub(crate) fn finish(self) -> io::Result<()> {
        let end: &[u8] = if self.is_first { b"[]" } else { b"]" };
        self.out.write_all(end)
    }

    fn separate(&mut self) -> io::Result<()> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        self.out.write_all(if is_first { b"[" } else { b"," })
    }
}

/// Writes a row as an object.
pub(super) fn write_object(
    columns: &Columns,
    row: &ResultRow<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut separator = '{';
    for &column in &columns.columns {
        let name = column.name();
        write!(out, "{separator}\"{name}\":")?;
        write_value(column, row, out)?;
        separator = ',';
    }
    out.write_all(b"}")
}

fn write_value(column: Column, row: &ResultRow<'_>, out: &mut impl Write) -> io::Result<()> {
    let tally = row.tally;
    match column {
        Column::Coordinate => match row.coordinate {
            Some(coordinate) => {
                out.write_all(b"\"")?;
                coordinate.write_text(out)?;
                out.write_all(b"\"")
            }
            None => write_number(None, out),
        },
        Column::Scroll => write_text(row.text.unwrap_or_default(), out),
        Column::Text => match row.text {
            Some(text) => write_text(text, out),
            None => write_number(None, out),
        },
        Column::Checksum => match row.checksum.filter(|&checksum| checksum != 0) {
            Some(checksum) => write!(out, "\"{}\"", checksum_hex(checksum)),
            None => write_number(None, out),
        },
        Column::Length => write_number(row.length, out),
        Column::Distance | Column::Count => write_number(row.number, out),
        Column::Sum => write_number(Some(tally.map_or(0, |tally| tally.sum)), out),
        Column::Min => write_number(tally.map(|tally| tally.min), out),
        Column::Max => write_number(tally.map(|tally| tally.max), out),
        Column::Key(dimension) => {
            let key = row.coordinate.map(|key| key.components()[dimension]);
            write_number(key.map(u64::from), out)
        }
    }
}

fn write_number(number: Option<u64>, out: &mut impl Write) -> io::Result<()> {
    match number {
        Some(number) => write!(out, "{number}"),
        None => out.write_all(b"null"),
    }
}

/// A part of a text may begin or end inside a character, which becomes U+FFFD.
fn write_text(text: &[u8], out: &mut impl Write) -> io::Result<()> {
    let text = String::from_utf8_lossy(text);
    write_json_string(out, &text)
}
