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
    number_pool: Pool<NumberBuffer>,
    numbers: [Number; R::COUNT],
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

/// What an operation writes, put in place when the whole word is done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Write {
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
        memory.numbers = Default::default();
        memory.places = Default::default();
        memory.texts = Default::default();
        memory.messages = Default::default();
        memory.idle_places = self.place_pool.recycle(emptied);
        memory.idle_texts = self.text_pool.recycle(emptied);
        memory.idle_located = emptied(self.located);
        memory.scattered.clear();
        memory.arena.clear();
        memory
    }

    #[inline]
    pub(super) fn put(&mut self, write: &Write) {
        match *write {
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
        let old = std::mem::replace(&mut memory.numbers[to.index()], number);
        if let Some(old) = old.lanes {
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
        let number = self.number(register);
        match (number.scalar, number.lanes) {
            (Some(scalar), _) => scalar,
            (None, Some(lanes)) => self.lane_numbers(lanes)[lane],
            (None, None) => unreachable!("the validator has seen that {register:?} was written"),
        }
    }

    #[inline]
    pub(super) fn lane_numbers(&self, id: BufferId) -> &[u64; BATCH_LANES] {
        &self.memory.number_pool.get(id).0
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

    /// An empty buffer of places.
    #[inline]
    pub(super) fn take_places(&mut self) -> Taken<PlaceBuffer<'a>> {
        let mut taken = self.place_pool.take();
        taken.buffer.clear();
        taken
    }

    #[inline]
    pub(super) fn put_places(&mut self, taken: Taken<PlaceBuffer<'a>>) -> BufferId {
        self.place_pool.put(taken)
    }

    /// An empty buffer of texts.
    #[inline]
    pub(super) fn take_texts(&mut self) -> Taken<TextBuffer<'a>> {
        let mut taken = self.text_pool.take();
        taken.buffer.clear();
        taken
    }

    #[inline]
    pub(super) fn put_texts(&mut self, taken: Taken<TextBuffer<'a>>) -> BufferId {
        self.text_pool.put(taken)
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
        self.memory.places[register.index()]
            .expect("the validator has seen that places were written")
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
        &self.memory.masks[register.index()]
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
        let mask = mask.map(|mask| self.mask(mask));
        Active { mask, width }
    }
}
