//! The program while it is compiled: its operations in their uniform shape.

use super::UnpackedProgram;
use super::resource::{Layout, Table, registers};
use crate::Part;
use crate::form::Form;
use crate::register::{Register, RegisterClass};
use crate::table::{Access, opcode};

#[derive(Debug, Clone)]
pub(super) struct Draft {
    parts: [Vec<Form>; 3],
    layout: Layout,
}

impl Draft {
    /// The operations of a program, NOPs left out.
    pub(super) fn of(program: &UnpackedProgram) -> Self {
        let parts = Part::ALL.map(|part| {
            let forms = program.operations(part).iter().map(|op| op.form());
            forms.filter(|form| form.opcode != opcode::NOP).collect()
        });
        let mut draft = Self {
            parts,
            layout: Layout::default(),
        };
        let mut layout = Layout::default();
        for (_, form) in draft.forms() {
            for (register, _) in registers(form) {
                layout.include(register);
            }
        }
        draft.layout = layout;
        draft
    }

    /// A value for each register and other resource of the draft.
    pub(super) fn table<T: Clone>(&self, value: T) -> Table<T> {
        Table::of(self.layout, value)
    }

    /// Makes room for a register.
    pub(super) fn include(&mut self, register: Register) {
        self.layout.include(register);
    }

    pub(super) fn part(&self, part: Part) -> &Vec<Form> {
        &self.parts[part as usize]
    }

    pub(super) fn part_mut(&mut self, part: Part) -> &mut Vec<Form> {
        &mut self.parts[part as usize]
    }

    /// All operations, in the order of execution.
    pub(super) fn forms(&self) -> impl Iterator<Item = (Part, &Form)> {
        let parts = Part::ALL.into_iter();
        parts.flat_map(|part| self.part(part).iter().map(move |form| (part, form)))
    }
}

/// How long the values of registers live, in parts.
#[derive(Debug)]
pub(super) struct Lifetimes(Table<Lifetime>);

#[derive(Debug, Clone, Copy)]
struct Lifetime {
    /// Whether the value outlives a batch: a scalar, or a message accumulator.
    outlives_batch: bool,
    /// The part of the latest use or write; none of a register that the draft does not name.
    last: Option<Part>,
}

impl Lifetimes {
    pub(super) fn of(draft: &Draft) -> Self {
        let mut lifetimes = draft.table(Lifetime {
            outlives_batch: false,
            last: None,
        });
        for (part, form) in draft.forms() {
            for (register, access) in registers(form) {
                let lifetime = &mut lifetimes[register];
                let is_message = register.class == RegisterClass::Message;
                let collects = is_message && access == Access::Accumulate;
                lifetime.last = Some(part);
                lifetime.outlives_batch |= match part {
                    Part::Once => true,
                    Part::Each => collects,
                    Part::Last => false,
                };
            }
        }
        Self(lifetimes)
    }

    /// The part of the latest use or write of a register that the draft names.
    pub(super) fn last(&self, register: Register) -> Part {
        let last = self.0[register].last;
        last.expect("the draft names the register")
    }

    pub(super) fn outlives_batch(&self, register: Register) -> bool {
        self.0[register].outlives_batch
    }

    /// Whether a value that a part holds is still needed when the part, or its batch, ends.
    pub(super) fn outlives(&self, register: Register, part: Part) -> bool {
        match part {
            Part::Once => self.last(register) != Part::Once,
            Part::Each => self.outlives_batch(register),
            Part::Last => false,
        }
    }

    /// Registers of a class whose values a part starts with.
    pub(super) fn live_in(&self, part: Part) -> impl Iterator<Item = Register> {
        self.0.registers().filter_map(move |(register, lifetime)| {
            let is_needed = match part {
                Part::Once => false,
                Part::Each => lifetime.last.is_some_and(|last| last != Part::Once),
                Part::Last => lifetime.last == Some(Part::Last),
            };
            (lifetime.outlives_batch && is_needed).then_some(register)
        })
    }
}
