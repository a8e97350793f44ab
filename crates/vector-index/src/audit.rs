//! How much of the truth searches find, measured on the index itself.
#![expect(clippy::cast_precision_loss, reason = "fractions and means of counts")]

use wire::Bytes;

use crate::error::{Error, Result};
use crate::index::{Index, Scratch, SearchOptions};
use crate::scratch::Pooled;

/// What searches are audited with.
#[derive(Debug, Clone, Copy)]
pub enum Sample<'a> {
    /// So many of the stored vectors, spread evenly over the rows, each searching for others than itself.
    Stored(usize),
    /// Queries, one after the other.
    Queries(&'a [f32]),
}

/// How much of the truth searches of one width find.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recall {
    /// The width.
    pub ef_search: usize,
    /// The mean fraction of the true `k` nearest, by an exact scan of the codes, that were found.
    pub mean: f64,
    /// The fraction for the worst query.
    pub worst: f64,
    /// Distances computed for a query, on average.
    pub distances: f64,
}

/// No width beyond is tried by [`Index::ef_for_recall`].
const EF_MAX: usize = 16_384;

/// Queries with what an exact scan finds.
struct Truth {
    queries: Vec<Query>,
    k: usize,
}

struct Query {
    vector: Vec<f32>,
    /// The row that does not count, because it is the query.
    itself: Option<u32>,
    /// Ascending.
    rows: Vec<u32>,
}

impl<B: Bytes> Index<B> {
    /// Compares searches of each width with an exact scan of the codes. `options` say `k`, the filter and what is deleted. Uses the
    /// rayon pool, or [none](SearchOptions::parallel).
    ///
    /// Fails with [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a sample of nothing, and as
    /// [`search`](Self::search) does.
    pub fn audit_recall(
        &self,
        sample: Sample<'_>,
        options: &SearchOptions<'_>,
        efs: &[usize],
    ) -> Result<Vec<Recall>> {
        let truth = self.truth(sample, options)?;
        efs.iter().map(|&ef| self.recall(&truth, options, ef)).collect()
    }

    /// The smallest width of search, to within an eighth, that finds at least the fraction `target` of the truth on average; `None` if
    /// none up to 16,384 does. Otherwise like [`audit_recall`](Self::audit_recall).
    pub fn ef_for_recall(
        &self,
        sample: Sample<'_>,
        options: &SearchOptions<'_>,
        target: f64,
    ) -> Result<Option<Recall>> {
        let truth = self.truth(sample, options)?;
        let (mut low, mut ef) = (0, truth.k);
        let mut found = loop {
            let recall = self.recall(&truth, options, ef)?;
            if recall.mean >= target {
                break recall;
            }
            if ef >= EF_MAX.min(self.len()) {
                return Ok(None);
            }
            (low, ef) = (ef, ef.saturating_mul(2));
        };
        while found.ef_search - low > (found.ef_search / 8).max(1) {
            let recall = self.recall(&truth, options, low.midpoint(found.ef_search))?;
            if recall.mean >= target {
                found = recall;
            } else {
                low = recall.ef_search;
            }
        }
        Ok(Some(found))
    }

    fn truth(&self, sample: Sample<'_>, options: &SearchOptions<'_>) -> Result<Truth> {
        options.check()?;
        let vectors: Vec<(Vec<f32>, Option<u32>)> = match sample {
            Sample::Queries(queries) => {
                self.quantizer().split(queries)?.map(|query| (query.to_vec(), None)).collect()
            }
            Sample::Stored(count) => self.sampled(count)?,
        };
        if vectors.is_empty() {
            return Err(Error::invalid("an audit needs at least one query"));
        }
        let scratch = Pooled::new();
        // No search returns more, whatever is asked for.
        let options = options.with_k(options.k().min(self.len().max(1)));
        let exact = options.exact(true);
        let found = options.workers().map(&vectors, |(vector, itself)| {
            scratch.with(|scratch| self.rows_found(vector, *itself, &exact, scratch))
        });
        let queries = vectors
            .into_iter()
            .zip(found)
            .map(|((vector, itself), rows)| Ok(Query { vector, itself, rows: rows? }));
        Ok(Truth { queries: queries.collect::<Result<_>>()?, k: options.k() })
    }

    fn sampled(&self, count: usize) -> Result<Vec<(Vec<f32>, Option<u32>)>> {
        let rows = self.rows()?;
        let step = (rows.len() / count.max(1)).max(1);
        let sampled = rows
            .into_iter()
            .step_by(step)
            .take(count)
            .map(|row| Ok(self.vector(row)?.map(|vector| (vector, Some(row)))));
        sampled.filter_map(Result::transpose).collect()
    }

    fn recall(&self, truth: &Truth, options: &SearchOptions<'_>, ef: usize) -> Result<Recall> {
        let scratch = Pooled::new();
        let options = options.with_k(truth.k).exact(false).ef_search(ef);
        let fractions = options.workers().map(&truth.queries, |query| {
            scratch.with(|scratch: &mut Scratch| {
                let found = self.rows_found(&query.vector, query.itself, &options, scratch)?;
                let hit = query.rows.iter().filter(|row| found.binary_search(row).is_ok()).count();
                let fraction = if query.rows.is_empty() { 1.0 } else { hit as f64 / query.rows.len() as f64 };
                Ok((fraction, scratch.statistics().distances))
            })
        });
        let fractions: Vec<(f64, u64)> = fractions.into_iter().collect::<Result<_>>()?;
        let count = fractions.len() as f64;
        Ok(Recall {
            ef_search: ef,
            mean: fractions.iter().map(|(fraction, _)| fraction).sum::<f64>() / count,
            worst: fractions.iter().map(|&(fraction, _)| fraction).fold(1.0, f64::min),
            distances: fractions.iter().map(|&(_, distances)| distances as f64).sum::<f64>() / count,
        })
    }

    fn rows_found(
        &self,
        vector: &[f32],
        itself: Option<u32>,
        options: &SearchOptions<'_>,
        scratch: &mut Scratch,
    ) -> Result<Vec<u32>> {
        let more = options.with_k(options.k().saturating_add(itself.is_some().into()));
        let hits = self.search(vector, &more, scratch)?;
        let rows = hits.iter().map(|hit| hit.row).filter(|&row| Some(row) != itself);
        let mut rows: Vec<u32> = rows.take(options.k()).collect();
        rows.sort_unstable();
        Ok(rows)
    }
}
