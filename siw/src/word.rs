//! The word: three operations that run together.
//!
//! All three read the state before the word and write after it: an operation never sees what
//! another of the same word wrote, and two that write the same register are refused by the
//! validator.

use crate::form::Form;
use crate::register::RegisterSet;
use crate::{CoordinationOp, DenseOp, SparseOp};
use std::fmt;

/// One of the three pipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pipe {
    /// D: dense, numbers.
    Dense,
    /// S: sparse, phext memory.
    Sparse,
    /// C: coordination, rows and results.
    Coordination,
}

impl Pipe {
    /// The pipes in the order of a word.
    pub const ALL: [Self; 3] = [Self::Dense, Self::Sparse, Self::Coordination];
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dense => "D",
            Self::Sparse => "S",
            Self::Coordination => "C",
        })
    }
}

/// One operation a pipe, any of which may be a NOP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Word {
    /// The operation of the D pipe.
    pub dense: DenseOp,
    /// The operation of the S pipe.
    pub sparse: SparseOp,
    /// The operation of the C pipe.
    pub coordination: CoordinationOp,
    /// How many words back, in the same part, the latest word is whose result this one needs. 0
    /// when there is none; 255 when it is 255 or more words back. Set by [`link`].
    pub deps: u8,
}

impl Word {
    /// Three NOPs.
    pub const NOP: Self = Self {
        dense: DenseOp::Nop,
        sparse: SparseOp::Nop,
        coordination: CoordinationOp::Nop,
        deps: 0,
    };

    /// A word of one D operation.
    pub const fn dense(op: DenseOp) -> Self {
        Self::NOP.with_dense(op)
    }

    /// A word of one S operation.
    pub const fn sparse(op: SparseOp) -> Self {
        Self::NOP.with_sparse(op)
    }

    /// A word of one C operation.
    pub const fn coordination(op: CoordinationOp) -> Self {
        Self::NOP.with_coordination(op)
    }

    /// This word with another D operation.
    pub const fn with_dense(mut self, op: DenseOp) -> Self {
        self.dense = op;
        self
    }

    /// This word with another S operation.
    pub const fn with_sparse(mut self, op: SparseOp) -> Self {
        self.sparse = op;
        self
    }

    /// This word with another C operation.
    pub const fn with_coordination(mut self, op: CoordinationOp) -> Self {
        self.coordination = op;
        self
    }

    /// The operation of a pipe.
    pub(crate) fn form(&self, pipe: Pipe) -> Form {
        match pipe {
            Pipe::Dense => self.dense.form(),
            Pipe::Sparse => self.sparse.form(),
            Pipe::Coordination => self.coordination.form(),
        }
    }

    /// The operations in the order of [`Pipe::ALL`].
    pub(crate) fn forms(&self) -> [Form; 3] {
        [
            self.dense.form(),
            self.sparse.form(),
            self.coordination.form(),
        ]
    }
}

/// Computes the `deps` of the words of one part, in place.
pub fn link(words: &mut [Word]) {
    let mut writers = Writers::default();
    for (index, word) in words.iter_mut().enumerate() {
        word.deps = writers.advance(index, word);
    }
}

/// Which word of a part last wrote each register.
pub(crate) struct Writers([Option<usize>; RegisterSet::MEMBERS]);

impl Default for Writers {
    fn default() -> Self {
        Self([None; RegisterSet::MEMBERS])
    }
}

impl Writers {
    /// The `deps` of the word at `index`, which becomes the latest writer of what it writes. Words
    /// are given in order.
    pub(crate) fn advance(&mut self, index: usize, word: &Word) -> u8 {
        let (mut reads, mut writes) = (RegisterSet::EMPTY, RegisterSet::EMPTY);
        for form in word.forms() {
            reads = reads.union(form.reads());
            writes = writes.union(form.writes());
        }
        let latest = reads.positions().filter_map(|member| self.0[member]).max();
        for member in writes.positions() {
            self.0[member] = Some(index);
        }
        latest.map_or(0, |writer| u8::try_from(index - writer).unwrap_or(u8::MAX))
    }
}
