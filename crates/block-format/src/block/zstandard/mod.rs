//! Frames of zstd: compressed by the C library, decoded by it or, with the feature `ruzstd`, in Rust.

#[cfg(not(target_family = "wasm"))]
mod encoder;
#[cfg(target_family = "wasm")]
#[path = "no_encoder.rs"]
mod encoder;

#[cfg(not(feature = "ruzstd"))]
mod decoder;
#[cfg(feature = "ruzstd")]
#[path = "rust_decoder.rs"]
mod decoder;

#[cfg(all(target_family = "wasm", not(feature = "ruzstd")))]
compile_error!("for WebAssembly, build with the feature ruzstd: there is no C library of zstd");

pub(super) use decoder::{Decoders, DigestedDictionary, TABLES_BYTES};
pub(super) use encoder::{Encoders, EncodingDictionary};

#[cfg(not(target_family = "wasm"))]
use zstd::zstd_safe::{ErrorCode, get_error_name, zstd_sys::ZSTD_ErrorCode};

use crate::error::{Error, ErrorKind};

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Damaged, format!("block payload: zstd says: {cause}"))
}

/// What the C library says.
#[cfg(not(target_family = "wasm"))]
fn failed_with(code: ErrorCode) -> Error {
    let no_memory = (ZSTD_ErrorCode::ZSTD_error_memory_allocation as ErrorCode).wrapping_neg();
    if code == no_memory {
        return Error::new(ErrorKind::OutOfMemory, "there is no memory for zstd to work in");
    }
    failed(get_error_name(code))
}
