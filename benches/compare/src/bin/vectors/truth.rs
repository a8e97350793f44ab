//! True neighbours: exact in f32, cached in a folder as `.npy`, so that `peers.py` reads the same ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use benches::Result;
use rayon::prelude::*;

use crate::data::{Split, Vectors};
use crate::options::{Metric, Options};

/// True neighbours kept for every query.
pub const DEPTH: usize = 100;
const QUERY_TILE: usize = 64;
const BASE_TILE: usize = 1_024;
const HEADER_LEN: usize = 128;

/// The numbers of the `DEPTH` nearest base vectors of every query, nearest first.
#[derive(Debug)]
pub struct Truth {
    depth: usize,
    ids: Vec<u32>,
}

impl Truth {
    /// Those of one query.
    pub fn of(&self, query: usize) -> &[u32] {
        &self.ids[query * self.depth..][..self.depth]
    }

    /// From the cache, or computed and put there.
    pub fn load(options: &Options, split: &Split) -> Result<Self> {
        let path = options.cache.join(cache_name(options)?);
        let depth = DEPTH.min(split.base.len());
        let len = depth * split.queries.len();
        if let Some(ids) = fs::read(&path).ok().and_then(|bytes| ids_of(&bytes, len)) {
            return Ok(Self { depth, ids });
        }
        eprintln!("exact neighbours of {} queries", split.queries.len());
        let ids = compute(split, options.metric, depth);
        fs::create_dir_all(&options.cache)?;
        write(&path, &ids, depth)?;
        Ok(Self { depth, ids })
    }
}

/// Names, lengths and times of the files, metric and split: `peers.py` makes the same name.
fn cache_name(options: &Options) -> Result<PathBuf> {
    let asked = match &options.queries {
        Some(path) => stamp(path)?,
        None => format!("every{}", options.queries_every),
    };
    let limit = match options.max_queries {
        usize::MAX => String::new(),
        limit => format!("-max{limit}"),
    };
    let name = format!("{}-{asked}{limit}-{}.npy", stamp(&options.data)?, options.metric.name());
    Ok(name.into())
}

fn stamp(path: &Path) -> Result<String> {
    let file = path.metadata()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("{name}-{}-{}", file.len(), file.modified()?.duration_since(UNIX_EPOCH)?.as_secs()))
}

fn ids_of(bytes: &[u8], len: usize) -> Option<Vec<u32>> {
    let header = bytes.get(8..10).map(|len| 10 + usize::from(u16::from_le_bytes([len[0], len[1]])))?;
    let ids = bytes.get(header..)?.as_chunks().0;
    (ids.len() == len).then(|| ids.iter().map(|id| u32::from_le_bytes(*id)).collect())
}

fn write(path: &Path, ids: &[u32], depth: usize) -> Result<()> {
    let shape = format!("({}, {depth})", ids.len() / depth);
    let dict = format!("{{'descr': '<i4', 'fortran_order': False, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&u16::try_from(HEADER_LEN - 10)?.to_le_bytes());
    bytes.extend_from_slice(format!("{dict:<width$}\n", width = HEADER_LEN - 11).as_bytes());
    bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    Ok(fs::write(path, bytes)?)
}

fn compute(split: &Split, metric: Metric, depth: usize) -> Vec<u32> {
    let half_norms: Vec<f32> = match metric {
        Metric::L2 => split.base.rows().map(|row| row.iter().map(|v| v * v).sum::<f32>() / 2.0).collect(),
        Metric::Cosine | Metric::Dot => Vec::new(),
    };
    let tiles = split.queries.values.par_chunks(QUERY_TILE * split.queries.dim);
    tiles.flat_map_iter(|queries| of_tile(queries, &split.base, &half_norms, depth)).collect()
}

/// The nearest of a few queries, over all of the base in tiles that stay in cache.
fn of_tile(queries: &[f32], base: &Vectors, half_norms: &[f32], depth: usize) -> Vec<u32> {
    let mut best: Vec<Best> = queries.chunks_exact(base.dim).map(|_| Best::new(depth)).collect();
    let mut scores = vec![0.0; best.len() * BASE_TILE];
    for (number, tile) in base.values.chunks(BASE_TILE * base.dim).enumerate() {
        let len = tile.len() / base.dim;
        let scores = &mut scores[..best.len() * len];
        inner_products(queries, tile, base.dim, scores);
        let first = number * BASE_TILE;
        let half_norms = half_norms.get(first..first + len).unwrap_or_default();
        for (best, scores) in best.iter_mut().zip(scores.chunks_exact_mut(len)) {
            scores.iter_mut().zip(half_norms).for_each(|(score, half_norm)| *score -= half_norm);
            best.offer(first, scores);
        }
    }
    best.into_iter().flat_map(Best::into_ids).collect()
}

/// `out[i][j]` is the inner product of row `i` of `a` and row `j` of `b`.
fn inner_products(a: &[f32], b: &[f32], dim: usize, out: &mut [f32]) {
    let (rows, columns) = (a.len() / dim, b.len() / dim);
    assert_eq!((rows * dim, columns * dim, rows * columns), (a.len(), b.len(), out.len()));
    let (step, width) = (dim.cast_signed(), columns.cast_signed());
    // SAFETY: `a` is rows x dim, `b` columns x dim read as its transpose, `out` rows x columns: just checked.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            dim,
            columns,
            1.0,
            a.as_ptr(),
            step,
            1,
            b.as_ptr(),
            1,
            step,
            0.0,
            out.as_mut_ptr(),
            width,
            1,
        );
    }
}

/// The greatest scores so far, with room so that sorting is rare.
struct Best {
    depth: usize,
    floor: f32,
    found: Vec<(f32, u32)>,
}

impl Best {
    fn new(depth: usize) -> Self {
        Self { depth, floor: f32::NEG_INFINITY, found: Vec::with_capacity(4 * depth) }
    }

    fn offer(&mut self, first: usize, scores: &[f32]) {
        for (index, &score) in scores.iter().enumerate() {
            if score > self.floor {
                self.found.push((score, (first + index) as u32));
                if self.found.len() == 4 * self.depth {
                    self.shrink();
                }
            }
        }
    }

    fn shrink(&mut self) {
        self.found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        self.found.truncate(self.depth);
        if self.found.len() == self.depth {
            self.floor = self.found[self.depth - 1].0;
        }
    }

    fn into_ids(mut self) -> impl Iterator<Item = u32> {
        self.shrink();
        self.found.into_iter().map(|(_, id)| id)
    }
}
