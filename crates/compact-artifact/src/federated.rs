//! Several snapshots searched as if they were one.

use std::sync::Arc;

use crate::api::error::Result;
use crate::api::federated::{FederatedHit, FederatedResults, QueryStatistics, SearchLists};
use crate::api::query::Query;
use crate::api::results::Hit;
use crate::search;
use crate::snapshot::Snapshot;

/// Searches several snapshots, of packs for one, as if all their records were in one artifact: what is found and how it scores does not depend on how records are spread
/// over them. Exceptions: graphs of vectors are walked in each, so that together they find more of the true neighbours, and never fewer of them with
/// [`exact`](Query::exact); equals come in the order of snapshots and ids; and what was deleted counts in scores of words until its rows are merged away, as in each artifact
/// by itself ([`Query::words`]).
///
/// All of them have one language, one embedder, vector spaces that are alike, and words that count alike (weights of fields, BM25, stop words), as far as the query asks them: else it is an error of
/// the kind [`SettingsMismatch`](crate::ErrorKind::SettingsMismatch). Refused: hits in the order of fields or in groups, totals, facets, likeness to a record, and statistics that are
/// given. [`explain`](Query::explain) gives the [places](Hit::places) of hits, and no account of the search.
///
/// ```
/// use compact_artifact::{CompactArtifact, Query, Record, search_snapshots};
///
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let path = |name: &str| temp.path().join(name);
/// let (one, other) = (CompactArtifact::create(path("one"))?, CompactArtifact::create(path("other"))?);
/// one.add_batch(["a cat", "a cat and a dog"].map(Record::text))?;
/// other.add(Record::text("a bird"))?;
/// let found = search_snapshots(&[one.snapshot(), other.snapshot()], &Query::words("cat bird"))?;
/// assert_eq!(found.hits[0].source, 1); // a bird is rarer
///
/// let all = CompactArtifact::create(path("all"))?;
/// all.add_batch(["a cat", "a cat and a dog", "a bird"].map(Record::text))?;
/// let expected = all.search(&Query::words("cat bird"))?;
/// assert!(found.hits.iter().zip(&expected.hits).all(|(found, expected)| found.hit.score == expected.score));
/// # Ok(()) }
/// ```
pub fn search_snapshots(snapshots: &[Snapshot], query: &Query) -> Result<FederatedResults> {
    let mut statistics = QueryStatistics::default();
    for snapshot in snapshots {
        statistics.merge(snapshot.query_statistics(query)?)?;
    }
    let query = &query.clone().statistics(Arc::new(statistics));
    let lists = snapshots.iter().map(|snapshot| snapshot.search_lists(query));
    let mut lists = lists.collect::<Result<Vec<_>>>()?;
    for number in too_narrow(query, &lists) {
        lists[number] = snapshots[number].search_lists_widely(query)?;
    }
    let hits = rank_lists(query, &lists)?;
    let mut results = FederatedResults { hits, is_complete: true, losses: Vec::new() };
    for (number, (source, snapshot)) in lists.into_iter().zip(snapshots).enumerate() {
        results.is_complete &= source.is_complete;
        let found = results.hits.iter_mut().filter(|found| found.source == number);
        let mut hits: Vec<&mut Hit> = found.map(|found| &mut found.hit).collect();
        let losses = source.losses.into_iter().chain(snapshot.fill_hits(query, &mut hits)?);
        results.losses.extend(losses.map(|loss| (number, loss)));
    }
    Ok(results)
}

/// Which of several snapshots, by their numbers, have so much of what is near a vector that their graphs have to be searched more widely than
/// [`Snapshot::search_lists`] did: between the second step of [`search_snapshots`] and the third, [`Snapshot::search_lists_widely`] is asked for their lists.
#[must_use]
pub fn too_narrow(query: &Query, sources: &[SearchLists]) -> Vec<usize> {
    search::federated::too_narrow(query, sources)
}

/// The lists that a query made in several snapshots → one ranking, in which hits have the number of their snapshot and neither records nor snippets yet: the third step of
/// [`search_snapshots`], after [`Snapshot::search_lists`].
pub fn rank_lists(query: &Query, sources: &[SearchLists]) -> Result<Vec<FederatedHit>> {
    search::federated::rank(query, sources)
}
