//! See `phext_storage::fuzzing::catalog`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| phext_storage::fuzzing::catalog(bytes));
