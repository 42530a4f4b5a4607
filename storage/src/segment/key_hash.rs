//! XXH3-64 of a coordinate, worked out in registers.
//!
//! The hash is that of the nine components as little-endian u32, 36 bytes, without a seed. Spelled out
//! in memory first, those bytes would be read back in words that straddle the stores that wrote them.
//! Such a load waits until the stores have left the processor, which they do in program order: behind
//! every read before them. Point reads that follow each other would then wait for memory one by one,
//! where they can wait together.

use crate::coordinate::{Coordinate, DIMENSIONS};

/// The start of XXH3's default secret, in little-endian words.
const SECRET: [u64; 8] = [
    0xbe4b_a423_396c_feb8,
    0x1cad_21f7_2c81_017c,
    0xdb97_9083_e96d_d4de,
    0x1f67_b3b7_a4a4_4072,
    0x78e5_c0cc_4ee6_79cb,
    0x2172_ffcc_7dd0_5a82,
    0x8e24_43f7_7446_08b8,
    0x4c26_3a81_e690_35e0,
];
const PRIME64_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_MX1: u64 = 0x1656_6791_9e37_79f9;
const KEY_BYTES: u64 = DIMENSIONS as u64 * 4;

/// XXH3's function for 33 to 64 bytes, of a coordinate's 36.
#[inline]
pub(super) fn key_hash(coordinate: &Coordinate) -> u64 {
    let key = coordinate.components();
    // Two words of eight bytes from the `at`-th component on, mixed with two of the secret.
    let mix = |at: usize, secret: usize| {
        let word = |at: usize| u64::from(key[at]) | u64::from(key[at + 1]) << 32;
        let low = word(at) ^ SECRET[secret];
        let high = word(at + 2) ^ SECRET[secret + 1];
        let product = u128::from(low) * u128::from(high);
        product as u64 ^ (product >> 64) as u64
    };
    let sum = KEY_BYTES
        .wrapping_mul(PRIME64_1)
        .wrapping_add(mix(4, 4))
        .wrapping_add(mix(1, 6))
        .wrapping_add(mix(0, 0))
        .wrapping_add(mix(5, 2));
    let mixed = (sum ^ sum >> 37).wrapping_mul(PRIME_MX1);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    proptest! {
        #[test]
        fn it_is_xxh3(components in prop::array::uniform9(1..=0x7FFF_FFFFu32)) {
            let bytes: Vec<u8> = components.iter().flat_map(|c| c.to_le_bytes()).collect();
            let coordinate = Coordinate::new(components).unwrap();
            prop_assert_eq!(key_hash(&coordinate), xxh3_64(&bytes));
        }
    }
}
