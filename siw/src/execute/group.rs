//! Groups: one stream on several sentrons.
//!
//! `each` of different sentrons runs over different pieces of the lanes, on any threads. `once` and
//! `last` are short and the same everywhere: [`once`] and [`last`] run them for all sentrons on one
//! thread, from collective to collective. Mail is bulk-synchronous: what was sent before a barrier is
//! received after it.
//!
//! ```text
//! sentron 0  word word CREDUCE |          | word CBAR | ...
//! sentron 1  word word CREDUCE | combined | word CBAR | ...
//! ```
//!
//! The topology is a torus, so that everybody has six neighbours; in a group of one these are the
//! sentron itself.

use super::kernels;
use super::registers::{Message, Rows};
use super::{ExecuteError, Flow, Outside, Sentron};
use crate::stream::Part;
use crate::{Destination, Reduction};

/// How the sentrons of a group lie: number `x + X * (y + Y * z)` at (x, y, z).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// Sentrons along x, y and z, at least one each.
    pub size: [usize; 3],
}

impl Topology {
    /// A group of one.
    pub const ONE: Self = Self { size: [1; 3] };

    /// The most cube-like torus of so many sentrons, the longest side along x.
    ///
    /// # Panics
    /// When there are none.
    pub fn of(sentrons: usize) -> Self {
        assert!(sentrons > 0, "a group has a sentron");
        let largest = |of: usize, power: u32| {
            let fits = |d: &usize| of.is_multiple_of(*d) && d.pow(power) <= of;
            (1..=of)
                .take_while(|d| d.pow(power) <= of)
                .filter(fits)
                .last()
        };
        let z = largest(sentrons, 3).unwrap_or(1);
        let rest = sentrons / z;
        let y = largest(rest, 2).unwrap_or(1);
        Self {
            size: [rest / y, y, z],
        }
    }

    /// How many sentrons there are.
    pub fn sentrons(&self) -> usize {
        self.size.iter().product()
    }

    /// The neighbour of a sentron; none where the destination is the sink.
    pub fn neighbour(&self, sentron: usize, to: Destination) -> Option<usize> {
        let (axis, step) = match to {
            Destination::Sink => return None,
            Destination::XPlus => (0, 1),
            Destination::XMinus => (0, self.size[0] - 1),
            Destination::YPlus => (1, 1),
            Destination::YMinus => (1, self.size[1] - 1),
            Destination::ZPlus => (2, 1),
            Destination::ZMinus => (2, self.size[2] - 1),
        };
        let [x, y, _] = self.size;
        let mut at = [sentron % x, sentron / x % y, sentron / (x * y)];
        at[axis] = (at[axis] + step) % self.size[axis];
        Some(at[0] + x * (at[1] + y * at[2]))
    }
}

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
    /// It goes on once there is an answer: [`Sentron::resume`].
    Collective(Collective),
}

