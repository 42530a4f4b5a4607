//! The D pipe: numbers and masks. Texts read as numbers are in [`super::vectors`].

use super::kernels::{Binary, Source, fused};
use super::registers::{BufferId, Held, Write};
use super::{Executed, Sentron};
use crate::{Comparison, ConstantId, DenseOp, Fold, K, NumberKind, Operand, P, R, Reduction};
use phext_storage::page_table::Location;

/// A vector: operations run over whole vectors, lanes beyond the batch being ignored.
const VECTOR: usize = 8;

impl Sentron<'_> {
    /// Runs a D operation up to what it writes, which is deferred.
    pub(super) fn evaluate_dense(&mut self, op: &DenseOp) -> Executed<()> {
        match *op {
            DenseOp::Nop => {}
            DenseOp::Mov { to, from } => self.copy(to, from),
            DenseOp::Add {
                to,
                kind,
                left,
                right,
            } => self.binary(Binary::Add(kind), to, left, right),
            DenseOp::Sub {
                to,
                kind,
                left,
                right,
            } => self.binary(Binary::Sub(kind), to, left, right),
            DenseOp::Mul {
                to,
                kind,
                left,
                right,
            } => self.binary(Binary::Mul(kind), to, left, right),
            DenseOp::And { to, left, right } => self.binary(Binary::And, to, left, right),
            DenseOp::Or { to, left, right } => self.binary(Binary::Or, to, left, right),
            DenseOp::Xor { to, left, right } => self.binary(Binary::Xor, to, left, right),
            DenseOp::Fma {
                to,
                kind,
                left,
                right,
                addend,
            } => self.fuse(kind, to, [left, right], addend),
            DenseOp::MaskAnd { to, left, right } => {
                self.logic(to, left, right, |left, right| left & right);
            }
            DenseOp::MaskOr { to, left, right } => {
                self.logic(to, left, right, |left, right| left | right);
            }
            DenseOp::MaskNot { to, from } => self.logic(to, from, from, |from, _| !from),
            DenseOp::Sel {
                to,
                mask,
                left,
                right,
            } => self.select(to, mask, left, right),
            DenseOp::Cmp {
                to,
                comparison,
                left,
                right,
            } => self.compare(to, comparison, left, right),
            DenseOp::Red {
                accumulator,
                fold,
                mask,
            } => self.fold(accumulator, fold, mask),
            DenseOp::Len { to, at, mask } => return self.length(to, at, mask),
            DenseOp::Hash {
                low,
                high,
                at,
                mask,
            } => return self.hash(low, high, at, mask),
            DenseOp::Match {
                to,
                place,
                text,
                pattern,
                mask,
            } => self.match_texts(to, place, text, pattern, mask),
            DenseOp::Dot {
                to,
                text,
                vector,
                mask,
            } => self.dot(to, text, vector, mask),
            DenseOp::HdBind { to, left, right } => self.bind(to, left, right),
            DenseOp::HdBund {
                to,
                left,
                middle,
                right,
            } => self.bundle(to, [left, middle], right),
            DenseOp::HdSim {
                to,
                left,
                right,
                mask,
            } => self.similarity(to, left, right, mask),
        }
        Ok(())
    }

    #[inline(never)]
    fn copy(&mut self, to: R, from: Operand) {
        self.report.ops += self.width as u64;
        let write = match from {
            Operand::Constant(id) => Write::Scalar(to, self.constant(id)),
            Operand::Register(from) => match self.registers.scalar(from) {
                Some(scalar) => Write::Scalar(to, scalar),
                None => Write::Numbers(to, self.registers.share(from)),
            },
        };
        self.registers.defer(write);
    }

    /// The number of a constant.
    #[inline]
    pub(super) fn constant(&self, id: ConstantId) -> u64 {
        match self.stream.constants[id.index()] {
            crate::Constant::Number(number) => number,
            _ => unreachable!("the validator has seen that this constant is a number"),
        }
    }

    /// Lanes of the batch, filled up to whole vectors.
    #[inline]
    pub(super) fn vectors(&self) -> usize {
        self.width.next_multiple_of(VECTOR)
    }

    /// What an operand is now.
    #[inline(always)]
    fn held(&self, operand: Operand) -> Held {
        match operand {
            Operand::Constant(id) => Held::Scalar(self.constant(id)),
            Operand::Register(register) => self.registers.held(register),
        }
    }

    /// The lanes of a register; where it is a scalar, made of that.
    #[inline(always)]
    fn lanes_held(&mut self, register: R, held: Held) -> BufferId {
        match held {
            Held::Lanes(lanes) => lanes,
            Held::Scalar(_) => self.registers.as_lanes(register),
        }
    }

    #[inline(always)]
    fn lanes_in(&self, buffer: BufferId) -> &[u64] {
        &self.registers.lane_numbers(buffer)[..self.vectors()]
    }

    #[inline(always)]
    fn source(&self, held: Held) -> Source<'_> {
        match held {
            Held::Scalar(scalar) => Source::Scalar(scalar),
            Held::Lanes(lanes) => Source::Lanes(self.lanes_in(lanes)),
        }
    }

    /// Of scalars the result is one.
    #[inline(never)]
    fn binary(&mut self, op: Binary, to: R, left: R, right: Operand) {
        self.report.ops += self.width as u64;
        let (held, right) = (self.registers.held(left), self.held(right));
        if let (Held::Scalar(left), Held::Scalar(right)) = (held, right) {
            let write = Write::Scalar(to, op.apply(left, right));
            return self.registers.defer(write);
        }
        let left = self.lanes_held(left, held);
        let reads = [left, right.buffer_or(left)];
        let mut out = self.registers.take_numbers_for(to, reads);
        let lanes = self.vectors();
        let (left, right) = (self.lanes_in(left), self.source(right));
        self.kernels
            .zip(op, left, right, &mut out.buffer.0[..lanes]);
        self.registers.defer_numbers(to, out);
    }

    #[inline(never)]
    fn fuse(&mut self, kind: NumberKind, to: R, factors: [R; 2], addend: Operand) {
        self.report.ops += self.width as u64;
        let held = factors.map(|factor| self.registers.held(factor));
        let addend = self.held(addend);
        if let ([Held::Scalar(left), Held::Scalar(right)], Held::Scalar(addend)) = (held, addend) {
            let write = Write::Scalar(to, fused(kind, left, right, addend));
            return self.registers.defer(write);
        }
        let left = self.lanes_held(factors[0], held[0]);
        let right = self.lanes_held(factors[1], held[1]);
        let reads = [left, right, addend.buffer_or(left)];
        let mut out = self.registers.take_numbers_for(to, reads);
        let lanes = self.vectors();
        let (left, right) = (self.lanes_in(left), self.lanes_in(right));
        let to_lanes = &mut out.buffer.0[..lanes];
        self.kernels
            .fuse(kind, left, right, self.source(addend), to_lanes);
        self.registers.defer_numbers(to, out);
    }

    #[inline(never)]
    fn logic(&mut self, to: K, left: K, right: K, f: fn(u64, u64) -> u64) {
        self.report.ops += self.width as u64;
        let (left, right, out) = self.registers.masks_for_dense(left, right);
        for (out, (left, right)) in out.0.iter_mut().zip(left.0.iter().zip(&right.0)) {
            *out = f(*left, *right);
        }
        self.defer_mask(to);
    }

    /// What an operation has filled of [`Registers::next_dense_mask`], for a register.
    ///
    /// [`Registers::next_dense_mask`]: super::registers::Registers::next_dense_mask
    pub(super) fn defer_mask(&mut self, to: K) {
        let width = self.width;
        self.registers.next_dense_mask().truncate(width);
        self.registers.defer(Write::DenseMask(to));
    }

    #[inline(never)]
    fn select(&mut self, to: R, mask: K, left: R, right: Operand) {
        self.report.ops += self.width as u64;
        let (held, right) = (self.registers.held(left), self.held(right));
        let left = self.lanes_held(left, held);
        let reads = [left, right.buffer_or(left)];
        let mut out = self.registers.take_numbers_for(to, reads);
        let lanes = self.vectors();
        let (left, right) = (self.lanes_in(left), self.source(right));
        let mask = self.registers.mask(mask);
        self.kernels
            .select(mask, left, right, &mut out.buffer.0[..lanes]);
        self.registers.defer_numbers(to, out);
    }

    #[inline(never)]
    fn compare(&mut self, to: K, comparison: Comparison, left: R, right: Operand) {
        self.report.ops += self.width as u64;
        let (held, right) = (self.registers.held(left), self.held(right));
        let left = self.lanes_held(left, held);
        let width = self.vectors();
        let (numbers, mask) = self.registers.numbers_and_mask();
        let right = match right {
            Held::Lanes(right) => Source::Lanes(&numbers.filled(right).0[..width]),
            Held::Scalar(scalar) => Source::Scalar(scalar),
        };
        let left = &numbers.filled(left).0[..width];
        self.kernels.compare(comparison, left, right, mask);
        self.defer_mask(to);
    }

    #[inline(never)]
    fn fold(&mut self, accumulator: R, fold: Fold, mask: Option<K>) {
        let start = self.registers.number_at(accumulator, 0);
        let lanes = fold.source().map(|source| self.registers.as_lanes(source));
        let active = self.registers.active(mask, self.width);
        let count = active.count();
        let folded = match (fold.reduction(), lanes) {
            (Reduction::Count, _) | (_, None) => start.wrapping_add(count),
            (reduction, Some(lanes)) => {
                let numbers = &self.registers.lane_numbers(lanes)[..self.width];
                self.kernels.reduce(reduction, start, numbers, active.mask)
            }
        };
        self.report.ops += count;
        self.registers.defer(Write::Scalar(accumulator, folded));
    }

    #[inline(never)]
    fn length(&mut self, to: R, at: P, mask: Option<K>) -> Executed<()> {
        let mut lengths = self.registers.take_numbers();
        let places = self.registers.places(at);
        let active = self.registers.active(mask, self.width);
        for (index, (length, lane)) in lengths.buffer.0.iter_mut().zip(places).enumerate() {
            *length = match active.get(index) {
                true => lane.location.text_len()?,
                false => 0,
            };
        }
        self.report.ops += active.count();
        self.registers.defer_numbers(to, lengths);
        Ok(())
    }

    #[inline(never)]
    fn hash(&mut self, low: R, high: R, at: P, mask: Option<K>) -> Executed<()> {
        let mut halves = [self.registers.take_numbers(), self.registers.take_numbers()];
        let places = self.registers.places(at);
        let active = self.registers.active(mask, self.width);
        for (index, lane) in places.iter().enumerate() {
            let checksum = match (active.get(index), &lane.location) {
                (false, _) | (_, Location::Absent) => 0,
                (true, present) => present.checksum()?,
            };
            halves[0].buffer.0[index] = checksum as u64;
            halves[1].buffer.0[index] = (checksum >> 64) as u64;
        }
        self.report.ops += active.count();
        let [left, right] = halves;
        self.registers.defer_numbers(low, left);
        self.registers.defer_numbers(high, right);
        Ok(())
    }
}
