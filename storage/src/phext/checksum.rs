//! The checksum that identifies a document or a scroll: XXH3 with 128 bits and seed 0.
//!
//! It tells apart texts that differ by accident; it is no protection against forgery.

use xxhash_rust::xxh3::xxh3_128;

/// The checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}

/// A checksum as text: 32 lowercase hexadecimal digits, most significant first.
pub fn checksum_hex(checksum: u128) -> String {
    format!("{checksum:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_padded() {
        assert_eq!(checksum_hex(0xAB), "000000000000000000000000000000ab");
        assert_eq!(checksum_hex(u128::MAX), "f".repeat(32));
    }

    #[test]
    fn known_value() {
        // XXH3_128bits of no input, from the reference implementation's test vectors.
        assert_eq!(
            checksum_hex(checksum(b"")),
            "99aa06d3014798d86001c324468d497f"
        );
    }
}
