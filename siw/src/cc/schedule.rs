//! From an order of operations to words.
//!
//! The words of tiers 2 and 3 come from list scheduling: word by word, each pipe takes, of the
//! operations whose operands are there, the one with the longest critical path behind it (J. A.
//! Fisher, *The Optimization of Horizontal Microcode Within and Beyond Basic Blocks*, 1979; S. S.
//! Muchnick, *Advanced Compiler Design and Implementation*, 1997, section 17.1). Where that takes too
//! many registers the schedule is made again under a limit, as J. R. Goodman and W.-C. Hsu do (*Code
//! Scheduling and Register Allocation in Large Basic Blocks*, 1988), and then in an order that keeps
//! as few values as it can.

use super::dependencies::{Dependencies, Position};
use super::draft::{Draft, Lifetimes};
use super::pressure::Pressure;
use crate::Part;
use crate::form::Form;

/// The operations of a word, by pipe.
pub(super) type Slots = [Option<Position>; 3];

/// How the operations of a part are put into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strategy {
    pub(super) order: Order,
    /// Three operations a word instead of one.
    pub(super) is_packed: bool,
}

/// Which operation comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The next of the program.
    Program,
    /// One of the pipe of the operation before, as long as there is one.
    Pipe,
    /// The one with the longest critical path.
    CriticalPath,
    /// The same, but none that takes a register more than there are.
    CriticalPathWithinRegisters,
    /// The one after which the fewest registers are taken.
    FewestRegisters,
}

/// The words of a part; none where the strategy finds no way on.
pub(super) fn schedule(
    draft: &Draft,
    lifetimes: &Lifetimes,
    part: Part,
    strategy: Strategy,
) -> Option<Vec<Slots>> {
    let forms = draft.part(part);
    if forms.is_empty() {
        return Some(Vec::new());
    }
    let dependencies = Dependencies::of(draft, part);
    let mut board = Board::new(forms, &dependencies);
    let pressure = || Pressure::new(draft, lifetimes, part);
    match strategy.order {
        Order::Program => {
            for position in 0..forms.len() {
                board.append(position as Position, strategy.is_packed);
            }
        }
        Order::Pipe => board.fill_by_pipe(),
        Order::CriticalPath => board.fill(None)?,
        Order::CriticalPathWithinRegisters => board.fill(Some(pressure()))?,
        Order::FewestRegisters => board.fill_with_fewest(pressure(), strategy.is_packed),
    }
    Some(board.words)
}

/// The words so far.
struct Board<'a> {
    forms: &'a [Form],
    dependencies: &'a Dependencies,
    words: Vec<Slots>,
    /// The word of each operation that is placed.
    placed: Vec<Option<usize>>,
    /// The operations that are not, in order.
    waiting: Vec<Position>,
}

impl<'a> Board<'a> {
    fn new(forms: &'a [Form], dependencies: &'a Dependencies) -> Self {
        Self {
            forms,
            dependencies,
            words: Vec::with_capacity(forms.len()),
            placed: vec![None; forms.len()],
            waiting: (0..forms.len())
                .map(|position| position as Position)
                .collect(),
        }
    }

    fn form(&self, position: Position) -> &'a Form {
        &self.forms[usize::from(position)]
    }

    /// The first word that an operation may be in; none before all it depends on are placed.
    fn earliest(&self, position: Position) -> Option<usize> {
        let mut earliest = 0;
        for before in self.dependencies.before(position) {
            let word = self.placed[usize::from(before.operation)]?;
            earliest = earliest.max(word + usize::from(before.words));
        }
        Some(earliest)
    }

    fn place(&mut self, position: Position, word: usize) {
        if word == self.words.len() {
            self.words.push(Slots::default());
        }
        let pipe = self.form(position).pipe as usize;
        self.words[word][pipe] = Some(position);
        self.placed[usize::from(position)] = Some(word);
        let index = self.waiting.binary_search(&position);
        self.waiting
            .remove(index.expect("an operation is placed once"));
    }

    /// Places an operation, whose predecessors are placed, in the latest word or in a new one.
    fn append(&mut self, position: Position, is_packed: bool) {
        let earliest = self.earliest(position);
        let earliest = earliest.expect("predecessors come first in any order");
        let pipe = self.form(position).pipe as usize;
        let latest = self.words.len().checked_sub(1);
        let is_free = |word: &usize| self.words[*word][pipe].is_none() && earliest <= *word;
        let word = latest.filter(is_free).filter(|_| is_packed);
        self.place(position, word.unwrap_or(self.words.len()));
    }

    /// List scheduling, three operations a word.
    fn fill(&mut self, mut pressure: Option<Pressure<'_>>) -> Option<()> {
        while !self.waiting.is_empty() {
            let word = self.words.len();
            self.words.push(Slots::default());
            while let Some(position) = self.longest_path(word, pressure.as_ref()) {
                self.place(position, word);
                if let Some(pressure) = &mut pressure {
                    pressure.place(self.form(position));
                }
            }
            if self.words[word] == Slots::default() {
                return None;
            }
        }
        Some(())
    }

    /// Of the operations that may be placed in a word, the one with the longest critical path.
    fn longest_path(&self, word: usize, pressure: Option<&Pressure<'_>>) -> Option<Position> {
        let candidates = self.waiting.iter().copied().filter(|&position| {
            let form = self.form(position);
            self.words[word][form.pipe as usize].is_none()
                && self
                    .earliest(position)
                    .is_some_and(|earliest| earliest <= word)
                && pressure.is_none_or(|pressure| pressure.exceeded(form).is_none())
        });
        // Of equals `min_by_key` takes the first.
        candidates.min_by_key(|&position| u16::MAX - self.dependencies.height(position))
    }

    /// The operations that may come next, in an order of one operation after the other.
    fn ready(&self) -> impl Iterator<Item = Position> {
        let waiting = self.waiting.iter().copied();
        waiting.filter(|&position| self.earliest(position).is_some())
    }

    /// One operation a word, staying in a pipe as long as it has any that is ready. The next pipe
    /// is the one with the most.
    fn fill_by_pipe(&mut self) {
        let mut pipe = None;
        while !self.waiting.is_empty() {
            let mut ready = [0_usize; 3];
            for position in self.ready() {
                ready[self.form(position).pipe as usize] += 1;
            }
            let fullest = (0..3).min_by_key(|&pipe| usize::MAX - ready[pipe]);
            let current = pipe.filter(|&pipe: &usize| ready[pipe] > 0).or(fullest);
            let is_of = |position: &Position| Some(self.form(*position).pipe as usize) == current;
            let next = self.ready().find(is_of);
            self.append(next.expect("the pipe has a ready operation"), false);
            pipe = current;
        }
    }

    fn fill_with_fewest(&mut self, mut pressure: Pressure<'_>, is_packed: bool) {
        while !self.waiting.is_empty() {
            let next = self
                .ready()
                .min_by_key(|&position| pressure.cost(self.form(position)));
            let next = next.expect("dependencies have no cycle");
            pressure.place(self.form(next));
            self.append(next, is_packed);
        }
    }
}
