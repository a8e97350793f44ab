//! Time and processes, as far as the target has them: WebAssembly in a browser has neither for the standard library, whose calls panic there.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub use std::time::Instant;

/// A clock that stands still: no time passes where none can be read.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
impl Instant {
    /// The one instant there is.
    pub fn now() -> Self {
        Self
    }

    /// None.
    pub fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

/// The id of this process; 0 where there is but one.
pub fn process_id() -> u32 {
    if cfg!(all(target_family = "wasm", target_os = "unknown")) { 0 } else { std::process::id() }
}
