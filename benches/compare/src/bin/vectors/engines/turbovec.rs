//! turbovec: 4 bits a value, every vector looked at, no rescoring. Inner product only; of unit vectors that is cosine.

use benches::Result;
use turbovec::TurboQuantIndex;

use super::{BuildOptions, Index};
use crate::data::Vectors;
use crate::options::Metric;

const BITS: usize = 4;

/// Adds all vectors in one call, and prepares the first search.
pub fn build(base: &Vectors, options: BuildOptions) -> Result<Box<dyn Index>> {
    if options.metric == Metric::L2 {
        return Err("turbovec has no L2".into());
    }
    let mut index = TurboQuantIndex::new(base.dim, BITS).map_err(|error| format!("{error:?}"))?;
    index.add(&base.values);
    index.prepare();
    Ok(Box::new(Scan(index)))
}

struct Scan(TurboQuantIndex);

impl Index for Scan {
    fn bytes(&self) -> Result<u64> {
        Ok(self.0.serialized_len() as u64)
    }

    fn is_scan(&self) -> bool {
        true
    }

    fn set_effort(&mut self, _effort: usize) -> Result<()> {
        Ok(())
    }

    fn search(&mut self, query: &[f32], k: usize, ids: &mut Vec<u32>) -> Result<()> {
        let found = self.0.search(query, k);
        ids.extend(found.indices_for_query(0).iter().map(|&id| id as u32));
        Ok(())
    }
}
