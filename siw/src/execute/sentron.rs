//! The sentron: the registers of one thread of execution, and the words it runs.
//!
//! ```text
//! Idle --open(stream, phext)--> Sentron: once, each over a piece (any number of times), last --close--> Idle
//! ```
//!
//! An [`Idle`] keeps the memory of the registers from stream to stream. Accumulators carry on from
//! piece to piece, so that one sentron may take many pieces of a stream's lanes, or all of them.

use super::dots::Dots;
use super::group::{Collective, Step};
use super::kernels::Kernels;
use super::lanes::Point;
use super::registers::{Content, IdleRegisters, Registers};
use super::survey::Survey;
use super::tally::Tallies;
use super::top::Top;
use super::{ExecuteError, Executed, Flow, Flush, Lanes, Observer, Report, Sink, Unobserved};
use crate::stream::Part;
use crate::telemetry::{self, Watch};
use crate::{BATCH_LANES, ConstantId, CoordinationOp, DenseOp, Pipe, SparseOp, Stream, Word};
use memchr::memmem::Finder;
use phext_storage::Phext;
use std::cell::Cell;

/// The memory of a sentron that runs nothing.
#[derive(Debug, Default)]
pub struct Idle(IdleRegisters);

/// Who a running stream has to do with.
pub struct Outside<'s> {
    /// Takes rows.
    pub sink: &'s mut dyn Sink,
    /// Takes writes.
    pub flush: &'s mut dyn Flush,
    /// Whether the stream is wanted no more; asked before each batch.
    pub interrupted: &'s dyn Fn() -> bool,
}

impl std::fmt::Debug for Outside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

/// One thread of execution of a stream.
#[derive(Debug)]
pub struct Sentron<'a> {
    pub(super) stream: &'a Stream,
    pub(super) phext: &'a Phext,
    pub(super) survey: Survey,
    pub(super) registers: Registers<'a>,
    pub(super) kernels: Kernels,
    /// Lanes before the current batch, of all pieces.
    pub(super) position: usize,
    /// Lanes of the current batch; 1 in `once` and `last`.
    pub(super) width: usize,
    /// Most lanes of a batch.
    pub(super) batch: usize,
    pub(super) report: Report,
    /// What of it is counted by telemetry.
    told: Report,
    /// Its number in the group.
    pub(super) number: usize,
    /// The word of `once` or `last` that comes next.
    next_word: usize,
    /// The collective whose answer the sentron waits for; a NOP if there is none.
    pub(super) waits_at: CoordinationOp,
    /// What it brings there, until that is handed over.
    pub(super) meeting: Option<Collective>,
    /// What looks for the patterns met so far.
    pub(super) finders: Vec<(ConstantId, Finder<'a>)>,
    /// Whether the batch was found and asked for before the one before was worked on.
    pub(super) was_prefetched: bool,
    /// Whether lanes are passed over instead of made, because no operation reads where they are.
    pub(super) only_counts: bool,
}

/// What comes after a word. As wide as what a failure is boxed in, so that either is returned in registers.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(super) enum Next {
    /// The next one.
    Word,
    /// Nothing: the sink wants no more.
    Stop,
    /// The answer of the collective of [`Sentron::meeting`].
    Collective,
}

impl<'a> Sentron<'a> {
    /// A sentron about to run a stream.
    pub fn open(idle: Idle, stream: &'a Stream, phext: &'a Phext) -> Self {
        let mut sentron = Self::new(idle, Survey::of(stream), stream, phext);
        sentron.empty_accumulators();
        sentron
    }

    /// A sentron whose accumulators are still to be emptied. Nothing is called once its registers are
    /// there, so that they are made where the caller keeps it: a copy would wait for what was just written.
    #[inline(always)]
    fn new(idle: Idle, survey: Survey, stream: &'a Stream, phext: &'a Phext) -> Self {
        debug_assert_eq!(
            crate::validate(stream),
            Ok(()),
            "streams are validated before they run"
        );
        let kernels = Kernels::detect();
        Self {
            stream,
            phext,
            survey,
            registers: Registers::new(idle.0),
            kernels,
            position: 0,
            width: 1,
            batch: if stream.tier == 0 { 1 } else { BATCH_LANES },
            report: Report::default(),
            told: Report::default(),
            number: 0,
            next_word: 0,
            waits_at: CoordinationOp::Nop,
            meeting: None,
            finders: Vec::new(),
            was_prefetched: false,
            only_counts: false,
        }
    }

    /// A sentron of a group, with its number there. Only that of sentron 0 sends rows in `last`.
    pub fn numbered(mut self, number: usize) -> Self {
        self.number = number;
        self
    }

    #[inline]
    fn empty_accumulators(&mut self) {
        if self.survey.accumulates {
            self.accumulate_nothing();
        }
    }

