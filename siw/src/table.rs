//! What is known of each operation, in one table.
//!
//! A row of the table says which operands an operation has, of which class, whether it reads or
//! writes them, and in which parts of a stream it may be. The dependencies, the validator and the
//! text of a stream are derived from it.

use crate::constant::ConstantKind;
use crate::register::RegisterClass;
use crate::word::Pipe;
use crate::{Part, Word};
use phext_storage::coordinate::DIMENSION_NAMES;

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
    /// Whether it can be given a mask.
    pub masked: bool,
    /// What it has to do with the writes to the phext.
    pub(crate) phext: Access,
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

/// The opcodes, which are positions in the tables below.
pub(crate) mod opcode {
    pub(crate) const NOP: u8 = 0;

    pub(crate) const DMOV: u8 = 1;
    pub(crate) const DADD: u8 = 2;
    pub(crate) const DCMP: u8 = 3;
    pub(crate) const DRED: u8 = 4;
    pub(crate) const DLEN: u8 = 5;
    pub(crate) const DHASH: u8 = 6;

    pub(crate) const SLANES: u8 = 1;
    pub(crate) const SINDEX: u8 = 2;
    pub(crate) const SGATHER: u8 = 3;
    pub(crate) const SSCATTR: u8 = 4;
    pub(crate) const SPREFCH: u8 = 5;
    pub(crate) const SFLUSH: u8 = 6;

    pub(crate) const CPACK: u8 = 1;
    pub(crate) const CSEND: u8 = 2;
    pub(crate) const CREDUCE: u8 = 3;
}

const ANYWHERE: &[Part] = &[Part::Once, Part::Each, Part::Last];
const EACH: &[Part] = &[Part::Each];
const EACH_LAST: &[Part] = &[Part::Each, Part::Last];
const LAST: &[Part] = &[Part::Last];

const COMPARISONS: &[&str] = &["eq", "ne", "lt", "le", "gt", "ge"];
const REDUCTIONS: &[&str] = &["sum", "min", "max", "count"];
const LEVELS: &[&str] = &["record", "text"];
const SCATTERS: &[&str] = &["put", "append", "delete"];

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

const ACCUMULATOR: RegisterOperand = RegisterOperand {
    access: Access::Accumulate,
    ..read(NUMBER)
};

const NUMBER: RegisterClass = RegisterClass::Number;
const PLACE: RegisterClass = RegisterClass::Place;
const TEXT: RegisterClass = RegisterClass::Text;
const MESSAGE: RegisterClass = RegisterClass::Message;
const MASK: RegisterClass = RegisterClass::Mask;

/// What the rows below are changed from.
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
        masked: false,
        phext: Access::None,
    }
}

const fn dense(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    row(Pipe::Dense, opcode, mnemonic, doc)
}

const fn sparse(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    row(Pipe::Sparse, opcode, mnemonic, doc)
}

const fn coordination(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    row(Pipe::Coordination, opcode, mnemonic, doc)
}

/// The operations of the D pipe, indexed by opcode.
pub static DENSE: [Description; 7] = [
    Description {
        parts: ANYWHERE,
        ..dense(opcode::NOP, "DNOP", "nothing")
    },
    Description {
        parts: ANYWHERE,
        registers: &[write(NUMBER), perhaps(NUMBER)],
        constant: Some(ConstantKind::Number),
        ..dense(opcode::DMOV, "DMOV", "copy a register or a number")
    },
    Description {
        parts: EACH_LAST,
        registers: &[write(NUMBER), read(NUMBER), perhaps(NUMBER)],
        constant: Some(ConstantKind::Number),
        ..dense(opcode::DADD, "DADD", "add, wrapping at 2^64")
    },
    Description {
        functions: COMPARISONS,
        registers: &[write(MASK), read(NUMBER), perhaps(NUMBER)],
        constant: Some(ConstantKind::Number),
        ..dense(opcode::DCMP, "DCMP", "compare unsigned numbers to a mask")
    },
    Description {
        functions: REDUCTIONS,
        registers: &[ACCUMULATOR, perhaps(NUMBER)],
        masked: true,
        ..dense(opcode::DRED, "DRED", "fold active lanes into a scalar")
    },
    Description {
        registers: &[write(NUMBER), read(PLACE)],
        masked: true,
        ..dense(opcode::DLEN, "DLEN", "length in bytes of the text")
    },
    Description {
        registers: &[write(NUMBER), write(NUMBER), read(PLACE)],
        masked: true,
        ..dense(opcode::DHASH, "DHASH", "XXH3-128 of the text, low and high")
    },
];

