//! What the module exports. Bytes go in and out through two buffers of the module, whose addresses are asked for; no address comes in.
//!
//! To call: `input(len)`, write so many bytes there, then a call; its result is at `output()`, of `output_len()` bytes. Addresses hold until the next call.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::reader::Reader;

/// What is kept between calls.
#[derive(Debug)]
struct Module {
    input: Vec<u8>,
    output: Vec<u8>,
    /// A model for the packs that are opened from then on.
    model: Option<Vec<u8>>,
    /// A number in the hands of JavaScript is a place here, plus 1.
    readers: Vec<Option<Reader>>,
}

static MODULE: Mutex<Module> =
    Mutex::new(Module { input: Vec::new(), output: Vec::new(), model: None, readers: Vec::new() });

fn module() -> MutexGuard<'static, Module> {
    MODULE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for so many bytes of the next call.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn input(len: usize) -> *mut u8 {
    let mut module = module();
    module.input = vec![0; len];
    module.input.as_mut_ptr()
}

/// Where the result of the last call is.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    module().output.as_ptr()
}

/// How long it is.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn output_len() -> usize {
    module().output.len()
}

/// The input is a model, for the packs that are opened from then on.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn set_model() {
    let mut module = module();
    module.model = Some(std::mem::take(&mut module.input));
}

/// Opens the input, a pack, at a time in milliseconds since 1970: its number, or 0 with a sentence as the result.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn open(now: f64) -> usize {
    let mut module = module();
    let pack = std::mem::take(&mut module.input);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of a clock")]
    let now = now.max(0.0) as u64;
    match Reader::open(&pack, module.model.clone(), now) {
        Ok(reader) => {
            module.readers.push(Some(reader));
            module.readers.len()
        }
        Err(e) => {
            module.output = e.to_string().into_bytes();
            0
        }
    }
}

/// Asks the input, see [`Reader::ask`]; the result is the answer.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn ask(number: usize) {
    let mut module = module();
    let request = std::mem::take(&mut module.input);
    let reader = number.checked_sub(1).and_then(|place| module.readers.get(place)?.as_ref());
    let answer = match (reader, std::str::from_utf8(&request)) {
        (Some(reader), Ok(request)) => reader.ask(request),
        (None, _) => r#"{"error":"the artifact was closed"}"#.to_owned(),
        (_, Err(_)) => r#"{"error":"the request is not UTF-8"}"#.to_owned(),
    };
    module.output = answer.into_bytes();
}

/// Lets go of a pack.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn close(number: usize) {
    let mut module = module();
    if let Some(reader) = number.checked_sub(1).and_then(|place| module.readers.get_mut(place)) {
        *reader = None;
    }
}
