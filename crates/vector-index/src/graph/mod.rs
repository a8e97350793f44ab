//! The graph: what it is made of, how it grows, and how it is walked.

pub(crate) mod audit;
pub(crate) mod builder;
pub(crate) mod hierarchy;
mod layer;
pub(crate) mod links;
mod partition;
pub(crate) mod pool;
mod reach;
mod repair;
mod rows;
mod select;
mod visited;
pub(crate) mod walk;
