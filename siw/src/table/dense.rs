//! The operations of the D pipe.

use super::{
    ANYWHERE, Description, EACH_LAST, MASK, NUMBER, PLACE, REDUCTIONS, RegisterOperand, TEXT,
    accumulate, opcode, perhaps, read, row, write,
};
use crate::constant::ConstantKind;
use crate::word::Pipe;

/// The names of [`crate::NumberKind::ALL`].
const KINDS: &[&str] = &["u64", "f64"];
/// The names of [`crate::Comparison::ALL`].
const COMPARISONS: &[&str] = &[
    "eq", "ne", "lt", "le", "gt", "ge", "feq", "fne", "flt", "fle", "fgt", "fge",
];
/// The names of [`crate::TextMatch::ALL`].
const MATCHES: &[&str] = &["contains", "starts"];

const NUMBERS: &[RegisterOperand] = &[write(NUMBER), read(NUMBER), perhaps(NUMBER)];
const MASKS: &[RegisterOperand] = &[write(MASK), read(MASK), read(MASK)];

const fn dense(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    row(Pipe::Dense, opcode, mnemonic, doc)
}

/// `to`, `left`, and a register or a number.
const fn numbers(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    Description {
        parts: EACH_LAST,
        registers: NUMBERS,
        constant: Some(ConstantKind::Number),
        ..dense(opcode, mnemonic, doc)
    }
}

const fn arithmetic(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    Description {
        functions: KINDS,
        ..numbers(opcode, mnemonic, doc)
    }
}

const fn masks(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    Description {
        registers: MASKS,
        ..dense(opcode, mnemonic, doc)
    }
}

/// The operations of the D pipe, indexed by opcode.
pub static DENSE: [Description; 22] = [
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
    arithmetic(opcode::DADD, "DADD", "add"),
    Description {
        functions: COMPARISONS,
        registers: &[write(MASK), read(NUMBER), perhaps(NUMBER)],
        constant: Some(ConstantKind::Number),
        ..dense(opcode::DCMP, "DCMP", "compare numbers to a mask")
    },
    Description {
        functions: REDUCTIONS,
        registers: &[accumulate(NUMBER), perhaps(NUMBER)],
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
    arithmetic(opcode::DSUB, "DSUB", "subtract"),
    arithmetic(opcode::DMUL, "DMUL", "multiply"),
    Description {
        registers: &[write(NUMBER), read(NUMBER), read(NUMBER), perhaps(NUMBER)],
        ..arithmetic(opcode::DFMA, "DFMA", "multiply and add, rounded once")
    },
    numbers(opcode::DAND, "DAND", "and, bit by bit"),
    numbers(opcode::DOR, "DOR", "or, bit by bit"),
    numbers(opcode::DXOR, "DXOR", "exclusive or, bit by bit"),
    masks(opcode::DKAND, "DKAND", "lanes of both masks"),
    masks(opcode::DKOR, "DKOR", "lanes of either mask"),
    Description {
        registers: &[write(MASK), read(MASK)],
        ..dense(opcode::DKNOT, "DKNOT", "lanes not of the mask")
    },
    Description {
        registers: &[write(NUMBER), read(MASK), read(NUMBER), perhaps(NUMBER)],
        constant: Some(ConstantKind::Number),
        ..dense(opcode::DSEL, "DSEL", "one number or another, by the mask")
    },
    Description {
        functions: MATCHES,
        registers: &[write(MASK), read(TEXT)],
        constant: Some(ConstantKind::Text),
        masked: true,
        ..dense(opcode::DMATCH, "DMATCH", "texts that hold the pattern")
    },
    Description {
        registers: &[write(NUMBER), read(TEXT)],
        constant: Some(ConstantKind::Text),
        masked: true,
        ..dense(opcode::DDOT, "DDOT", "dot product of two q7 vectors")
    },
    Description {
        registers: &[write(TEXT), read(TEXT), perhaps(TEXT)],
        constant: Some(ConstantKind::Text),
        ..dense(opcode::DHDBIND, "DHDBIND", "exclusive or of hypervectors")
    },
    Description {
        registers: &[write(TEXT), read(TEXT), read(TEXT), perhaps(TEXT)],
        constant: Some(ConstantKind::Text),
        ..dense(opcode::DHDBUND, "DHDBUND", "majority of three hypervectors")
    },
    Description {
        registers: &[write(NUMBER), read(TEXT), perhaps(TEXT)],
        constant: Some(ConstantKind::Text),
        masked: true,
        ..dense(opcode::DHDSIM, "DHDSIM", "equal bits of two hypervectors")
    },
];
