//! What the crate promises, sentence by sentence.
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers, and models that are made to be sound"
)]

mod bad_input;
mod damage;
mod embed;
mod english;
mod models;
#[cfg(feature = "onnx")]
mod onnx;
mod oracle;
mod tensors;
mod tokens;
