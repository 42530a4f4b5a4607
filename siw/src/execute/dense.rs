//! The D pipe: numbers.

use super::registers::{Numbers, Write};
use super::{ExecuteError, Machine};
use crate::stream::Part;
use crate::{Comparison, DenseOp, Fold, K, Operand, P, R, Word};
use phext_storage::StoreError;
use phext_storage::page_table::Location;

impl<'a> Machine<'a, '_> {
    /// What the D operation of a word writes.
    pub(super) fn evaluate_dense(
        &mut self,
        part: Part,
        word: &Word,
    ) -> Result<[Option<Write<'a>>; 2], ExecuteError> {
        let write = match word.dense {
            DenseOp::Nop => return Ok([None, None]),
            DenseOp::Mov { to, from } => {
                let value = self.value(from);
                self.report.ops += self.width as u64;
                Write::Numbers(to, value)
            }
            DenseOp::Add {
                to, left, right, ..
            } => {
                let sum = self.zip(part, left, right, u64::wrapping_add);
                Write::Numbers(to, sum)
            }
            DenseOp::Cmp {
                to,
                comparison,
                left,
                right,
            } => Write::Mask(to, self.compare(comparison, left, right)),
            DenseOp::Red {
                accumulator,
                fold,
                mask,
            } => {
                let value = self.fold(accumulator, fold, mask);
                Write::Numbers(accumulator, Numbers::Scalar(value))
            }
            DenseOp::Len { to, at, mask } => {
                let lengths = self.per_place(at, mask, |location| location.text_len())?;
                Write::Numbers(to, Numbers::Lanes(lengths))
            }
            DenseOp::Hash {
                low,
                high,
                at,
                mask,
            } => return self.hash(low, high, at, mask),
            _ => unreachable!("the validator refuses what is not executed yet"),
        };
        Ok([Some(write), None])
    }

    fn value(&self, operand: Operand) -> Numbers {
        match operand {
            Operand::Register(register) => self.registers.numbers(register).clone(),
            Operand::Constant(id) => Numbers::Scalar(self.number(id)),
        }
    }

    /// Combines two operands lane by lane. In `once` and `last` the result is a scalar.
    fn zip(&mut self, part: Part, left: R, right: Operand, f: fn(u64, u64) -> u64) -> Numbers {
        self.report.ops += self.width as u64;
        let right = self.value(right);
        let left = self.registers.numbers(left);
        if part != Part::Each || (left.is_scalar() && right.is_scalar()) {
            return Numbers::Scalar(f(left.get(0), right.get(0)));
        }
        Numbers::Lanes(
            (0..self.width)
                .map(|lane| f(left.get(lane), right.get(lane)))
                .collect(),
        )
    }

    fn compare(&mut self, comparison: Comparison, left: R, right: Operand) -> Vec<bool> {
        self.report.ops += self.width as u64;
        let holds = |left: u64, right: u64| match comparison {
            Comparison::Eq => left == right,
            Comparison::Ne => left != right,
            Comparison::Lt => left < right,
            Comparison::Le => left <= right,
            Comparison::Gt => left > right,
            Comparison::Ge => left >= right,
            _ => unreachable!("the validator refuses what is not executed yet"),
        };
        let right = self.value(right);
        let left = self.registers.numbers(left);
        (0..self.width)
            .map(|lane| holds(left.get(lane), right.get(lane)))
            .collect()
    }

    fn fold(&mut self, accumulator: R, fold: Fold, mask: Option<K>) -> u64 {
        let start = self.registers.numbers(accumulator).get(0);
        let active = (0..self.width).filter(|&lane| self.registers.is_active(mask, lane));
        let mut count = 0;
        let folded = active.inspect(|_| count += 1).fold(start, |total, lane| {
            let value = |register| self.registers.numbers(register).get(lane);
            match fold {
                Fold::Sum(register) => total.wrapping_add(value(register)),
                Fold::Min(register) => total.min(value(register)),
                Fold::Max(register) => total.max(value(register)),
                Fold::Count => total.wrapping_add(1),
                _ => unreachable!("the validator refuses what is not executed yet"),
            }
        });
        self.report.ops += count;
        folded
    }

    /// A value of each active place; 0 for the others.
    fn per_place<V: Default>(
        &mut self,
        at: P,
        mask: Option<K>,
        value: impl Fn(&Location<'a>) -> Result<V, StoreError>,
    ) -> Result<Vec<V>, ExecuteError> {
        let mut values = Vec::with_capacity(self.width);
        for (lane, place) in self.registers.places(at).iter().enumerate() {
            if self.registers.is_active(mask, lane) {
                self.report.ops += 1;
                values.push(value(&place.location)?);
            } else {
                values.push(V::default());
            }
        }
        Ok(values)
    }

    fn hash(
        &mut self,
        low: R,
        high: R,
        at: P,
        mask: Option<K>,
    ) -> Result<[Option<Write<'a>>; 2], ExecuteError> {
        let checksums = self.per_place(at, mask, |location| match location {
            Location::Absent => Ok(0),
            present => present.checksum(),
        })?;
        let half = |shift| Numbers::Lanes(checksums.iter().map(|c| (c >> shift) as u64).collect());
        Ok([
            Some(Write::Numbers(low, half(0))),
            Some(Write::Numbers(high, half(64))),
        ])
    }
}
