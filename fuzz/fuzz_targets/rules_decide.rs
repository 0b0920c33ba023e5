#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| masq_fuzz::rules_decide(data));
