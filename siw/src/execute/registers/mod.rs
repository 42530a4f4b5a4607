//! The registers of a sentron while it runs.
//!
//! ```text
//! r  a number for all lanes, or a buffer of 1,024      k  a bitmap of 1,024 bits
//! p  a buffer of lanes of the page table                t  a buffer of texts
//! m  columns: the buffers of the registers it was packed from; or rows, or what makes rows
//! ```
//!
//! Buffers outlive the batch and the stream: once a sentron has run a while, it allocates nothing.

mod buffers;
mod mask;
mod message;
mod pool;
mod reads;
mod rows;
mod text;
mod writes;

use buffers::Buffers;
pub(super) use mask::{Active, Mask};
pub(super) use message::Content;
pub(super) use pool::{BufferId, Pool, Taken};
pub(super) use reads::{Held, Readable};
pub(super) use rows::Order;
pub use rows::{Message, Rows};
pub(super) use text::Text;
use writes::MOST_WRITES;
pub(super) use writes::Write;

use super::kernels::Row;
use crate::{BATCH_LANES, Destination, K, M, P, R, T};
use phext_storage::WriteOp;
use phext_storage::coordinate::DIMENSIONS;
use phext_storage::page_table::Lane;

/// A number a lane.
pub(super) type LaneArray = [u64; BATCH_LANES];

/// The lanes of a number, aligned so that no vector straddles two cache lines.
#[repr(align(64))]
#[derive(Debug)]
pub(super) struct LaneNumbers(pub(super) LaneArray);

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

/// What does not borrow from a snapshot. Boxed, so that little is moved when a stream starts and ends.
#[derive(Debug, Default)]
pub(super) struct Memory {
    number_pool: Pool<Option<NumberBuffer>>,
    numbers: [Number; R::COUNT],
    /// A bit for each of `numbers` that was written since the stream began.
    written: u16,
    /// Whether the operation at hand writes at once: none of its word that comes after it reads what it
    /// writes.
    pub(super) at_once: bool,
    /// What the operations of the word at hand write else, and how many writes that are.
    deferred: [Write; MOST_WRITES],
    deferrals: usize,
    /// Those of the registers, and those that the D and the S operation of the word at hand write.
    masks: [Mask; K::COUNT + 2],
    /// Which of `masks` each register has, then which [`NEXT_DENSE`] and [`NEXT_SPARSE`].
    mask_places: MaskPlaces,
    places: [Option<BufferId>; P::COUNT],
    texts: [Option<BufferId>; T::COUNT],
    messages: [Content; M::COUNT],
    /// A bit for each of `messages` that was written since the stream began.
    occupied: u8,
    /// Per dimension, the components of the lanes of the batch, where the stream indexes it.
    components: [Vec<u32>; DIMENSIONS],
    /// Texts made in the batch.
    pub(super) arena: Vec<u8>,
    /// What DDOT makes of its constant.
    pub(super) query: Row,
    /// Writes that wait for SFLUSH.
    pub(super) scattered: Vec<WriteOp>,
    /// What was sent to neighbours since the last barrier.
    pub(super) sent: Vec<(Destination, Message)>,
    /// What neighbours sent before it.
    pub(super) received: Vec<Message>,
}

impl Memory {
    /// What a stream scattered or sent, and nobody took.
    #[cold]
    fn drop_unsent(&mut self) {
        self.scattered.clear();
        self.sent.clear();
        self.received.clear();
    }
}

/// Where in [`Memory::mask_places`] the mask is that a D operation writes.
const NEXT_DENSE: usize = K::COUNT;
/// Where in [`Memory::mask_places`] the mask is that an S operation writes.
const NEXT_SPARSE: usize = K::COUNT + 1;

/// Positions of masks, all different.
#[derive(Debug)]
struct MaskPlaces([u8; K::COUNT + 2]);

impl Default for MaskPlaces {
    fn default() -> Self {
        Self(std::array::from_fn(|place| place as u8))
    }
}

/// The memory of registers while no stream runs.
#[derive(Debug, Default)]
pub(super) struct IdleRegisters {
    memory: Box<Memory>,
    buffers: Box<Buffers<'static>>,
}

/// The values of all registers. What was never written is not read: the validator has seen to it.
#[derive(Debug)]
pub(super) struct Registers<'a> {
    pub(super) memory: Box<Memory>,
    buffers: Box<Buffers<'a>>,
}

impl<'a> Registers<'a> {
    #[inline(always)]
    pub(super) fn new(idle: IdleRegisters) -> Self {
        Self {
            memory: idle.memory,
            buffers: idle.buffers,
        }
    }

    /// Keeps the memory.
    #[inline]
    pub(super) fn into_idle(self) -> IdleRegisters {
        let mut memory = self.memory;
        memory.number_pool.reset();
        while memory.written != 0 {
            let register = memory.written.trailing_zeros() as usize;
            memory.numbers[register] = Number::default();
            memory.written &= memory.written - 1;
        }
        memory.places = Default::default();
        memory.texts = Default::default();
        while memory.occupied != 0 {
            let register = memory.occupied.trailing_zeros() as usize;
            memory.messages[register].put(Content::Empty);
            memory.occupied &= memory.occupied - 1;
        }
        // A stream that failed in the middle of a word has left some.
        memory.deferrals = 0;
        memory.arena.clear();
        if !(memory.scattered.is_empty() && memory.sent.is_empty() && memory.received.is_empty()) {
            memory.drop_unsent();
        }
        IdleRegisters {
            memory,
            buffers: self.buffers.into_idle(),
        }
    }

