//! Buffers that registers refer to by number.
//!
//! An operation fills a spare buffer, and its register changes to that once the word is done. So the
//! other operations of the word read what was there before, and a message may keep the columns it was
//! packed from without a copy. Where no other operation reads it and nothing else refers to it, an
//! operation fills the buffer that its register has. A buffer that nothing refers to any more is
//! spare.

use std::fmt;
use std::num::NonZeroU16;

/// The number of a buffer in its pool. None has 0, so that a register without a buffer takes no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) struct BufferId(NonZeroU16);

impl BufferId {
    #[inline(always)]
    fn index(self) -> usize {
        usize::from(self.0.get())
    }
}

/// Buffers of one kind.
pub(in crate::execute) struct Pool<B> {
    /// Those of the buffers by their numbers; the first is nobody's.
    slots: Vec<Slot<B>>,
    /// The spare buffer that was given back last, if there is one.
    spare: Option<BufferId>,
    /// How many buffers are not spare.
    used: u16,
}

/// A buffer and who refers to it.
struct Slot<B> {
    buffer: B,
    /// How many registers and messages do.
    uses: u16,
    /// Of a spare buffer, the one that was spare before.
    next: Option<BufferId>,
}

/// A buffer that was taken out of its pool to be filled.
pub(in crate::execute) struct Taken<B> {
    id: BufferId,
    pub(in crate::execute) buffer: B,
}

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            spare: None,
            used: 0,
        }
    }
}

impl<B> fmt::Debug for Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("buffers", &self.slots.len().saturating_sub(1))
            .field("used", &self.used)
            .finish()
    }
}

impl<B: Default> Pool<B> {
    /// A spare buffer, the one given back last; it still holds what it held. Whoever claims it refers
    /// to it.
    #[inline]
    pub(in crate::execute) fn claim(&mut self) -> BufferId {
        self.used += 1;
        let Some(id) = self.spare else {
            return self.grow();
        };
        let slot = &mut self.slots[id.index()];
        self.spare = slot.next;
        slot.uses = 1;
        id
    }

    #[cold]
    fn grow(&mut self) -> BufferId {
        if self.slots.is_empty() {
            self.slots.push(Slot::new(0));
        }
        let id = u16::try_from(self.slots.len()).ok();
        let id = id.and_then(NonZeroU16::new);
        self.slots.push(Slot::new(1));
        BufferId(id.expect("a sentron has few registers"))
    }

    #[inline]
    pub(in crate::execute) fn get(&self, id: BufferId) -> &B {
        &self.slots[id.index()].buffer
    }

    /// A buffer that was claimed and is being filled.
    #[inline]
    pub(in crate::execute) fn get_mut(&mut self, id: BufferId) -> &mut B {
        &mut self.slots[id.index()].buffer
    }

    /// One more register or message refers to the buffer.
    #[inline]
    pub(in crate::execute) fn retain(&mut self, id: BufferId) {
        self.slots[id.index()].uses += 1;
    }

    /// One register or message less refers to the buffer.
    #[inline]
    pub(in crate::execute) fn release(&mut self, id: BufferId) {
        let slot = &mut self.slots[id.index()];
        slot.uses -= 1;
        if slot.uses == 0 {
            slot.next = self.spare;
            self.spare = Some(id);
            self.used -= 1;
        }
    }

    /// Makes all buffers spare.
    #[inline]
    pub(in crate::execute) fn reset(&mut self) {
        if self.used > 0 {
            self.empty(|_| {});
        }
    }

    /// Empties all buffers and makes them spare.
    #[inline]
    pub(in crate::execute) fn empty(&mut self, empty: impl Fn(&mut B)) {
        self.used = 0;
        self.spare = None;
        for index in (1..self.slots.len()).rev() {
            let slot = &mut self.slots[index];
            empty(&mut slot.buffer);
            slot.uses = 0;
            slot.next = self.spare;
            self.spare = NonZeroU16::new(index as u16).map(BufferId);
        }
    }
}

