//! The rows of a shard that are nearest to another of its rows, to be stored.

use vector_index::{RowSet, Scratch, SearchOptions};

use super::in_shard::{about, stored_originals};
use super::nearest::RESCORED;
use crate::api::error::Result;
use crate::api::space::Space;
use crate::shard::Vectors;

/// Up to so many vectors, each is compared with all others.
const MAX_COMPARED: usize = 4096;
/// Candidates that a walk through a graph keeps: twice as many as a query's, since it is walked once.
const EF_SEARCH: usize = 128;

/// The `k` rows nearest to `row`, the nearest first; none if it has no vector. No row is in `dead`, and those have none.
pub(crate) fn nearest_others(
    vectors: &Vectors,
    space: &Space,
    row: u32,
    k: usize,
    dead: &RowSet,
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    if dead.contains(row) {
        return Ok(Vec::new());
    }
    let Some(embedding) = vectors.embedding(row, space)? else { return Ok(Vec::new()) };
    // With itself.
    let width = k + 1;
    let mut options = SearchOptions::new(width).deleted(dead);
    options = options.ef_search(EF_SEARCH.max(width).max(vectors.index.usual_ef_search()));
    options = options.exact(vectors.index.len() <= MAX_COMPARED);
    if let Some(originals) = stored_originals(vectors, space) {
        options = options.rescore(originals, 2 * width.max(RESCORED));
        if let Some(section) = &vectors.originals {
            options = options.originals_in(section);
        }
    }
    let hits = vectors.index.search(&embedding.decode_direction(space), &options, scratch);
    let rows = hits.map_err(|e| about(e, space))?.iter().map(|hit| hit.row);
    Ok(rows.filter(|&other| other != row).take(k).collect())
}