/// The operations of the S pipe, indexed by opcode.
pub static SPARSE: [Description; 7] = [
    Description {
        parts: ANYWHERE,
        ..sparse(opcode::NOP, "SNOP", "nothing")
    },
    Description {
        registers: &[write(PLACE)],
        constant: Some(ConstantKind::Lanes),
        ..sparse(opcode::SLANES, "SLANES", "next batch of lanes")
    },
    Description {
        functions: &DIMENSION_NAMES,
        registers: &[write(NUMBER), read(PLACE)],
        ..sparse(opcode::SINDEX, "SINDEX", "component of the coordinate")
    },
    Description {
        registers: &[write(TEXT), read(PLACE)],
        masked: true,
        ..sparse(opcode::SGATHER, "SGATHER", "text of the scroll")
    },
    Description {
        functions: SCATTERS,
        registers: &[read(PLACE)],
        constant: Some(ConstantKind::Texts),
        masked: true,
        // Writes apply in order, so that each needs the one before.
        phext: Access::Accumulate,
        ..sparse(opcode::SSCATTR, "SSCATTR", "put, append or delete a scroll")
    },
    Description {
        functions: LEVELS,
        registers: &[read(PLACE)],
        ..sparse(opcode::SPREFCH, "SPREFCH", "hint: needed soon")
    },
    Description {
        parts: EACH_LAST,
        phext: Access::Read,
        ..sparse(opcode::SFLUSH, "SFLUSH", "wait until writes are durable")
    },
];

/// The operations of the C pipe, indexed by opcode.
pub static COORDINATION: [Description; 4] = [
    Description {
        parts: ANYWHERE,
        ..coordination(opcode::NOP, "CNOP", "nothing")
    },
    Description {
        parts: EACH_LAST,
        registers: &[
            write(MESSAGE),
            field("coordinate", PLACE, true),
            field("text", TEXT, true),
            field("length", NUMBER, true),
            field("checksum_low", NUMBER, true),
            field("checksum_high", NUMBER, true),
            field("number", NUMBER, false),
        ],
        ..coordination(opcode::CPACK, "CPACK", "build a row")
    },
    Description {
        parts: EACH_LAST,
        registers: &[read(MESSAGE)],
        masked: true,
        ..coordination(opcode::CSEND, "CSEND", "send rows to the result sink")
    },
    Description {
        parts: LAST,
        functions: REDUCTIONS,
        registers: &[ACCUMULATOR],
        ..coordination(opcode::CREDUCE, "CREDUCE", "reduce over the group")
    },
];

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
    use crate::{Comparison, Level, Reduction};

    #[test]
    fn opcodes_are_positions() {
        for pipe in Pipe::ALL {
            for (position, description) in operations(pipe).iter().enumerate() {
                assert_eq!(usize::from(description.opcode), position, "{description:?}");
                assert_eq!(description.pipe, pipe, "{description:?}");
                assert!(description.mnemonic.starts_with(&pipe.to_string()));
                assert!(description.registers.len() <= REGISTERS);
                assert!(!description.parts.is_empty() && !description.doc.is_empty());
            }
        }
    }

    #[test]
    fn functions_are_named() {
        assert_eq!(COMPARISONS.len(), Comparison::ALL.len());
        assert_eq!(REDUCTIONS.len(), Reduction::ALL.len());
        assert_eq!(LEVELS.len(), Level::ALL.len());
    }
}
