//! Structs with pointers, kept where any thread may look at them.
#![expect(unsafe_code, reason = "pointers are not `Send` by themselves")]

use crate::types::{ca_hit, ca_range};

/// Hits, and what their pointers lead to.
#[derive(Debug)]
pub(crate) struct Held {
    hits: Box<[ca_hit]>,
    _bytes: Box<[u8]>,
    _highlights: Box<[ca_range]>,
}

// SAFETY: the pointers lead into the boxes beside them, which nothing changes, and which go when the value does. So it is as good as a value without pointers.
unsafe impl Send for Held {}
// SAFETY: as above: nothing changes, and nothing is followed but by C.
unsafe impl Sync for Held {}

impl Held {
    /// Has `hits` point to `bytes` and `highlights`, which do not move from here on.
    pub(crate) fn new(
        bytes: Vec<u8>,
        highlights: Vec<ca_range>,
        hits: impl FnOnce(&[u8], &[ca_range]) -> Vec<ca_hit>,
    ) -> Self {
        let (bytes, highlights) = (bytes.into_boxed_slice(), highlights.into_boxed_slice());
        let hits = hits(&bytes, &highlights).into_boxed_slice();
        Self { hits, _bytes: bytes, _highlights: highlights }
    }

    pub(crate) fn hits(&self) -> &[ca_hit] {
        &self.hits
    }
}
