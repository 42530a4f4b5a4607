//! Rows as a JSON array of objects.

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
    /// Begins the array.
    pub(crate) fn new(out: &'w mut dyn Write, columns: &'w Columns) -> io::Result<RowWriter<'w>> {
        out.write_all(b"[")?;
        Ok(RowWriter {
            out,
            columns,
            is_first: true,
        })
    }

    /// Writes a row.
    pub(crate) fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.write_all(b",")?;
        }
        let mut separator = '{';
        for &column in &self.columns.columns {
            let name = column.name();
            write!(self.out, "{separator}\"{name}\":")?;
            self.value(column, row)?;
            separator = ',';
        }
        self.out.write_all(b"}")?;
        Ok(Flow::Continue)
    }

    /// Ends the array.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.out.write_all(b"]")
    }

    fn value(&mut self, column: Column, row: &ResultRow<'_>) -> io::Result<()> {
        let tally = row.tally;
        match column {
            Column::Coordinate => match row.coordinate {
                Some(coordinate) => write!(self.out, "\"{coordinate}\""),
                None => self.number(None),
            },
            Column::Scroll => self.text(row.text.unwrap_or_default()),
            Column::Text => match row.text {
                Some(text) => self.text(text),
                None => self.number(None),
            },
            Column::Checksum => match row.checksum.filter(|&checksum| checksum != 0) {
                Some(checksum) => write!(self.out, "\"{}\"", checksum_hex(checksum)),
                None => self.number(None),
            },
            Column::Length => self.number(row.length),
            Column::Distance | Column::Count => self.number(row.number),
            Column::Sum => self.number(Some(tally.map_or(0, |tally| tally.sum))),
            Column::Min => self.number(tally.map(|tally| tally.min)),
            Column::Max => self.number(tally.map(|tally| tally.max)),
            Column::Key(dimension) => {
                let key = row.coordinate.map(|key| key.components()[dimension]);
                self.number(key.map(u64::from))
            }
        }
    }

    fn number(&mut self, number: Option<u64>) -> io::Result<()> {
        match number {
            Some(number) => write!(self.out, "{number}"),
            None => self.out.write_all(b"null"),
        }
    }

    /// A part of a text may begin or end inside a character, which becomes U+FFFD.
    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(text);
        serde_json::to_writer(&mut *self.out, text.as_ref()).map_err(io::Error::other)
    }
}
