//! Bytes that lie anywhere, and are verified before they are used.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::aligned::AlignedBytes;

/// Why bytes could not be verified. An [`io::Error`]: they could not be read, which says nothing about them; any other: they are damaged.
pub type NotVerified = Box<dyn std::error::Error + Send + Sync>;

/// The failure to read for which bytes could not be verified, if that was it.
pub fn failed_read(why: &NotVerified) -> Option<io::Error> {
    let failed: &io::Error = why.downcast_ref()?;
    Some(io::Error::new(failed.kind(), failed.to_string()))
}

/// Bytes that an index lies in: a `Vec`, a slice, a memory map.
///
/// Whoever maps a file and has checksums for pieces of it implements [`check`](Self::check): an index asks it about all bytes before it
/// makes an answer of them, so that no more than what a search touches has to be verified. For bytes that need no verifying, or were
/// verified before, the provided methods do nothing.
///
/// ```
/// use std::ops::Range;
///
/// use wire::{Bytes, NotVerified};
///
/// struct Mapped {
///     bytes: Vec<u8>,
///     sound: fn(&[u8]) -> bool,
/// }
///
/// impl AsRef<[u8]> for Mapped {
///     fn as_ref(&self) -> &[u8] {
///         &self.bytes
///     }
/// }
///
/// impl Bytes for Mapped {
///     fn check(&self, range: Range<usize>) -> Result<(), NotVerified> {
///         if (self.sound)(&self.bytes[range]) { Ok(()) } else { Err("bytes 4096 to 8192 are damaged".into()) }
///     }
///
///     fn is_verified(&self) -> bool {
///         false
///     }
/// }
/// ```
pub trait Bytes: AsRef<[u8]> + Sync {
    /// Verifies some of the bytes, which lie within them. Called again and again for the same ones, so it remembers those that hold.
    ///
    /// Its error becomes that of the search.
    fn check(&self, range: Range<usize>) -> Result<(), NotVerified> {
        let _ = range;
        Ok(())
    }

    /// Whether bytes are fetched from far away when they are first asked for, so that it is worth some work to ask for many at once.
    fn is_far(&self) -> bool {
        false
    }

    /// Says which bytes will be asked for soon: those that lie [far away](Self::is_far) are then fetched together. A hint: what fails here is told by
    /// [`check`](Self::check).
    fn will_need(&self, ranges: &[Range<usize>]) {
        let _ = ranges;
    }

    /// Whether all bytes are verified, so that [`check`](Self::check) need not be called.
    fn is_verified(&self) -> bool {
        true
    }
}

impl Bytes for [u8] {}
impl Bytes for Vec<u8> {}
impl Bytes for Box<[u8]> {}
impl Bytes for Arc<[u8]> {}
impl Bytes for AlignedBytes {}

impl<B: Bytes + ?Sized> Bytes for &B {
    fn check(&self, range: Range<usize>) -> Result<(), NotVerified> {
        (**self).check(range)
    }

    fn is_far(&self) -> bool {
        (**self).is_far()
    }

    fn will_need(&self, ranges: &[Range<usize>]) {
        (**self).will_need(ranges);
    }

    fn is_verified(&self) -> bool {
        (**self).is_verified()
    }
}
