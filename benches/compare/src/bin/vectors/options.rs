//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Nearest-neighbour engines beside each other on one data set, in one run.
#[derive(Debug, Parser)]
pub struct Options {
    /// Vectors: `.npy` (f16 or f32, C order) or `.fvecs`.
    pub data: PathBuf,
    /// Rows whose number is a multiple of this are the queries, the others the base.
    #[arg(long, default_value_t = 59)]
    pub queries_every: usize,
    /// A file of queries; then every row of the data is base.
    #[arg(long, conflicts_with = "queries_every")]
    pub queries: Option<PathBuf>,
    /// Only so many queries, evenly spread over all of them.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    pub max_queries: usize,
    /// What near means.
    #[arg(long, value_enum, default_value_t = Metric::Cosine)]
    pub metric: Metric,
    /// Links of a node (twice as many on the lowest layer).
    #[arg(long, default_value_t = 16)]
    pub m: usize,
    /// Beam of the build, for engines that `--engines` gives none. Of ours 0: no beam, as graphs are built if nothing is asked.
    #[arg(long, default_value_t = 200)]
    pub ef_construction: usize,
    /// Engines as `name` or `name:ef_construction`; ratios are of the first to each other.
    #[arg(long, value_delimiter = ',', default_values_t = default_engines())]
    pub engines: Vec<String>,
    /// Numbers of threads to build with, one build for each; the last one is searched.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub threads: Vec<usize>,
    /// Search efforts (`ef`), ascending.
    #[arg(long, value_delimiter = ',', default_values_t =
        [10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768])]
    pub efforts: Vec<usize>,
    /// Times that the sweep is run; figures are medians over them.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Results that `peers.py --json` wrote on the same data, shown in the same table.
    #[arg(long)]
    pub peers_json: Vec<PathBuf>,
    /// Where to write all figures.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Folder of true neighbours, kept between runs.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/truth"))]
    pub cache: PathBuf,
}

/// What near means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Metric {
    /// The angle: vectors are brought to unit length when read.
    Cosine,
    /// Euclidean distance.
    L2,
    /// The greatest inner product.
    Dot,
}

impl Metric {
    /// The name on the command line, in JSON and in names of cached files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::Dot => "dot",
        }
    }
}

fn default_engines() -> Vec<String> {
    ["ours:0", "ours-scan:0", "ours-exact:0", "usearch", "hnsw_rs:100", "turbovec"]
        .map(str::to_owned)
        .to_vec()
}