    /// The number of all lanes, if the register is a scalar.
    #[inline]
    pub(super) fn scalar(&self, register: R) -> Option<u64> {
        self.memory.numbers[register.index()].scalar
    }

    /// What a register has.
    #[inline(always)]
    pub(super) fn held(&self, register: R) -> Held {
        self.memory.numbers[register.index()].held()
    }

    /// The lanes of a register, as far as they were made.
    #[inline]
    pub(super) fn lanes_of(&self, register: R) -> Option<BufferId> {
        self.memory.numbers[register.index()].lanes
    }

    /// The number of a register in a lane.
    #[inline]
    pub(super) fn number_at(&self, register: R, lane: usize) -> u64 {
        self.memory.number_at(register, lane)
    }

    #[inline]
    pub(super) fn lane_numbers(&self, id: BufferId) -> &LaneArray {
        &self.memory.number_pool.filled(id).0
    }

    /// The lanes of a register; those of a scalar are made where they are not there yet.
    #[inline]
    pub(super) fn as_lanes(&mut self, register: R) -> BufferId {
        match self.lanes_of(register) {
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

    /// An empty buffer of places that no register has yet.
    #[inline]
    pub(super) fn claim_places(&mut self) -> (BufferId, &mut PlaceBuffer<'a>) {
        let pool = &mut self.buffers.places;
        let id = pool.claim();
        let places = pool.get_mut(id);
        places.clear();
        (id, places)
    }

    /// An empty buffer of texts, and what it may be filled from.
    #[inline]
    pub(super) fn claim_texts(&mut self) -> (BufferId, &mut TextBuffer<'a>, Readable<'_, 'a>) {
        let Buffers { places, texts, .. } = &mut *self.buffers;
        let id = texts.claim();
        let texts = texts.get_mut(id);
        texts.clear();
        let readable = Readable {
            memory: &self.memory,
            place_pool: places,
        };
        (id, texts, readable)
    }

    /// An empty buffer of texts, taken out of its pool so that others can be read.
    pub(super) fn take_texts(&mut self) -> (BufferId, TextBuffer<'a>) {
        let (id, texts, _) = self.claim_texts();
        (id, std::mem::take(texts))
    }

    pub(super) fn put_texts(&mut self, id: BufferId, texts: TextBuffer<'a>) {
        *self.buffers.texts.get_mut(id) = texts;
    }

    /// Makes arrays of the components of places, of the dimensions whose bits are set.
    pub(super) fn load_components(&mut self, of: P, dimensions: u16) {
        let places = self.buffers.places.get(self.memory.place_buffer(of));
        for (dimension, column) in self.memory.components.iter_mut().enumerate() {
            if dimensions >> dimension & 1 == 1 {
                let component = |lane: &Lane<'_>| lane.coordinate.components()[dimension];
                column.clear();
                column.extend(places.iter().map(component));
            }
        }
    }

    /// The components of the lanes of the batch in a dimension.
    #[inline]
    pub(super) fn components(&self, dimension: u8) -> &[u32] {
        &self.memory.components[usize::from(dimension)]
    }

    /// No register takes these places.
    #[inline]
    pub(super) fn release_places(&mut self, buffer: BufferId) {
        self.buffers.places.release(buffer);
    }

    /// The places of a buffer that no register has yet.
    pub(super) fn places_of(&self, buffer: BufferId) -> &[Lane<'a>] {
        self.buffers.places.get(buffer)
    }

    #[inline]
    pub(super) fn places(&self, register: P) -> &[Lane<'a>] {
        self.buffers.places.get(self.place_buffer(register))
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
        self.buffers.texts.get(self.text_buffer(register))
    }

    #[inline]
    pub(super) fn mask(&self, register: K) -> &Mask {
        self.memory.mask(register)
    }

    /// Where the mask is made that the D operation of the word at hand writes.
    #[inline]
    pub(super) fn next_dense_mask(&mut self) -> &mut Mask {
        let place = self.memory.mask_places.0[NEXT_DENSE];
        &mut self.memory.masks[usize::from(place)]
    }

    /// Two masks, and that which a D operation makes of them.
    #[inline]
    pub(super) fn masks_for_dense(&mut self, left: K, right: K) -> (Mask, Mask, &mut Mask) {
        let (left, right) = (*self.mask(left), *self.mask(right));
        (left, right, self.next_dense_mask())
    }

    /// Buffers of numbers, and the mask that a D operation makes of them.
    #[inline]
    pub(super) fn numbers_and_mask(&mut self) -> (&Pool<Option<NumberBuffer>>, &mut Mask) {
        let memory = &mut *self.memory;
        let place = memory.mask_places.0[NEXT_DENSE];
        (&memory.number_pool, &mut memory.masks[usize::from(place)])
    }

    /// Where the mask is made that the S operation of the word at hand writes.
    #[inline]
    pub(super) fn next_sparse_mask(&mut self) -> &mut Mask {
        let place = self.memory.mask_places.0[NEXT_SPARSE];
        &mut self.memory.masks[usize::from(place)]
    }

    /// The lanes that are active under a mask; without one, all are.
    #[inline]
    pub(super) fn active(&self, mask: Option<K>, width: usize) -> Active<'_> {
        self.memory.active(mask, width)
    }
}
