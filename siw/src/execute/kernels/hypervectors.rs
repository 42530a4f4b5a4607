//! The loops over texts that are hypervectors. Everything is inlined as in [`super::loops`].
//!
//! A hypervector has bytes from 0x40 to 0x7F, six bits each. Whether a text is one is found out in the
//! same pass: bytes that do not belong are gathered in one that must stay 0.

/// What the upper two bits of the bytes of hypervectors are.
const TOP: u8 = 0x40;

/// Whether all bytes are those of a hypervector, given all of them or-ed after `^ TOP`.
#[inline(always)]
fn belong(strangers: u8) -> bool {
    strangers & 0xC0 == 0
}

/// The exclusive or of two hypervectors of the length of `out`; whether they are some.
#[inline(always)]
pub(super) fn bind(left: &[u8], right: &[u8], out: &mut [u8]) -> bool {
    let mut strangers = 0;
    for (out, (&left, &right)) in out.iter_mut().zip(left.iter().zip(right)) {
        strangers |= (left ^ TOP) | (right ^ TOP);
        *out = left ^ right ^ TOP;
    }
    belong(strangers)
}

/// The majority of three hypervectors of the length of `out`; whether they are some.
#[inline(always)]
pub(super) fn bundle(left: &[u8], middle: &[u8], right: &[u8], out: &mut [u8]) -> bool {
    let mut strangers = 0;
    let operands = left.iter().zip(middle).zip(right);
    for (out, ((&left, &middle), &right)) in out.iter_mut().zip(operands) {
        strangers |= (left ^ TOP) | (middle ^ TOP) | (right ^ TOP);
        *out = (left & middle) | (right & (left | middle));
    }
    belong(strangers)
}

/// How many bits two hypervectors have in common; `None` if they are none or differ in length.
#[inline(always)]
pub(super) fn equal_bits(left: &[u8], right: &[u8]) -> Option<u64> {
    if left.len() != right.len() {
        return None;
    }
    let mut strangers = 0;
    for (&left, &right) in left.iter().zip(right) {
        strangers |= (left ^ TOP) | (right ^ TOP);
    }
    let (left_words, left_rest) = left.as_chunks::<8>();
    let (right_words, right_rest) = right.as_chunks::<8>();
    let mut different = 0;
    for (&left, &right) in left_words.iter().zip(right_words) {
        let words = u64::from_le_bytes(left) ^ u64::from_le_bytes(right);
        different += u64::from(words.count_ones());
    }
    for (&left, &right) in left_rest.iter().zip(right_rest) {
        different += u64::from((left ^ right).count_ones());
    }
    belong(strangers).then(|| 6 * left.len() as u64 - different)
}
