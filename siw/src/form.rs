//! The uniform shape of operations: an opcode, a function, registers, a constant and a mask.
//!
//! Whoever runs a stream matches on the enums of [`crate::operation`]. Whoever treats all
//! operations alike (encoding, dependencies, validator, text) uses this shape with the rows of
//! [`crate::table`].

use crate::register::{Register, RegisterClass, RegisterSet};
use crate::table::{self, Access, Description, RegisterOperand, opcode};
use crate::{
    Comparison, ConstantId, CoordinationOp, DenseOp, Fold, K, Level, M, Operand, P, Pipe, R,
    Reduction, Row, Scatter, SparseOp, T,
};

/// Most register operands of an operation, its mask not among them.
pub(crate) const REGISTERS: usize = 7;

/// An operation of any pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) pipe: Pipe,
    pub(crate) opcode: u8,
    /// The code of the function; 0 when the operation has only one.
    pub(crate) function: u8,
    pub(crate) mask: Option<u8>,
    /// The numbers of the registers, in the order of [`Description::registers`].
    pub(crate) registers: [Option<u8>; REGISTERS],
    pub(crate) constant: Option<u16>,
}

/// An operand that the operation cannot do without is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The register operand at this position.
    Register(usize),
    Constant,
}

impl Form {
    pub(crate) const fn nop(pipe: Pipe) -> Self {
        Self {
            pipe,
            opcode: opcode::NOP,
            function: 0,
            mask: None,
            registers: [None; REGISTERS],
            constant: None,
        }
    }

    fn new<const N: usize>(pipe: Pipe, opcode: u8, registers: [u8; N]) -> Self {
        let mut form = Self {
            opcode,
            ..Self::nop(pipe)
        };
        for (to, from) in form.registers.iter_mut().zip(registers) {
            *to = Some(from);
        }
        form
    }

    fn function(mut self, code: u8) -> Self {
        self.function = code;
        self
    }

    fn mask(mut self, mask: Option<K>) -> Self {
        self.mask = mask.map(|mask| mask.0);
        self
    }

    fn constant(mut self, constant: ConstantId) -> Self {
        self.constant = Some(constant.0);
        self
    }

    /// The last operand of an arithmetic operation: a register at a position, or a constant.
    fn operand(mut self, position: usize, operand: Operand) -> Self {
        match operand {
            Operand::Register(register) => self.registers[position] = Some(register.0),
            Operand::Constant(constant) => self.constant = Some(constant.0),
        }
        self
    }

    fn register_at(&self, position: usize) -> Result<u8, Missing> {
        self.registers[position].ok_or(Missing::Register(position))
    }

    fn constant_id(&self) -> Result<ConstantId, Missing> {
        self.constant.map(ConstantId).ok_or(Missing::Constant)
    }

    fn mask_register(&self) -> Option<K> {
        self.mask.map(K)
    }

    fn operand_at(&self, position: usize) -> Result<Operand, Missing> {
        match self.registers[position] {
            Some(register) => Ok(Operand::Register(R(register))),
            None => self.constant_id().map(Operand::Constant),
        }
    }

    /// The row of the table.
    pub(crate) fn description(&self) -> &'static Description {
        &table::operations(self.pipe)[usize::from(self.opcode)]
    }

    /// The register operands that are present, with what the table says of them. The mask is not
    /// among them.
    pub(crate) fn operands(&self) -> impl Iterator<Item = (&'static RegisterOperand, Register)> {
        let registers = self.registers;
        let operands = self.description().registers.iter();
        operands.zip(registers).filter_map(|(operand, number)| {
            let class = operand.class;
            number.map(|number| (operand, Register { class, number }))
        })
    }

    /// The mask, as a register of any class.
    pub(crate) fn mask_operand(&self) -> Option<Register> {
        self.mask.map(|number| Register {
            class: RegisterClass::Mask,
            number,
        })
    }

    /// What the operation needs. Registers that do not exist are left out.
    pub(crate) fn reads(&self) -> RegisterSet {
        let mask = self
            .mask_operand()
            .map_or(RegisterSet::EMPTY, RegisterSet::of);
        self.accessed(Access::reads).union(mask)
    }

    /// What the operation changes. Registers that do not exist are left out.
    pub(crate) fn writes(&self) -> RegisterSet {
        self.accessed(Access::writes)
    }

    fn accessed(&self, is: fn(Access) -> bool) -> RegisterSet {
        if self.opcode == opcode::NOP {
            return RegisterSet::EMPTY;
        }
        let phext = if is(self.description().phext) {
            RegisterSet::PHEXT
        } else {
            RegisterSet::EMPTY
        };
        let registers = self.operands().filter(|(operand, _)| is(operand.access));
        registers.fold(phext, |set, (_, register)| {
            set.union(RegisterSet::of(register))
        })
    }
}

