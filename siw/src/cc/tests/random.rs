//! Random programs of all operations that keep the rules.
//!
//! A program is made of genes: the first byte of a gene says which operation comes next, the others
//! which of the registers at hand it takes. What has no operand yet is left out.

use crate::cc::{Op, ProgramBuilder, UnpackedProgram};
use crate::*;
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Constraint, Metric, Nearest, Region};
use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt;

/// Which operation, and its operands.
type Gene = (u8, [u8; 6]);

/// A program that is shown as text.
pub(crate) struct Random(pub(crate) UnpackedProgram);

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A program.
pub(crate) fn program() -> impl Strategy<Value = Random> {
    let genes = |most| vec(any::<Gene>(), 0..most);
    let lanes = (0..6u8, crate::tests::random::points());
    (lanes, any::<u64>(), genes(80), genes(16)).prop_map(|((kind, points), number, each, last)| {
        let mut maker = Maker::new(kind, &points, number);
        for gene in each {
            maker.each(gene);
        }
        maker.last_begins();
        for gene in last {
            maker.last(gene);
        }
        Random(maker.end())
    })
}

/// An accumulator, and how it is folded.
type Accumulator = (R, u8);

#[derive(Default)]
struct Maker {
    program: ProgramBuilder,
    accumulators: Vec<Accumulator>,
    scalars: Vec<R>,
    r: Vec<R>,
    p: Vec<P>,
    t: Vec<T>,
    m: Vec<M>,
    k: Vec<K>,
    /// Messages that `each` collects rows in.
    collected: Vec<M>,
    /// Constants: a number, how many rows, a vector, queries, a region, a nearest search, texts.
    number: u16,
    few: u16,
    vector: u16,
    queries: u16,
    region: u16,
    nearest: u16,
    texts: Option<u16>,
    sends: [bool; 2],
    has_scattered: bool,
}

/// One of the latest: few values are live at once then, and few operations dead.
fn pick<X: Copy>(from: &[X], choice: u8) -> Option<X> {
    let latest = from.len().min(if choice < 224 { 4 } else { usize::MAX });
    let back = usize::from(choice).checked_rem(latest)?;
    Some(from[from.len() - 1 - back])
}

/// As [`pick`], but nothing for one choice of four.
fn perhaps<X: Copy>(from: &[X], choice: u8) -> Option<X> {
    pick(from, choice / 4).filter(|_| !choice.is_multiple_of(4))
}

fn of<X: Copy>(all: &[X], choice: u8) -> X {
    all[usize::from(choice) % all.len()]
}

impl Maker {
    fn new(kind: u8, points: &[Coordinate], number: u64) -> Self {
        let (from, to) = (points[0], points[points.len() - 1]);
        let region = Region::new(std::array::from_fn(|d| {
            let (a, b) = (from.components()[d], to.components()[d]);
            match number >> d & 1 {
                0 => Constraint::FREE,
                _ => Constraint::range(a.min(b), a.max(b)).unwrap(),
            }
        }));
        let nearest = Nearest {
            to,
            count: 7,
            metric: Metric::Manhattan,
            radius: None,
        };
        let mut maker = Self::default();
        let mut constant = |constant| maker.program.constant(constant).0;
        maker.number = constant(Constant::Number(number));
        maker.few = constant(Constant::Number(3));
        maker.vector = constant(Constant::Text("@ABCDEFGHIJKLMNO".into()));
        maker.queries = constant(Constant::Queries(Queries {
            count: 3,
            vectors: vec!["@ABCDEFGHIJKLMNO".into(); 2],
        }));
        maker.region = constant(Constant::Lanes(LaneSpec::Region(region.clone())));
        maker.nearest = constant(Constant::Lanes(LaneSpec::Nearest(nearest.clone())));
        let specification = match kind {
            0 => LaneSpec::All,
            1 => LaneSpec::Range { from, to },
            2 => LaneSpec::Union {
                from,
                to,
                points: points.to_vec(),
            },
            3 => LaneSpec::Region(region),
            4 => LaneSpec::Nearest(nearest),
            _ => LaneSpec::Points(points.to_vec()),
        };
        let lanes = maker.program.constant(Constant::Lanes(specification));
        let place = maker.program.place();
        let source = match kind {
            3 => SparseOp::Assoc { to: place, lanes },
            4 => SparseOp::Neighbr { to: place, lanes },
            _ => SparseOp::Lanes { to: place, lanes },
        };
        if kind == 5 {
            let texts = points.iter().map(|point| point.to_string().into());
            let texts = maker.program.constant(Constant::Texts(texts.collect()));
            maker.texts = Some(texts.0);
        }
        for initial in [0, u64::MAX, number, 0, 5, 7] {
            let scalar = maker.program.scalar(initial);
            match maker.scalars.len() {
                0..3 => maker.scalars.push(scalar),
                _ => maker.accumulators.push((scalar, number as u8 % 5)),
            }
        }
        maker.program.each(source);
        maker.p.push(place);
        maker.r.extend(&maker.scalars);
        maker
    }

