//! The registers of a sentron while it runs.
//!
//! ```text
//! r  a number for all lanes, or a buffer of 1,024      k  a bitmap of 1,024 bits
//! p  a buffer of lanes of the page table                t  a buffer of texts
//! m  columns: the buffers of the registers it was packed from; or rows, or what makes rows
//! ```
//!
//! Buffers outlive the batch and the stream: once a sentron has run a while, it allocates nothing.

mod mask;
mod message;
mod pool;
mod rows;
mod text;

pub(super) use mask::{Active, MASK_WORDS, Mask};
pub(super) use message::Content;
pub(super) use pool::{BufferId, Pool, Taken, emptied};
pub(super) use rows::Order;
pub use rows::{Message, Rows};
pub(super) use text::Text;

use crate::{BATCH_LANES, K, M, P, R, T};
use phext_storage::WriteOp;
use phext_storage::page_table::{Lane, Location};

/// The lanes of a number, aligned so that no vector straddles two cache lines.
#[repr(align(64))]
#[derive(Debug)]
pub(super) struct LaneNumbers(pub(super) [u64; BATCH_LANES]);

impl Default for LaneNumbers {
    fn default() -> Self {
        Self([0; BATCH_LANES])
    }
}

pub(super) type NumberBuffer = Box<LaneNumbers>;
pub(super) type PlaceBuffer<'a> = Vec<Lane<'a>>;
pub(super) type TextBuffer<'a> = Vec<Text<'a>>;

/// An `r` register.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Number {
    /// The number of all lanes, if it is a scalar.
    pub(super) scalar: Option<u64>,
    /// A number a lane. For a scalar, that number 1,024 times, made when first it was read so.
    pub(super) lanes: Option<BufferId>,
}

/// What does not borrow from a snapshot, and the memory of what does while no stream runs. Boxed, so
/// that little is moved when a stream starts and ends.
#[derive(Debug, Default)]
pub(super) struct Memory {
    number_pool: Pool<Option<NumberBuffer>>,
    numbers: [Number; R::COUNT],
    /// A bit for each of `numbers` that was written since the stream began.
    written: u16,
    /// What the operations of the word at hand write, and how many writes that are.
    deferred: [Write; MOST_WRITES],
    deferrals: usize,
    masks: [Mask; K::COUNT],
    /// What the D and the S operation of the word at hand write to a mask.
    next_masks: [Mask; 2],
    places: [Option<BufferId>; P::COUNT],
    texts: [Option<BufferId>; T::COUNT],
    messages: [Content; M::COUNT],
    idle_places: Pool<PlaceBuffer<'static>>,
    idle_texts: Pool<TextBuffer<'static>>,
    idle_located: Vec<Location<'static>>,
    /// Texts made in the batch.
    pub(super) arena: Vec<u8>,
    /// Writes that wait for SFLUSH.
    pub(super) scattered: Vec<WriteOp>,
}

/// The values of all registers. What was never written is not read: the validator has seen to it.
#[derive(Debug)]
pub(super) struct Registers<'a> {
    pub(super) memory: Box<Memory>,
    place_pool: Pool<PlaceBuffer<'a>>,
    text_pool: Pool<TextBuffer<'a>>,
    /// Where points are that become lanes.
    pub(super) located: Vec<Location<'a>>,
}

/// Most writes of a word: of DHASH and of an S operation.
const MOST_WRITES: usize = 3;

/// What an operation writes, put in place when the whole word is done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Write {
    #[default]
    Nothing,
    Scalar(R, u64),
    Numbers(R, BufferId),
    Places(P, BufferId),
    Texts(T, BufferId),
    /// What was put into [`Registers::next_dense_mask`].
    DenseMask(K),
    /// What was put into [`Registers::next_sparse_mask`].
    SparseMask(K),
}

impl<'a> Registers<'a> {
    #[inline]
    pub(super) fn new(mut memory: Box<Memory>) -> Self {
        Self {
            place_pool: std::mem::take(&mut memory.idle_places),
            text_pool: std::mem::take(&mut memory.idle_texts),
            located: std::mem::take(&mut memory.idle_located),
            memory,
        }
    }

