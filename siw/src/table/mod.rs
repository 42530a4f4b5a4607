//! What is known of each operation, in one table.
//!
//! A row of the table says which operands an operation has, of which class, whether it reads or
//! writes them, and in which parts of a stream it may be. The dependencies, the validator and the
//! text of a stream are derived from it.

mod coordination;
mod dense;
pub(crate) mod opcode;
mod sparse;

pub use coordination::COORDINATION;
pub use dense::DENSE;
pub use sparse::SPARSE;

use crate::constant::ConstantKind;
use crate::lanes::LaneKind;
use crate::register::RegisterClass;
use crate::word::Pipe;
use crate::{Part, Word};

/// Everything about an operation that does not depend on its operands.
#[derive(Debug)]
pub struct Description {
    /// Its name in the text of a stream.
    pub mnemonic: &'static str,
    /// The pipe that runs it.
    pub pipe: Pipe,
    /// Its number in the binary form, which is its position among the rows of its pipe.
    pub opcode: u8,
    /// What it does, in a line.
    pub doc: &'static str,
    /// Where it may be.
    pub parts: &'static [Part],
    /// The names of its functions (how to compare, which dimension), indexed by their code. Empty
    /// when it has only one.
    pub functions: &'static [&'static str],
    /// Its registers, in the order of the text.
    pub registers: &'static [RegisterOperand],
    /// The kind of constant it takes, always or instead of a register.
    pub constant: Option<ConstantKind>,
    /// Of a constant that is lanes, the kinds it takes.
    pub lanes: &'static [LaneKind],
    /// Whether it can be given a mask.
    pub masked: bool,
    /// What it has to do with the writes to the phext.
    pub(crate) phext: Access,
    /// What it has to do with the messages on their way to the sink and to other sentrons.
    pub(crate) mail: Access,
}

/// A register operand of an operation.
#[derive(Debug)]
pub struct RegisterOperand {
    /// Its name, shown when the operand may be absent.
    pub name: &'static str,
    /// The class of the register.
    pub class: RegisterClass,
    /// Whether the operation reads it, writes it, or both.
    pub access: Access,
    /// Whether it may be absent.
    pub optional: bool,
    /// Whether it is refused in `last`, where there are no lanes.
    pub lanes_only: bool,
}

/// What an operation does to a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    None,
    /// It needs the value.
    Read,
    /// It replaces the value.
    Write,
    /// It needs the value and replaces it: an accumulator.
    Accumulate,
}

impl Access {
    pub(crate) const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Accumulate)
    }

    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Accumulate)
    }
}

const ANYWHERE: &[Part] = &[Part::Once, Part::Each, Part::Last];
const EACH: &[Part] = &[Part::Each];
const EACH_LAST: &[Part] = &[Part::Each, Part::Last];
const ONCE_LAST: &[Part] = &[Part::Once, Part::Last];
const LAST: &[Part] = &[Part::Last];

/// The names of [`crate::Reduction::ALL`].
const REDUCTIONS: &[&str] = &["sum", "min", "max", "count", "fmin", "fmax"];

const NUMBER: RegisterClass = RegisterClass::Number;
const PLACE: RegisterClass = RegisterClass::Place;
const TEXT: RegisterClass = RegisterClass::Text;
const MESSAGE: RegisterClass = RegisterClass::Message;
const MASK: RegisterClass = RegisterClass::Mask;

const fn read(class: RegisterClass) -> RegisterOperand {
    RegisterOperand {
        name: "",
        class,
        access: Access::Read,
        optional: false,
        lanes_only: false,
    }
}

const fn write(class: RegisterClass) -> RegisterOperand {
    RegisterOperand {
        access: Access::Write,
        ..read(class)
    }
}

const fn accumulate(class: RegisterClass) -> RegisterOperand {
    RegisterOperand {
        access: Access::Accumulate,
        ..read(class)
    }
}