impl<B> Pool<Option<B>>
where
    B: Default,
{
    /// A spare buffer out of the pool, so that others can be read while it is filled.
    #[inline]
    pub(in crate::execute) fn take(&mut self) -> Taken<B> {
        let id = self.claim();
        let buffer = self.get_mut(id).take().unwrap_or_default();
        Taken { id, buffer }
    }

    /// A buffer out of the pool that only one register or message refers to, which is to change what it
    /// holds.
    #[inline(always)]
    pub(in crate::execute) fn take_back(&mut self, id: BufferId) -> Option<Taken<B>> {
        let slot = &mut self.slots[id.index()];
        if slot.uses != 1 {
            return None;
        }
        let buffer = slot.buffer.take()?;
        Some(Taken { id, buffer })
    }

    /// A buffer that only one register or message refers to, to be changed where it is, and one to be read
    /// meanwhile; `None` if somebody else refers to the first, or if both are the same.
    #[inline(always)]
    pub(in crate::execute) fn own_and_one(
        &mut self,
        own: BufferId,
        other: BufferId,
    ) -> Option<(&mut B, &B)> {
        let slots = [own, other].map(BufferId::index);
        let [own, other] = self.slots.get_disjoint_mut(slots).ok()?;
        Some((own.own()?, other.filled()))
    }

    /// As [`Self::own_and_one`], with two to be read, which may be the same.
    #[inline(always)]
    pub(in crate::execute) fn own_and_two(
        &mut self,
        own: BufferId,
        [left, right]: [BufferId; 2],
    ) -> Option<(&mut B, [&B; 2])> {
        if left == right {
            let (own, other) = self.own_and_one(own, left)?;
            return Some((own, [other, other]));
        }
        let slots = [own, left, right].map(BufferId::index);
        let [own, left, right] = self.slots.get_disjoint_mut(slots).ok()?;
        Some((own.own()?, [left.filled(), right.filled()]))
    }

    /// Puts a buffer back that was filled. One register or message refers to it.
    #[inline]
    pub(in crate::execute) fn put(&mut self, taken: Taken<B>) -> BufferId {
        // What was there was taken, and is not asked whether it is to be dropped.
        std::mem::forget(self.get_mut(taken.id).replace(taken.buffer));
        taken.id
    }

    /// A buffer that is not being filled.
    #[inline]
    pub(in crate::execute) fn filled(&self, id: BufferId) -> &B {
        self.slots[id.index()].filled()
    }
}

impl<B: Default> Slot<B> {
    fn new(uses: u16) -> Self {
        Self {
            buffer: B::default(),
            uses,
            next: None,
        }
    }
}

impl<B> Slot<Option<B>> {
    /// The buffer, which is not being filled.
    #[inline(always)]
    fn filled(&self) -> &B {
        let buffer = self.buffer.as_ref();
        buffer.expect("a buffer that is referred to was put back")
    }

    /// The buffer, if only one register or message refers to it.
    #[inline(always)]
    fn own(&mut self) -> Option<&mut B> {
        match self.uses {
            1 => self.buffer.as_mut(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_spare_once_nothing_refers_to_it() {
        let mut pool = Pool::<Vec<u8>>::default();
        let first = pool.claim();
        pool.get_mut(first).push(1);
        pool.retain(first);
        pool.release(first);
        let second = pool.claim();
        assert_ne!(second, first);
        assert_eq!(pool.get(first), &[1]);
        pool.release(first);
        assert_eq!(pool.claim(), first);
        assert!(pool.get(second).is_empty());
    }

    #[test]
    fn all_buffers_are_spare_after_a_reset() {
        let mut pool = Pool::<Option<Box<u8>>>::default();
        let taken = [pool.take(), pool.take(), pool.take()].map(|taken| pool.put(taken));
        pool.release(taken[1]);
        pool.reset();
        let again = [0; 3].map(|_| pool.claim());
        assert_eq!(again, taken);
        assert_eq!(again.map(|id| **pool.filled(id)), [0; 3]);
        assert!(!taken.contains(&pool.claim()));
    }
}
