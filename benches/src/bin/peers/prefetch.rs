//! Asking for a cache line before it is needed, for the bare directory.

/// Asks the processor for the line at `bytes[at]`; does nothing out of range, or elsewhere than on
/// x86-64.
#[inline]
pub(crate) fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(byte) = bytes.get(at) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(unsafe_code, reason = "the intrinsic is unsafe; see docs/UNSAFE.md")]
        // SAFETY: the instruction only hints and never faults; the address is in a live slice.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}
