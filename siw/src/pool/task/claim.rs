//! What of a stream may be begun now.

use super::{BUFFERED_BYTES, State, Task};
use crate::pool::chunk::Chunk;
use crate::pool::kind::Kind;
use crate::pool::resident::Resident;

/// Something to be done.
pub(in crate::pool) enum Claim {
    Split,
    /// The sentrons of a group are opened, and run `once`.
    Open(usize),
    /// A piece of a stream of rows, from a row on, of which so many are wanted at most.
    Rows {
        piece: usize,
        skip: u64,
        most: Option<u64>,
    },
    /// A piece, by a sentron of the group.
    Fold {
        piece: usize,
        sentron: Resident,
    },
    Last(Vec<Resident>),
}

/// What may be done next.
pub(super) enum Next {
    Split,
    Open(usize),
    Piece,
    /// The head goes on.
    Resume,
    /// All sentrons of the group have done what they could alone.
    Last,
}

impl<C: Chunk> Task<C> {
    /// What may be begun now.
    pub(super) fn next_step(&self, state: &State<C>) -> Option<Next> {
        if state.ended {
            return None;
        }
        let Some(pieces) = state.pieces else {
            return (state.running == 0).then_some(Next::Split);
        };
        if self.kind == Kind::Fold {
            if !state.is_open {
                let alone = state.running == 0;
                return alone.then(|| Next::Open(self.topology(pieces).places()));
            }
            let is_last = match self.allocation() {
                Some(_) => state.sentrons.is_empty() || pieces == 0,
                None => state.next == pieces,
            };
            return match is_last {
                true => (state.running == 0).then_some(Next::Last),
                false => (!state.sentrons.is_empty()).then_some(Next::Piece),
            };
        }
        if state.resume.is_some() && state.ready_bytes < BUFFERED_BYTES {
            return Some(Next::Resume);
        }
        let is_near = state.next < state.head + 2 * self.layout.workers + 2;
        let has_room = state.ready_bytes + state.done_bytes < BUFFERED_BYTES;
        (state.next < pieces && is_near && has_room).then_some(Next::Piece)
    }

    pub(super) fn claim(&self, state: &mut State<C>) -> Option<Claim> {
        let step = self.next_step(state)?;
        state.running += 1;
        Some(match step {
            Next::Split => Claim::Split,
            Next::Open(sentrons) => Claim::Open(sentrons),
            Next::Piece => self.claim_piece(state),
            Next::Resume => Claim::Rows {
                piece: state.head,
                skip: state.resume.take().unwrap_or(0),
                most: state.left,
            },
            Next::Last => {
                let mut sentrons = Vec::from(std::mem::take(&mut state.sentrons));
                sentrons.append(&mut state.finished);
                sentrons.sort_by_key(|sentron| sentron.number());
                Claim::Last(sentrons)
            }
        })
    }

    fn claim_piece(&self, state: &mut State<C>) -> Claim {
        let mut piece = state.next;
        if self.kind == Kind::Fold {
            let sentron = state.sentrons.pop_front();
            let sentron = sentron.expect("a piece is begun where a sentron is idle");
            match self.allocation() {
                Some(_) => piece = sentron.pieces(),
                None => state.next += 1,
            }
            return Claim::Fold { piece, sentron };
        }
        state.next += 1;
        Claim::Rows {
            piece,
            skip: 0,
            most: state.left,
        }
    }
}
