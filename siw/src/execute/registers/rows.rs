//! Rows that outlive their batch: what sentrons send each other, and what accumulators hold.

use crate::Ranking;
use crate::execute::top::Rank;
use crate::execute::{ResultRow, Tally};
use bytes::Bytes;
use phext_storage::coordinate::Coordinate;

/// A row that borrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// See [`ResultRow::coordinate`].
    pub coordinate: Option<Coordinate>,
    /// See [`ResultRow::text`].
    pub text: Option<Bytes>,
    /// See [`ResultRow::length`].
    pub length: Option<u64>,
    /// See [`ResultRow::checksum`].
    pub checksum: Option<u128>,
    /// See [`ResultRow::number`].
    pub number: Option<u64>,
    /// See [`ResultRow::tally`].
    pub tally: Option<Tally>,
}

impl Message {
    /// Copies a row.
    pub fn of(row: &ResultRow<'_>) -> Self {
        Self {
            coordinate: row.coordinate,
            text: row.text.map(Bytes::copy_from_slice),
            length: row.length,
            checksum: row.checksum,
            number: row.number,
            tally: row.tally,
        }
    }

    /// The row.
    pub fn row(&self) -> ResultRow<'_> {
        ResultRow {
            coordinate: self.coordinate,
            text: self.text.as_deref(),
            length: self.length,
            checksum: self.checksum,
            number: self.number,
            tally: self.tally,
        }
    }
}

/// How rows are ordered, and so how those of several sentrons become one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::execute) enum Order {
    /// By coordinate; those without one first.
    #[default]
    Coordinate,
    /// By rank, and so many of them.
    Rank(Ranking, u64),
    /// By key; those of the same key are one.
    Key,
    /// Of each of so many queries as many, each by rank.
    Queries {
        /// How many queries.
        queries: usize,
        /// How many rows are kept for each.
        count: u64,
    },
}

/// The rows of a message register.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    pub(in crate::execute) rows: Vec<Message>,
    pub(in crate::execute) order: Order,
}

impl Rows {
    /// In the order given.
    pub(in crate::execute) fn new(rows: Vec<Message>, order: Order) -> Self {
        Self { rows, order }
    }

    /// The rows.
    pub fn rows(&self) -> &[Message] {
        &self.rows
    }

    /// None, in the order of these.
    pub(crate) fn none_like(rows: &Rows) -> Rows {
        Rows::new(Vec::new(), rows.order)
    }

    /// One sequence of those of all sentrons, given by number.
    pub fn merge(all: Vec<Rows>) -> Rows {
        let order = all.first().map(|rows| rows.order).unwrap_or_default();
        if let Order::Queries { queries, count } = order {
            let rows = merge_queries(all, queries, count);
            return Rows { rows, order };
        }
        let mut rows: Vec<Message> = all.into_iter().flat_map(|rows| rows.rows).collect();
        match order {
            Order::Coordinate => rows.sort_by_key(|row| row.coordinate),
            Order::Rank(ranking, count) => keep_best(&mut rows, ranking, count),
            Order::Queries { .. } => unreachable!("those were merged query by query"),
            Order::Key => {
                rows.sort_by_key(|row| row.coordinate);
                rows.dedup_by(|row, before| {
                    row.coordinate == before.coordinate && join(before, row)
                });
            }
        }
        Rows { rows, order }
    }
}

fn keep_best(rows: &mut Vec<Message>, ranking: Ranking, count: u64) {
    rows.sort_by_key(|row| {
        Rank::of(ranking, row.number.unwrap_or(0)).map(|rank| (rank, row.coordinate))
    });
    rows.truncate(usize::try_from(count).unwrap_or(usize::MAX));
}

/// The best of each query; each sentron has as many rows of each.
fn merge_queries(all: Vec<Rows>, queries: usize, count: u64) -> Vec<Message> {
    let each = |rows: &Rows| rows.rows.len() / queries.max(1);
    let mut sentrons: Vec<_> = all
        .into_iter()
        .map(|rows| (each(&rows), rows.rows.into_iter()))
        .collect();
    let mut merged = Vec::new();
    for _ in 0..queries {
        let of_query = sentrons
            .iter_mut()
            .flat_map(|(each, rows)| rows.by_ref().take(*each));
        let mut of_query = of_query.collect();
        keep_best(&mut of_query, Ranking::FGreatest, count);
        merged.append(&mut of_query);
    }
    merged
}

/// Adds a row of the same key.
fn join(to: &mut Message, row: &Message) -> bool {
    to.number = to.number.zip(row.number).map(|(a, b)| a.wrapping_add(b));
    to.tally = to.tally.zip(row.tally).map(|(a, b)| a.join(b));
    true
}
