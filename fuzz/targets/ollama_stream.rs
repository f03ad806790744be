#![no_main]

use campanile_llm::{dialect::Api, fuzzing};

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzzing::stream(Api::Ollama, input));
