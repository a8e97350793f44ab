//! The engines, behind one trait: an engine builds an index, an index answers.

mod hnsw_rs;
mod ours;
mod turbovec;
mod usearch;

use benches::Result;

use crate::data::Vectors;
use crate::options::{Metric, Options};

/// How to build.
#[derive(Clone, Copy, Debug)]
pub struct BuildOptions {
    /// What near means.
    pub metric: Metric,
    /// Links of a node above the lowest layer.
    pub m: usize,
    /// Beam of the build.
    pub ef_construction: usize,
    /// Threads of the pool that the build runs in.
    pub threads: usize,
}

/// Builds an index from f32 vectors, within the rayon pool it is called in.
pub type Build = fn(&Vectors, BuildOptions) -> Result<Box<dyn Index>>;

/// Something built that answers queries.
pub trait Index: Send + Sync {
    /// Length of the index in a file, vectors included.
    fn bytes(&self) -> Result<u64>;

    /// Whether a search looks at every vector: then there is no effort to sweep.
    fn is_scan(&self) -> bool {
        false
    }

    /// Called once before all searches of one effort.
    fn set_effort(&mut self, effort: usize) -> Result<()>;

    /// Puts the numbers of the `k` nearest into `ids`, in any order. Preparing the query belongs to it.
    fn search(&mut self, query: &[f32], k: usize, ids: &mut Vec<u32>) -> Result<()>;
}

/// An engine with its settings.
#[derive(Debug)]
pub struct Engine {
    /// For tables.
    pub name: String,
    /// Beam of the build.
    pub ef_construction: usize,
    /// Its code.
    pub build: Build,
}

impl Engine {
    /// From `name` or `name:ef_construction`.
    pub fn parse(text: &str, options: &Options) -> Result<Self> {
        let (name, ef_construction) = match text.split_once(':') {
            Some((name, number)) => (name, number.parse()?),
            None => (text, options.ef_construction),
        };
        let efc = if ef_construction == 0 { String::new() } else { format!(" efC={ef_construction}") };
        let graph = |what: &str| format!("{what} M={}{efc}", options.m);
        let (name, build): (_, Build) = match name {
            "ours" => (graph("ours, int8"), ours::build),
            "ours-scan" => ("ours, 4 bit then int8, scan".to_owned(), ours::build_scan),
            "ours-exact" => ("ours, int8, exact scan".to_owned(), ours::build_exact),
            "usearch" => (graph("usearch i8"), usearch::build),
            "hnsw_rs" => (graph("hnsw_rs, int8"), hnsw_rs::build),
            "turbovec" => ("turbovec 4 bit, scan".to_owned(), turbovec::build),
            _ => return Err(format!("no engine is called {name}").into()),
        };
        Ok(Self { name, ef_construction, build })
    }
}
