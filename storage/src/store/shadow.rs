//! Shadows: which slots of a part hold nothing current any more.
//!
//! An overwrite or delete sets the old slot's bit at once, so a reader never merges versions. The
//! bitmap is cut into pieces of 65,536 slots that snapshots share: setting a bit copies one piece of
//! at most 8 KiB, however large the part.

use crate::error::{Result, StoreError};
use roaring::RoaringBitmap;
use std::path::Path;
use std::sync::Arc;

const PIECE_BITS: u32 = 16;

/// A set of slots with cheap clones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shadow {
    pieces: Arc<Vec<Arc<RoaringBitmap>>>,
    len: u32,
}

impl Shadow {
    /// Number of slots in the set.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// About how many bytes of memory it takes, with what clones share. A piece is counted as long as
    /// when it is stored, which is what it needs; a list of few slots may have as much to spare.
    pub(super) fn heap_bytes(&self) -> u64 {
        const PIECE_BYTES: usize = size_of::<Arc<RoaringBitmap>>() + size_of::<RoaringBitmap>();
        let pieces = self.pieces.iter();
        pieces
            .map(|piece| (PIECE_BYTES + piece.serialized_size()) as u64)
            .sum()
    }

    /// Whether `slot` is in the set.
    #[inline]
    pub(crate) fn contains(&self, slot: u32) -> bool {
        // Most parts have none, and a slot may still be on its way from memory.
        if self.len == 0 {
            return false;
        }
        match self.pieces.get((slot >> PIECE_BITS) as usize) {
            Some(piece) => piece.contains(slot & 0xffff),
            None => false,
        }
    }

    /// Adds `slot`; says whether it was absent.
    pub(crate) fn insert(&mut self, slot: u32) -> bool {
        let index = (slot >> PIECE_BITS) as usize;
        let pieces = Arc::make_mut(&mut self.pieces);
        if pieces.len() <= index {
            pieces.resize_with(index + 1, Arc::default);
        }
        let added = Arc::make_mut(&mut pieces[index]).insert(slot & 0xffff);
        self.len += u32::from(added);
        added
    }

    /// The slots, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.pieces
            .iter()
            .zip(0u32..)
            .flat_map(|(piece, index)| piece.iter().map(move |low| index << PIECE_BITS | low))
    }

    /// The slots of `self` that are not in `earlier`, ascending.
    pub(crate) fn since(&self, earlier: &Shadow) -> Vec<u32> {
        let mut added = Vec::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            let old = earlier.pieces.get(index);
            if old.is_some_and(|old| Arc::ptr_eq(old, piece)) {
                continue;
            }
            let new = match old {
                Some(old) => &**piece - &**old,
                None => (**piece).clone(),
            };
            added.extend(new.iter().map(|low| (index as u32) << PIECE_BITS | low));
        }
        added
    }

    /// The portable roaring serialisation.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let bitmap: RoaringBitmap = self.iter().collect();
        let mut bytes = Vec::with_capacity(bitmap.serialized_size());
        bitmap
            .serialize_into(&mut bytes)
            .expect("writing to memory does not fail");
        bytes
    }

    /// Reads what [`Self::encode`] wrote for a part of `slots` slots.
    pub(crate) fn decode(path: &Path, bytes: &[u8], slots: u32) -> Result<Shadow> {
        let bitmap = RoaringBitmap::deserialize_from(bytes)
            .map_err(|error| StoreError::corrupt(path, 0, format!("shadow bitmap: {error}")))?;
        if bitmap.max().is_some_and(|last| last >= slots) {
            let what = format!("a shadow bitmap names a slot beyond the part's {slots}");
            return Err(StoreError::corrupt(path, 0, what));
        }
        let mut shadow = Shadow::default();
        for slot in bitmap {
            shadow.insert(slot);
        }
        Ok(shadow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_do_not_see_later_slots() {
        let mut shadow = Shadow::default();
        assert!(shadow.insert(3) && shadow.insert(70_000) && !shadow.insert(3));
        let earlier = shadow.clone();
        assert!(shadow.insert(70_001) && shadow.insert(200_000));
        assert_eq!(earlier.iter().collect::<Vec<_>>(), [3, 70_000]);
        assert_eq!(shadow.since(&earlier), [70_001, 200_000]);
        assert_eq!((earlier.len(), shadow.len()), (2, 4));
        assert!(shadow.contains(200_000) && !earlier.contains(200_000));
    }

    #[test]
    fn memory_grows_with_slots_and_ends_at_a_bit_each() {
        let mut shadow = Shadow::default();
        assert_eq!(shadow.heap_bytes(), 0);
        shadow.insert(7);
        let one = shadow.heap_bytes();
        (0..65_536).step_by(2).for_each(|slot| {
            shadow.insert(slot);
        });
        let many = shadow.heap_bytes();
        assert!(
            one >= 2 && many >= one + 8000 && many < 9000,
            "{one} {many}"
        );
    }

    #[test]
    fn shadows_round_trip() {
        let mut shadow = Shadow::default();
        for slot in [0, 5, 65_535, 65_536, 99_999] {
            shadow.insert(slot);
        }
        let path = Path::new("catalog");
        let bytes = shadow.encode();
        let read = Shadow::decode(path, &bytes, 100_000).unwrap();
        assert_eq!(
            read.iter().collect::<Vec<_>>(),
            shadow.iter().collect::<Vec<_>>()
        );
        assert!(
            Shadow::decode(path, &bytes, 99_999).is_err(),
            "beyond the part"
        );
        assert!(
            Shadow::decode(path, &bytes[..bytes.len() - 1], 100_000).is_err(),
            "cut"
        );
    }
}
