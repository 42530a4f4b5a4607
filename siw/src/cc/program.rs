//! The program before it is packed: single operations over virtual registers.

use super::CompileError;
use crate::form::Form;
use crate::register::RegisterClass;
use crate::stream::MAX_COUNT;
use crate::{
    Constant, ConstantId, CoordinationOp, DenseOp, K, M, Operand, P, Part, R, SparseOp, T,
};
use std::fmt;

/// Most virtual registers of a class: their numbers are 0 to 254.
pub const VIRTUAL_REGISTERS: u8 = u8::MAX;

/// One operation of any pipe. The numbers of its registers are virtual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Of the D pipe.
    Dense(DenseOp),
    /// Of the S pipe.
    Sparse(SparseOp),
    /// Of the C pipe.
    Coordination(CoordinationOp),
}

impl Op {
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Dense(op) => op.form(),
            Self::Sparse(op) => op.form(),
            Self::Coordination(op) => op.form(),
        }
    }
}

impl From<DenseOp> for Op {
    fn from(op: DenseOp) -> Self {
        Self::Dense(op)
    }
}

impl From<SparseOp> for Op {
    fn from(op: SparseOp) -> Self {
        Self::Sparse(op)
    }
}

impl From<CoordinationOp> for Op {
    fn from(op: CoordinationOp) -> Self {
        Self::Coordination(op)
    }
}

/// What [`super::compile`] makes a stream of.
///
/// | rule | because |
/// |---|---|
/// | a virtual register is written once, or is an accumulator | dependencies are then the program's own |
/// | `each` is empty, or its first operation and no other yields lanes | without a batch there are no lanes |
/// | no operation of `each` reads an accumulator | what it saw would depend on the size of batches |
/// | one kind of fold an accumulator (sums and counts are one kind) | the same |
/// | one CSEND to the sink and one to a neighbour in `each` | the order of rows would depend on the size of batches |
/// | one SSCATTR in `each`, or points that are ascending and distinct | the same, of writes to a point |
///
/// Accumulators are the scalars that DRED and CREDUCE fold into, which DMOV initialises in `once`,
/// and the messages that an operation of `each` collects rows in, which start empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnpackedProgram {
    /// What operations name by position. Positions do not change in the stream.
    pub constants: Vec<Constant>,
    /// Runs once, before the first batch.
    pub once: Vec<Op>,
    /// Runs for each batch of lanes.
    pub each: Vec<Op>,
    /// Runs once, after the last batch.
    pub last: Vec<Op>,
}

impl UnpackedProgram {
    /// The operations of a part.
    pub fn operations(&self, part: Part) -> &[Op] {
        match part {
            Part::Once => &self.once,
            Part::Each => &self.each,
            Part::Last => &self.last,
        }
    }
}

/// One operation a line, like the text of a stream.
impl fmt::Display for UnpackedProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, constant) in self.constants.iter().enumerate() {
            writeln!(f, ".constant c{id} {} {constant}", constant.kind())?;
        }
        for part in Part::ALL {
            let operations = self.operations(part);
            if !operations.is_empty() {
                writeln!(f, ".{part}")?;
            }
            for operation in operations {
                writeln!(f, "{}", operation.form())?;
            }
        }
        Ok(())
    }
}

/// Collects a program, and hands out its registers and constants.
///
/// ```
/// use phext_siw::cc::{OptimizationTier, ProgramBuilder, compile};
/// use phext_siw::{Constant, CoordinationOp, DenseOp, Destination, Fold, LaneSpec, Row, SparseOp};
///
/// // How many scrolls are there?
/// let mut program = ProgramBuilder::default();
/// let lanes = program.constant(Constant::Lanes(LaneSpec::All));
/// let (total, place, message) = (program.scalar(0), program.place(), program.message());
/// program.each(SparseOp::Lanes { to: place, lanes });
/// program.each(DenseOp::Red { accumulator: total, fold: Fold::Count, mask: None });
/// let row = Row { number: Some(total), ..Row::default() };
/// program.last(CoordinationOp::Pack { to: message, row });
/// program.last(CoordinationOp::Send { to: Destination::Sink, from: message, mask: None });
/// let compiled = compile(program.build()?, OptimizationTier::Tier2SiwPacked)?;
/// assert_eq!(compiled.stream.each.len(), 2);
/// # Ok::<(), phext_siw::cc::CompileError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ProgramBuilder {
    program: UnpackedProgram,
    /// Registers handed out, of each class.
    registers: [u8; 5],
    /// The first limit that was exceeded; `build` tells.
    exceeded: Option<CompileError>,
}

impl ProgramBuilder {
    /// A virtual register of a class. Once there are too many the last is given again, and `build`
    /// fails.
    fn register(&mut self, class: RegisterClass) -> u8 {
        let next = &mut self.registers[class as usize];
        let number = *next;
        if number < VIRTUAL_REGISTERS {
            *next += 1;
        } else {
            let limit = CompileError::VirtualRegisters { class };
            self.exceeded.get_or_insert(limit);
        }
        number
    }

    /// A new `r` register.
    pub fn number(&mut self) -> R {
        R(self.register(RegisterClass::Number))
    }

    /// A new `p` register.
    pub fn place(&mut self) -> P {
        P(self.register(RegisterClass::Place))
    }

    /// A new `t` register.
    pub fn text(&mut self) -> T {
        T(self.register(RegisterClass::Text))
    }

    /// A new `m` register.
    pub fn message(&mut self) -> M {
        M(self.register(RegisterClass::Message))
    }

    /// A new `k` register.
    pub fn mask(&mut self) -> K {
        K(self.register(RegisterClass::Mask))
    }

    /// The position of a constant; equal constants have one.
    pub fn constant(&mut self, constant: Constant) -> ConstantId {
        let constants = &mut self.program.constants;
        let found = constants.iter().position(|other| *other == constant);
        let position = found.unwrap_or(constants.len());
        if position >= MAX_COUNT {
            self.exceeded.get_or_insert(CompileError::Constants);
            return ConstantId(u16::MAX);
        }
        if found.is_none() {
            constants.push(constant);
        }
        ConstantId(u16::try_from(position).expect("just compared with 65,535"))
    }

    /// A number as the last operand of an arithmetic operation.
    pub fn immediate(&mut self, number: u64) -> Operand {
        Operand::Constant(self.constant(Constant::Number(number)))
    }

    /// A new scalar with an initial value.
    pub fn scalar(&mut self, number: u64) -> R {
        let (to, from) = (self.number(), self.immediate(number));
        self.once(DenseOp::Mov { to, from });
        to
    }

    /// Adds an operation to `once`.
    pub fn once(&mut self, operation: impl Into<Op>) -> &mut Self {
        self.program.once.push(operation.into());
        self
    }

    /// Adds an operation to `each`.
    pub fn each(&mut self, operation: impl Into<Op>) -> &mut Self {
        self.program.each.push(operation.into());
        self
    }

    /// Adds an operation to `last`.
    pub fn last(&mut self, operation: impl Into<Op>) -> &mut Self {
        self.program.last.push(operation.into());
        self
    }

    /// The program.
    ///
    /// # Errors
    /// More than [`VIRTUAL_REGISTERS`] of a class, or 65,535 constants, were asked for.
    pub fn build(self) -> Result<UnpackedProgram, CompileError> {
        match self.exceeded {
            Some(limit) => Err(limit),
            None => Ok(self.program),
        }
    }
}
