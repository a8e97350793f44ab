//! Holds the source tree to what its documents say: plain code that reads files and counts.
//!
//! It is no compiler: it reads tokens, not types. What it cannot see (a method called on a value, a name that a macro makes) it does not
//! judge. Each rule is a file of [`rules`], whose tests show what it catches; `tests/tree.rs` holds this repository to all of them.
//!
//! ```
//! use tidy::{rules, Crate};
//!
//! let member = Crate::new("example", &[
//!     ("lib.rs", "mod a; mod b;"),
//!     ("a.rs", "use crate::b::B; pub struct A(B);"),
//!     ("b.rs", "pub struct B; impl From<crate::a::A> for B {}"),
//! ]);
//! assert_eq!(rules::circles::check(&member).len(), 1);
//! ```

mod modules;
pub mod rules;
pub mod source;
mod tree;

pub use modules::Modules;
pub use source::File;
pub use tree::{Crate, Tree};

use std::fmt;

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, from the root of the repository.
    pub path: String,
    /// The line, from 1; 0 if it is about the whole file.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Fault {
    /// A fault of a whole file.
    pub fn of_file(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), line: 0, what: what.into() }
    }

    /// A fault on a line.
    pub fn at(path: impl Into<String>, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}
