#![no_main]
#![doc = "See the function of the same name."]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dualwheel_fuzz::inspection(bytes));
