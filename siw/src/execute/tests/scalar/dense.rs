//! The D pipe of the scalar model.

use super::{Lane, Model, Sentron};
use crate::{
    Comparison, Constant, ConstantId, DenseOp, Fold, NumberKind, Operand, Part, R, Reduction, T,
    TextMatch, TextOperand,
};
use std::cmp::Ordering;
use xxhash_rust::xxh3::xxh3_128;

impl Model<'_> {
    pub(super) fn dense(
        &mut self,
        part: Part,
        op: DenseOp,
        sentron: &mut Sentron,
        before: &[Lane],
        lanes: &mut [Lane],
    ) {
        if let DenseOp::Red {
            accumulator,
            fold,
            mask,
        } = op
        {
            assert_eq!(part, Part::Each);
            let mut total = before[0].r[accumulator.index()].unwrap();
            for lane in before.iter().filter(|lane| lane.is_active(mask)) {
                self.outcome.ops += 1;
                total = match fold {
                    Fold::Count => total.wrapping_add(1),
                    others => {
                        let source = others.source().unwrap();
                        reduce(fold.reduction(), total, lane.r[source.index()].unwrap())
                    }
                };
            }
            sentron.scalars.r[accumulator.index()] = Some(total);
            for lane in lanes {
                lane.r[accumulator.index()] = Some(total);
            }
            return;
        }
        for (before, lane) in before.iter().zip(lanes) {
            self.dense_lane(op, before, lane);
        }
    }

    fn value(&self, before: &Lane, operand: Operand) -> u64 {
        match operand {
            Operand::Register(r) => before.r[r.index()].expect("a number was written"),
            Operand::Constant(id) => self.number(id),
        }
    }

    fn text(&self, id: ConstantId) -> &[u8] {
        match &self.stream.constants[id.index()] {
            Constant::Text(text) => text,
            _ => panic!("{id} is not a text"),
        }
    }

    fn text_operand(&self, before: &Lane, operand: TextOperand) -> Option<Vec<u8>> {
        match operand {
            TextOperand::Register(t) => text_of(before, t),
            TextOperand::Constant(id) => Some(self.text(id).to_vec()),
        }
    }

    fn dense_lane(&mut self, op: DenseOp, before: &Lane, lane: &mut Lane) {
        let value = |operand| self.value(before, operand);
        let r = |register: R| before.r[register.index()].expect("a number was written");
        let k = |register: crate::K| before.k[register.index()].expect("a mask was written");
        let mut counted = true;
        match op {
            DenseOp::Nop | DenseOp::Red { .. } => counted = false,
            DenseOp::Mov { to, from } => lane.r[to.index()] = Some(value(from)),
            DenseOp::Add {
                to,
                kind,
                left,
                right,
            } => {
                let sum = arithmetic(kind, r(left), value(right), u64::wrapping_add, |a, b| a + b);
                lane.r[to.index()] = Some(sum);
            }
            DenseOp::Sub {
                to,
                kind,
                left,
                right,
            } => {
                let rest = arithmetic(kind, r(left), value(right), u64::wrapping_sub, |a, b| a - b);
                lane.r[to.index()] = Some(rest);
            }
            DenseOp::Mul {
                to,
                kind,
                left,
                right,
            } => {
                let times =
                    arithmetic(kind, r(left), value(right), u64::wrapping_mul, |a, b| a * b);
                lane.r[to.index()] = Some(times);
            }
            DenseOp::Fma {
                to,
                kind,
                left,
                right,
                addend,
            } => {
                let (left, right, addend) = (r(left), r(right), value(addend));
                let double = f64::from_bits;
                lane.r[to.index()] = Some(match kind {
                    NumberKind::U64 => left.wrapping_mul(right).wrapping_add(addend),
                    NumberKind::F64 => bits(double(left).mul_add(double(right), double(addend))),
                });
            }
            DenseOp::And { to, left, right } => lane.r[to.index()] = Some(r(left) & value(right)),
            DenseOp::Or { to, left, right } => lane.r[to.index()] = Some(r(left) | value(right)),
            DenseOp::Xor { to, left, right } => lane.r[to.index()] = Some(r(left) ^ value(right)),
            DenseOp::MaskAnd { to, left, right } => lane.k[to.index()] = Some(k(left) && k(right)),
            DenseOp::MaskOr { to, left, right } => lane.k[to.index()] = Some(k(left) || k(right)),
            DenseOp::MaskNot { to, from } => lane.k[to.index()] = Some(!k(from)),
            DenseOp::Sel {
                to,
                mask,
                left,
                right,
            } => {
                lane.r[to.index()] = Some(if k(mask) { r(left) } else { value(right) });
            }
            DenseOp::Cmp {
                to,
                comparison,
                left,
                right,
            } => {
                lane.k[to.index()] = Some(holds(comparison, r(left), value(right)));
            }
            DenseOp::Len { to, at, mask } => {
                counted = before.is_active(mask);
                let text = self.scrolls.get(&before.p[at.index()].unwrap());
                let length = text.filter(|_| counted).map_or(0, |text| text.len() as u64);
                lane.r[to.index()] = Some(length);
            }
            DenseOp::Hash {
                low,
                high,
                at,
                mask,
            } => {
                counted = before.is_active(mask);
                let text = self.scrolls.get(&before.p[at.index()].unwrap());
                let hash = text.filter(|_| counted).map_or(0, |text| xxh3_128(text));
                lane.r[low.index()] = Some(hash as u64);
                lane.r[high.index()] = Some((hash >> 64) as u64);
            }
            DenseOp::Match {
                to,
                place,
                text,
                pattern,
                mask,
            } => {
                counted = before.is_active(mask);
                let pattern = self.text(pattern);
                let text = text_of(before, text).filter(|_| counted);
                lane.k[to.index()] = Some(text.is_some_and(|text| match place {
                    TextMatch::Starts => text.starts_with(pattern),
                    TextMatch::Contains => {
                        (0..=text.len()).any(|at| text[at..].starts_with(pattern))
                    }
                }));
            }
            DenseOp::Dot {
                to,
                text,
                vector,
                mask,
            } => {
                counted = before.is_active(mask);
                let dot = text_of(before, text).and_then(|text| dot(&text, self.text(vector)));
                let dot = dot.unwrap_or(f64::NAN).to_bits();
                lane.r[to.index()] = Some(if counted { dot } else { 0 });
            }
            DenseOp::HdBind { to, left, right } => {
                let operands = [text_of(before, left), self.text_operand(before, right)];
                let bound = hypervectors(operands).map(|[a, b]| zip(&a, &b, |a, b| a != b));
                lane.t[to.index()] = Some(bound.map(|bits| text_of_bits(&bits)));
            }
            DenseOp::HdBund {
                to,
                left,
                middle,
                right,
            } => {
                let right = self.text_operand(before, right);
                let operands = [text_of(before, left), text_of(before, middle), right];
                let bundled = hypervectors(operands).map(|[a, b, c]| {
                    let votes = |at| usize::from(a[at]) + usize::from(b[at]) + usize::from(c[at]);
                    (0..a.len()).map(|at| votes(at) >= 2).collect::<Vec<bool>>()
                });
                lane.t[to.index()] = Some(bundled.map(|bits| text_of_bits(&bits)));
            }
            DenseOp::HdSim {
                to,
                left,
                right,
                mask,
            } => {
                counted = before.is_active(mask);
                let operands = [text_of(before, left), self.text_operand(before, right)];
                let equal = hypervectors(operands).map_or(0, |[a, b]| {
                    let equal = zip(&a, &b, |a, b| a == b);
                    equal.iter().filter(|equal| **equal).count() as u64
                });
                lane.r[to.index()] = Some(if counted { equal } else { 0 });
            }
        }
        self.outcome.ops += u64::from(counted);
    }
}

