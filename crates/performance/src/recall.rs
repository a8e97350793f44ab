//! How many of the true nearest a search finds.

use std::collections::HashSet;

use compact_artifact::{Query, RecordId, Snapshot};

use crate::error::Result;
use crate::queries::Sample;
use crate::report::Recall;

/// Neighbours that recall is about.
const K: usize = 10;
/// How wide searches are.
const WIDTHS: [Option<usize>; 5] = [None, Some(32), Some(64), Some(128), Some(256)];

/// Of every space, for searches of several widths, beside exact ones.
pub(crate) fn measure(snapshot: &Snapshot, sample: &Sample, count: usize, seed: u64) -> Result<Vec<Recall>> {
    let mut recalls = Vec::new();
    for (at, space) in sample.spaces.iter().enumerate() {
        let vectors = sample.vectors(at, count, seed);
        let find = |query: Query| -> Result<HashSet<RecordId>> {
            Ok(snapshot.search(&query.k(K))?.hits.iter().map(|hit| hit.id).collect())
        };
        let exact = vectors.iter().map(|vector| find(Query::vector(space, vector.clone()).exact(true)));
        let exact: Vec<HashSet<RecordId>> = exact.collect::<Result<_>>()?;
        for ef_search in WIDTHS.into_iter().filter(|_| !vectors.is_empty()) {
            let (mut found, mut all) = (0usize, 0usize);
            for (vector, exact) in vectors.iter().zip(&exact) {
                let query = Query::vector(space, vector.clone());
                let query = if let Some(ef) = ef_search { query.ef_search(ef) } else { query };
                found += find(query)?.intersection(exact).count();
                all += exact.len();
            }
            #[expect(clippy::cast_precision_loss, reason = "a ratio")]
            let recall = if all == 0 { 1.0 } else { found as f64 / all as f64 };
            recalls.push(Recall { space: space.clone(), k: K, ef_search, recall, queries: vectors.len() });
        }
    }
    Ok(recalls)
}
