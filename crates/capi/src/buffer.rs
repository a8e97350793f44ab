//! A text that the library made for C.

use serde::Serialize;

use crate::code::{Failure, Result, ca_code};
use crate::types::ca_str;

/// A text that does not change.
#[derive(Debug)]
pub(crate) struct Buffer(Box<str>);

impl Buffer {
    /// A report as JSON.
    pub(crate) fn json(report: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_string(report);
        let text = text.map_err(|e| Failure::new(ca_code::CA_DAMAGED, format!("as JSON: {e}")))?;
        Ok(Self(text.into()))
    }

    pub(crate) fn get(&self) -> ca_str {
        lend(&self.0)
    }
}

/// A text of the library's as C sees it: for as long as whoever owns it.
pub(crate) fn lend(text: &str) -> ca_str {
    ca_str { data: text.as_ptr().cast(), len: text.len() }
}
