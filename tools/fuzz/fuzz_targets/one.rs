//! One fuzzer for each target: the binary's name says which.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chunkstore_fuzz::targets::run(env!("CARGO_BIN_NAME"), bytes));
