//! Forms of the S pipe.

use super::{Form, Missing};
use crate::table::opcode;
use crate::{Extent, Level, Pipe, Scatter, SparseOp};

/// Codes of the functions of SSCATTR.
const PUT: u8 = 0;
const APPEND: u8 = 1;
const DELETE: u8 = 2;

/// Codes of the functions of SGATHER.
const WHOLE: u8 = 0;
const BYTES: u8 = 1;
const LINES: u8 = 2;

fn new<const N: usize>(opcode: u8, registers: [u8; N]) -> Form {
    Form::new(Pipe::Sparse, opcode, registers)
}

impl SparseOp {
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Nop => Form::nop(Pipe::Sparse),
            Self::Lanes { to, lanes } => new(opcode::SLANES, [to.0]).constant(lanes),
            Self::Assoc { to, lanes } => new(opcode::SASSOC, [to.0]).constant(lanes),
            Self::Neighbr { to, lanes } => new(opcode::SNEIGHBR, [to.0]).constant(lanes),
            Self::Test { to, at, lanes } => new(opcode::STEST, [to.0, at.0]).constant(lanes),
            Self::Dist { to, at, lanes } => new(opcode::SDIST, [to.0, at.0]).constant(lanes),
            Self::Index { to, dimension, at } => {
                new(opcode::SINDEX, [to.0, at.0]).function(dimension)
            }
            Self::Gather {
                to,
                extent,
                at,
                mask,
            } => {
                let form = new(opcode::SGATHER, [to.0, at.0]).mask(mask);
                match extent {
                    Extent::Whole => form.function(WHOLE),
                    Extent::Bytes { from, count } => {
                        let form = form.function(BYTES).maybe(2, Some(from));
                        form.maybe(3, Some(count))
                    }
                    Extent::Lines { from, count } => {
                        let form = form.function(LINES).maybe(2, Some(from));
                        form.maybe(3, Some(count))
                    }
                }
            }
            Self::Scattr { at, scatter, mask } => {
                let form = new(opcode::SSCATTR, [at.0]).mask(mask);
                match scatter {
                    Scatter::Put(texts) => form.function(PUT).constant(texts),
                    Scatter::Append(texts) => form.function(APPEND).constant(texts),
                    Scatter::Delete => form.function(DELETE),
                }
            }
            Self::Prefch { at, level } => new(opcode::SPREFCH, [at.0]).function(level as u8),
            Self::Flush => new(opcode::SFLUSH, []),
        }
    }

    /// As [`crate::DenseOp::from_form`].
    pub(crate) fn from_form(form: &Form) -> Result<Self, Missing> {
        let place = |position| form.place(position);
        let mask = form.mask_register();
        Ok(match form.opcode {
            opcode::SLANES => Self::Lanes {
                to: place(0)?,
                lanes: form.constant_id()?,
            },
            opcode::SASSOC => Self::Assoc {
                to: place(0)?,
                lanes: form.constant_id()?,
            },
            opcode::SNEIGHBR => Self::Neighbr {
                to: place(0)?,
                lanes: form.constant_id()?,
            },
            opcode::STEST => Self::Test {
                to: form.lane_mask(0)?,
                at: place(1)?,
                lanes: form.constant_id()?,
            },
            opcode::SDIST => Self::Dist {
                to: form.number(0)?,
                at: place(1)?,
                lanes: form.constant_id()?,
            },
            opcode::SINDEX => Self::Index {
                to: form.number(0)?,
                dimension: form.function,
                at: place(1)?,
            },
            opcode::SGATHER => Self::Gather {
                to: form.text(0)?,
                extent: extent(form)?,
                at: place(1)?,
                mask,
            },
            opcode::SSCATTR => Self::Scattr {
                at: place(0)?,
                scatter: match form.function {
                    PUT => Scatter::Put(form.constant_id()?),
                    APPEND => Scatter::Append(form.constant_id()?),
                    _ => Scatter::Delete,
                },
                mask,
            },
            opcode::SPREFCH => Self::Prefch {
                at: place(0)?,
                level: Level::ALL[usize::from(form.function)],
            },
            opcode::SFLUSH => Self::Flush,
            _ => Self::Nop,
        })
    }
}

fn extent(form: &Form) -> Result<Extent, Missing> {
    let number = |position| form.number(position);
    Ok(match form.function {
        WHOLE => Extent::Whole,
        BYTES => Extent::Bytes {
            from: number(2)?,
            count: number(3)?,
        },
        _ => Extent::Lines {
            from: number(2)?,
            count: number(3)?,
        },
    })
}