pub(super) fn text_of(lane: &Lane, register: T) -> Option<Vec<u8>> {
    lane.t[register.index()]
        .clone()
        .expect("a text was written")
}

/// The bits of a result, with one NaN.
fn bits(number: f64) -> u64 {
    if number.is_nan() {
        0x7FF8 << 48
    } else {
        number.to_bits()
    }
}

fn arithmetic(
    kind: NumberKind,
    left: u64,
    right: u64,
    whole: fn(u64, u64) -> u64,
    double: fn(f64, f64) -> f64,
) -> u64 {
    match kind {
        NumberKind::U64 => whole(left, right),
        NumberKind::F64 => bits(double(f64::from_bits(left), f64::from_bits(right))),
    }
}

fn holds(comparison: Comparison, left: u64, right: u64) -> bool {
    let order = left.cmp(&right);
    let doubles = f64::from_bits(left).partial_cmp(&f64::from_bits(right));
    match comparison {
        Comparison::Eq => order.is_eq(),
        Comparison::Ne => order.is_ne(),
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
        Comparison::FEq => doubles.is_some_and(Ordering::is_eq),
        Comparison::FNe => !doubles.is_some_and(Ordering::is_eq),
        Comparison::FLt => doubles.is_some_and(Ordering::is_lt),
        Comparison::FLe => doubles.is_some_and(Ordering::is_le),
        Comparison::FGt => doubles.is_some_and(Ordering::is_gt),
        Comparison::FGe => doubles.is_some_and(Ordering::is_ge),
    }
}

