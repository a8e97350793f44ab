//! A query → a list for its words and for each of its vectors → one ranking → records and snippets.

mod breadth;
mod cache_key;
mod facets;
pub(crate) mod federated;
mod fetch;
mod fields;
mod fusion;
mod groups;
mod hit_fields;
mod in_shard;
mod intervals;
mod lists;
mod matched;
mod nearest;
mod order;
mod ranking;
mod resources;
mod similar;
mod words;

pub(crate) use facets::values;
pub(crate) use fetch::{fill, search};
pub(crate) use fields::fields;
pub(crate) use resources::SearchResources;
pub(crate) use similar::nearest_others;
