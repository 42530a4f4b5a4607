//! Forms of the D pipe.

use super::{Form, Missing};
use crate::table::opcode;
use crate::{Comparison, DenseOp, Fold, K, NumberKind, Operand, Pipe, R, Reduction, TextMatch};

fn new<const N: usize>(opcode: u8, registers: [u8; N]) -> Form {
    Form::new(Pipe::Dense, opcode, registers)
}

/// `to <- left ? right`
fn numbers(opcode: u8, to: R, left: R, right: Operand) -> Form {
    new(opcode, [to.0, left.0]).operand(2, right)
}

fn masks(opcode: u8, to: K, left: K, right: K) -> Form {
    new(opcode, [to.0, left.0, right.0])
}

fn arithmetic(opcode: u8, to: R, kind: NumberKind, left: R, right: Operand) -> Form {
    numbers(opcode, to, left, right).function(kind as u8)
}

impl DenseOp {
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Nop => Form::nop(Pipe::Dense),
            Self::Mov { to, from } => new(opcode::DMOV, [to.0]).operand(1, from),
            Self::Add {
                to,
                kind,
                left,
                right,
            } => arithmetic(opcode::DADD, to, kind, left, right),
            Self::Sub {
                to,
                kind,
                left,
                right,
            } => arithmetic(opcode::DSUB, to, kind, left, right),
            Self::Mul {
                to,
                kind,
                left,
                right,
            } => arithmetic(opcode::DMUL, to, kind, left, right),
            Self::Fma {
                to,
                kind,
                left,
                right,
                addend,
            } => new(opcode::DFMA, [to.0, left.0, right.0])
                .function(kind as u8)
                .operand(3, addend),
            Self::And { to, left, right } => numbers(opcode::DAND, to, left, right),
            Self::Or { to, left, right } => numbers(opcode::DOR, to, left, right),
            Self::Xor { to, left, right } => numbers(opcode::DXOR, to, left, right),
            Self::MaskAnd { to, left, right } => masks(opcode::DKAND, to, left, right),
            Self::MaskOr { to, left, right } => masks(opcode::DKOR, to, left, right),
            Self::MaskNot { to, from } => new(opcode::DKNOT, [to.0, from.0]),
            Self::Sel {
                to,
                mask,
                left,
                right,
            } => new(opcode::DSEL, [to.0, mask.0, left.0]).operand(3, right),
            Self::Cmp {
                to,
                comparison,
                left,
                right,
            } => new(opcode::DCMP, [to.0, left.0])
                .function(comparison as u8)
                .operand(2, right),
            Self::Red {
                accumulator,
                fold,
                mask,
            } => new(opcode::DRED, [accumulator.0])
                .maybe(1, fold.source())
                .function(fold.reduction() as u8)
                .mask(mask),
            Self::Len { to, at, mask } => new(opcode::DLEN, [to.0, at.0]).mask(mask),
            Self::Hash {
                low,
                high,
                at,
                mask,
            } => new(opcode::DHASH, [low.0, high.0, at.0]).mask(mask),
            Self::Match {
                to,
                place,
                text,
                pattern,
                mask,
            } => new(opcode::DMATCH, [to.0, text.0])
                .function(place as u8)
                .constant(pattern)
                .mask(mask),
            Self::Dot {
                to,
                text,
                vector,
                mask,
            } => new(opcode::DDOT, [to.0, text.0])
                .constant(vector)
                .mask(mask),
            Self::HdBind { to, left, right } => {
                new(opcode::DHDBIND, [to.0, left.0]).text_operand(2, right)
            }
            Self::HdBund {
                to,
                left,
                middle,
                right,
            } => new(opcode::DHDBUND, [to.0, left.0, middle.0]).text_operand(3, right),
            Self::HdSim {
                to,
                left,
                right,
                mask,
            } => new(opcode::DHDSIM, [to.0, left.0])
                .text_operand(2, right)
                .mask(mask),
        }
    }

    /// The operation of a form whose opcode and function exist. Fields that it does not use are
    /// ignored: the caller finds them by comparing forms.
    pub(crate) fn from_form(form: &Form) -> Result<Self, Missing> {
        match form.opcode {
            opcode::NOP..=opcode::DCMP | opcode::DSUB..=opcode::DSEL => Self::of_numbers(form),
            _ => Self::of_lanes(form),
        }
    }

    /// What works on numbers and masks alone.
    fn of_numbers(form: &Form) -> Result<Self, Missing> {
        let number = |position| form.number(position);
        let lane_mask = |position| form.lane_mask(position);
        let kind = |form: &Form| NumberKind::ALL[usize::from(form.function)];
        Ok(match form.opcode {
            opcode::DMOV => Self::Mov {
                to: number(0)?,
                from: form.operand_at(1)?,
            },
            opcode::DADD => Self::Add {
                to: number(0)?,
                kind: kind(form),
                left: number(1)?,
                right: form.operand_at(2)?,
            },
            opcode::DSUB => Self::Sub {
                to: number(0)?,
                kind: kind(form),
                left: number(1)?,
                right: form.operand_at(2)?,
            },
            opcode::DMUL => Self::Mul {
                to: number(0)?,
                kind: kind(form),
                left: number(1)?,
                right: form.operand_at(2)?,
            },
            opcode::DFMA => Self::Fma {
                to: number(0)?,
                kind: kind(form),
                left: number(1)?,
                right: number(2)?,
                addend: form.operand_at(3)?,
            },
            opcode::DAND => Self::And {
                to: number(0)?,
                left: number(1)?,
                right: form.operand_at(2)?,
            },
            opcode::DOR => Self::Or {
                to: number(0)?,
                left: number(1)?,
                right: form.operand_at(2)?,
            },
            opcode::DXOR => Self::Xor {
                to: number(0)?,
                left: number(1)?,
                right: form.operand_at(2)?,
            },
            opcode::DKAND => Self::MaskAnd {
                to: lane_mask(0)?,
                left: lane_mask(1)?,
                right: lane_mask(2)?,
            },
            opcode::DKOR => Self::MaskOr {
                to: lane_mask(0)?,
                left: lane_mask(1)?,
                right: lane_mask(2)?,
            },
            opcode::DKNOT => Self::MaskNot {
                to: lane_mask(0)?,
                from: lane_mask(1)?,
            },
            opcode::DSEL => Self::Sel {
                to: number(0)?,
                mask: lane_mask(1)?,
                left: number(2)?,
                right: form.operand_at(3)?,
            },
            opcode::DCMP => Self::Cmp {
                to: lane_mask(0)?,
                comparison: Comparison::ALL[usize::from(form.function)],
                left: number(1)?,
                right: form.operand_at(2)?,
            },
            _ => Self::Nop,
        })
    }

    /// What takes a mask, and what works on texts.
    fn of_lanes(form: &Form) -> Result<Self, Missing> {
        let number = |position| form.number(position);
        let mask = form.mask_register();
        Ok(match form.opcode {
            opcode::DRED => Self::Red {
                accumulator: number(0)?,
                fold: fold(form)?,
                mask,
            },
            opcode::DLEN => Self::Len {
                to: number(0)?,
                at: form.place(1)?,
                mask,
            },
            opcode::DHASH => Self::Hash {
                low: number(0)?,
                high: number(1)?,
                at: form.place(2)?,
                mask,
            },
            opcode::DMATCH => Self::Match {
                to: form.lane_mask(0)?,
                place: TextMatch::ALL[usize::from(form.function)],
                text: form.text(1)?,
                pattern: form.constant_id()?,
                mask,
            },
            opcode::DDOT => Self::Dot {
                to: number(0)?,
                text: form.text(1)?,
                vector: form.constant_id()?,
                mask,
            },
            opcode::DHDBIND => Self::HdBind {
                to: form.text(0)?,
                left: form.text(1)?,
                right: form.text_operand_at(2)?,
            },
            opcode::DHDBUND => Self::HdBund {
                to: form.text(0)?,
                left: form.text(1)?,
                middle: form.text(2)?,
                right: form.text_operand_at(3)?,
            },
            opcode::DHDSIM => Self::HdSim {
                to: number(0)?,
                left: form.text(1)?,
                right: form.text_operand_at(2)?,
                mask,
            },
            _ => Self::Nop,
        })
    }
}

fn fold(form: &Form) -> Result<Fold, Missing> {
    Ok(match Reduction::ALL[usize::from(form.function)] {
        Reduction::Sum => Fold::Sum(form.number(1)?),
        Reduction::Min => Fold::Min(form.number(1)?),
        Reduction::Max => Fold::Max(form.number(1)?),
        Reduction::Count => Fold::Count,
        Reduction::FMin => Fold::FMin(form.number(1)?),
        Reduction::FMax => Fold::FMax(form.number(1)?),
    })
}
