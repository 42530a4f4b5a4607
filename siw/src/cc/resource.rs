//! What operations depend on each other by: virtual registers, and some things that are no register.

use crate::form::Form;
use crate::register::{Register, RegisterClass};
use crate::table::{Access, opcode};
use crate::{Level, Pipe};
use std::ops::{Index, IndexMut};

/// Something that operations read and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    /// A virtual register.
    Register(Register),
    /// The writes to the phext.
    Phext,
    /// The order in which others see what a stream does: rows, messages, barriers, durability.
    Order,
    /// The records of the batch, as far as they have been asked for ahead.
    Records,
    /// The texts of the batch, as far as they have been asked for ahead.
    Texts,
}

/// The classes of registers, by their number.
pub(super) const CLASSES: [RegisterClass; 5] = [
    RegisterClass::Number,
    RegisterClass::Place,
    RegisterClass::Text,
    RegisterClass::Message,
    RegisterClass::Mask,
];

/// How many virtual registers of each class there are. A small program has small tables: they are
/// made several times while it is compiled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Layout([u16; CLASSES.len()]);

impl Layout {
    /// Makes room for a register.
    pub(super) fn include(&mut self, register: Register) {
        let count = &mut self.0[register.class as usize];
        *count = (*count).max(u16::from(register.number) + 1);
    }

    fn registers(&self) -> usize {
        self.0.iter().map(|&count| usize::from(count)).sum()
    }

    fn index(&self, resource: Resource) -> usize {
        let other = match resource {
            Resource::Register(register) => {
                let class = register.class as usize;
                debug_assert!(u16::from(register.number) < self.0[class]);
                let before: u16 = self.0[..class].iter().sum();
                return usize::from(before) + usize::from(register.number);
            }
            Resource::Phext => 0,
            Resource::Order => 1,
            Resource::Records => 2,
            Resource::Texts => 3,
        };
        self.registers() + other
    }
}

/// A value for each resource.
#[derive(Debug, Clone)]
pub(super) struct Table<T> {
    layout: Layout,
    values: Vec<T>,
}

impl<T: Clone> Table<T> {
    pub(super) fn of(layout: Layout, value: T) -> Self {
        let values = vec![value; layout.registers() + 4];
        Self { layout, values }
    }

    /// The values of the registers.
    pub(super) fn registers(&self) -> impl Iterator<Item = (Register, &T)> {
        let classes = CLASSES.into_iter().zip(self.layout.0);
        let registers = classes.flat_map(|(class, count)| {
            (0..count).map(move |number| Register {
                class,
                number: number as u8,
            })
        });
        registers.zip(&self.values)
    }
}

impl<T> Index<Resource> for Table<T> {
    type Output = T;

    fn index(&self, resource: Resource) -> &T {
        &self.values[self.layout.index(resource)]
    }
}

impl<T> IndexMut<Resource> for Table<T> {
    fn index_mut(&mut self, resource: Resource) -> &mut T {
        &mut self.values[self.layout.index(resource)]
    }
}

impl<T> Index<Register> for Table<T> {
    type Output = T;

    fn index(&self, register: Register) -> &T {
        &self[Resource::Register(register)]
    }
}

impl<T> IndexMut<Register> for Table<T> {
    fn index_mut(&mut self, register: Register) -> &mut T {
        &mut self[Resource::Register(register)]
    }
}

/// The registers of an operation and what it does to them, its mask among them. One that it names
/// twice comes twice.
pub(super) fn registers(form: &Form) -> impl Iterator<Item = (Register, Access)> {
    let operands = form.operands();
    let operands = operands.map(|(operand, register)| (register, operand.access));
    let mask = form.mask_operand().map(|mask| (mask, Access::Read));
    operands.chain(mask)
}

/// Everything that an operation reads or writes.
pub(super) fn accesses(form: &Form) -> impl Iterator<Item = (Resource, Access)> {
    let registers =
        registers(form).map(|(register, access)| (Resource::Register(register), access));
    let others = [
        (Resource::Phext, form.description().phext),
        (Resource::Order, order(form)),
        (Resource::Records, records(form)),
        (Resource::Texts, texts(form)),
    ];
    let others = others.into_iter();
    registers.chain(others.filter(|(_, access)| *access != Access::None))
}

/// Operations that others see keep their order: messages, those on the group, which meet in all its
/// sentrons, and SFLUSH, as a row that follows it may say that writes are durable.
fn order(form: &Form) -> Access {
    let ordered = match form.pipe {
        Pipe::Dense => false,
        Pipe::Sparse => form.opcode == opcode::SFLUSH,
        Pipe::Coordination => {
            let group = [opcode::CREDUCE, opcode::CCAST, opcode::CMERGE];
            form.description().mail != Access::None || group.contains(&form.opcode)
        }
    };
    if ordered {
        Access::Accumulate
    } else {
        Access::None
    }
}

fn is_prefetch(form: &Form, level: Level) -> bool {
    form.pipe == Pipe::Sparse && form.opcode == opcode::SPREFCH && form.function == level as u8
}

pub(super) fn needs_text(form: &Form) -> bool {
    form.pipe == Pipe::Sparse && form.opcode == opcode::SGATHER
}

pub(super) fn needs_record(form: &Form) -> bool {
    let reads_it = matches!(form.opcode, opcode::DLEN | opcode::DHASH);
    form.pipe == Pipe::Dense && reads_it || needs_text(form)
}

fn records(form: &Form) -> Access {
    if is_prefetch(form, Level::Record) {
        Access::Write
    } else if is_prefetch(form, Level::Text) || needs_record(form) {
        Access::Read
    } else {
        Access::None
    }
}

fn texts(form: &Form) -> Access {
    if is_prefetch(form, Level::Text) {
        Access::Write
    } else if needs_text(form) {
        Access::Read
    } else {
        Access::None
    }
}

/// Whether an operation yields the lanes of a batch: no other writes a place.
pub(super) fn yields_lanes(form: &Form) -> bool {
    let writes = |(register, access): (Register, Access)| {
        register.class == RegisterClass::Place && access.writes()
    };
    form.pipe == Pipe::Sparse && registers(form).any(writes)
}

/// Whether an operation does something that can be seen although nothing reads a register of it.
pub(super) fn has_effect(form: &Form) -> bool {
    let description = form.description();
    description.phext != Access::None || description.mail != Access::None || yields_lanes(form)
}

/// Whether an operation may be done twice, or once instead of twice: it has no effect and folds
/// nothing.
pub(super) fn is_pure(form: &Form) -> bool {
    let folds = registers(form).any(|(_, access)| access == Access::Accumulate);
    !folds && !form.is_hint() && !has_effect(form) && order(form) == Access::None
}
