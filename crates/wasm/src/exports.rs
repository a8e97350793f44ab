//! What the module exports. Bytes go in and out through two buffers of the module, whose addresses are asked for; no address comes in.
//!
//! To call: `input(len)`, write so many bytes there, then a call; its result is at `output()`, of `output_len()` bytes. Addresses hold until the next call. A pack
//! has a place of its own, so that it may come piece by piece between other calls: `reserve(len)`, write at `address(number)`, `open(number)`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use compact_artifact::StaticEmbedder;
use wire::AlignedBytes;

use crate::reader::Reader;

/// What is kept between calls.
#[derive(Debug)]
struct Module {
    input: AlignedBytes,
    output: Vec<u8>,
    /// A model for the packs that are opened from then on.
    model: Option<Arc<StaticEmbedder>>,
    /// A number in the hands of JavaScript is a place here, plus 1.
    packs: Vec<Pack>,
}

#[derive(Debug)]
enum Pack {
    /// Its bytes are being written.
    Reserved(AlignedBytes),
    Open(Reader),
    Closed,
}

impl Module {
    fn pack(&mut self, number: usize) -> Option<&mut Pack> {
        self.packs.get_mut(number.checked_sub(1)?)
    }
}

static MODULE: Mutex<Module> =
    Mutex::new(Module { input: AlignedBytes::new(), output: Vec::new(), model: None, packs: Vec::new() });

fn module() -> MutexGuard<'static, Module> {
    MODULE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for so many bytes of the next call; 0 if there is no memory for them.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn input(len: usize) -> *mut u8 {
    let mut module = module();
    module.input = AlignedBytes::new(); // gives its memory back first
    let Ok(input) = AlignedBytes::try_zeroed(len) else { return std::ptr::null_mut() };
    module.input = input;
    module.input.as_mut().as_mut_ptr()
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

/// The input is a model, for the packs that are opened from then on: 1, or 0 with a sentence as the result.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn set_model() -> usize {
    let mut module = module();
    match StaticEmbedder::from_bytes(std::mem::take(&mut module.input).as_ref().to_vec()) {
        Ok(model) => {
            module.model = Some(Arc::new(model));
            1
        }
        Err(e) => {
            module.output = e.to_string().into_bytes();
            0
        }
    }
}

/// A number for a pack of so many bytes, see [`address`]; 0 if there is no memory for them.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn reserve(len: usize) -> usize {
    let Ok(pack) = AlignedBytes::try_zeroed(len) else { return 0 };
    let mut module = module();
    module.packs.push(Pack::Reserved(pack));
    module.packs.len()
}

/// Where the bytes of a pack are to be written before it is opened; 0 afterwards.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn address(number: usize) -> *mut u8 {
    match module().pack(number) {
        Some(Pack::Reserved(pack)) => pack.as_mut().as_mut_ptr(),
        _ => std::ptr::null_mut(),
    }
}

/// Opens a pack whose bytes are there, at a time in milliseconds since 1970: 1, or 0 with a sentence as the result.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn open(number: usize, now: f64) -> usize {
    let mut module = module();
    let model = module.model.clone();
    let Some(place) = module.pack(number) else { return 0 };
    let Pack::Reserved(pack) = std::mem::replace(place, Pack::Closed) else { return 0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of a clock")]
    let now = now.max(0.0) as u64;
    match Reader::open(pack, model, now) {
        Ok(reader) => {
            *place = Pack::Open(reader);
            1
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
    let reader = match module.pack(number) {
        Some(Pack::Open(reader)) => Some(reader),
        _ => None,
    };
    let answer = match (reader, std::str::from_utf8(request.as_ref())) {
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
    if let Some(pack) = module().pack(number) {
        *pack = Pack::Closed;
    }
}
