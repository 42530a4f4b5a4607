//! Locality: how often a gather finds its text close to the one before.
//!
//! Compared are the addresses of the first bytes: in a part that is the offset in its heap, up to a
//! constant. A text is near when it begins on the same page of 4 KiB as the one before, or on the
//! next, where the processor's prefetcher or the page cache can be expected to have it. It is a
//! sample: the first 64 lanes of the first batch of a stream and of every sixteenth after it.

use super::counters::{add, own};

/// One in so many batches is looked at.
const SAMPLED: u64 = 16;
/// So many lanes of it.
const LOOKED_AT: usize = 64;
const PAGE_BYTES: usize = 4096;

/// Whether a batch, the first of which has the number 1, is looked at.
#[inline]
pub(crate) fn will_look(batch: u64, lanes: usize) -> bool {
    lanes > 1 && batch % SAMPLED == 1
}

/// Counts how many of the texts that a batch gathered lie near the one before.
pub fn look<'a>(texts: impl Iterator<Item = &'a [u8]>) {
    let pages = texts
        .take(LOOKED_AT)
        .map(|text| text.as_ptr() as usize / PAGE_BYTES);
    let (compared, near) = compare(pages);
    if let Some(block) = own() {
        add(&block.gathers_compared, compared);
        add(&block.gathers_near, near);
    }
}

/// How many pages were compared with the one before, and how many of them are the same or the next.
pub(super) fn compare(mut pages: impl Iterator<Item = usize>) -> (u64, u64) {
    let Some(mut before) = pages.next() else {
        return (0, 0);
    };
    let (mut compared, mut near) = (0, 0);
    for page in pages {
        compared += 1;
        near += u64::from(page == before || page == before + 1);
        before = page;
    }
    (compared, near)
}
