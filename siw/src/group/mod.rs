//! Groups of sentrons: one stream, many sentrons, on the workers of the pool.
//!
//! ```text
//! request --allocate--> SentronGroup (its sentrons are taken from those of the pool)
//! once   all sentrons, from collective to collective, on one worker
//! each   pieces of the lanes, each taken by a sentron that is idle and a worker that is free
//! last   as once
//! ```
//!
//! A sentron takes any piece, or where the request allocates positions of dimensions, its own scrolls of
//! all pieces.
//!
//! A sentron runs to the next collective and yields. `once` and `last` are the same few words in every
//! sentron, too short to be shared out, so that a worker takes them all in turn and 36 sentrons need no
//! more than one. At a collective numbers and mail go between neighbours of the topology, step by step.
//!
//! | question | module |
//! |---|---|
//! | How do sentrons lie? | [`topology`] |
//! | How does a number of each become one of all? | [`reduce`] |
//! | Where is what was sent and not received? | `mailbox` |
//! | Who may have how many sentrons? | [`mod@slice`] |
//! | Which scrolls are whose, where that is asked for? | `allocation` |

pub(crate) mod allocation;
mod mailbox;
pub mod reduce;
pub mod slice;
pub mod topology;

#[cfg(test)]
mod tests;

pub use reduce::all_reduce;
pub use slice::{CognitiveSliceRequest, SentronGroup, WorkloadType};
pub use topology::TopologyType;

use crate::execute::group::{Answer, Collective, Step};
use crate::execute::{ExecuteError, Flow, Message, Outside, Rows, Sentron};
use crate::stream::Part;
use mailbox::Mailboxes;

/// A sentron of a group, whoever keeps what it borrows.
pub(crate) trait Member {
    /// Runs `once` or `last` to its end or to the next collective.
    fn run(&mut self, part: Part, outside: &mut Outside<'_>) -> Result<Step, ExecuteError>;

    /// Takes what the collective gives.
    fn resume(&mut self, answer: Answer);
}

impl Member for Sentron<'_> {
    fn run(&mut self, part: Part, outside: &mut Outside<'_>) -> Result<Step, ExecuteError> {
        self.run_part(part, outside)
    }

    fn resume(&mut self, answer: Answer) {
        Sentron::resume(self, answer);
    }
}

/// Runs a part of the stream in all sentrons of a group, given by number, from collective to collective.
pub(crate) fn run_part(
    part: Part,
    topology: TopologyType,
    sentrons: &mut [impl Member],
    outside: &mut Outside<'_>,
) -> Result<Flow, ExecuteError> {
    loop {
        let mut meeting = Vec::with_capacity(sentrons.len());
        for sentron in &mut *sentrons {
            match sentron.run(part, outside)? {
                Step::Done => {}
                Step::Stop => return Ok(Flow::Stop),
                Step::Collective(collective) => meeting.push(collective),
            }
        }
        if meeting.is_empty() {
            return Ok(Flow::Continue);
        }
        for (sentron, answer) in sentrons.iter_mut().zip(meet(topology, meeting)) {
            sentron.resume(answer);
        }
    }
}

/// What each sentron takes from a collective, given what each brings, by number.
fn meet(topology: TopologyType, meeting: Vec<Collective>) -> Vec<Answer> {
    match &meeting[0] {
        &Collective::Reduce(reduction, _) => {
            let number = |brought: &Collective| match brought {
                Collective::Reduce(_, number) => *number,
                other => unreachable!("CREDUCE meets {other:?}: sentrons run the same words"),
            };
            let mut numbers: Vec<u64> = meeting.iter().map(number).collect();
            all_reduce(topology, reduction, &mut numbers);
            numbers.into_iter().map(Answer::Reduced).collect()
        }
        Collective::Barrier(_) => barrier(topology, meeting),
        // What sentron 0 says or takes goes through no neighbour.
        Collective::Cast(rows) => vec![Answer::Rows(rows.clone()); meeting.len()],
        Collective::Merge(_) => merge(meeting),
    }
}

/// Gives sentron 0 the rows of all, and the others none.
fn merge(meeting: Vec<Collective>) -> Vec<Answer> {
    let sentrons = meeting.len();
    let rows = meeting.into_iter().map(|brought| match brought {
        Collective::Merge(rows) => rows,
        other => unreachable!("CMERGE meets {other:?}: sentrons run the same words"),
    });
    let merged = Rows::merge(rows.collect());
    let mut answers = vec![Answer::Rows(Rows::none_like(&merged)); sentrons];
    answers[0] = Answer::Rows(merged);
    answers
}

/// Brings what was sent to neighbours; what goes beyond the end of a mesh is lost.
fn barrier(topology: TopologyType, meeting: Vec<Collective>) -> Vec<Answer> {
    let start = std::time::Instant::now();
    let sentrons = meeting.len();
    let mut mail: Mailboxes<Message> = Mailboxes::new(sentrons);
    for (sentron, brought) in meeting.into_iter().enumerate() {
        let Collective::Barrier(sent) = brought else {
            unreachable!("CBAR meets another collective: sentrons run the same words");
        };
        for (to, message) in sent {
            if let Some(to) = topology.neighbour(sentron, to) {
                mail.send(to, message);
            }
        }
    }
    mail.deliver();
    let received = |sentron| Answer::Received(mail.take(sentron));
    let answers = (0..sentrons).map(received).collect();
    crate::telemetry::barrier(start.elapsed());
    answers
}
