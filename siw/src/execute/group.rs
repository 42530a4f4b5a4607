//! What a sentron has to do with others: it runs to a collective, brings something, and goes on with what
//! it takes from there.
//!
//! ```text
//! sentron 0  word word CREDUCE |         | word CBAR | ...
//! sentron 1  word word CREDUCE | answers | word CBAR | ...
//! ```
//!
//! How the sentrons of a group meet is the business of [`crate::group`]. A sentron on its own is a group of
//! one, and its own neighbour on all sides.

use super::registers::{Message, Rows};
use crate::{Destination, Reduction};

/// What a sentron brings to a collective that it has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collective {
    /// CBAR: what was sent since the last one.
    Barrier(Vec<(Destination, Message)>),
    /// CREDUCE.
    Reduce(Reduction, u64),
    /// CCAST.
    Cast(Rows),
    /// CMERGE.
    Merge(Rows),
}

impl Collective {
    /// What a sentron takes that is the only one.
    pub(super) fn alone(self) -> Answer {
        match self {
            Collective::Barrier(sent) => {
                Answer::Received(sent.into_iter().map(|(_, message)| message).collect())
            }
            Collective::Reduce(_, number) => Answer::Reduced(number),
            Collective::Cast(rows) => Answer::Rows(rows),
            Collective::Merge(rows) => Answer::Rows(Rows::merge(vec![rows])),
        }
    }
}

/// What a sentron takes from a collective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// CBAR: what was sent to it.
    Received(Vec<Message>),
    /// CREDUCE.
    Reduced(u64),
    /// CCAST and CMERGE.
    Rows(Rows),
}

/// What became of a part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is done.
    Done,
    /// The sink wants no more.
    Stop,
    /// It goes on once there is an answer: [`Sentron::resume`](super::Sentron::resume).
    Collective(Collective),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::{Idle, Lanes, Sentron};

    #[test]
    fn sentrons_change_threads() {
        fn is_send<T: Send>() {}
        is_send::<Sentron<'_>>();
        is_send::<Idle>();
        is_send::<Lanes<'_>>();
        is_send::<Step>();
    }
}
