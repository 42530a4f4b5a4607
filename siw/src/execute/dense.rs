//! The D pipe: numbers and masks. Texts read as numbers are in [`super::vectors`].

use super::kernels::{Binary, Source, fused};
use super::registers::{BufferId, Held, Write};
use super::{Executed, Sentron};
use crate::{Comparison, ConstantId, DenseOp, Fold, K, NumberKind, Operand, P, R, Reduction};
use phext_storage::page_table::Location;

impl DenseOp {
    /// Whether [`Sentron::evaluate_numbers`] runs it.
    #[inline(always)]
    pub(super) fn is_on_numbers(&self) -> bool {
        matches!(
            self,
            DenseOp::Add { .. }
                | DenseOp::Sub { .. }
                | DenseOp::Mul { .. }
                | DenseOp::And { .. }
                | DenseOp::Or { .. }
                | DenseOp::Xor { .. }
                | DenseOp::Fma { .. }
                | DenseOp::Sel { .. }
                | DenseOp::Cmp { .. }
                | DenseOp::Red { .. }
        )
    }
}

impl Sentron<'_> {
    /// Runs a D operation if it is one of those on numbers that cannot fail, of which long streams are made.
    #[inline(always)]
    pub(super) fn evaluate_numbers(&mut self, op: &DenseOp) {
        match *op {
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
            _ => debug_assert!(!op.is_on_numbers(), "{op:?} is run here"),
        }
    }

    /// Runs a D operation up to what it writes, which is deferred.
    pub(super) fn evaluate_dense(&mut self, op: &DenseOp) -> Executed<()> {
        match *op {
            DenseOp::Mov { to, from } => self.copy(to, from),
            DenseOp::MaskAnd { to, left, right } => {
                self.logic(to, left, right, |left, right| left & right);
            }
            DenseOp::MaskOr { to, left, right } => {
                self.logic(to, left, right, |left, right| left | right);
            }
            DenseOp::MaskNot { to, from } => self.logic(to, from, from, |from, _| !from),
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
            DenseOp::Nop
            | DenseOp::Add { .. }
            | DenseOp::Sub { .. }
            | DenseOp::Mul { .. }
            | DenseOp::And { .. }
            | DenseOp::Or { .. }
            | DenseOp::Xor { .. }
            | DenseOp::Fma { .. }
            | DenseOp::Sel { .. }
            | DenseOp::Cmp { .. }
            | DenseOp::Red { .. } => self.evaluate_numbers(op),
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
    fn source(&self, held: Held) -> Source<'_> {
        match held {
            Held::Scalar(scalar) => Source::Scalar(scalar),
            Held::Lanes(lanes) => Source::Lanes(self.registers.lane_numbers(lanes)),
        }
    }

    /// Where the register has a buffer of its own, which is most often, that is filled in place. Little is stored
    /// besides lanes then: each store of dispatch waits for its turn behind those of the loop before.
    #[inline(never)]
    fn binary(&mut self, op: Binary, to: R, left: R, right: Operand) {
        self.report.ops += self.width as u64;
        let (kernels, width) = (self.kernels, self.width);
        match (self.registers.held(left), self.held(right)) {
            (Held::Lanes(a), Held::Lanes(b)) => {
                if let Some((out, [a, b])) = self.registers.own_and_two(to, [a, b]) {
                    return kernels.zip(op, a, Source::Lanes(b), out, width);
                }
            }
            (Held::Lanes(a), Held::Scalar(b)) => {
                if let Some((out, a)) = self.registers.own_and_one(to, a) {
                    return kernels.zip(op, a, Source::Scalar(b), out, width);
                }
            }
            (Held::Scalar(_), _) => {}
        }
        self.binary_to_spare(op, to, left, right);
    }

    /// Of scalars the result is one.
    #[inline(never)]
    fn binary_to_spare(&mut self, op: Binary, to: R, left: R, right: Operand) {
        let (held, right) = (self.registers.held(left), self.held(right));
        if let (Held::Scalar(left), Held::Scalar(right)) = (held, right) {
            let write = Write::Scalar(to, op.apply(left, right));
            return self.registers.defer(write);
        }
        let left = self.lanes_held(left, held);
        let reads = [left, right.buffer_or(left)];
        let mut out = self.registers.take_numbers_for(to, reads);
        let (left, right) = (self.registers.lane_numbers(left), self.source(right));
        self.kernels
            .zip(op, left, right, &mut out.buffer.0, self.width);
        self.registers.defer_numbers(to, out);
    }

    #[inline(never)]
    fn fuse(&mut self, kind: NumberKind, to: R, factors: [R; 2], addend: Operand) {
        self.report.ops += self.width as u64;
        let (kernels, width) = (self.kernels, self.width);
        let held = factors.map(|factor| self.registers.held(factor));
        if let ([Held::Lanes(a), Held::Lanes(b)], Held::Scalar(c)) = (held, self.held(addend))
            && let Some((out, [a, b])) = self.registers.own_and_two(to, [a, b])
        {
            return kernels.fuse(kind, a, b, Source::Scalar(c), out, width);
        }
        self.fuse_to_spare(kind, to, factors, addend);
    }

    #[inline(never)]
    fn fuse_to_spare(&mut self, kind: NumberKind, to: R, factors: [R; 2], addend: Operand) {
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
        let [left, right] = [left, right].map(|factor| self.registers.lane_numbers(factor));
        let addend = self.source(addend);
        self.kernels
            .fuse(kind, left, right, addend, &mut out.buffer.0, self.width);
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
        let (kernels, width) = (self.kernels, self.width);
        if let (Held::Lanes(a), Held::Scalar(b)) = (self.registers.held(left), self.held(right))
            && let Some((out, a, mask)) = self.registers.own_and_masked(to, a, mask)
        {
            return kernels.select(mask, a, Source::Scalar(b), out, width);
        }
        self.select_to_spare(to, mask, left, right);
    }

    #[inline(never)]
    fn select_to_spare(&mut self, to: R, mask: K, left: R, right: Operand) {
        let (held, right) = (self.registers.held(left), self.held(right));
        let left = self.lanes_held(left, held);
        let reads = [left, right.buffer_or(left)];
        let mut out = self.registers.take_numbers_for(to, reads);
        let (left, right) = (self.registers.lane_numbers(left), self.source(right));
        let mask = self.registers.mask(mask);
        self.kernels
            .select(mask, left, right, &mut out.buffer.0, self.width);
        self.registers.defer_numbers(to, out);
    }

    #[inline(never)]
    fn compare(&mut self, to: K, comparison: Comparison, left: R, right: Operand) {
        self.report.ops += self.width as u64;
        let (held, right) = (self.registers.held(left), self.held(right));
        let left = self.lanes_held(left, held);
        let (numbers, mask) = self.registers.numbers_and_mask();
        let right = match right {
            Held::Lanes(right) => Source::Lanes(&numbers.filled(right).0),
            Held::Scalar(scalar) => Source::Scalar(scalar),
        };
        let left = &numbers.filled(left).0;
        self.kernels
            .compare(comparison, left, right, mask, self.width);
        self.registers.defer(Write::DenseMask(to));
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