    fn operand(&self, choice: u8) -> Operand {
        match perhaps(&self.r, choice) {
            Some(register) => Operand::Register(register),
            None => Operand::Constant(ConstantId(self.number)),
        }
    }

    fn text_operand(&self, choice: u8) -> TextOperand {
        match perhaps(&self.t, choice) {
            Some(register) => TextOperand::Register(register),
            None => TextOperand::Constant(ConstantId(self.vector)),
        }
    }

    fn new_number(&mut self) -> R {
        let register = self.program.number();
        self.r.push(register);
        register
    }

    fn new_mask(&mut self) -> K {
        let register = self.program.mask();
        self.k.push(register);
        register
    }

    fn new_text(&mut self) -> T {
        let register = self.program.text();
        self.t.push(register);
        register
    }

    /// Adds an operation to `each` if there are operands for it.
    fn each(&mut self, gene: Gene) {
        let (which, [a, b, c, d, e, _]) = gene;
        let at = self.p[0];
        let left = pick(&self.r, a).expect("there are scalars");
        let second = pick(&self.r, b).expect("there are scalars");
        let right = self.operand(b);
        let kind = of(&NumberKind::ALL, c);
        let mask = perhaps(&self.k, d);
        match which % 32 {
            0..10 => {
                let right = self.operand(e);
                let to = self.program.number();
                if let Some(op) = self.arithmetic(which % 32, to, kind, left, second, right, d) {
                    self.r.push(to);
                    self.program.each(op);
                }
            }
            10 | 11 => {
                let comparison = of(&Comparison::ALL, c);
                let to = self.new_mask();
                self.program.each(DenseOp::Cmp {
                    to,
                    comparison,
                    left,
                    right,
                });
            }
            12 | 13 => {
                let (Some(left), Some(right)) = (pick(&self.k, a), pick(&self.k, b)) else {
                    return;
                };
                let to = self.new_mask();
                self.program.each(match c % 3 {
                    0 => DenseOp::MaskAnd { to, left, right },
                    1 => DenseOp::MaskOr { to, left, right },
                    _ => DenseOp::MaskNot { to, from: left },
                });
            }
            14 | 15 => {
                let (accumulator, kind) = of(&self.accumulators, a);
                let fold = match kind {
                    0 if c % 2 == 0 => Fold::Count,
                    0 => Fold::Sum(second),
                    1 => Fold::Min(second),
                    2 => Fold::Max(second),
                    3 => Fold::FMin(second),
                    _ => Fold::FMax(second),
                };
                self.program.each(DenseOp::Red {
                    accumulator,
                    fold,
                    mask,
                });
            }
            16 => {
                let to = self.new_number();
                self.program.each(DenseOp::Len { to, at, mask });
            }
            17 => {
                let (low, high) = (self.new_number(), self.new_number());
                self.program.each(DenseOp::Hash {
                    low,
                    high,
                    at,
                    mask,
                });
            }
            18 | 19 => self.text(gene, mask),
            20 => {
                let lanes = ConstantId(self.region);
                let to = self.new_mask();
                self.program.each(SparseOp::Test { to, at, lanes });
            }
            21 => {
                let lanes = ConstantId(self.nearest);
                let to = self.new_number();
                self.program.each(SparseOp::Dist { to, at, lanes });
            }
            22 => {
                let to = self.new_number();
                self.program.each(SparseOp::Index {
                    to,
                    dimension: a % 9,
                    at,
                });
            }
            23..26 => {
                let (from, count) = (left, second);
                let extent = match c % 3 {
                    0 => Extent::Whole,
                    1 => Extent::Bytes { from, count },
                    _ => Extent::Lines { from, count },
                };
                let to = self.new_text();
                self.program.each(SparseOp::Gather {
                    to,
                    extent,
                    at,
                    mask,
                });
            }
            26 => self.scatter(a, mask),
            27 => self.collect(gene, mask),
            28 | 29 => {
                let row = Row {
                    coordinate: Some(at),
                    text: perhaps(&self.t, a),
                    length: perhaps(&self.r, b),
                    checksum: perhaps(&self.r, c).zip(perhaps(&self.r, d)),
                    number: perhaps(&self.r, e),
                };
                let to = self.program.message();
                self.m.push(to);
                self.program.each(CoordinationOp::Pack { to, row });
            }
            30 => {
                let (Some(from), destination) = (pick(&self.m, a), b % 7) else {
                    return;
                };
                let is_neighbour = usize::from(destination > 0);
                if !std::mem::replace(&mut self.sends[is_neighbour], true) {
                    let to = of(&Destination::ALL, destination);
                    self.program.each(CoordinationOp::Send { to, from, mask });
                }
            }
            _ => {
                self.program.each(match a % 3 {
                    0 => Op::from(CoordinationOp::Fence),
                    1 => SparseOp::Prefch {
                        at,
                        level: Level::Text,
                    }
                    .into(),
                    _ => DenseOp::Nop.into(),
                });
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the operands of all arithmetic operations"
    )]
    fn arithmetic(
        &self,
        which: u8,
        to: R,
        kind: NumberKind,
        left: R,
        second: R,
        right: Operand,
        mask: u8,
    ) -> Option<DenseOp> {
        Some(match which {
            0 => DenseOp::Mov { to, from: right },
            1 | 2 => DenseOp::Add {
                to,
                kind,
                left,
                right,
            },
            3 => DenseOp::Sub {
                to,
                kind,
                left,
                right,
            },
            4 => DenseOp::Mul {
                to,
                kind,
                left,
                right,
            },
            5 => DenseOp::Fma {
                to,
                kind,
                left,
                right: second,
                addend: right,
            },
            6 => DenseOp::And { to, left, right },
            7 => DenseOp::Or { to, left, right },
            8 => DenseOp::Xor { to, left, right },
            _ => DenseOp::Sel {
                to,
                mask: pick(&self.k, mask)?,
                left,
                right,
            },
        })
    }

    fn text(&mut self, (_, [a, b, c, _, e, f]): Gene, mask: Option<K>) {
        let (Some(text), Some(middle)) = (pick(&self.t, a), pick(&self.t, b)) else {
            return;
        };
        let constant = ConstantId(self.vector);
        let right = self.text_operand(e);
        let op = match c % 5 {
            0 => {
                let place = of(&TextMatch::ALL, f);
                let to = self.new_mask();
                DenseOp::Match {
                    to,
                    place,
                    text,
                    pattern: constant,
                    mask,
                }
            }
            1 => DenseOp::Dot {
                to: self.new_number(),
                text,
                vector: constant,
                mask,
            },
            2 => DenseOp::HdBind {
                to: self.new_text(),
                left: text,
                right,
            },
            3 => DenseOp::HdBund {
                to: self.new_text(),
                left: text,
                middle,
                right,
            },
            _ => DenseOp::HdSim {
                to: self.new_number(),
                left: text,
                right,
                mask,
            },
        };
        self.program.each(op);
    }

    fn scatter(&mut self, a: u8, mask: Option<K>) {
        let scatter = match (self.texts, a % 3) {
            (Some(texts), 0) => Scatter::Put(ConstantId(texts)),
            (Some(texts), 1) => Scatter::Append(ConstantId(texts)),
            _ => Scatter::Delete,
        };
        self.has_scattered = true;
        let at = self.p[0];
        self.program.each(SparseOp::Scattr { at, scatter, mask });
    }

    fn collect(&mut self, (_, [a, b, c, ..]): Gene, mask: Option<K>) {
        if self.collected.len() > 1 {
            return;
        }
        let (at, by) = (self.p[0], pick(&self.r, a).expect("there are scalars"));
        let accumulator = self.program.message();
        let count = ConstantId(self.few);
        self.collected.push(accumulator);
        self.program.each(match (b % 3, pick(&self.t, c)) {
            (2, Some(text)) => CoordinationOp::Dot {
                accumulator,
                at,
                text,
                queries: ConstantId(self.queries),
                mask,
            },
            (0, _) => {
                let ranking = of(&Ranking::ALL, c);
                CoordinationOp::Top {
                    accumulator,
                    ranking,
                    at,
                    by,
                    count,
                    mask,
                }
            }
            _ => {
                let key = match c % 18 {
                    leading @ 0..9 => TallyKey::Leading(leading + 1),
                    component => TallyKey::Component(component - 9),
                };
                let value = perhaps(&self.r, a);
                CoordinationOp::Tally {
                    accumulator,
                    key,
                    at,
                    value,
                    mask,
                }
            }
        });
    }

    /// Only scalars and accumulators outlive the last batch.
    fn last_begins(&mut self) {
        self.r.clone_from(&self.scalars);
        self.r
            .extend(self.accumulators.iter().map(|(register, _)| register));
        self.m.clone_from(&self.collected);
        self.k.clear();
    }

    /// Adds an operation to `last` if there are operands for it.
    fn last(&mut self, (which, [a, b, c, d, ..]): Gene) {
        let left = pick(&self.r, a).expect("there are scalars");
        let second = pick(&self.r, b).expect("there are scalars");
        let right = self.operand(d);
        match which % 12 {
            0..4 => {
                let to = self.program.number();
                let kind = of(&NumberKind::ALL, c);
                let which = which % 12 + c % 9;
                if let Some(op) = self.arithmetic(which, to, kind, left, second, right, 0) {
                    self.r.push(to);
                    self.program.last(op);
                }
            }
            4 | 5 => {
                let (accumulator, reduction) = (left, of(&Reduction::ALL, c));
                self.program.last(CoordinationOp::Reduce {
                    accumulator,
                    reduction,
                });
            }
            6 => {
                let (to, row) = (self.program.message(), number_row(left));
                self.m.push(to);
                self.program.last(CoordinationOp::Pack { to, row });
            }
            7 => {
                let to = self.program.message();
                self.m.push(to);
                self.program.last(CoordinationOp::Recv { to });
            }
            8 => {
                let Some(message) = pick(&self.m, a) else {
                    return;
                };
                self.program.last(match b % 2 {
                    0 => CoordinationOp::Cast { message },
                    _ => CoordinationOp::Merge { message },
                });
            }
            9 | 10 => {
                let (to, mask) = (of(&Destination::ALL, b), None);
                if let Some(from) = pick(&self.m, a) {
                    self.program.last(CoordinationOp::Send { to, from, mask });
                }
            }
            _ => {
                self.program.last(match a % 3 {
                    0 => Op::from(CoordinationOp::Bar),
                    1 => CoordinationOp::Fence.into(),
                    _ => SparseOp::Flush.into(),
                });
            }
        }
    }

    /// Sends what has been collected and folded, so that little of the program is dead.
    fn end(mut self) -> UnpackedProgram {
        if self.has_scattered {
            self.program.last(SparseOp::Flush);
        }
        for (accumulator, _) in self.accumulators.clone() {
            let (to, row) = (self.program.message(), number_row(accumulator));
            self.m.push(to);
            self.program.last(CoordinationOp::Pack { to, row });
        }
        for &from in self.m.clone().iter().rev().take(3) {
            let (to, mask) = (Destination::Sink, None);
            self.program.last(CoordinationOp::Send { to, from, mask });
        }
        self.program.build().unwrap()
    }
}

fn number_row(number: R) -> Row {
    Row {
        number: Some(number),
        ..Row::default()
    }
}
