//! The C pipe: rows and results.

use super::registers::Write;
use super::{ExecuteError, Flow, Machine, Next, ResultRow};
use crate::stream::Part;
use crate::{CoordinationOp, K, M, Row, Word};

impl<'a> Machine<'a, '_> {
    /// Runs the C operation of a word. It reads what no other operation of the word has written yet,
    /// and writes only message registers, which no other pipe reads.
    pub(super) fn run_coordination(
        &mut self,
        part: Part,
        word: &Word,
    ) -> Result<Next, ExecuteError> {
        match word.coordination {
            CoordinationOp::Nop => Ok(Next::Word),
            CoordinationOp::Pack { to, row } => {
                let width = if part == Part::Each { self.width } else { 1 };
                let rows = (0..width).map(|lane| self.pack(&row, lane)).collect();
                self.report.ops += width as u64;
                self.registers.put(Write::Messages(to, rows));
                Ok(Next::Word)
            }
            CoordinationOp::Send { from, mask, .. } => self.send(from, mask),
            // One sentron is a group of its own: its partial result is the result.
            CoordinationOp::Reduce { .. } => {
                self.report.ops += 1;
                Ok(Next::Word)
            }
            _ => unreachable!("the validator refuses what is not executed yet"),
        }
    }

    fn pack(&self, row: &Row, lane: usize) -> ResultRow<'a> {
        let number = |register| self.registers.numbers(register).get(lane);
        ResultRow {
            coordinate: row
                .coordinate
                .map(|p| self.registers.places(p)[lane].coordinate),
            text: row.text.and_then(|t| self.registers.texts(t)[lane]),
            length: row.length.map(number),
            checksum: row
                .checksum
                .map(|(low, high)| u128::from(number(high)) << 64 | u128::from(number(low))),
            number: row.number.map(number),
        }
    }

    fn send(&mut self, from: M, mask: Option<K>) -> Result<Next, ExecuteError> {
        for (lane, row) in self.registers.messages(from).iter().enumerate() {
            if !self.registers.is_active(mask, lane) {
                continue;
            }
            self.report.ops += 1;
            self.report.rows += 1;
            if self.sink.row(row)? == Flow::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Word)
    }
}
