//! Asking for a cache line before it is needed.

/// Asks the processor to bring the line where `items[at]` begins into the cache. Does nothing where `at`
/// is out of range or the processor has no such instruction.
#[inline]
pub(crate) fn prefetch<T>(items: &[T], at: usize) {
    if at < items.len() {
        prefetch_from(items, at);
    }
}

/// As [`prefetch`], for those who know that `at` is in range, or near its end: behind it a line is asked
/// for in vain.
#[inline]
pub(crate) fn prefetch_from<T>(items: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let item = items.as_ptr().wrapping_add(at);
        #[expect(unsafe_code, reason = "the intrinsic is unsafe; see docs/UNSAFE.md")]
        // SAFETY: the instruction only hints and never faults, whatever the address.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(item.cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, at);
}
