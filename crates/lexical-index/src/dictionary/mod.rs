//! The terms of a part: found one by one, by their beginning, or by their distance from a word.

mod layout;
mod pattern;
mod reader;

#[cfg(test)]
pub(crate) use self::layout::COMMON_INPUTS;
pub(crate) use self::layout::Dictionary;
pub(crate) use self::pattern::Pattern;
pub(crate) use self::reader::Keys;
