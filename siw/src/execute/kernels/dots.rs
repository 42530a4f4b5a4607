//! Dot products of q7 vectors: what queries are made into, and the portable loops.
//!
//! A byte of a text is its number plus 0x4F. So the dot product of a text with the numbers `v` of a
//! query is the sum of `byte * v` over the text, less 0x4F times the sum of `v`, which is known before
//! any text is: texts are multiplied as they are, unsigned, with signed queries.
//!
//! ```text
//! Row     one query:   v0 v1 v2 v3 v4 ...                          a text gives one sum
//! Panel   16 queries:  step 0: a0 a1 a2 a3 b0 b1 b2 b3 ... p3      a text gives 16 sums,
//!                      step 1: a4 a5 a6 a7 b4 b5 b6 b7 ... p7      one in each 32 bits of a vector
//! ```
//!
//! A step multiplies four bytes of a text, repeated 16 times, with 64 bytes of a panel, so that no sum
//! is ever folded across a vector. A tile of texts and panels shares what it loads.

/// The byte of the number 0 in a q7 vector.
const ZERO: u8 = 0x4F;
/// The lowest byte of a q7 vector.
pub(super) const LOWEST: u8 = 0x20;
/// How far above it the highest one is.
pub(super) const SPAN: u8 = 0x7E - LOWEST;

/// Bytes whose products are added up in 32 bits: each product is below 2^14, whatever the text.
const RUN: usize = 1 << 16;

/// Queries of a panel.
pub(in crate::execute) const QUERIES: usize = 16;
/// Most panels of a tile.
pub(in crate::execute) const PANELS: usize = 4;
/// Most texts of a tile.
pub(in crate::execute) const TEXTS: usize = 8;
/// Texts times panels of a tile, at most.
pub(in crate::execute) const CELLS: usize = 16;
/// The longest vectors whose sums fit 32 bits: a q7 byte times a number is below 2^13.
pub(in crate::execute) const LONGEST: usize = 1 << 18;

/// The number of a byte of a q7 vector, as the byte of a signed one.
fn number(byte: u8) -> u8 {
    byte.wrapping_sub(ZERO)
}

/// What is taken off the sum of products of a text with a q7 vector.
fn excess(vector: &[u8]) -> i64 {
    let numbers = vector.iter().map(|&byte| i64::from(byte) - i64::from(ZERO));
    i64::from(ZERO) * numbers.sum::<i64>()
}

/// A query by itself.
#[derive(Debug, Clone, Default)]
pub(in crate::execute) struct Row {
    /// Signed bytes.
    pub(super) numbers: Vec<u8>,
    excess: i64,
}

impl Row {
    /// Of a q7 vector, in the memory of another.
    pub(in crate::execute) fn refill(&mut self, vector: &[u8]) {
        self.numbers.clear();
        self.numbers.extend(vector.iter().copied().map(number));
        self.excess = excess(vector);
    }

    /// Of a q7 vector.
    pub(in crate::execute) fn of(vector: &[u8]) -> Self {
        let mut row = Self::default();
        row.refill(vector);
        row
    }
}

/// The numbers of four places of 16 queries, signed bytes.
#[repr(align(64))]
#[derive(Debug, Clone, Copy)]
pub(super) struct Step(pub(super) [u8; 4 * QUERIES]);

/// The dot products, or the bounds, of 16 queries.
#[repr(align(64))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) struct Lanes(pub(in crate::execute) [i32; QUERIES]);

/// Up to 16 queries of one length, [`LONGEST`] at most. Queries that are missing are 0 everywhere.
#[derive(Debug, Clone)]
pub(in crate::execute) struct Panel {
    pub(super) steps: Vec<Step>,
    /// What sums start from: the excess, negative.
    pub(super) start: Lanes,
    /// The least dot product that is asked for, of each query.
    pub(in crate::execute) bounds: Lanes,
}

impl Panel {
    /// Of q7 vectors of one length. Of those that are missing no dot product is asked for.
    pub(in crate::execute) fn of(vectors: &[impl AsRef<[u8]>]) -> Self {
        let length = vectors.first().map_or(0, |vector| vector.as_ref().len());
        assert!(vectors.len() <= QUERIES && length <= LONGEST);
        let mut panel = Self {
            steps: vec![Step([0; 4 * QUERIES]); length.div_ceil(4)],
            start: Lanes([0; QUERIES]),
            bounds: Lanes([i32::MAX; QUERIES]),
        };
        for (query, vector) in vectors.iter().enumerate() {
            panel.put(query, vector.as_ref());
        }
        panel
    }

