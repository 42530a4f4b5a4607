//! The operations of the S pipe.

use super::{
    ANYWHERE, Access, Description, EACH_LAST, MASK, NUMBER, PLACE, RegisterOperand, TEXT, opcode,
    perhaps, read, row, write,
};
use crate::constant::ConstantKind;
use crate::lanes::LaneKind;
use crate::word::Pipe;
use phext_storage::coordinate::DIMENSION_NAMES;

const EXTENTS: &[&str] = &["whole", "bytes", "lines"];
/// The names of [`crate::Level::ALL`].
const LEVELS: &[&str] = &["record", "text"];
const SCATTERS: &[&str] = &["put", "append", "delete"];

const BATCH: &[RegisterOperand] = &[write(PLACE)];

const fn sparse(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    row(Pipe::Sparse, opcode, mnemonic, doc)
}

/// What finds the lanes of a batch.
const fn batches(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    Description {
        registers: BATCH,
        constant: Some(ConstantKind::Lanes),
        ..sparse(opcode, mnemonic, doc)
    }
}

/// The operations of the S pipe, indexed by opcode.
pub static SPARSE: [Description; 11] = [
    Description {
        parts: ANYWHERE,
        ..sparse(opcode::NOP, "SNOP", "nothing")
    },
    Description {
        lanes: &[
            LaneKind::All,
            LaneKind::Range,
            LaneKind::Points,
            LaneKind::Union,
        ],
        ..batches(opcode::SLANES, "SLANES", "next batch of lanes")
    },
    Description {
        functions: &DIMENSION_NAMES,
        registers: &[write(NUMBER), read(PLACE)],
        ..sparse(opcode::SINDEX, "SINDEX", "component of the coordinate")
    },
    Description {
        functions: EXTENTS,
        registers: &[write(TEXT), read(PLACE), perhaps(NUMBER), perhaps(NUMBER)],
        masked: true,
        ..sparse(
            opcode::SGATHER,
            "SGATHER",
            "text of the scroll, or a part of it",
        )
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
    Description {
        lanes: &[LaneKind::Region],
        ..batches(
            opcode::SASSOC,
            "SASSOC",
            "next batch of a partial coordinate's scrolls",
        )
    },
    Description {
        lanes: &[LaneKind::Nearest],
        ..batches(
            opcode::SNEIGHBR,
            "SNEIGHBR",
            "next batch of the nearest scrolls",
        )
    },
    Description {
        registers: &[write(MASK), read(PLACE)],
        constant: Some(ConstantKind::Lanes),
        lanes: &[LaneKind::All, LaneKind::Range, LaneKind::Region],
        ..sparse(
            opcode::STEST,
            "STEST",
            "coordinates that lie in a range or region",
        )
    },
    Description {
        registers: &[write(NUMBER), read(PLACE)],
        constant: Some(ConstantKind::Lanes),
        lanes: &[LaneKind::Nearest],
        ..sparse(opcode::SDIST, "SDIST", "distance of the coordinate")
    },
];