/// Runs `once` of all sentrons of a group, in the order of their numbers.
///
/// # Errors
/// As [`super::execute`].
pub fn once(
    sentrons: &mut [Sentron<'_>],
    topology: Topology,
    outside: &mut Outside<'_>,
) -> Result<Flow, ExecuteError> {
    run(Part::Once, sentrons, topology, outside)
}

/// Runs `last` of all sentrons of a group, in the order of their numbers. Rows of sentron 0 go to the
/// sink.
///
/// # Errors
/// As [`super::execute`].
pub fn last(
    sentrons: &mut [Sentron<'_>],
    topology: Topology,
    outside: &mut Outside<'_>,
) -> Result<Flow, ExecuteError> {
    run(Part::Last, sentrons, topology, outside)
}

fn run(
    part: Part,
    sentrons: &mut [Sentron<'_>],
    topology: Topology,
    outside: &mut Outside<'_>,
) -> Result<Flow, ExecuteError> {
    loop {
        let mut meeting = Vec::new();
        for sentron in &mut *sentrons {
            let step = match part {
                Part::Once => sentron.once(outside)?,
                _ => sentron.last(outside)?,
            };
            match step {
                Step::Done => {}
                Step::Stop => return Ok(Flow::Stop),
                Step::Collective(collective) => meeting.push(collective),
            }
        }
        if meeting.is_empty() {
            return Ok(Flow::Continue);
        }
        for (sentron, answer) in sentrons.iter_mut().zip(combine(topology, meeting)) {
            sentron.resume(answer);
        }
    }
}

/// What each sentron takes from a collective, given what each brings, by number.
///
/// # Panics
/// When they are not all at the same one. Sentrons of one stream always are.
pub fn combine(topology: Topology, meeting: Vec<Collective>) -> Vec<Answer> {
    let sentrons = meeting.len();
    match &meeting[0] {
        Collective::Barrier(_) => deliver(topology, meeting),
        &Collective::Reduce(reduction, first) => {
            let others = meeting[1..].iter().map(|other| match other {
                Collective::Reduce(_, value) => *value,
                other => unreachable!("CREDUCE meets {other:?}"),
            });
            let all = others.fold(first, |all, value| kernels::fold(reduction, all, value));
            vec![Answer::Reduced(all); sentrons]
        }
        Collective::Cast(rows) => vec![Answer::Rows(rows.clone()); sentrons],
        Collective::Merge(_) => {
            let rows = meeting.into_iter().map(|one| match one {
                Collective::Merge(rows) => rows,
                other => unreachable!("CMERGE meets {other:?}"),
            });
            let merged = Rows::merge(rows.collect());
            let empty = Rows::new(Vec::new(), merged.order);
            let mut answers = vec![Answer::Rows(empty); sentrons];
            answers[0] = Answer::Rows(merged);
            answers
        }
    }
}

fn deliver(topology: Topology, meeting: Vec<Collective>) -> Vec<Answer> {
    let mut received = vec![Vec::new(); meeting.len()];
    for (number, one) in meeting.into_iter().enumerate() {
        let Collective::Barrier(sent) = one else {
            unreachable!("CBAR meets another collective");
        };
        for (to, message) in sent {
            let to = topology.neighbour(number, to);
            received[to.expect("rows for the sink are no mail")].push(message);
        }
    }
    received.into_iter().map(Answer::Received).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::{Idle, Lanes};

    #[test]
    fn sentrons_change_threads() {
        fn is_send<T: Send>() {}
        is_send::<Sentron<'_>>();
        is_send::<Idle>();
        is_send::<Lanes<'_>>();
        is_send::<Step>();
    }

    #[test]
    fn a_torus_is_as_even_as_can_be() {
        let check = |sentrons, size| assert_eq!(Topology::of(sentrons), Topology { size });
        check(1, [1, 1, 1]);
        check(2, [2, 1, 1]);
        check(4, [2, 2, 1]);
        check(7, [7, 1, 1]);
        check(8, [2, 2, 2]);
        check(36, [4, 3, 3]);
    }

    #[test]
    fn neighbours_of_a_torus() {
        let torus = Topology { size: [6, 3, 2] };
        let check = |sentron, to, expected| {
            assert_eq!(torus.neighbour(sentron, to), Some(expected), "{to:?}");
        };
        check(0, Destination::XPlus, 1);
        check(0, Destination::XMinus, 5);
        check(0, Destination::YPlus, 6);
        check(0, Destination::YMinus, 12);
        check(0, Destination::ZPlus, 18);
        check(0, Destination::ZMinus, 18);
        check(35, Destination::XPlus, 30);
        for sentron in 0..36 {
            for [there, back] in [
                [Destination::XPlus, Destination::XMinus],
                [Destination::YPlus, Destination::YMinus],
                [Destination::ZPlus, Destination::ZMinus],
            ] {
                let neighbour = torus.neighbour(sentron, there).unwrap();
                assert_eq!(torus.neighbour(neighbour, back), Some(sentron));
            }
        }
        for to in &Destination::ALL[1..] {
            assert_eq!(Topology::ONE.neighbour(0, *to), Some(0));
        }
    }
}
