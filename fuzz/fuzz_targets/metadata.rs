//! The target `metadata`: its body is in `tests/src/fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isodrive_tests::fuzz::metadata(data));
