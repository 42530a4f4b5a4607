//! Buffers that registers refer to by number.
//!
//! An operation never writes the buffer that a register has: it fills a spare one, and the register
//! changes to that once the word is done. So the other operations of the word read what was there
//! before, and a message may keep the columns it was packed from without a copy. A buffer that
//! nothing refers to any more is spare.

use std::fmt;

/// The number of a buffer in its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) struct BufferId(u16);

/// Buffers of one kind.
pub(in crate::execute) struct Pool<B> {
    /// `None` while a buffer is being filled.
    buffers: Vec<Option<B>>,
    /// How many registers and messages refer to each.
    uses: Vec<u16>,
    spare: Vec<BufferId>,
}

/// A buffer that was taken out of its pool to be filled.
pub(in crate::execute) struct Taken<B> {
    id: BufferId,
    pub(in crate::execute) buffer: B,
}

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self {
            buffers: Vec::new(),
            uses: Vec::new(),
            spare: Vec::new(),
        }
    }
}

impl<B> fmt::Debug for Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("buffers", &self.buffers.len())
            .field("spare", &self.spare.len())
            .finish()
    }
}

impl<B: Default> Pool<B> {
    /// A spare buffer, the one given back last; it still holds what it held.
    #[inline]
    pub(in crate::execute) fn take(&mut self) -> Taken<B> {
        let Some(id) = self.spare.pop() else {
            return self.grow();
        };
        let buffer = self.buffers[usize::from(id.0)].take();
        let buffer = buffer.unwrap_or_default();
        Taken { id, buffer }
    }

    #[cold]
    fn grow(&mut self) -> Taken<B> {
        let id = u16::try_from(self.buffers.len()).expect("a sentron has few registers");
        self.buffers.push(None);
        self.uses.push(0);
        // So that giving a buffer back never allocates.
        self.spare.reserve(self.buffers.len());
        Taken {
            id: BufferId(id),
            buffer: B::default(),
        }
    }

    /// Puts a buffer back that was filled. One register or message refers to it.
    #[inline]
    pub(in crate::execute) fn put(&mut self, taken: Taken<B>) -> BufferId {
        self.buffers[usize::from(taken.id.0)] = Some(taken.buffer);
        self.uses[usize::from(taken.id.0)] = 1;
        taken.id
    }

    #[inline]
    pub(in crate::execute) fn get(&self, id: BufferId) -> &B {
        let buffer = self.buffers[usize::from(id.0)].as_ref();
        buffer.expect("a buffer that is referred to was put back")
    }

    /// One more register or message refers to the buffer.
    #[inline]
    pub(in crate::execute) fn retain(&mut self, id: BufferId) {
        self.uses[usize::from(id.0)] += 1;
    }

    /// One register or message less refers to the buffer.
    #[inline]
    pub(in crate::execute) fn release(&mut self, id: BufferId) {
        let uses = &mut self.uses[usize::from(id.0)];
        *uses -= 1;
        if *uses == 0 {
            self.spare.push(id);
        }
    }

    /// Makes all buffers spare.
    pub(in crate::execute) fn reset(&mut self) {
        if self.spare.len() < self.buffers.len() {
            self.uses.fill(0);
            self.spare.clear();
            let buffers = 0..self.buffers.len() as u16;
            self.spare.extend(buffers.rev().map(BufferId));
        }
    }

    /// All buffers are spare; `empty` makes each one that of another pool. Does not allocate where
    /// a buffer of the one kind takes the memory of the other.
    #[inline]
    pub(in crate::execute) fn recycle<C>(mut self, empty: impl Fn(B) -> C) -> Pool<C> {
        self.reset();
        let buffers = self.buffers.into_iter();
        Pool {
            buffers: buffers.map(|buffer| buffer.map(&empty)).collect(),
            uses: self.uses,
            spare: self.spare,
        }
    }
}

/// An empty vector of another type of the same size, in the memory of this one.
#[inline]
pub(in crate::execute) fn emptied<A, B>(mut vector: Vec<A>) -> Vec<B> {
    vector.clear();
    vector
        .into_iter()
        .map(|_| unreachable!("it was cleared"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_spare_once_nothing_refers_to_it() {
        let mut pool = Pool::<Vec<u8>>::default();
        let mut first = pool.take();
        first.buffer.push(1);
        let first = pool.put(first);
        pool.retain(first);
        pool.release(first);
        let second = pool.take();
        assert_ne!(second.id, first);
        let second = pool.put(second);
        assert_eq!(pool.get(first), &[1]);
        pool.release(first);
        assert_eq!(pool.take().id, first);
        assert!(pool.get(second).is_empty());
    }

    #[test]
    fn recycled_vectors_keep_their_memory() {
        let texts = vec!["borrowed".to_owned()];
        let mut borrowed: Vec<&str> = Vec::with_capacity(100);
        borrowed.push(&texts[0]);
        let before = (borrowed.as_ptr().addr(), borrowed.capacity());
        let kept: Vec<&'static str> = emptied(borrowed);
        drop(texts);
        assert_eq!((kept.as_ptr().addr(), kept.capacity()), before);
        assert!(kept.is_empty());
    }
}