    /// Keeps the memory.
    #[inline]
    pub(super) fn into_idle(self) -> Box<Memory> {
        let mut memory = self.memory;
        memory.number_pool.reset();
        while memory.written != 0 {
            let register = memory.written.trailing_zeros() as usize;
            memory.numbers[register] = Number::default();
            memory.written &= memory.written - 1;
        }
        memory.places = Default::default();
        memory.texts = Default::default();
        for message in &mut memory.messages {
            if !matches!(message, Content::Empty) {
                *message = Content::Empty;
            }
        }
        // A stream that failed in the middle of a word has left some.
        memory.deferrals = 0;
        memory.idle_places = self.place_pool.recycle(emptied);
        memory.idle_texts = self.text_pool.recycle(emptied);
        memory.idle_located = emptied(self.located);
        memory.scattered.clear();
        memory.arena.clear();
        memory
    }

    /// Keeps what an operation writes until [`Self::put_deferred`]. In memory, field by field: a result
    /// that is returned is copied as a whole, and waits for its fields to be written.
    #[inline]
    pub(super) fn defer(&mut self, write: Write) {
        let memory = &mut *self.memory;
        memory.deferred[memory.deferrals] = write;
        memory.deferrals += 1;
    }

    /// Puts in place what the operations of a word write.
    #[inline]
    pub(super) fn put_deferred(&mut self) {
        for index in 0..std::mem::take(&mut self.memory.deferrals) {
            let write = self.memory.deferred[index];
            self.put(&write);
        }
    }

    #[inline]
    pub(super) fn put(&mut self, write: &Write) {
        match *write {
            Write::Nothing => {}
            Write::Scalar(to, number) => {
                let number = Number {
                    scalar: Some(number),
                    lanes: None,
                };
                self.put_number(to, number);
            }
            Write::Numbers(to, lanes) => {
                let number = Number {
                    scalar: None,
                    lanes: Some(lanes),
                };
                self.put_number(to, number);
            }
            Write::Places(to, buffer) => {
                if let Some(old) = self.memory.places[to.index()].replace(buffer) {
                    self.place_pool.release(old);
                }
            }
            Write::Texts(to, buffer) => {
                if let Some(old) = self.memory.texts[to.index()].replace(buffer) {
                    self.text_pool.release(old);
                }
            }
            Write::DenseMask(to) => self.memory.masks[to.index()] = self.memory.next_masks[0],
            Write::SparseMask(to) => self.memory.masks[to.index()] = self.memory.next_masks[1],
        }
    }

    fn put_number(&mut self, to: R, number: Number) {
        let memory = &mut *self.memory;
        memory.written |= 1 << to.index();
        let old = memory.numbers[to.index()].lanes;
        memory.numbers[to.index()] = number;
        if let Some(old) = old {
            memory.number_pool.release(old);
        }
    }

    #[inline]
    pub(super) fn number(&self, register: R) -> Number {
        self.memory.numbers[register.index()]
    }

    /// The number of a register in a lane.
    #[inline]
    pub(super) fn number_at(&self, register: R, lane: usize) -> u64 {
        self.memory.number_at(register, lane)
    }

    #[inline]
    pub(super) fn lane_numbers(&self, id: BufferId) -> &[u64; BATCH_LANES] {
        &self.memory.number_pool.filled(id).0
    }

    /// The lanes of a register; those of a scalar are made where they are not there yet.
    #[inline]
    pub(super) fn as_lanes(&mut self, register: R) -> BufferId {
        match self.number(register).lanes {
            Some(lanes) => lanes,
            None => self.spread(register),
        }
    }

    #[cold]
    fn spread(&mut self, register: R) -> BufferId {
        let number = self.number_at(register, 0);
        let mut lanes = self.take_numbers();
        lanes.buffer.0.fill(number);
        let lanes = self.put_numbers(lanes);
        self.memory.numbers[register.index()].lanes = Some(lanes);
        lanes
    }

    /// The buffer of a register that is no scalar, kept for another register too.
    pub(super) fn share(&mut self, register: R) -> BufferId {
        let lanes = self.as_lanes(register);
        self.memory.number_pool.retain(lanes);
        lanes
    }

    #[inline]
    pub(super) fn take_numbers(&mut self) -> Taken<NumberBuffer> {
        self.memory.number_pool.take()
    }

    #[inline]
    pub(super) fn put_numbers(&mut self, taken: Taken<NumberBuffer>) -> BufferId {
        self.memory.number_pool.put(taken)
    }

