//! The D operations that read texts: patterns, q7 vectors and hypervectors.

use super::Sentron;
use super::registers::{Mask, Text, Write};
use crate::{Constant, ConstantId, K, R, T, TextMatch, TextOperand};
use memchr::memmem::Finder;

impl<'a> Sentron<'a> {
    #[inline(never)]
    pub(super) fn match_texts(
        &mut self,
        to: K,
        place: TextMatch,
        text: T,
        pattern: ConstantId,
        mask: Option<K>,
    ) {
        let mut found = Mask::default();
        let needle = self.constant_text(pattern);
        let finder = (place == TextMatch::Contains).then(|| self.finder(pattern));
        let active = self.registers.active(mask, self.width);
        let arena = &self.registers.memory.arena;
        for (index, text) in self.registers.texts(text).iter().enumerate() {
            let Some(text) = text.bytes(arena).filter(|_| active.get(index)) else {
                continue;
            };
            let holds = match finder {
                Some(finder) => self.finders[finder].1.find(text).is_some(),
                None => text.starts_with(needle),
            };
            found.0[index / 64] |= u64::from(holds) << (index % 64);
        }
        self.report.ops += active.count();
        *self.registers.next_dense_mask() = found;
        self.defer_mask(to);
    }

    /// The position of the finder of a pattern, built when first it is needed.
    fn finder(&mut self, pattern: ConstantId) -> usize {
        let known = self.finders.iter().position(|(id, _)| *id == pattern);
        known.unwrap_or_else(|| {
            let finder = Finder::new(self.constant_text(pattern));
            self.finders.push((pattern, finder));
            self.finders.len() - 1
        })
    }

    fn constant_text(&self, id: ConstantId) -> &'a [u8] {
        match &self.stream.constants[id.index()] {
            Constant::Text(text) => text,
            _ => unreachable!("the validator has seen that this constant is a text"),
        }
    }

    #[inline(never)]
    pub(super) fn dot(&mut self, to: R, text: T, vector: ConstantId, mask: Option<K>) {
        let mut query = std::mem::take(&mut self.registers.memory.query);
        query.refill(self.constant_text(vector));
        self.per_text(to, text, mask, |sentron, text| {
            // Exact: a sum that does not fit 53 bits needs a text of terabytes.
            let dot = text.and_then(|text| sentron.kernels.row(text, &query));
            dot.map_or(f64::NAN, |dot| dot as f64).to_bits()
        });
        self.registers.memory.query = query;
    }

    /// A number of each text of an active lane, 0 for the others.
    fn per_text(
        &mut self,
        to: R,
        texts: T,
        mask: Option<K>,
        number: impl Fn(&Self, Option<&[u8]>) -> u64,
    ) {
        let mut numbers = self.registers.take_numbers();
        let active = self.registers.active(mask, self.width);
        let texts = self.registers.texts(texts);
        for (index, (to, text)) in numbers.buffer.0.iter_mut().zip(texts).enumerate() {
            *to = match active.get(index) {
                true => number(self, text.bytes(&self.registers.memory.arena)),
                false => 0,
            };
        }
        self.report.ops += active.count();
        self.registers.defer_numbers(to, numbers);
    }

    #[inline(never)]
    pub(super) fn similarity(&mut self, to: R, left: T, right: TextOperand, mask: Option<K>) {
        let mut numbers = self.registers.take_numbers();
        let active = self.registers.active(mask, self.width);
        let arena = &self.registers.memory.arena;
        for index in 0..self.width {
            let left = self.registers.texts(left)[index].bytes(arena);
            let right = self.operand_text(right, index).bytes(arena);
            let operands = left.zip(right).filter(|_| active.get(index));
            let equal = operands.and_then(|(left, right)| self.kernels.equal_bits(left, right));
            numbers.buffer.0[index] = equal.unwrap_or(0);
        }
        self.report.ops += active.count();
        self.registers.defer_numbers(to, numbers);
    }

    /// The text of an operand in a lane.
    fn operand_text(&self, operand: TextOperand, lane: usize) -> Text<'a> {
        match operand {
            TextOperand::Register(register) => self.registers.texts(register)[lane],
            TextOperand::Constant(id) => Text::Borrowed(self.constant_text(id)),
        }
    }

    #[inline(never)]
    pub(super) fn bind(&mut self, to: T, left: T, right: TextOperand) {
        self.make_texts(
            to,
            |sentron, lane| {
                let left = sentron.registers.texts(left)[lane];
                [left, left, sentron.operand_text(right, lane)]
            },
            |sentron, [left, _, right], out| sentron.kernels.bind(left, right, out),
        );
    }

    #[inline(never)]
    pub(super) fn bundle(&mut self, to: T, [left, middle]: [T; 2], right: TextOperand) {
        self.make_texts(
            to,
            |sentron, lane| {
                let text = |register| sentron.registers.texts(register)[lane];
                [text(left), text(middle), sentron.operand_text(right, lane)]
            },
            |sentron, [left, middle, right], out| sentron.kernels.bundle(left, middle, right, out),
        );
    }

    /// Makes a text a lane, in the arena, of operands that are as long; none where `make` says that
    /// they are no hypervectors.
    fn make_texts(
        &mut self,
        to: T,
        operands: impl Fn(&Self, usize) -> [Text<'a>; 3],
        make: impl Fn(&Self, [&[u8]; 3], &mut [u8]) -> bool,
    ) {
        let (id, mut texts) = self.registers.take_texts();
        let mut arena = std::mem::take(&mut self.registers.memory.arena);
        for lane in 0..self.width {
            let operands = operands(self, lane);
            let at = arena.len();
            let Some(length) = operands[0].bytes(&arena).map(<[u8]>::len) else {
                texts.push(Text::Absent);
                continue;
            };
            arena.resize(at + length, 0);
            let (made, out) = arena.split_at_mut(at);
            let bytes = operands.map(|text| text.bytes(made).filter(|text| text.len() == length));
            let is_made = match bytes {
                [Some(left), Some(middle), Some(right)] => make(self, [left, middle, right], out),
                _ => false,
            };
            if !is_made {
                arena.truncate(at);
            }
            texts.push(match is_made {
                true => Text::Made { at, length },
                false => Text::Absent,
            });
        }
        self.registers.memory.arena = arena;
        self.report.ops += self.width as u64;
        self.registers.put_texts(id, texts);
        self.registers.defer(Write::Texts(to, id));
    }
}
