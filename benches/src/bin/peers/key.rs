//! Keys as the engines want them: a coordinate for sqd, 36 bytes that sort like it for the others.

use phext_storage::coordinate::{Coordinate, DIMENSIONS};

/// Length of a packed coordinate.
pub(crate) const PACKED_BYTES: usize = DIMENSIONS * 4;

/// Nine big-endian components: byte order is coordinate order.
pub(crate) type Packed = [u8; PACKED_BYTES];

/// A key in both forms, so that no engine converts inside a timed loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) coordinate: Coordinate,
    pub(crate) packed: Packed,
}

impl Key {
    /// Both forms of a coordinate.
    pub(crate) fn new(coordinate: Coordinate) -> Key {
        let packed = pack(coordinate.components());
        Key { coordinate, packed }
    }
}

/// Packs nine components.
#[inline]
pub(crate) fn pack(components: &[u32; DIMENSIONS]) -> Packed {
    let mut packed = [0; PACKED_BYTES];
    let (chunks, _) = packed.as_chunks_mut::<4>();
    for (chunk, component) in chunks.iter_mut().zip(components) {
        *chunk = component.to_be_bytes();
    }
    packed
}

/// The components of a packed key.
#[inline]
pub(crate) fn unpack(packed: &[u8]) -> [u32; DIMENSIONS] {
    let (chunks, _) = packed.as_chunks::<4>();
    std::array::from_fn(|dimension| u32::from_be_bytes(chunks[dimension]))
}
