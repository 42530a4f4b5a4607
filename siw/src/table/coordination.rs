//! The operations of the C pipe.

use super::{
    ANYWHERE, Access, Description, EACH_LAST, LAST, MESSAGE, NUMBER, ONCE_LAST, PLACE, REDUCTIONS,
    TEXT, accumulate, field, opcode, perhaps, read, row, write,
};
use crate::constant::ConstantKind;
use crate::word::Pipe;

/// The names of [`crate::Destination::ALL`].
const DESTINATIONS: &[&str] = &["sink", "xp", "xm", "yp", "ym", "zp", "zm"];
/// The names of [`crate::Ranking::ALL`].
const RANKINGS: &[&str] = &["least", "greatest", "fleast", "fgreatest"];
/// The names of the keys of CTALLY, by [`crate::TallyKey::code`].
const KEYS: &[&str] = &[
    "leading1",
    "leading2",
    "leading3",
    "leading4",
    "leading5",
    "leading6",
    "leading7",
    "leading8",
    "leading9",
    "library",
    "shelf",
    "series",
    "collection",
    "volume",
    "book",
    "chapter",
    "section",
    "scroll",
];

const fn coordination(opcode: u8, mnemonic: &'static str, doc: &'static str) -> Description {
    row(Pipe::Coordination, opcode, mnemonic, doc)
}

/// The operations of the C pipe, indexed by opcode.
pub static COORDINATION: [Description; 12] = [
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
        functions: DESTINATIONS,
        registers: &[read(MESSAGE)],
        masked: true,
        // Rows arrive in the order sent, so that each needs those before.
        mail: Access::Accumulate,
        ..coordination(
            opcode::CSEND,
            "CSEND",
            "send rows to the sink or a neighbour",
        )
    },
    Description {
        parts: LAST,
        functions: REDUCTIONS,
        registers: &[accumulate(NUMBER)],
        ..coordination(opcode::CREDUCE, "CREDUCE", "reduce over the group")
    },
    Description {
        parts: LAST,
        registers: &[write(MESSAGE)],
        // What is received once is not received again.
        mail: Access::Accumulate,
        ..coordination(opcode::CRECV, "CRECV", "rows that neighbours sent")
    },
    Description {
        parts: ONCE_LAST,
        mail: Access::Accumulate,
        ..coordination(opcode::CBAR, "CBAR", "barrier of the group")
    },
    Description {
        parts: LAST,
        registers: &[accumulate(MESSAGE)],
        ..coordination(opcode::CCAST, "CCAST", "sentron 0's message to all")
    },
    Description {
        parts: LAST,
        registers: &[accumulate(MESSAGE)],
        ..coordination(
            opcode::CMERGE,
            "CMERGE",
            "all messages to sentron 0, in order",
        )
    },
    Description {
        functions: RANKINGS,
        registers: &[accumulate(MESSAGE), read(PLACE), read(NUMBER)],
        constant: Some(ConstantKind::Number),
        masked: true,
        ..coordination(opcode::CTOP, "CTOP", "keep the best rows")
    },
    Description {
        functions: KEYS,
        registers: &[accumulate(MESSAGE), read(PLACE), perhaps(NUMBER)],
        masked: true,
        ..coordination(
            opcode::CTALLY,
            "CTALLY",
            "a row for each key: count, sum, least, greatest",
        )
    },
    Description {
        parts: EACH_LAST,
        mail: Access::Accumulate,
        ..coordination(opcode::CFENCE, "CFENCE", "pass on what the sink has")
    },
    Description {
        registers: &[accumulate(MESSAGE), read(PLACE), read(TEXT)],
        constant: Some(ConstantKind::Queries),
        masked: true,
        ..coordination(
            opcode::CDOT,
            "CDOT",
            "keep the rows closest to each of several q7 vectors",
        )
    },
];
