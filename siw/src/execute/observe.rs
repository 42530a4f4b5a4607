//! Watching a sentron operation by operation.
//!
//! What runs a stream is generic in its observer. That of ordinary runs is [`Unobserved`], whose methods
//! are empty, so that nothing is left of them; [`Timings`] asks for the time around each operation.

use crate::form::Form;
use crate::table::opcode;
use crate::{Part, Pipe, Stream, Word};
use std::time::{Duration, Instant};

/// Sees what a sentron does, in its order.
pub trait Observer {
    /// A part of the stream begins, and the one before ends.
    #[inline(always)]
    fn part(&mut self, _part: Part) {}

    /// An operation begins, or something else whose end will be told; `ops` were retired before.
    #[inline(always)]
    fn begin(&mut self, _ops: u64) {}

    /// The operation of a pipe ended, over so many lanes; `ops` were retired so far. The next one
    /// begins.
    #[inline(always)]
    fn end(&mut self, _word: &Word, _pipe: Pipe, _lanes: usize, _ops: u64) {}

    /// Lanes were looked for. The next operation begins.
    #[inline(always)]
    fn looked(&mut self, _stream: &Stream, _ops: u64) {}
}

/// Sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// How long the parts of a stream took, and its operations by their kind.
///
/// Times are those of a clock on the wall, less what asking for them takes. Finding lanes counts as time
/// of the operation that names them, and what it asks for ahead as that of SPREFCH. Dispatch, and putting
/// in place what a word wrote, are in the time of the part alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    parts: [Duration; 3],
    operations: Vec<OperationTime>,
    /// The part at hand, and since when.
    part: Option<(Part, Instant)>,
    /// Since when the operation at hand runs, and how many were retired before.
    mark: (Instant, u64),
    /// How often the time was asked for.
    asked: u32,
    /// What asking takes.
    asking: Duration,
    /// What asking took in the part at hand.
    taken_off: Duration,
}

/// What the operations of one kind took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationTime {
    /// Their pipe.
    pub pipe: Pipe,
    /// Their name in the text of a stream, with the function: `DCMP.gt.u64`.
    pub name: String,
    /// Time.
    pub time: Duration,
    /// How often one ran: once a batch, for each time that it is in the stream.
    pub runs: u64,
    /// The lanes that they ran over.
    pub lanes: u64,
    /// Operations retired: of the lanes, those that were active.
    pub ops: u64,
    opcode: u8,
    function: u8,
}

impl Default for Timings {
    fn default() -> Timings {
        Timings::new()
    }
}

impl Timings {
    /// Measures how long asking for the time takes, about a microsecond.
    pub fn new() -> Timings {
        const ASKED: usize = 32;
        let start = Instant::now();
        let mut before = start;
        let mut asking = Duration::MAX;
        for _ in 0..ASKED {
            let now = Instant::now();
            asking = asking.min(now - before);
            before = now;
        }
        Timings {
            parts: [Duration::ZERO; 3],
            operations: Vec::new(),
            part: None,
            mark: (start, 0),
            asked: 0,
            asking,
            taken_off: Duration::ZERO,
        }
    }

    /// Time of a part, over all its runs.
    pub fn part_time(&self, part: Part) -> Duration {
        self.parts[index(part)]
    }

    /// The operations that ran, by kind, in the order in which they first did.
    pub fn operations(&self) -> &[OperationTime] {
        &self.operations
    }

    /// What asking for the time took in all: so much longer is a stream that is timed.
    pub fn overhead(&self) -> Duration {
        self.asking * self.asked
    }

    /// Ends the last part.
    pub(super) fn finish(&mut self) {
        let now = self.now();
        if let Some((part, since)) = self.part.take() {
            let took = (now - since).saturating_sub(self.taken_off);
            self.parts[index(part)] += took;
        }
        self.taken_off = Duration::ZERO;
    }

    fn now(&mut self) -> Instant {
        self.asked += 1;
        self.taken_off += self.asking;
        Instant::now()
    }

    /// The time since the mark, and the operations.
    fn lap(&mut self, ops: u64) -> (Duration, u64) {
        let (since, before) = self.mark;
        let took = (self.now() - since).saturating_sub(self.asking);
        (took, ops - before)
    }

    fn of_kind(&mut self, form: &Form) -> &mut OperationTime {
        let is_same = |one: &OperationTime| {
            (one.pipe, one.opcode, one.function) == (form.pipe, form.opcode, form.function)
        };
        let known = self.operations.iter().position(is_same);
        let at = known.unwrap_or_else(|| {
            self.operations.push(OperationTime {
                pipe: form.pipe,
                name: form.name(),
                time: Duration::ZERO,
                runs: 0,
                lanes: 0,
                ops: 0,
                opcode: form.opcode,
                function: form.function,
            });
            self.operations.len() - 1
        });
        &mut self.operations[at]
    }
}

impl Observer for Timings {
    fn part(&mut self, part: Part) {
        self.finish();
        self.part = Some((part, self.now()));
    }

    fn begin(&mut self, ops: u64) {
        self.mark = (self.now(), ops);
    }

    fn end(&mut self, word: &Word, pipe: Pipe, lanes: usize, ops: u64) {
        let (took, retired) = self.lap(ops);
        let form = word.form(pipe);
        if form.opcode != opcode::NOP {
            let kind = self.of_kind(&form);
            kind.time += took;
            kind.runs += u64::from(lanes > 0);
            kind.lanes += lanes as u64;
            kind.ops += retired;
        }
        self.begin(ops);
    }

    fn looked(&mut self, stream: &Stream, ops: u64) {
        let source = |word: &&Word| word.sparse.batches().is_some();
        match stream.each.iter().find(source) {
            Some(word) => self.end(word, Pipe::Sparse, 0, ops),
            None => self.begin(ops),
        }
    }
}

fn index(part: Part) -> usize {
    Part::ALL
        .iter()
        .position(|&one| one == part)
        .expect("it is a part")
}
