//! Sentrons that stay from piece to piece, whichever worker has them.
//!
//! A sentron borrows its stream and its phext. Here it keeps them, so that it can wait in a queue.

use super::work::{Work, piece_lanes};
use crate::execute::group::{Answer, Step};
use crate::execute::{ExecuteError, Flow, Idle, Lanes, Outside, Report, Sentron};
use crate::group::Member;
use crate::group::allocation::{Allocation, Share};
use crate::stream::Part;
use phext_storage::page_table::Split;
use std::sync::Arc;

/// A sentron with what it borrows from.
pub(crate) struct Resident {
    number: usize,
    /// The scrolls that are its own, where not all are.
    share: Option<Share>,
    /// Pieces that it began.
    pieces: usize,
    // Goes first: fields are dropped in this order.
    sentron: Box<Sentron<'static>>,
    work: &'static Work,
    _keeps: Arc<Work>,
}

impl Resident {
    pub(crate) fn open(
        work: &Arc<Work>,
        number: usize,
        allocation: Option<Allocation>,
    ) -> Resident {
        let keeps = Arc::clone(work);
        #[expect(unsafe_code, reason = "a borrow from what is kept beside it")]
        // SAFETY: the work lies behind an Arc that this value holds and never gives away or changes, so
        // that it neither moves nor ends before `sentron` and `work`, which are private, leave this
        // module in no form, and are dropped first. Nothing changes a Work that is shared.
        let work: &'static Work = unsafe { &*Arc::as_ptr(&keeps) };
        let sentron = Sentron::open(Idle::default(), &work.stream, &work.phext);
        Resident {
            number,
            share: allocation.map(|allocation| Share {
                allocation,
                sentron: number,
            }),
            pieces: 0,
            sentron: Box::new(sentron.numbered(number)),
            work,
            _keeps: keeps,
        }
    }

    /// Its number in the group.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Pieces that it began.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces
    }

    pub(crate) fn begin_piece(&mut self) {
        self.pieces += 1;
    }

    pub(crate) fn each(
        &mut self,
        split: &Split,
        piece: usize,
        outside: &mut Outside<'_>,
    ) -> Result<Flow, ExecuteError> {
        let mut lanes = piece_lanes(self.work, split, piece)?;
        if let Some(share) = self.share {
            lanes = Lanes::Share(Box::new((lanes, share)));
        }
        self.sentron.each(&mut lanes, outside)
    }

    pub(crate) fn report(&self) -> Report {
        *self.sentron.report()
    }
}

impl Member for Resident {
    fn run(&mut self, part: Part, outside: &mut Outside<'_>) -> Result<Step, ExecuteError> {
        self.sentron.run_part(part, outside)
    }

    fn resume(&mut self, answer: Answer) {
        self.sentron.resume(answer);
    }
}