    #[cold]
    fn accumulate_nothing(&mut self) {
        for word in &self.stream.each {
            let (accumulator, content) = match word.coordination {
                CoordinationOp::Top {
                    accumulator,
                    ranking,
                    count,
                    ..
                } => (
                    accumulator,
                    Content::Top(Top::new(ranking, self.constant(count))),
                ),
                CoordinationOp::Tally {
                    accumulator, key, ..
                } => (accumulator, Content::Tallies(Tallies::new(key))),
                CoordinationOp::Dot {
                    accumulator,
                    queries,
                    ..
                } => {
                    let dots = Dots::new(self.constant_queries(queries));
                    (accumulator, Content::Dots(Box::new(dots)))
                }
                _ => continue,
            };
            self.registers.put_content(accumulator, content);
        }
    }

    /// Ends the run. What was scattered and not flushed is dropped.
    #[inline]
    pub fn close(self) -> (Idle, Report) {
        (Idle(self.registers.into_idle()), self.report)
    }

    /// What was done so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Runs the whole stream, as a group of one.
    ///
    /// # Errors
    /// As [`super::execute`].
    pub fn run(&mut self, outside: &mut Outside<'_>) -> Result<(), ExecuteError> {
        Ok(self.run_observed(None, outside, &mut Unobserved)?)
    }

    /// Runs the whole stream, whose lanes are one point if one is given.
    #[inline]
    fn run_observed<O: Observer>(
        &mut self,
        point: Option<Point<'a>>,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<()> {
        let stream = self.stream;
        if !stream.once.is_empty() {
            observer.part(Part::Once);
            let flow = self.run_alone(Part::Once, outside, observer)?;
            debug_assert_eq!(flow, Flow::Continue, "`once` sends nothing");
        }
        if !stream.each.is_empty() {
            observer.part(Part::Each);
            let flow = match point {
                Some(point) => self.point_observed(point, outside, observer),
                None => self.all_observed(outside, observer),
            };
            if flow? == Flow::Stop {
                return Ok(());
            }
        }
        if !stream.last.is_empty() {
            observer.part(Part::Last);
            self.run_alone(Part::Last, outside, observer)?;
        }
        Ok(())
    }

