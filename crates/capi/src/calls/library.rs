//! The library itself: its versions, and the sentence of a failure.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use crate::last_error;
use crate::types::ca_str;

/// The version of this interface. It changes when programs that were compiled for another one would break.
pub const CA_ABI_VERSION: u32 = 1;

/// The version of the interface of the library that the program runs with. A program that was compiled with another `CA_ABI_VERSION` does not fit it.
#[unsafe(no_mangle)]
pub extern "C" fn ca_abi_version() -> u32 {
    CA_ABI_VERSION
}

/// The version of the library, `0.1.0`. It lasts as long as the program.
#[unsafe(no_mangle)]
pub extern "C" fn ca_version() -> ca_str {
    let text = concat!(env!("CARGO_PKG_VERSION"), "\0");
    ca_str { data: text.as_ptr().cast(), len: text.len() - 1 }
}

/// What the last failure of this thread was, as a sentence: what, where, expected, found, what next. It lasts until the next call of this thread that fails;
/// calls that succeed do not change it. It does not end with a zero byte: print it with `%.*s`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_last_error() -> ca_str {
    last_error::get()
}
