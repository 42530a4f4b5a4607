//! What became of a piece, and rows in their order.

use super::run::Outcome;
use super::{State, Task};
use crate::execute::Report;
use crate::pool::chunk::Chunk;
use phext_storage::page_table::Split;
use std::sync::Arc;

impl<C: Chunk> Task<C> {
    pub(super) fn settle(&self, outcome: Outcome<C>) {
        let mut state = self.state();
        state.running -= 1;
        if state.ended {
            return;
        }
        match outcome {
            Outcome::Split(split) => {
                state.pieces = Some(split.as_ref().map_or(1, Split::len));
                state.split = split.map(Arc::new);
            }
            Outcome::Rows(piece, ran) => {
                state.done_bytes += ran.chunk.bytes();
                state.done.insert(piece, ran);
                self.pass_on(&mut state);
            }
            Outcome::Open(sentrons) => {
                state.sentrons = sentrons.into();
                state.is_open = true;
            }
            Outcome::Fold(sentron) => match self.allocation() {
                Some(_) if Some(sentron.pieces()) == state.pieces => state.finished.push(sentron),
                _ => state.sentrons.push_back(sentron),
            },
            Outcome::Last(chunk) => {
                self.hand_over(&mut state, chunk);
                self.end_in(&mut state, None);
            }
        }
    }

    /// Makes ready what has its turn.
    fn pass_on(&self, state: &mut State<C>) {
        let head = state.head;
        while let Some(ran) = state.done.remove(&state.head) {
            state.done_bytes -= ran.chunk.bytes();
            state.report += Report {
                rows: 0,
                ..ran.report
            };
            self.hand_over(state, ran.chunk);
            if state.left == Some(0) {
                return self.end_in(state, None);
            }
            if ran.rest.is_some() {
                state.resume = ran.rest;
                break;
            }
            state.head += 1;
        }
        if Some(state.head) == state.pieces && head < state.head {
            self.end_in(state, None);
        }
    }

    fn hand_over(&self, state: &mut State<C>, mut chunk: C) {
        if let Some(left) = &mut state.left {
            if chunk.rows() > *left {
                chunk.truncate(*left);
            }
            *left -= chunk.rows();
        }
        if chunk.rows() > 0 {
            state.report.rows += chunk.rows();
            state.ready_bytes += chunk.bytes();
            state.ready.push_back(chunk);
            self.tell(state);
        }
    }
}