    /// Runs `once` or `last`, meeting nobody at collectives.
    fn run_alone<O: Observer>(
        &mut self,
        part: Part,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Flow> {
        loop {
            match self.run_on(part, outside, observer)? {
                Step::Done => return Ok(Flow::Continue),
                Step::Stop => return Ok(Flow::Stop),
                Step::Collective(collective) => self.resume(collective.alone()),
            }
        }
    }

    /// Runs `once` or `last` to its end or to the next collective.
    pub(crate) fn run_part(
        &mut self,
        part: Part,
        outside: &mut Outside<'_>,
    ) -> Result<Step, ExecuteError> {
        Ok(self.run_on(part, outside, &mut Unobserved)?)
    }

    /// Runs `once` to its end or to the next collective, from where it stopped before.
    ///
    /// # Errors
    /// As [`super::execute`].
    pub fn once(&mut self, outside: &mut Outside<'_>) -> Result<Step, ExecuteError> {
        Ok(self.run_on(Part::Once, outside, &mut Unobserved)?)
    }

    /// Runs `each` over lanes until none is left or the sink wants no more.
    ///
    /// # Errors
    /// As [`super::execute`], and [`ExecuteError::Interrupted`].
    pub fn each(
        &mut self,
        lanes: &mut Lanes<'a>,
        outside: &mut Outside<'_>,
    ) -> Result<Flow, ExecuteError> {
        Ok(self.each_observed(lanes, outside, &mut Unobserved)?)
    }

    /// Runs `each` over all lanes of the stream.
    #[inline(never)]
    fn all_observed<O: Observer>(
        &mut self,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Flow> {
        observer.begin(self.report.ops);
        let mut lanes = Lanes::of_constant(self.stream, self.survey.lanes, self.phext)?;
        observer.looked(self.stream, self.report.ops);
        self.each_observed(&mut lanes, outside, observer)
    }

    /// Runs `each` over one point.
    #[inline(always)]
    fn point_observed<O: Observer>(
        &mut self,
        point: Point<'a>,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Flow> {
        let watch = Watch::start_one();
        let flow = self.run_point(point, outside, observer);
        watch.stop(&self.report, &self.told);
        self.told = self.report;
        flow
    }

    fn each_observed<O: Observer>(
        &mut self,
        lanes: &mut Lanes<'a>,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Flow> {
        let watch = Watch::start(self.stream, lanes, || outside.sink.wanted());
        let flow = self.run_batches(lanes, outside, observer);
        watch.stop(&self.report, &self.told);
        self.told = self.report;
        flow
    }

    /// Counts what was done since something was counted last.
    fn tell(&mut self) {
        telemetry::count_untimed(&self.report, &self.told);
        self.told = self.report;
    }

    /// Runs `last` to its end or to the next collective, from where it stopped before.
    ///
    /// # Errors
    /// As [`super::execute`].
    pub fn last(&mut self, outside: &mut Outside<'_>) -> Result<Step, ExecuteError> {
        Ok(self.run_on(Part::Last, outside, &mut Unobserved)?)
    }

    fn run_on<O: Observer>(
        &mut self,
        part: Part,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Step> {
        if part == Part::Last {
            self.width = 1;
            self.registers.settle();
        }
        let step = self.run_words(part, outside, observer);
        self.tell();
        step
    }

    fn run_words<O: Observer>(
        &mut self,
        part: Part,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Step> {
        debug_assert_eq!(self.waits_at, CoordinationOp::Nop, "an answer is due first");
        let words = self.stream.words(part);
        while let Some(word) = words.get(self.next_word) {
            self.next_word += 1;
            match self.run_word(part, word, outside, observer)? {
                Next::Word => {}
                Next::Stop => return Ok(Step::Stop),
                Next::Collective => {
                    let meeting = self.meeting.take();
                    let meeting =
                        meeting.expect("a word that ends in a collective brings something");
                    return Ok(Step::Collective(meeting));
                }
            }
        }
        self.next_word = 0;
        Ok(Step::Done)
    }

    /// Runs a word of `each` that is a D operation on numbers, by itself or with SINDEX or CPACK, if it is; says
    /// whether. Most words of a long stream are, and nothing of other operations is in their way then. What is
    /// packed is so first: it keeps what it refers to from being changed, so that the others write at once.
    #[inline(always)]
    pub(super) fn run_number_word<O: Observer>(&mut self, word: &Word, observer: &mut O) -> bool {
        if !word.dense.is_on_numbers() {
            return false;
        }
        let index = match word.sparse {
            SparseOp::Nop => None,
            SparseOp::Index { to, dimension, .. } => Some((to, dimension)),
            _ => return false,
        };
        match word.coordination {
            CoordinationOp::Nop => observer.begin(self.report.ops),
            CoordinationOp::Pack { to, ref row } => {
                observer.begin(self.report.ops);
                self.pack_lanes(to, row);
                observer.end(word, Pipe::Coordination, self.width, self.report.ops);
            }
            _ => return false,
        }
        self.registers.memory.at_once = true;
        self.evaluate_numbers(&word.dense);
        observer.end(word, Pipe::Dense, self.width, self.report.ops);
        if let Some((to, dimension)) = index {
            self.index(to, dimension);
            observer.end(word, Pipe::Sparse, self.width, self.report.ops);
        }
        true
    }

    /// Runs any word.
    #[inline(always)]
    pub(super) fn run_word<O: Observer>(
        &mut self,
        part: Part,
        word: &Word,
        outside: &mut Outside<'_>,
        observer: &mut O,
    ) -> Executed<Next> {
        observer.begin(self.report.ops);
        let mut next = Next::Word;
        if !matches!(word.dense, DenseOp::Nop) {
            self.registers.memory.at_once = dense_writes_at_once(word);
            self.evaluate_dense(&word.dense)?;
            observer.end(word, Pipe::Dense, self.width, self.report.ops);
        }
        if !matches!(word.sparse, SparseOp::Nop) {
            let at_once = matches!(word.coordination, CoordinationOp::Nop);
            self.registers.memory.at_once = at_once;
            self.evaluate_sparse(&word.sparse, outside)?;
            observer.end(word, Pipe::Sparse, self.width, self.report.ops);
        }
        if !matches!(word.coordination, CoordinationOp::Nop) {
            next = self.run_coordination(part, &word.coordination, outside)?;
            observer.end(word, Pipe::Coordination, self.width, self.report.ops);
        }
        self.registers.put_deferred();
        Ok(next)
    }
}

/// Whether no other operation of a word reads numbers, masks or texts, which a D operation writes.
#[inline]
fn dense_writes_at_once(word: &Word) -> bool {
    let sparse_reads_none = matches!(
        word.sparse,
        SparseOp::Nop
            | SparseOp::Lanes { .. }
            | SparseOp::Assoc { .. }
            | SparseOp::Neighbr { .. }
            | SparseOp::Index { .. }
            | SparseOp::Prefch { .. }
    );
    sparse_reads_none && matches!(word.coordination, CoordinationOp::Nop)
}

thread_local! {
    /// What this thread's last stream left: its memory serves the next one.
    static IDLE: Cell<Option<Idle>> = const { Cell::new(None) };
}

/// Runs a whole stream on this thread. The sentron stays where it is: to move it took longer than some
/// words take.
#[inline]
pub(super) fn run<'a, O: Observer>(
    stream: &'a Stream,
    phext: &'a Phext,
    outside: &mut Outside<'_>,
    observer: &mut O,
) -> Executed<Report> {
    let survey = Survey::of(stream);
    let point = Point::of_stream(stream, survey.lanes, phext);
    let idle = IDLE.with(Cell::take).unwrap_or_default();
    let mut sentron = Sentron::new(idle, survey, stream, phext);
    sentron.empty_accumulators();
    let result = sentron.run_observed(point, outside, observer);
    let Sentron {
        registers, report, ..
    } = sentron;
    let idle = Idle(registers.into_idle());
    IDLE.with(|kept| kept.set(Some(idle)));
    result?;
    Ok(report)
}
