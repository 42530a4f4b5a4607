//! Buffers of what lies in a snapshot, and their memory while no stream runs.

use super::{PlaceBuffer, Pool, TextBuffer};

/// Buffers whose elements borrow from a snapshot. Boxed where they are kept, so that a stream takes
/// and leaves them by their address.
#[derive(Debug, Default)]
pub(in crate::execute) struct Buffers<'a> {
    pub(super) places: Pool<PlaceBuffer<'a>>,
    pub(super) texts: Pool<TextBuffer<'a>>,
}

impl Buffers<'_> {
    /// The same buffers, all spare and empty, for streams over other snapshots. Collecting them anew
    /// in their memory, element by element of nothing, took a tenth of a point query.
    #[inline]
    pub(super) fn into_idle(mut self: Box<Self>) -> Box<Buffers<'static>> {
        self.places.empty(Vec::clear);
        self.texts.empty(Vec::clear);
        #[expect(
            unsafe_code,
            reason = "what is empty borrows nothing; see docs/UNSAFE.md"
        )]
        // SAFETY: the two types differ in a lifetime only, so that their layout is one. The lifetime is
        // that of elements of the vectors, of which none has any: each was cleared above, but for the
        // first of a pool, whose number no buffer has, so that nothing was ever put into it.
        unsafe {
            Box::from_raw(Box::into_raw(self).cast::<Buffers<'static>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::registers::Text;

    #[test]
    fn idle_buffers_are_empty_and_keep_their_memory() {
        let text = "borrowed".to_owned();
        let mut buffers = Box::<Buffers<'_>>::default();
        let id = buffers.texts.claim();
        let texts = buffers.texts.get_mut(id);
        texts.reserve(100);
        texts.push(Text::Borrowed(text.as_bytes()));
        let before = (texts.as_ptr().addr(), texts.capacity());
        let mut idle = buffers.into_idle();
        drop(text);
        let again = idle.texts.claim();
        let texts = idle.texts.get(again);
        assert_eq!((again, texts.len()), (id, 0));
        assert_eq!((texts.as_ptr().addr(), texts.capacity()), before);
    }
}
