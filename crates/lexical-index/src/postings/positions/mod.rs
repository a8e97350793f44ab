//! Where in its texts a term occurs.

pub(super) mod layout;
mod reader;

pub(crate) use self::reader::Positions;
