use super::random::stream;
use super::*;
use crate::encoding::{HEADER_BYTES, WORD_BYTES};
use bytes::Bytes;
use proptest::prelude::*;

/// Decoding fails, or gives a stream whose binary form is these bytes. Never panics.
fn decode_is_exact(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let bytes = Bytes::from(bytes);
    if let Ok(stream) = Stream::decode(&bytes) {
        prop_assert_eq!(stream.encode(), &bytes[..]);
        // The text and the validator take whatever decoding lets through.
        let _ = (stream.to_string(), validate(&stream));
    }
    Ok(())
}

proptest! {
    #[test]
    fn round_trip(stream in stream()) {
        let bytes = Bytes::from(stream.encode());
        prop_assert_eq!(Stream::load(&bytes), Ok(stream));
    }

    #[test]
    fn bit_flips(stream in stream(), flips in prop::collection::vec(any::<u32>(), 1..3)) {
        let mut bytes = stream.encode();
        for flip in flips {
            let bit = flip as usize % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        decode_is_exact(bytes)?;
    }

    #[test]
    fn truncation(stream in stream(), cut in any::<u32>()) {
        let mut bytes = stream.encode();
        bytes.truncate(cut as usize % bytes.len());
        prop_assert!(Stream::decode(&bytes.into()).is_err());
    }

    #[test]
    fn garbage(mut bytes in prop::collection::vec(any::<u8>(), 0..400), header in any::<bool>()) {
        if header && bytes.len() >= HEADER_BYTES {
            bytes[..6].copy_from_slice(b"SIW1\x01\x02");
            bytes[7..HEADER_BYTES].fill(0);
        }
        decode_is_exact(bytes)?;
    }
}

#[test]
fn every_bit_of_a_stream_matters() {
    for stream in [survey(), writer()] {
        let bytes = stream.encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            decode_is_exact(flipped.clone()).unwrap();
            assert_ne!(
                Stream::decode(&flipped.into()),
                Ok(stream.clone()),
                "bit {bit}"
            );
        }
    }
}

#[test]
fn layout() {
    let stream = writer();
    let bytes = stream.encode();
    assert_eq!(
        bytes[..HEADER_BYTES],
        *b"SIW1\x01\x01\x02\0\0\0\x02\0\x01\0\0\0"
    );
    let word = &bytes[bytes.len() - 2 * WORD_BYTES..bytes.len() - WORD_BYTES];
    let nop = b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0";
    let put = b"\x04\0\xff\0\xff\xff\xff\xff\xff\xff\x01\0\0\0\0\0\0\0\0\0";
    assert_eq!(word, [&nop[..], &put[..], &nop[..], b"\x01\0\0\0"].concat());
}

#[test]
fn texts_are_slices_of_the_input() {
    let bytes = Bytes::from(writer().encode());
    let stream = Stream::decode(&bytes).unwrap();
    let Constant::Texts(texts) = &stream.constants[1] else {
        panic!("{:?}", stream.constants);
    };
    assert!(bytes.as_ptr_range().contains(&texts[0].as_ptr()));
}

/// The error that `bytes` with these bytes replaced give.
fn check(bytes: &[u8], at: usize, replaced: &[u8], expected: &str) {
    let mut bytes = bytes.to_vec();
    bytes[at..at + replaced.len()].copy_from_slice(replaced);
    let error = Stream::decode(&bytes.into()).unwrap_err();
    assert_eq!(error.to_string(), format!("not a SIW stream: {expected}"));
}

#[test]
fn errors_name_offset_and_reason() {
    let bytes = writer().encode();
    let texts = HEADER_BYTES + 5 + 1 + 2 * 36;
    let each = bytes.len() - 3 * WORD_BYTES;
    for (at, replaced, expected) in [
        (
            0,
            &b"SIW2"[..],
            "byte 0: begins with [53, 49, 57, 32], expected \"SIW1\"",
        ),
        (4, b"\x02", "byte 4: version 2, this build reads version 1"),
        (
            14,
            b"\x01",
            "byte 14: is 1, must be 0: the field is not used here",
        ),
        (16, b"\x09", "byte 16: constant of unknown kind 9"),
        (16, b"\x01", "byte 29: 65 bytes follow the end"),
        (21, b"\x04", "byte 21: lane specification of unknown kind 4"),
        (
            26,
            b"\0\0\0\0",
            "byte 26: coordinate component 0, must be 1 to 2147483647",
        ),
        (
            each,
            b"\x07",
            &format!("byte {each}: pipe D has no opcode 7"),
        ),
        (
            each + 20,
            b"\x02\x09",
            &format!("byte {}: SINDEX has no function 9", each + 21),
        ),
        (
            each + 30,
            b"\xff\xff",
            &format!("byte {}: SLANES lacks an operand", each + 30),
        ),
        (
            each + 22,
            b"\0",
            &format!(
                "byte {}: is 0, must be 255: the field is not used here",
                each + 22
            ),
        ),
        (
            texts + 1,
            b"\xff\xff\xff\xff",
            &format!(
                "byte {}: 4294967295 bytes are needed, {} are left",
                texts + 5,
                bytes.len() - texts - 5
            ),
        ),
        (
            10,
            b"\xff\xff",
            &format!("byte {each}: 4194240 bytes are needed, 192 are left"),
        ),
        (
            10,
            b"\x01",
            &format!("byte {}: 64 bytes follow the end", bytes.len() - 64),
        ),
    ] {
        check(&bytes, at, replaced, expected);
    }
}

/// A word is read a few times per batch: it stays within a cache line.
#[test]
fn size_of_a_word() {
    assert!(size_of::<Word>() <= 64, "{}", size_of::<Word>());
}
