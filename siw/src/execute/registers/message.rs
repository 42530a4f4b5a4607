//! Messages: rows as the columns they were packed from.
//!
//! CPACK copies nothing: a message refers to the buffers that its registers had, which stay as they
//! are because operations write to spare buffers only. A row comes to be when it is sent. Rows that
//! outlive their batch, such as those received, are kept as such.

use super::{BufferId, Message, Registers, Rows};
use crate::execute::ResultRow;
use crate::execute::dots::Dots;
use crate::execute::tally::Tallies;
use crate::execute::top::Top;
use crate::{M, R, Row};

/// What a message register holds.
#[derive(Debug, Default)]
pub(in crate::execute) enum Content {
    /// Nothing yet.
    #[default]
    Empty,
    /// What CPACK packed.
    Columns(Columns),
    /// Rows that borrow nothing.
    Rows(Rows),
    /// What CTOP keeps.
    Top(Top),
    /// What CTALLY keeps.
    Tallies(Tallies),
    /// What CDOT keeps.
    Dots(Box<Dots>),
}

impl Content {
    /// Becomes something else. Columns, which most are, need no drop, and are not asked whether they do.
    #[inline]
    pub(in crate::execute) fn put(&mut self, content: Content) {
        match self {
            Content::Empty | Content::Columns(_) => {
                std::mem::forget(std::mem::replace(self, content));
            }
            _ => *self = content,
        }
    }
}

/// Numbers of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// The same in all rows.
    Scalar(u64),
    /// One a row.
    Lanes(BufferId),
}

/// Rows as columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) struct Columns {
    pub(in crate::execute) rows: usize,
    coordinate: Option<BufferId>,
    text: Option<BufferId>,
    /// Apart from the others, because the most frequent rows have none.
    numbers: Option<Numbers>,
}

/// The columns of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    length: Option<Column>,
    checksum: Option<(Column, Column)>,
    number: Option<Column>,
}

impl Numbers {
    /// Calls `f` with the buffers.
    #[inline(always)]
    fn each(&self, mut f: impl FnMut(BufferId)) {
        let mut column = |column: Option<Column>| {
            if let Some(Column::Lanes(buffer)) = column {
                f(buffer);
            }
        };
        column(self.length);
        if let Some((low, high)) = self.checksum {
            column(Some(low));
            column(Some(high));
        }
        column(self.number);
    }
}

