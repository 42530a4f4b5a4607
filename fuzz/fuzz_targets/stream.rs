//! Bytes that decode are the one binary form of their stream; validating ends with yes or no.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use phext_siw::Stream;

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(stream) = Stream::decode(&bytes) {
        assert_eq!(stream.encode(), bytes);
        let is_valid = phext_siw::validate(&stream).is_ok();
        assert_eq!(Stream::load(&bytes).is_ok(), is_valid);
    }
});
