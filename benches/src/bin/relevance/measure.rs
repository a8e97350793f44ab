//! Figures of one collection under one setting: an artifact is made of it, and every judged query asked.

#![expect(clippy::cast_precision_loss, reason = "counts of hits")]

use std::collections::HashSet;
use std::sync::Arc;

use benches::Result;
use compact_artifact::{
    Clause, CompactArtifact, Maintenance, Metric, Options, Query, Record, RecordId, SpaceOptions,
    StaticEmbedder,
};
use tempfile::TempDir;

use crate::collection::{Collection, Doc, Judged};
use crate::switches::{Ask, QueryValues, SetupValues};

const SPACE: &str = "meaning";
/// Hits that nDCG and the reciprocal rank look at.
const FIRST: usize = 10;
/// Hits that recall looks at.
const DEEP: usize = 100;

/// An artifact of a collection. Record number i is text number i.
pub(crate) struct Setup {
    artifact: CompactArtifact,
    ids: Vec<RecordId>,
    _folder: TempDir,
}

/// Means over the judged queries of a collection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// Of the first 10: gain 1, discount log2(rank + 1), the ideal over all relevant texts.
    pub(crate) ndcg: f64,
    /// The portion of the relevant texts among the first 100.
    pub(crate) recall: f64,
    /// 1 / the rank of the first relevant text; 0 if it is not among the first 10.
    pub(crate) mrr: f64,
}

impl Setup {
    pub(crate) fn build(values: &SetupValues, collection: &Collection) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut space = SpaceOptions::new(collection.dimension, Metric::Cosine);
        if let Some(originals) = values.originals {
            space = space.originals(originals);
        }
        let options = if values.built_in {
            options(values)?.embedder(Arc::new(StaticEmbedder::built_in()?))
        } else {
            options(values)?.space(SPACE, space)
        };
        let artifact = options.create(folder.path().join("a"))?;
        let records = collection.docs.iter().map(|doc| record(doc, values));
        let ids = artifact.add_batch(records)?;
        if values.graph {
            artifact.seal()?;
        }
        Ok(Self { artifact, ids, _folder: folder })
    }
}

fn record(doc: &Doc, values: &SetupValues) -> Record {
    let before = values.title.map_or(String::new(), |times| format!("{}\n", doc.title).repeat(times));
    let record = Record::text(before + &doc.text);
    let has_field = values.title.is_none() && !doc.title.is_empty();
    let record = if has_field { record.field("title", &doc.title) } else { record };
    if values.built_in { record } else { record.embedding(SPACE, doc.embedding.clone()) }
}

fn options(values: &SetupValues) -> Result<Options> {
    let mut options = CompactArtifact::options().result_cache_bytes(0).maintenance(Maintenance::Manual);
    match values.language.as_deref() {
        Some("none") => options = options.no_language(),
        Some(language) => options = options.language(language.parse()?),
        None => {}
    }
    if let Some(left_out) = values.stop_words {
        options = options.stop_words(left_out);
    }
    if values.k1.is_some() || values.b.is_some() {
        options = options.bm25(values.k1.unwrap_or(1.4), values.b.unwrap_or(0.6));
    }
    Ok(options)
}

pub(crate) fn measure(built: &Setup, collection: &Collection, asked: &QueryValues) -> Result<Figures> {
    let mut sum = Figures::default();
    for judged in &collection.queries {
        let relevant: HashSet<RecordId> = judged.relevant.iter().map(|&at| built.ids[at]).collect();
        let (first, deep) = ranked(built, judged, asked)?;
        sum.ndcg += ndcg(&first, &relevant, judged.relevant_count);
        sum.mrr += first.iter().position(|id| relevant.contains(id)).map_or(0.0, |at| 1.0 / (at + 1) as f64);
        let found = deep.iter().filter(|id| relevant.contains(id)).count();
        sum.recall += found as f64 / judged.relevant_count as f64;
    }
    let count = collection.queries.len() as f64;
    Ok(Figures { ndcg: sum.ndcg / count, recall: sum.recall / count, mrr: sum.mrr / count })
}

/// The first hits, and more of them. With lists of a length that is not the default, both are asked for.
fn ranked(built: &Setup, judged: &Judged, asked: &QueryValues) -> Result<(Vec<RecordId>, Vec<RecordId>)> {
    let search = |k: usize, candidates: Option<usize>| -> Result<Vec<RecordId>> {
        let mut query = query(judged, asked, built.artifact.is_model_at_hand()).k(k).exact(asked.exact);
        if let Some(ef_search) = asked.ef_search {
            query = query.ef_search(ef_search);
        }
        if let Some(candidates) = candidates {
            query = query.candidates(candidates);
        }
        Ok(built.artifact.search(&query)?.hits.iter().map(|hit| hit.id).collect())
    };
    let Some(candidates) = asked.candidates else {
        let deep = search(DEEP, None)?;
        return Ok((deep[..FIRST.min(deep.len())].to_vec(), deep));
    };
    Ok((search(FIRST, Some(candidates))?, search(DEEP, Some(candidates.max(DEEP)))?))
}

fn query(judged: &Judged, asked: &QueryValues, embeds: bool) -> Query {
    let words = || Query::words(&judged.text);
    let meaning = || {
        if embeds { Clause::meaning(&judged.text) } else { Clause::vector(SPACE, judged.embedding.clone()) }
    };
    match asked.ask {
        Ask::Words => words(),
        Ask::Meaning => meaning().into(),
        Ask::Both => {
            let meaning = match asked.meaning_weight {
                Some(weight) => meaning().weight(weight),
                None => meaning(),
            };
            let both = words().and(meaning);
            match asked.fusion {
                Some(fusion) => both.fusion(fusion),
                None => both,
            }
        }
    }
}

fn ndcg(first: &[RecordId], relevant: &HashSet<RecordId>, relevant_count: usize) -> f64 {
    let discount = |at: usize| 1.0 / ((at + 2) as f64).log2();
    let gains = first.iter().enumerate().filter(|(_, id)| relevant.contains(id));
    let ideal: f64 = (0..relevant_count.min(FIRST)).map(discount).sum();
    gains.map(|(at, _)| discount(at)).sum::<f64>() / ideal
}
