//! A query → a list for its words and for each of its vectors → one ranking → records and snippets.

mod cache_key;
mod fetch;
mod fusion;
mod lists;
mod nearest;
mod ranking;
mod resources;
mod words;

pub(crate) use fetch::search;
pub(crate) use resources::SearchResources;
