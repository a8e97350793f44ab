//! Blocks of entries: keys in order, each with its rows.

pub(crate) mod layout;
pub(crate) mod rows;