    /// An empty buffer of places that no register has yet, and where points are located on the way.
    #[inline]
    pub(super) fn claim_places(
        &mut self,
    ) -> (BufferId, &mut PlaceBuffer<'a>, &mut Vec<Location<'a>>) {
        let id = self.place_pool.claim();
        let places = self.place_pool.get_mut(id);
        places.clear();
        (id, places, &mut self.located)
    }

    /// An empty buffer of texts, and what it may be filled from.
    #[inline]
    pub(super) fn claim_texts(&mut self) -> (BufferId, &mut TextBuffer<'a>, Readable<'_, 'a>) {
        let id = self.text_pool.claim();
        let texts = self.text_pool.get_mut(id);
        texts.clear();
        let readable = Readable {
            memory: &self.memory,
            place_pool: &self.place_pool,
        };
        (id, texts, readable)
    }

    /// An empty buffer of texts, taken out of its pool so that others can be read.
    pub(super) fn take_texts(&mut self) -> (BufferId, TextBuffer<'a>) {
        let (id, texts, _) = self.claim_texts();
        (id, std::mem::take(texts))
    }

    pub(super) fn put_texts(&mut self, id: BufferId, texts: TextBuffer<'a>) {
        *self.text_pool.get_mut(id) = texts;
    }

    /// No register takes these places.
    #[inline]
    pub(super) fn release_places(&mut self, buffer: BufferId) {
        self.place_pool.release(buffer);
    }

    /// The places of a buffer that no register has yet.
    pub(super) fn places_of(&self, buffer: BufferId) -> &[Lane<'a>] {
        self.place_pool.get(buffer)
    }

    #[inline]
    pub(super) fn places(&self, register: P) -> &[Lane<'a>] {
        self.place_pool.get(self.place_buffer(register))
    }

    #[inline]
    fn place_buffer(&self, register: P) -> BufferId {
        self.memory.place_buffer(register)
    }

    #[inline]
    fn text_buffer(&self, register: T) -> BufferId {
        self.memory.texts[register.index()].expect("the validator has seen that texts were written")
    }

    #[inline]
    pub(super) fn texts(&self, register: T) -> &[Text<'a>] {
        self.text_pool.get(self.text_buffer(register))
    }

    #[inline]
    pub(super) fn mask(&self, register: K) -> &Mask {
        self.memory.mask(register)
    }

    /// Where the mask is made that the D operation of the word at hand writes.
    #[inline]
    pub(super) fn next_dense_mask(&mut self) -> &mut Mask {
        &mut self.memory.next_masks[0]
    }

    /// Where the mask is made that the S operation of the word at hand writes.
    #[inline]
    pub(super) fn next_sparse_mask(&mut self) -> &mut Mask {
        &mut self.memory.next_masks[1]
    }

    /// The lanes that are active under a mask; without one, all are.
    #[inline]
    pub(super) fn active(&self, mask: Option<K>, width: usize) -> Active<'_> {
        self.memory.active(mask, width)
    }
}

impl Memory {
    #[inline]
    fn number_at(&self, register: R, lane: usize) -> u64 {
        let number = self.numbers[register.index()];
        match (number.scalar, number.lanes) {
            (Some(scalar), _) => scalar,
            (None, Some(lanes)) => self.number_pool.filled(lanes).0[lane],
            (None, None) => unreachable!("the validator has seen that {register:?} was written"),
        }
    }

    #[inline]
    fn place_buffer(&self, register: P) -> BufferId {
        self.places[register.index()].expect("the validator has seen that places were written")
    }

    #[inline]
    fn mask(&self, register: K) -> &Mask {
        &self.masks[register.index()]
    }

    #[inline]
    fn active(&self, mask: Option<K>, width: usize) -> Active<'_> {
        let mask = mask.map(|mask| self.mask(mask));
        Active { mask, width }
    }
}

/// What can be read while a buffer of texts is filled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readable<'r, 'a> {
    memory: &'r Memory,
    place_pool: &'r Pool<PlaceBuffer<'a>>,
}

impl<'r, 'a> Readable<'r, 'a> {
    #[inline]
    pub(super) fn number_at(self, register: R, lane: usize) -> u64 {
        self.memory.number_at(register, lane)
    }

    #[inline]
    pub(super) fn places(self, register: P) -> &'r [Lane<'a>] {
        self.place_pool.get(self.memory.place_buffer(register))
    }

    #[inline]
    pub(super) fn active(self, mask: Option<K>, width: usize) -> Active<'r> {
        self.memory.active(mask, width)
    }
}