/// A register that may be absent, in whose place a constant or nothing stands.
const fn perhaps(class: RegisterClass) -> RegisterOperand {
    RegisterOperand {
        optional: true,
        ..read(class)
    }
}

/// A field of a row.
const fn field(name: &'static str, class: RegisterClass, lanes_only: bool) -> RegisterOperand {
    RegisterOperand {
        name,
        lanes_only,
        ..perhaps(class)
    }
}

/// What the rows of the tables are changed from.
const fn row(pipe: Pipe, opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    Description {
        mnemonic,
        pipe,
        opcode,
        doc,
        parts: EACH,
        functions: &[],
        registers: &[],
        constant: None,
        lanes: &[],
        masked: false,
        phext: Access::None,
        mail: Access::None,
    }
}

/// The operations of a pipe, indexed by opcode.
pub fn operations(pipe: Pipe) -> &'static [Description] {
    match pipe {
        Pipe::Dense => &DENSE,
        Pipe::Sparse => &SPARSE,
        Pipe::Coordination => &COORDINATION,
    }
}

/// The descriptions of the operations of a word, in the order of [`Pipe::ALL`].
pub fn describe(word: &Word) -> [&'static Description; 3] {
    word.forms().map(|form| form.description())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::REGISTERS;
    use crate::{
        Comparison, Destination, Level, NumberKind, Ranking, Reduction, TallyKey, TextMatch,
    };

    #[test]
    fn opcodes_are_positions() {
        for pipe in Pipe::ALL {
            for (position, description) in operations(pipe).iter().enumerate() {
                assert_eq!(usize::from(description.opcode), position, "{description:?}");
                assert_eq!(description.pipe, pipe, "{description:?}");
                assert!(description.mnemonic.starts_with(&pipe.to_string()));
                assert!(description.registers.len() <= REGISTERS);
                assert!(!description.parts.is_empty() && !description.doc.is_empty());
                let is_lanes = description.constant == Some(ConstantKind::Lanes);
                assert_eq!(is_lanes, !description.lanes.is_empty(), "{description:?}");
            }
        }
    }

    #[test]
    fn functions_are_named() {
        let check = |pipe, opcode: u8, functions: usize| {
            let description = &operations(pipe)[usize::from(opcode)];
            assert_eq!(description.functions.len(), functions, "{description:?}");
        };
        for opcode in [opcode::DADD, opcode::DSUB, opcode::DMUL, opcode::DFMA] {
            check(Pipe::Dense, opcode, NumberKind::ALL.len());
        }
        check(Pipe::Dense, opcode::DCMP, Comparison::ALL.len());
        check(Pipe::Dense, opcode::DRED, Reduction::ALL.len());
        check(Pipe::Dense, opcode::DMATCH, TextMatch::ALL.len());
        check(Pipe::Sparse, opcode::SPREFCH, Level::ALL.len());
        check(Pipe::Coordination, opcode::CSEND, Destination::ALL.len());
        check(Pipe::Coordination, opcode::CREDUCE, Reduction::ALL.len());
        check(Pipe::Coordination, opcode::CTOP, Ranking::ALL.len());
    }

    #[test]
    fn keys_of_a_tally_are_named() {
        let functions = COORDINATION[usize::from(opcode::CTALLY)].functions;
        for (code, name) in (0..).zip(functions) {
            let key = TallyKey::of_code(code);
            assert_eq!(key.code(), code);
            let expected = match key {
                TallyKey::Leading(count) => format!("leading{count}"),
                TallyKey::Component(dimension) => {
                    let names = phext_storage::coordinate::DIMENSION_NAMES;
                    names[usize::from(dimension)].to_owned()
                }
            };
            assert_eq!(*name, expected);
        }
        for none in [
            TallyKey::Leading(0),
            TallyKey::Leading(10),
            TallyKey::Component(9),
        ] {
            assert!(usize::from(none.code()) >= functions.len(), "{none:?}");
        }
    }
}
