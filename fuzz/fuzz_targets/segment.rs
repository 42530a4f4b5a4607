//! See `phext_storage::fuzzing::segment`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| phext_storage::fuzzing::segment(bytes));
