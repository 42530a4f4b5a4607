//! The uniform shape of operations: an opcode, a function, registers, a constant and a mask.
//!
//! Whoever runs a stream matches on the enums of [`crate::operation`]. Whoever treats all
//! operations alike (encoding, dependencies, validator, text) uses this shape with the rows of
//! [`crate::table`].

mod coordination;
mod dense;
mod sparse;

use crate::register::{Register, RegisterClass, RegisterSet};
use crate::table::{self, Access, Description, RegisterOperand, opcode};
use crate::{ConstantId, K, M, Operand, P, Pipe, R, T, TextOperand};

/// Most register operands of an operation, its mask not among them.
pub(crate) const REGISTERS: usize = 7;

/// An operation of any pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// Whether it only says what will be needed.
    pub(crate) fn is_hint(&self) -> bool {
        self.pipe == Pipe::Sparse && self.opcode == opcode::SPREFCH
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

    /// The last operand of an operation on hypervectors.
    fn text_operand(mut self, position: usize, operand: TextOperand) -> Self {
        match operand {
            TextOperand::Register(register) => self.registers[position] = Some(register.0),
            TextOperand::Constant(constant) => self.constant = Some(constant.0),
        }
        self
    }

    fn maybe(mut self, position: usize, register: Option<R>) -> Self {
        self.registers[position] = register.map(|register| register.0);
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

    fn number(&self, position: usize) -> Result<R, Missing> {
        self.register_at(position).map(R)
    }

    fn place(&self, position: usize) -> Result<P, Missing> {
        self.register_at(position).map(P)
    }

    fn text(&self, position: usize) -> Result<T, Missing> {
        self.register_at(position).map(T)
    }

    fn message(&self, position: usize) -> Result<M, Missing> {
        self.register_at(position).map(M)
    }

    fn lane_mask(&self, position: usize) -> Result<K, Missing> {
        self.register_at(position).map(K)
    }

    fn operand_at(&self, position: usize) -> Result<Operand, Missing> {
        match self.registers[position] {
            Some(register) => Ok(Operand::Register(R(register))),
            None => self.constant_id().map(Operand::Constant),
        }
    }

    fn text_operand_at(&self, position: usize) -> Result<TextOperand, Missing> {
        match self.registers[position] {
            Some(register) => Ok(TextOperand::Register(T(register))),
            None => self.constant_id().map(TextOperand::Constant),
        }
    }

    /// The row of the table.
    pub(crate) fn description(&self) -> &'static Description {
        &table::operations(self.pipe)[usize::from(self.opcode)]
    }

    /// The name of the operation with its function, like `DADD.u64`.
    pub(crate) fn name(&self) -> String {
        let description = self.description();
        match description.functions.get(usize::from(self.function)) {
            Some(function) => format!("{}.{function}", description.mnemonic),
            None => description.mnemonic.to_owned(),
        }
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
        let description = self.description();
        let mut set = RegisterSet::EMPTY;
        if is(description.phext) {
            set = set.union(RegisterSet::PHEXT);
        }
        if is(description.mail) {
            set = set.union(RegisterSet::MAIL);
        }
        let registers = self.operands().filter(|(operand, _)| is(operand.access));
        registers.fold(set, |set, (_, register)| {
            set.union(RegisterSet::of(register))
        })
    }
}