    fn put(&mut self, query: usize, vector: &[u8]) {
        for (step, bytes) in self.steps.iter_mut().zip(vector.chunks(4)) {
            for (to, &byte) in step.0[4 * query..].iter_mut().zip(bytes) {
                *to = number(byte);
            }
        }
        self.start.0[query] = i32::try_from(-excess(vector)).expect("the vector is not too long");
        self.bounds.0[query] = i32::MIN;
    }

    /// The sums from which whole fours of a text, a vector of the length of the queries, go on: what is
    /// left behind them is in it.
    #[inline]
    pub(super) fn start_of(&self, text: &[u8]) -> Lanes {
        let mut sums = self.start;
        let (whole, rest) = text.as_chunks::<4>();
        if !rest.is_empty() {
            let mut four = [0; 4];
            four[..rest.len()].copy_from_slice(rest);
            add(&mut sums, &self.steps[whole.len()], &four);
        }
        sums
    }
}

/// Dot products of a few texts with the queries of a few panels: that of text t with panel p at
/// `t * panels + p`.
#[derive(Debug, Clone)]
pub(in crate::execute) struct Tile {
    /// A bit for each query whose bound is reached.
    pub(in crate::execute) reached: [u16; CELLS],
    /// The dot products, right where any reaches its bound.
    pub(in crate::execute) products: [Lanes; CELLS],
}

impl Default for Tile {
    fn default() -> Self {
        Self {
            reached: [0; CELLS],
            products: [Lanes([0; QUERIES]); CELLS],
        }
    }
}

/// How many texts a tile of so many panels has.
pub(in crate::execute) const fn texts_of(panels: usize) -> usize {
    if panels == PANELS {
        CELLS / PANELS
    } else {
        TEXTS
    }
}

/// Whether all bytes are those of q7 vectors.
#[inline(always)]
pub(super) fn is_vector(text: &[u8]) -> bool {
    let strangers = text.iter().fold(0, |found, &byte| {
        found | u8::from(byte.wrapping_sub(LOWEST) > SPAN)
    });
    strangers == 0
}

/// The dot product of a text with a query; `None` if the text is no vector of that length. `run` gives
/// the sum of products of a run, `None` if a byte is none of a vector.
#[inline(always)]
pub(super) fn row_by_runs(
    text: &[u8],
    row: &Row,
    run: impl Fn(&[u8], &[u8]) -> Option<i32>,
) -> Option<i64> {
    if text.len() != row.numbers.len() {
        return None;
    }
    let mut sum = -row.excess;
    for (text, numbers) in text.chunks(RUN).zip(row.numbers.chunks(RUN)) {
        sum += i64::from(run(text, numbers)?);
    }
    Some(sum)
}

/// The dot product of a text with a query; `None` if the text is no vector of that length.
#[inline(always)]
pub(super) fn row(text: &[u8], row: &Row) -> Option<i64> {
    row_by_runs(text, row, |text, numbers| {
        let (mut sum, mut strangers) = (0, 0);
        for (&byte, &number) in text.iter().zip(numbers) {
            strangers |= u8::from(byte.wrapping_sub(LOWEST) > SPAN);
            sum += i32::from(i16::from(byte)) * i32::from(i16::from(number.cast_signed()));
        }
        (strangers == 0).then_some(sum)
    })
}

/// Dot products of up to [`texts_of`] texts, vectors of the length of the queries, with the queries
/// of one, two or four panels.
#[inline(always)]
pub(super) fn tile(texts: &[&[u8]], panels: &[Panel], tile: &mut Tile) {
    for (t, text) in texts.iter().enumerate() {
        for (p, panel) in panels.iter().enumerate() {
            let mut sums = panel.start_of(text);
            for (step, bytes) in panel.steps.iter().zip(text.as_chunks::<4>().0) {
                add(&mut sums, step, bytes);
            }
            let cell = t * panels.len() + p;
            tile.reached[cell] = reached(&sums, &panel.bounds);
            tile.products[cell] = sums;
        }
    }
}

/// A bit for each query whose bound is reached.
#[inline(always)]
pub(super) fn reached(sums: &Lanes, bounds: &Lanes) -> u16 {
    let pairs = sums.0.iter().zip(&bounds.0).enumerate();
    pairs
        .map(|(query, (sum, bound))| u16::from(sum >= bound) << query)
        .sum()
}

#[inline(always)]
fn add(sums: &mut Lanes, step: &Step, bytes: &[u8; 4]) {
    let (numbers, _) = step.0.as_chunks::<4>();
    for (sum, numbers) in sums.0.iter_mut().zip(numbers) {
        for (&byte, &number) in bytes.iter().zip(numbers) {
            *sum = sum.wrapping_add(i32::from(byte) * i32::from(number.cast_signed()));
        }
    }
}
