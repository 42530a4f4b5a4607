//! Bytes that decode are the one binary form of their stream; validating ends with yes or no; and the
//! text of a valid stream assembles to it. Bytes that are text assemble or are refused.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use phext_siw::{Stream, assemble};

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(stream) = Stream::decode(&bytes) {
        assert_eq!(stream.encode(), bytes);
        let is_valid = phext_siw::validate(&stream).is_ok();
        assert_eq!(Stream::load(&bytes).is_ok(), is_valid);
        let text = stream.to_string();
        if is_valid {
            assert_eq!(assembled(&text), Some(stream));
        }
    }
    if let Some(stream) = str::from_utf8(&bytes).ok().and_then(assembled) {
        assert_eq!(assembled(&stream.to_string()), Some(stream));
    }
});

fn assembled(text: &str) -> Option<Stream> {
    assemble(text).ok().map(|assembly| assembly.stream)
}
