//! Sentrons that stay from piece to piece, whichever worker has them.
//!
//! A sentron borrows its stream and its phext. Here it keeps them, so that it can wait in a queue.

use super::work::{Work, piece_lanes};
use crate::execute::group::{Answer, Step};
use crate::execute::{ExecuteError, Flow, Idle, Outside, Report, Sentron};
use phext_storage::page_table::Split;
use std::sync::Arc;

/// A sentron with what it borrows from.
pub(crate) struct Resident {
    number: usize,
    // Goes first: fields are dropped in this order.
    sentron: Box<Sentron<'static>>,
    work: &'static Work,
    _keeps: Arc<Work>,
}

impl Resident {
    pub(crate) fn open(work: &Arc<Work>, number: usize) -> Resident {
        let keeps = Arc::clone(work);
        #[expect(unsafe_code, reason = "a borrow from what is kept beside it")]
        // SAFETY: the work lies behind an Arc that this value holds and never gives away or changes, so
        // that it neither moves nor ends before `sentron` and `work`, which are private, leave this
        // module in no form, and are dropped first. Nothing changes a Work that is shared.
        let work: &'static Work = unsafe { &*Arc::as_ptr(&keeps) };
        let sentron = Sentron::open(Idle::default(), &work.stream, &work.phext);
        Resident {
            number,
            sentron: Box::new(sentron.numbered(number)),
            work,
            _keeps: keeps,
        }
    }

    /// Its number in the group.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn once(&mut self, outside: &mut Outside<'_>) -> Result<Step, ExecuteError> {
        self.sentron.once(outside)
    }

    pub(crate) fn each(
        &mut self,
        split: &Split,
        piece: usize,
        outside: &mut Outside<'_>,
    ) -> Result<Flow, ExecuteError> {
        let mut lanes = piece_lanes(self.work, split, piece)?;
        self.sentron.each(&mut lanes, outside)
    }

    pub(crate) fn last(&mut self, outside: &mut Outside<'_>) -> Result<Step, ExecuteError> {
        self.sentron.last(outside)
    }

    pub(crate) fn resume(&mut self, answer: Answer) {
        self.sentron.resume(answer);
    }

    pub(crate) fn report(&self) -> Report {
        *self.sentron.report()
    }
}
