//! Sinks between the streams of a plan.

use crate::lower::Behind;
use crate::query::{Order, OrderKey};
use phext_siw::execute::{Flow, Limited, ResultRow, Sink, Tally};
use phext_storage::coordinate::Coordinate;
use std::collections::VecDeque;
use std::io;

/// Coordinates with numbers, in the order that they come.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<Behind>);

impl Found {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn last(&self) -> Option<Behind> {
        self.0.last().copied()
    }

    pub(super) fn coordinates(self) -> Vec<Coordinate> {
        self.0.into_iter().map(|found| found.coordinate).collect()
    }
}

impl Sink for Found {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        if let Some(coordinate) = row.coordinate {
            let number = row.number.unwrap_or_default();
            self.0.push(Behind { number, coordinate });
        }
        Ok(Flow::Continue)
    }
}

/// The last coordinates of those that come.
#[derive(Debug)]
pub(super) struct Latest {
    kept: VecDeque<Coordinate>,
    most: usize,
}

impl Latest {
    pub(super) fn new(most: u64) -> Latest {
        Latest {
            kept: VecDeque::new(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.kept.len() == self.most
    }

    /// The coordinates, the last one first.
    pub(super) fn backwards(self) -> Vec<Coordinate> {
        self.kept.into_iter().rev().collect()
    }
}

impl Sink for Latest {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        if let Some(coordinate) = row.coordinate {
            if self.is_full() {
                self.kept.pop_front();
            }
            self.kept.push_back(coordinate);
        }
        Ok(Flow::Continue)
    }
}

/// The four rows of [`crate::lower::lengths`].
#[derive(Debug, Default)]
pub(super) struct Totals(Vec<u64>);

impl Totals {
    /// The one row that they make.
    pub(super) fn row(&self) -> ResultRow<'static> {
        let [count, sum, min, max] = self.0[..] else {
            unreachable!("the stream sends four totals")
        };
        ResultRow {
            number: Some(count),
            tally: (count > 0).then_some(Tally { sum, min, max }),
            ..ResultRow::default()
        }
    }
}

impl Sink for Totals {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        self.0.extend(row.number);
        Ok(Flow::Continue)
    }
}

/// Groups that are to be brought into another order.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<ResultRow<'static>>);

impl Groups {
    pub(super) fn send(mut self, order: Order, sink: &mut Limited<'_>) -> io::Result<()> {
        match (order.key, order.descending) {
            (OrderKey::Count, false) => self.0.sort_by_key(|row| row.number),
            (OrderKey::Count, true) => self.0.sort_by_key(|row| std::cmp::Reverse(row.number)),
            (_, false) => {}
            (_, true) => self.0.reverse(),
        }
        for row in &self.0 {
            if sink.row(row)? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }
}

impl Sink for Groups {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        self.0.push(ResultRow {
            coordinate: row.coordinate,
            number: row.number,
            tally: row.tally,
            ..ResultRow::default()
        });
        Ok(Flow::Continue)
    }
}
