//! Calls that are awaited: a request waits in a queue, a thread of the artifact carries it out, its future gets the answer. No runtime is needed.

mod calls;
mod pool;
mod request;

pub(crate) use pool::{Pool, Requests};
pub use request::Request;
