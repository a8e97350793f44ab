//! Vectors from files, and their split into base and queries.

use std::fs;
use std::path::Path;

use benches::Result;
use half::f16;

use crate::options::{Metric, Options};

/// Vectors of one dimension, one after the other.
#[derive(Debug, Default)]
pub struct Vectors {
    /// Values of a vector.
    pub dim: usize,
    /// All values.
    pub values: Vec<f32>,
}

impl Vectors {
    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }

    /// Every vector.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.dim)
    }

    /// One vector.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dim..][..self.dim]
    }

    fn push(&mut self, row: &[f32]) {
        self.values.extend_from_slice(row);
    }
}

/// What is indexed and what is asked.
#[derive(Debug)]
pub struct Split {
    /// The vectors in the index; results are their numbers.
    pub base: Vectors,
    /// The vectors to look for.
    pub queries: Vectors,
}

/// Reads the data and splits it; under cosine, all vectors have unit length afterwards.
pub fn load(options: &Options) -> Result<Split> {
    let data = read(&options.data)?;
    let mut split = match &options.queries {
        Some(path) => Split { base: data, queries: read(path)? },
        None => split_every(&data, options.queries_every),
    };
    if split.base.dim != split.queries.dim || split.base.values.is_empty() || split.queries.values.is_empty()
    {
        return Err("base and queries must be of one dimension, and neither empty".into());
    }
    split.queries = spread(split.queries, options.max_queries);
    if options.metric == Metric::Cosine {
        normalize(&mut split.base);
        normalize(&mut split.queries);
    }
    Ok(split)
}

fn split_every(data: &Vectors, every: usize) -> Split {
    let empty = || Vectors { dim: data.dim, values: Vec::new() };
    let mut split = Split { base: empty(), queries: empty() };
    split.base.values.reserve_exact(data.values.len());
    for (index, row) in data.rows().enumerate() {
        let side = if index % every == 0 { &mut split.queries } else { &mut split.base };
        side.push(row);
    }
    split
}

/// At most `limit` of the vectors, evenly spread.
fn spread(all: Vectors, limit: usize) -> Vectors {
    let len = all.len();
    if len <= limit {
        return all;
    }
    let mut some = Vectors { dim: all.dim, values: Vec::new() };
    (0..limit).for_each(|index| some.push(all.row(index * len / limit)));
    some
}

fn normalize(vectors: &mut Vectors) {
    for row in vectors.values.chunks_exact_mut(vectors.dim) {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        row.iter_mut().for_each(|value| *value /= norm);
    }
}

fn read(path: &Path) -> Result<Vectors> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let vectors = match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => from_npy(&bytes),
        Some("fvecs") => from_fvecs(&bytes),
        _ => Err("a name that ends in .npy or .fvecs is needed".into()),
    };
    vectors.map_err(|error| format!("{}: {error}", path.display()).into())
}

fn from_npy(bytes: &[u8]) -> Result<Vectors> {
    let (header, values) = npy_parts(bytes).ok_or("not a .npy file")?;
    let field = |name: &str| header.split_once(name).map(|(_, rest)| rest.trim_start_matches([':', ' ']));
    if !field("'fortran_order'").is_some_and(|rest| rest.starts_with("False")) {
        return Err("only C order is read".into());
    }
    let shape = field("'shape'").and_then(|rest| rest.strip_prefix('(')).ok_or("no shape")?;
    let shape = shape.split(')').next().unwrap_or_default();
    let sizes =
        shape.split(',').map(|size| size.trim().parse()).collect::<std::result::Result<Vec<usize>, _>>()?;
    let [len, dim] = sizes[..] else { return Err("a matrix is needed".into()) };
    let values: Vec<f32> = match field("'descr'").and_then(|rest| rest.get(..5)) {
        Some("'<f2'") => {
            values.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
        }
        Some("'<f4'") => values.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        _ => return Err("only f16 and f32, little-endian, are read".into()),
    };
    if Some(values.len()) != len.checked_mul(dim) {
        return Err("the length is not that of the shape".into());
    }
    Ok(Vectors { dim, values })
}

/// Header text and the bytes after it.
fn npy_parts(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (version, rest) = rest.split_at_checked(2)?;
    let (len, rest) = if version[0] == 1 {
        let (len, rest) = rest.split_first_chunk()?;
        (usize::from(u16::from_le_bytes(*len)), rest)
    } else {
        let (len, rest) = rest.split_first_chunk()?;
        (u32::from_le_bytes(*len) as usize, rest)
    };
    let (header, values) = rest.split_at_checked(len)?;
    Some((std::str::from_utf8(header).ok()?, values))
}

/// Rows of an i32 dimension and so many f32.
fn from_fvecs(bytes: &[u8]) -> Result<Vectors> {
    let dim = bytes.first_chunk().map_or(0, |dim| i32::from_le_bytes(*dim));
    let dim = usize::try_from(dim)?;
    if dim == 0 || !bytes.len().is_multiple_of(4 + 4 * dim) {
        return Err("not a .fvecs file".into());
    }
    let rows = bytes.chunks_exact(4 + 4 * dim).flat_map(|row| row[4..].as_chunks().0);
    Ok(Vectors { dim, values: rows.map(|bytes| f32::from_le_bytes(*bytes)).collect() })
}
