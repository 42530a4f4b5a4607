//! Forms of the C pipe.

use super::{Form, Missing};
use crate::table::opcode;
use crate::{CoordinationOp, Destination, P, Pipe, R, Ranking, Reduction, Row, T, TallyKey};

fn new<const N: usize>(opcode: u8, registers: [u8; N]) -> Form {
    Form::new(Pipe::Coordination, opcode, registers)
}

impl CoordinationOp {
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Nop => Form::nop(Pipe::Coordination),
            Self::Pack { to, row } => Form {
                registers: [
                    Some(to.0),
                    row.coordinate.map(|register| register.0),
                    row.text.map(|register| register.0),
                    row.length.map(|register| register.0),
                    row.checksum.map(|(low, _)| low.0),
                    row.checksum.map(|(_, high)| high.0),
                    row.number.map(|register| register.0),
                ],
                ..new(opcode::CPACK, [])
            },
            Self::Send { to, from, mask } => {
                new(opcode::CSEND, [from.0]).function(to as u8).mask(mask)
            }
            Self::Reduce {
                accumulator,
                reduction,
            } => new(opcode::CREDUCE, [accumulator.0]).function(reduction as u8),
            Self::Recv { to } => new(opcode::CRECV, [to.0]),
            Self::Bar => new(opcode::CBAR, []),
            Self::Cast { message } => new(opcode::CCAST, [message.0]),
            Self::Merge { message } => new(opcode::CMERGE, [message.0]),
            Self::Top {
                accumulator,
                ranking,
                at,
                by,
                count,
                mask,
            } => new(opcode::CTOP, [accumulator.0, at.0, by.0])
                .function(ranking as u8)
                .constant(count)
                .mask(mask),
            Self::Tally {
                accumulator,
                key,
                at,
                value,
                mask,
            } => new(opcode::CTALLY, [accumulator.0, at.0])
                .function(key.code())
                .maybe(2, value)
                .mask(mask),
            Self::Fence => new(opcode::CFENCE, []),
            Self::Dot {
                accumulator,
                at,
                text,
                queries,
                mask,
            } => new(opcode::CDOT, [accumulator.0, at.0, text.0])
                .constant(queries)
                .mask(mask),
        }
    }

    /// As [`crate::DenseOp::from_form`].
    pub(crate) fn from_form(form: &Form) -> Result<Self, Missing> {
        let function = usize::from(form.function);
        let mask = form.mask_register();
        Ok(match form.opcode {
            opcode::CPACK => Self::Pack {
                to: form.message(0)?,
                row: row(form),
            },
            opcode::CSEND => Self::Send {
                to: Destination::ALL[function],
                from: form.message(0)?,
                mask,
            },
            opcode::CREDUCE => Self::Reduce {
                accumulator: form.number(0)?,
                reduction: Reduction::ALL[function],
            },
            opcode::CRECV => Self::Recv {
                to: form.message(0)?,
            },
            opcode::CBAR => Self::Bar,
            opcode::CCAST => Self::Cast {
                message: form.message(0)?,
            },
            opcode::CMERGE => Self::Merge {
                message: form.message(0)?,
            },
            opcode::CTOP => Self::Top {
                accumulator: form.message(0)?,
                ranking: Ranking::ALL[function],
                at: form.place(1)?,
                by: form.number(2)?,
                count: form.constant_id()?,
                mask,
            },
            opcode::CTALLY => Self::Tally {
                accumulator: form.message(0)?,
                key: TallyKey::of_code(form.function),
                at: form.place(1)?,
                value: form.registers[2].map(R),
                mask,
            },
            opcode::CFENCE => Self::Fence,
            opcode::CDOT => Self::Dot {
                accumulator: form.message(0)?,
                at: form.place(1)?,
                text: form.text(2)?,
                queries: form.constant_id()?,
                mask,
            },
            _ => Self::Nop,
        })
    }
}

fn row(form: &Form) -> Row {
    let field = |position: usize| form.registers[position];
    Row {
        coordinate: field(1).map(P),
        text: field(2).map(T),
        length: field(3).map(R),
        checksum: field(4).zip(field(5)).map(|(low, high)| (R(low), R(high))),
        number: field(6).map(R),
    }
}
