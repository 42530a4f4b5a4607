//! How many registers of each class are taken while operations are placed one after the other.

use super::draft::{Draft, Lifetimes};
use super::resource::{CLASSES, Table, registers};
use crate::Part;
use crate::form::Form;
use crate::register::{Register, RegisterClass};

/// Registers taken, a number for each class.
pub(super) type Counts = [u16; CLASSES.len()];

#[derive(Debug, Clone)]
pub(super) struct Pressure<'a> {
    lifetimes: &'a Lifetimes,
    part: Part,
    taken: Counts,
    /// Reads of each register by operations that are not placed yet.
    reads: Table<u16>,
}

impl<'a> Pressure<'a> {
    /// Before the first operation of a part.
    pub(super) fn new(draft: &Draft, lifetimes: &'a Lifetimes, part: Part) -> Self {
        let mut taken = [0; CLASSES.len()];
        for register in lifetimes.live_in(part) {
            taken[register.class as usize] += 1;
        }
        let mut reads = draft.table(0);
        for form in draft.part(part) {
            for (register, access) in registers(form) {
                reads[register] += u16::from(access.reads());
            }
        }
        Self {
            lifetimes,
            part,
            taken,
            reads,
        }
    }

    /// The class that an operation would take too many registers of, were it placed next.
    pub(super) fn exceeded(&self, form: &Form) -> Option<RegisterClass> {
        let (freed, begun, _) = self.changes(form);
        let over = |class: &RegisterClass| {
            let index = *class as usize;
            let after = self.taken[index] + begun[index] - freed[index];
            after > u16::from(class.count())
        };
        CLASSES.into_iter().find(over)
    }

    /// How many registers more are taken after an operation, each weighed by how few its class has.
    pub(super) fn cost(&self, form: &Form) -> i32 {
        let (freed, begun, unread) = self.changes(form);
        let weigh = |(index, class): (usize, RegisterClass)| {
            let more = i32::from(begun[index]) - i32::from(freed[index]) - i32::from(unread[index]);
            more * 16 / i32::from(class.count())
        };
        CLASSES.into_iter().enumerate().map(weigh).sum()
    }

    /// Places an operation.
    pub(super) fn place(&mut self, form: &Form) {
        let (freed, begun, unread) = self.changes(form);
        for (index, taken) in self.taken.iter_mut().enumerate() {
            *taken = *taken + begun[index] - freed[index] - unread[index];
        }
        for (register, access) in registers(form) {
            self.reads[register] -= u16::from(access.reads());
        }
    }

    /// The registers that an operation reads last, those that it writes first, and of these those
    /// that nobody reads.
    fn changes(&self, form: &Form) -> (Counts, Counts, Counts) {
        let (mut freed, mut begun, mut unread) =
            (Counts::default(), Counts::default(), Counts::default());
        for (index, (register, access)) in registers(form).enumerate() {
            let is_named = |(other, _): &(Register, _)| *other == register;
            if registers(form).take(index).any(|other| is_named(&other)) {
                continue;
            }
            let class = register.class as usize;
            let here = registers(form).filter(is_named);
            let reads: u16 = here.map(|(_, access)| u16::from(access.reads())).sum();
            let survives = self.lifetimes.outlives(register, self.part);
            let ends = self.reads[register] == reads && !survives;
            match (access.reads(), access.writes()) {
                (true, false) if ends => freed[class] += 1,
                (true, true) if ends => unread[class] += 1,
                (false, true) => {
                    begun[class] += 1;
                    unread[class] += u16::from(ends);
                }
                _ => {}
            }
        }
        (freed, begun, unread)
    }
}
