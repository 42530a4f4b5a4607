//! Asking for a cache line before it is needed.

/// Asks the processor to bring the line where `items[at]` begins into the cache. Does nothing where `at`
/// is out of range or the processor has no such instruction.
#[inline]
pub(crate) fn prefetch<T>(items: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = items.get(at) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(unsafe_code, reason = "the intrinsic is unsafe; see docs/UNSAFE.md")]
        // SAFETY: the instruction only hints and never faults; the address is in a live slice.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, at);
}
