use super::random::stream;
use super::*;
use crate::encoding::{HEADER_BYTES, WORD_BYTES};
use bytes::Bytes;
use phext_storage::coordinate::MAX_COMPONENT;
use phext_storage::page_table::{Constraint, Metric, Nearest, Region, Span, Weights};
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
        prop_assert_eq!(Stream::decode(&bytes), Ok(stream));
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
            bytes[..6].copy_from_slice(b"SIW1\x03\x02");
            bytes[7..HEADER_BYTES].fill(0);
        }
        decode_is_exact(bytes)?;
    }
}

/// A stream that runs over lanes and does nothing with them.
fn over(spec: LaneSpec) -> Stream {
    let mut stream = StreamBuilder::new(2);
    let kind = LaneKind::of(&spec);
    let (to, lanes) = (P(0), stream.constant(Constant::Lanes(spec)));
    stream.each(Word::sparse(match kind {
        LaneKind::Region => SparseOp::Assoc { to, lanes },
        LaneKind::Nearest => SparseOp::Neighbr { to, lanes },
        _ => SparseOp::Lanes { to, lanes },
    }));
    stream.build()
}

/// A region that constrains the shelf to 3 and to 5-9, and a weighted search within a radius.
fn pattern_lanes() -> [LaneSpec; 2] {
    let mut constraints = [const { Constraint::FREE }; 9];
    let span = |low, high| Span { low, high };
    constraints[1] = Constraint::new(vec![span(3, 3), span(5, 9)]).unwrap();
    let nearest = Nearest {
        to: point(7),
        count: 10,
        metric: Metric::Weighted(Weights::new([1, 2, 3, 4, 5, 6, 7, 8, 9]).unwrap()),
        radius: Some(300),
    };
    [
        LaneSpec::Region(Region::new(constraints)),
        LaneSpec::Nearest(nearest),
    ]
}

#[test]
fn every_bit_of_a_stream_matters() {
    let [region, nearest] = pattern_lanes().map(over);
    for stream in [survey(), writer(), region, nearest] {
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

/// As above, of all operations; one bit of seven, which meets every byte.
#[test]
fn every_byte_of_every_operation_matters() {
    let stream = assemble(EVERY).unwrap().stream;
    let bytes = stream.encode();
    for bit in (0..bytes.len() * 8).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        decode_is_exact(flipped.clone()).unwrap();
        let decoded = Stream::decode(&flipped.into());
        assert_ne!(decoded.as_ref(), Ok(&stream), "bit {bit}");
    }
}

#[test]
fn layout() {
    let stream = writer();
    let bytes = stream.encode();
    assert_eq!(
        bytes[..HEADER_BYTES],
        *b"SIW1\x03\x01\x02\0\0\0\x02\0\x01\0\0\0"
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
        (4, b"\x02", "byte 4: version 2, this build reads version 3"),
        (
            14,
            b"\x01",
            "byte 14: is 1, must be 0: the field is not used here",
        ),
        (16, b"\x09", "byte 16: constant of unknown kind 9"),
        (16, b"\x01", "byte 29: 65 bytes follow the end"),
        (21, b"\x09", "byte 21: lane specification of unknown kind 9"),
        (
            26,
            b"\0\0\0\0",
            "byte 26: coordinate component 0, must be 1 to 2147483647",
        ),
        (
            each,
            b"\x16",
            &format!("byte {each}: pipe D has no opcode 22"),
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

#[test]
fn patterns_that_are_none_are_refused() {
    let [region, nearest] = pattern_lanes().map(|spec| over(spec).encode());
    // Behind header, kind, length and kind of lanes; the first dimension is free.
    let start = HEADER_BYTES + 5 + 1;
    let spans = start + 4 + 4;
    let number = |number: u32| number.to_le_bytes();
    let mut reversed = number(9).to_vec();
    reversed.extend(number(5));
    let refused = |at: usize, replaced: &[u8], reason: &str| {
        check(
            &region,
            at,
            replaced,
            &format!("byte {}: {reason}", start + 4),
        );
    };
    refused(spans, &number(4), "the span 4-3 ends before it begins");
    let component = "the span 0-3 leaves the components 1 to 2147483647";
    refused(spans, &number(0), component);
    let order = "span 1 does not lie above the one before: spans are ascending and disjoint";
    refused(spans + 8, &number(3), order);
    refused(spans + 8, &reversed, "the span 9-5 ends before it begins");
    let left = region.len() - WORD_BYTES - spans;
    let cut = format!(
        "{} bytes are needed, {left} are left",
        u64::from(u32::MAX) * 8
    );
    let at = format!("byte {spans}: {cut}");
    check(&region, start + 4, &number(u32::MAX), &at);

    let metric = start + 36 + 4;
    let check = |at: usize, replaced: &[u8], reason: &str| {
        check(&nearest, at, replaced, &format!("byte {at}: {reason}"));
    };
    check(
        start + 4,
        &number(0),
        "coordinate component 0, must be 1 to 2147483647",
    );
    check(metric, b"\x03", "metric of unknown kind 3");
    check(metric + 1, b"\x02", "is 2, must be 0 or 1");
    let weights = metric + 2 + 8;
    check(
        weights,
        &number(1 << 29),
        "weight 536870912, must be at most 536870911",
    );
}

#[test]
fn a_span_of_all_components_is_no_second_form_of_a_free_dimension() {
    let mut constraints = [const { Constraint::FREE }; 9];
    constraints[0] = Constraint::range(1, MAX_COMPONENT - 1).unwrap();
    let bytes = over(LaneSpec::Region(Region::new(constraints))).encode();
    let start = HEADER_BYTES + 5 + 1;
    let reason = "the span holds every component: a free dimension has no span";
    let replaced = MAX_COMPONENT.to_le_bytes();
    check(
        &bytes,
        start + 8,
        &replaced,
        &format!("byte {start}: {reason}"),
    );
}

/// A word is read a few times per batch: it stays within a cache line.
#[test]
fn size_of_a_word() {
    assert!(size_of::<Word>() <= 64, "{}", size_of::<Word>());
}

const EVERY: &str = include_str!("golden/every.asm");

/// The format of a version never changes: what it writes today it wrote when the version was new.
#[test]
fn golden() {
    let stream = assemble(EVERY).unwrap().stream;
    assert_eq!(validate(&stream), Ok(()));
    let golden = Bytes::from_static(include_bytes!("golden/every.siw"));
    assert_eq!(Stream::decode(&golden), Ok(stream.clone()));
    assert_eq!(stream.encode(), golden);
    for pipe in Pipe::ALL {
        for description in table::operations(pipe) {
            let mnemonic = description.mnemonic;
            let elsewhere = mnemonic.ends_with("NOP") || ["SASSOC", "SNEIGHBR"].contains(&mnemonic);
            assert!(elsewhere || EVERY.contains(mnemonic), "{mnemonic}");
        }
    }
}

/// Writes the golden bytes, for a new version: `cargo test -p phext-siw golden -- --ignored`.
#[test]
#[ignore = "writes the file that another test compares with"]
#[expect(
    clippy::disallowed_methods,
    reason = "a chore that writes a file of the tree"
)]
fn make_golden() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/golden/every.siw");
    std::fs::write(path, assemble(EVERY).unwrap().stream.encode()).unwrap();
}