pub(super) fn reduce(reduction: Reduction, total: u64, number: u64) -> u64 {
    let (a, b) = (f64::from_bits(total), f64::from_bits(number));
    match reduction {
        Reduction::Sum | Reduction::Count => total.wrapping_add(number),
        Reduction::Min => total.min(number),
        Reduction::Max => total.max(number),
        Reduction::FMin | Reduction::FMax if b.is_nan() => total,
        Reduction::FMin | Reduction::FMax if a.is_nan() => number,
        Reduction::FMin => {
            if b.total_cmp(&a).is_lt() {
                number
            } else {
                total
            }
        }
        Reduction::FMax => {
            if b.total_cmp(&a).is_gt() {
                number
            } else {
                total
            }
        }
    }
}

pub(super) fn dot(text: &[u8], vector: &[u8]) -> Option<f64> {
    let number = |byte: &u8| {
        let is_one = (0x20..=0x7E).contains(byte);
        is_one.then_some(i64::from(*byte) - 0x4F)
    };
    if text.len() != vector.len() {
        return None;
    }
    let mut sum = 0;
    for (a, b) in text.iter().zip(vector) {
        sum += number(a)? * number(b)?;
    }
    Some(sum as f64)
}

/// The bits of hypervectors of one length.
fn hypervectors<const N: usize>(texts: [Option<Vec<u8>>; N]) -> Option<[Vec<bool>; N]> {
    let texts: Vec<Vec<u8>> = texts.into_iter().collect::<Option<_>>()?;
    let mut all = Vec::new();
    for text in &texts {
        if text.len() != texts[0].len() {
            return None;
        }
        let mut bits = Vec::new();
        for byte in text {
            if !(0x40..=0x7F).contains(byte) {
                return None;
            }
            bits.extend((0..6).map(|bit| byte >> bit & 1 == 1));
        }
        all.push(bits);
    }
    all.try_into().ok()
}

fn zip(left: &[bool], right: &[bool], f: fn(bool, bool) -> bool) -> Vec<bool> {
    let pairs = left.iter().zip(right);
    pairs.map(|(&left, &right)| f(left, right)).collect()
}

fn text_of_bits(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| {
        let bits = bits.iter().enumerate();
        bits.fold(0x40, |byte, (at, &bit)| byte | u8::from(bit) << at)
    };
    bits.chunks(6).map(byte).collect()
}