impl DenseOp {
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Nop => Form::nop(Pipe::Dense),
            Self::Mov { to, from } => Form::new(Pipe::Dense, opcode::DMOV, [to.0]).operand(1, from),
            Self::Add { to, left, right } => {
                Form::new(Pipe::Dense, opcode::DADD, [to.0, left.0]).operand(2, right)
            }
            Self::Cmp {
                to,
                comparison,
                left,
                right,
            } => Form::new(Pipe::Dense, opcode::DCMP, [to.0, left.0])
                .function(comparison as u8)
                .operand(2, right),
            Self::Red {
                accumulator,
                fold,
                mask,
            } => {
                let mut form = Form::new(Pipe::Dense, opcode::DRED, [accumulator.0]);
                form.registers[1] = fold.source().map(|source| source.0);
                form.function(fold.reduction() as u8).mask(mask)
            }
            Self::Len { to, at, mask } => {
                Form::new(Pipe::Dense, opcode::DLEN, [to.0, at.0]).mask(mask)
            }
            Self::Hash {
                low,
                high,
                at,
                mask,
            } => Form::new(Pipe::Dense, opcode::DHASH, [low.0, high.0, at.0]).mask(mask),
        }
    }

    /// The operation of a form whose opcode and function exist. Fields that it does not use are
    /// ignored: the caller finds them by comparing forms.
    pub(crate) fn from_form(form: &Form) -> Result<Self, Missing> {
        let number = |position| form.register_at(position).map(R);
        let place = |position| form.register_at(position).map(P);
        let mask = form.mask_register();
        Ok(match form.opcode {
            opcode::DMOV => Self::Mov {
                to: number(0)?,
                from: form.operand_at(1)?,
            },
            opcode::DADD => Self::Add {
                to: number(0)?,
                left: number(1)?,
                right: form.operand_at(2)?,
            },
            opcode::DCMP => Self::Cmp {
                to: form.register_at(0).map(K)?,
                comparison: Comparison::ALL[usize::from(form.function)],
                left: number(1)?,
                right: form.operand_at(2)?,
            },
            opcode::DRED => Self::Red {
                accumulator: number(0)?,
                fold: match Reduction::ALL[usize::from(form.function)] {
                    Reduction::Sum => Fold::Sum(number(1)?),
                    Reduction::Min => Fold::Min(number(1)?),
                    Reduction::Max => Fold::Max(number(1)?),
                    Reduction::Count => Fold::Count,
                },
                mask,
            },
            opcode::DLEN => Self::Len {
                to: number(0)?,
                at: place(1)?,
                mask,
            },
            opcode::DHASH => Self::Hash {
                low: number(0)?,
                high: number(1)?,
                at: place(2)?,
                mask,
            },
            _ => Self::Nop,
        })
    }
}

impl SparseOp {
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Nop => Form::nop(Pipe::Sparse),
            Self::Lanes { to, lanes } => {
                Form::new(Pipe::Sparse, opcode::SLANES, [to.0]).constant(lanes)
            }
            Self::Index { to, dimension, at } => {
                Form::new(Pipe::Sparse, opcode::SINDEX, [to.0, at.0]).function(dimension)
            }
            Self::Gather { to, at, mask } => {
                Form::new(Pipe::Sparse, opcode::SGATHER, [to.0, at.0]).mask(mask)
            }
            Self::Scattr { at, scatter, mask } => {
                let form = Form::new(Pipe::Sparse, opcode::SSCATTR, [at.0]).mask(mask);
                match scatter {
                    Scatter::Put(texts) => form.function(PUT).constant(texts),
                    Scatter::Append(texts) => form.function(APPEND).constant(texts),
                    Scatter::Delete => form.function(DELETE),
                }
            }
            Self::Prefch { at, level } => {
                Form::new(Pipe::Sparse, opcode::SPREFCH, [at.0]).function(level as u8)
            }
            Self::Flush => Form::new(Pipe::Sparse, opcode::SFLUSH, []),
        }
    }

    /// As [`DenseOp::from_form`].
    pub(crate) fn from_form(form: &Form) -> Result<Self, Missing> {
        let place = |position| form.register_at(position).map(P);
        let mask = form.mask_register();
        Ok(match form.opcode {
            opcode::SLANES => Self::Lanes {
                to: place(0)?,
                lanes: form.constant_id()?,
            },
            opcode::SINDEX => Self::Index {
                to: form.register_at(0).map(R)?,
                dimension: form.function,
                at: place(1)?,
            },
            opcode::SGATHER => Self::Gather {
                to: form.register_at(0).map(T)?,
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

/// Codes of the functions of SSCATTR.
const PUT: u8 = 0;
const APPEND: u8 = 1;
const DELETE: u8 = 2;

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
                ..Form::new(Pipe::Coordination, opcode::CPACK, [])
            },
            Self::Send { from, mask } => {
                Form::new(Pipe::Coordination, opcode::CSEND, [from.0]).mask(mask)
            }
            Self::Reduce {
                accumulator,
                reduction,
            } => Form::new(Pipe::Coordination, opcode::CREDUCE, [accumulator.0])
                .function(reduction as u8),
        }
    }

    /// As [`DenseOp::from_form`].
    pub(crate) fn from_form(form: &Form) -> Result<Self, Missing> {
        let field = |position: usize| form.registers[position];
        Ok(match form.opcode {
            opcode::CPACK => Self::Pack {
                to: form.register_at(0).map(M)?,
                row: Row {
                    coordinate: field(1).map(P),
                    text: field(2).map(T),
                    length: field(3).map(R),
                    checksum: field(4).zip(field(5)).map(|(low, high)| (R(low), R(high))),
                    number: field(6).map(R),
                },
            },
            opcode::CSEND => Self::Send {
                from: form.register_at(0).map(M)?,
                mask: form.mask_register(),
            },
            opcode::CREDUCE => Self::Reduce {
                accumulator: form.register_at(0).map(R)?,
                reduction: Reduction::ALL[usize::from(form.function)],
            },
            _ => Self::Nop,
        })
    }
}
