//! Where pointers of C become references, and back: all unsafe code of the crate.
//!
//! The functions that C calls (`calls/`) are not reachable from Rust: their modules are private, and the crate is no Rust library. Whoever calls them has
//! the contract of the header: a pointer is NULL, or points to as much as the call says, which nobody else changes while the call lasts. What can be looked
//! at without following a pointer is: NULL, alignment, lengths.

mod borrowed;
mod call;
mod held;
mod of_process;
mod stream;

pub(crate) use borrowed::{Borrowed, Release};
pub(crate) use call::{Call, Out, check_room, guard, missing};
pub(crate) use held::Held;
pub(crate) use of_process::OfProcess;
pub(crate) use stream::{Read, Stream};