impl Registers<'_> {
    /// Makes the message of a row a lane, and keeps its buffers for it. At once: no other operation
    /// of a word has to do with messages.
    pub(in crate::execute) fn pack(&mut self, to: M, row: &Row, rows: usize) {
        let columns = Columns {
            rows,
            coordinate: row.coordinate.map(|p| self.place_buffer(p)),
            text: row.text.map(|t| self.text_buffer(t)),
            numbers: self.number_columns(row),
        };
        if let Some(places) = columns.coordinate {
            self.buffers.places.retain(places);
        }
        if let Some(texts) = columns.text {
            self.buffers.texts.retain(texts);
        }
        if let Some(numbers) = &columns.numbers {
            numbers.each(|numbers| self.memory.number_pool.retain(numbers));
        }
        self.release_columns(to);
        match self.content(to) {
            // Field by field, most often: a copy as a whole waits for its fields to be written.
            Content::Columns(held) => *held = columns,
            other => other.put(Content::Columns(columns)),
        }
    }

    #[inline]
    fn number_columns(&self, row: &Row) -> Option<Numbers> {
        if row.length.is_none() && row.checksum.is_none() && row.number.is_none() {
            return None;
        }
        Some(Numbers {
            length: row.length.map(|r| self.column(r)),
            checksum: row
                .checksum
                .map(|(low, high)| (self.column(low), self.column(high))),
            number: row.number.map(|r| self.column(r)),
        })
    }

    fn column(&self, register: R) -> Column {
        match (self.scalar(register), self.lanes_of(register)) {
            (Some(scalar), _) => Column::Scalar(scalar),
            (None, Some(lanes)) => Column::Lanes(lanes),
            (None, None) => unreachable!("the validator has seen that {register:?} was written"),
        }
    }

    /// Gives a message register something else to hold.
    #[inline]
    pub(in crate::execute) fn put_content(&mut self, to: M, content: Content) {
        self.release_columns(to);
        self.content(to).put(content);
    }

    /// The message refers to its buffers no more.
    #[inline(always)]
    fn release_columns(&mut self, of: M) {
        let memory = &mut *self.memory;
        let Content::Columns(columns) = &memory.messages[of.index()] else {
            return;
        };
        if let Some(places) = columns.coordinate {
            self.buffers.places.release(places);
        }
        if let Some(texts) = columns.text {
            self.buffers.texts.release(texts);
        }
        if let Some(numbers) = &columns.numbers {
            let number_pool = &mut memory.number_pool;
            numbers.each(|numbers| number_pool.release(numbers));
        }
    }

    #[inline]
    pub(in crate::execute) fn content(&mut self, register: M) -> &mut Content {
        self.memory.occupied |= 1 << register.index();
        &mut self.memory.messages[register.index()]
    }

    /// Makes rows of what accumulated, because no more will.
    pub(in crate::execute) fn settle(&mut self) {
        for content in &mut self.memory.messages {
            *content = match std::mem::take(content) {
                Content::Top(top) => Content::Rows(top.into_rows()),
                Content::Tallies(tallies) => Content::Rows(tallies.into_rows()),
                Content::Dots(dots) => Content::Rows(dots.into_rows()),
                settled => settled,
            };
        }
    }

    /// How many rows a message has.
    pub(in crate::execute) fn rows(&self, register: M) -> usize {
        match &self.memory.messages[register.index()] {
            Content::Columns(columns) => columns.rows,
            Content::Rows(rows) => rows.rows.len(),
            Content::Empty | Content::Top(_) | Content::Tallies(_) | Content::Dots(_) => 0,
        }
    }

    /// The columns of a message that CPACK packed, as most are.
    #[inline]
    pub(in crate::execute) fn columns(&self, register: M) -> Option<&Columns> {
        match &self.memory.messages[register.index()] {
            Content::Columns(columns) => Some(columns),
            _ => None,
        }
    }

    /// A row of a message.
    #[inline]
    pub(in crate::execute) fn row(&self, register: M, row: usize) -> ResultRow<'_> {
        match &self.memory.messages[register.index()] {
            Content::Columns(columns) => self.row_of(columns, row),
            Content::Rows(rows) => rows.rows[row].row(),
            Content::Empty | Content::Top(_) | Content::Tallies(_) | Content::Dots(_) => {
                unreachable!("such messages have no rows")
            }
        }
    }

    /// A row of columns.
    #[inline]
    pub(in crate::execute) fn row_of(&self, columns: &Columns, row: usize) -> ResultRow<'_> {
        let number = |column| match column {
            Column::Scalar(number) => number,
            Column::Lanes(buffer) => self.lane_numbers(buffer)[row],
        };
        let wide = |(low, high)| u128::from(number(high)) << 64 | u128::from(number(low));
        let text = |buffer| self.buffers.texts.get(buffer)[row].bytes(&self.memory.arena);
        let numbers = columns.numbers.as_ref();
        ResultRow {
            coordinate: columns
                .coordinate
                .map(|buffer| self.buffers.places.get(buffer)[row].coordinate),
            text: columns.text.and_then(text),
            length: numbers.and_then(|numbers| numbers.length).map(number),
            checksum: numbers.and_then(|numbers| numbers.checksum).map(wide),
            number: numbers.and_then(|numbers| numbers.number).map(number),
            tally: None,
        }
    }

    /// A copy of a message.
    pub(in crate::execute) fn copy_rows(&self, register: M) -> Rows {
        match &self.memory.messages[register.index()] {
            Content::Rows(rows) => rows.clone(),
            _ => {
                let rows = 0..self.rows(register);
                let rows = rows.map(|row| Message::of(&self.row(register, row)));
                Rows::new(rows.collect(), Default::default())
            }
        }
    }
}
