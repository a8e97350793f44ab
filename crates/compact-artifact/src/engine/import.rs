//! Indexes of other crates, taken over.

use block_format::RecordId;
use hnsw_rs::prelude::{Distance, Hnsw};

use super::core::Engine;
use crate::api::batch::Batch;
use crate::api::error::{Error, Result};
use crate::api::record::Record;

/// Records of one commit.
const RECORDS_AT_ONCE: usize = 1_000;

impl Engine {
    pub(crate) fn import_hnsw_rs<T, D>(
        &self,
        hnsw: &Hnsw<'_, T, D>,
        space: &str,
        mut record: impl FnMut(usize) -> Record,
    ) -> Result<Vec<(usize, RecordId)>>
    where
        T: Copy + Send + Sync + Into<f32>,
        D: Distance<T> + Send + Sync,
    {
        self.state().settings.space(space)?;
        // An empty one cannot be iterated over.
        if hnsw.get_nb_point() == 0 {
            return Ok(Vec::new());
        }
        let mut points: Vec<_> = hnsw.get_point_indexation().into_iter().collect();
        points.sort_by_key(|point| point.get_origin_id());
        if let Some(pair) = points.windows(2).find(|pair| pair[0].get_origin_id() == pair[1].get_origin_id())
        {
            let id = pair[0].get_origin_id();
            return Err(Error::invalid(format!(
                "two points of the index have the origin id {id}; expected each once"
            )));
        }
        let mut imported = Vec::with_capacity(points.len());
        for points in points.chunks(RECORDS_AT_ONCE) {
            let with_vector = |point: &std::sync::Arc<hnsw_rs::hnsw::Point<'_, T>>| {
                let vector: Vec<f32> = point.get_v().iter().map(|&value| value.into()).collect();
                record(point.get_origin_id()).embedding(space, vector)
            };
            let receipt = self.write(points.iter().map(with_vector).collect::<Batch>())?;
            imported.extend(points.iter().map(|point| point.get_origin_id()).zip(receipt.ids));
        }
        Ok(imported)
    }
}
