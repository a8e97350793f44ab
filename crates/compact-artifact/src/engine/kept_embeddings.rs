//! The cache of embeddings, kept in the artifact for the next process: `Options::keep_embedding_cache`. It is a cache: where it is lost or damaged, texts are
//! embedded by the model.

use block_format::Part;

use super::core::Engine;
use crate::api::damage::Damage;
use crate::api::error::{ErrorKind, Result};
use crate::format::kept_embeddings;
use crate::format::parts::KEPT_EMBEDDINGS;

impl Engine {
    /// Takes over what an earlier process kept. Damage is named, and costs what was kept.
    pub(super) fn read_kept_embeddings(&mut self) -> Result<()> {
        let state = self.state();
        let Some((_, space)) = state.settings.meaning().filter(|_| self.options.keep_embedding_cache) else {
            return Ok(());
        };
        let meaning = &self.resources.meaning;
        let Some(model) = space.model.as_ref().filter(|_| meaning.is_at_hand(space)) else { return Ok(()) };
        for part in state.records.parts().iter().filter(|part| is_kept(part)) {
            let verified = part.verify().and_then(|()| part.content());
            let read =
                verified.map_err(Into::into).and_then(|bytes| kept_embeddings::decode(&bytes, space, model));
            match read {
                Ok(documents) => meaning.keep_documents(space, model, documents),
                Err(e) if e.kind() == ErrorKind::Damaged => {
                    let message = format!("the kept embeddings of texts are not used: {e}");
                    self.recovery.damage.push(Damage::new(message));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// [`write_kept_embeddings`](Self::write_kept_embeddings) by itself.
    pub(super) fn write_kept_embeddings_at_close(&self) -> Result<()> {
        let Some(_permit) = self.permit_if_held() else { return Ok(()) };
        let _one_at_a_time = self.lock_maintenance()?;
        self.check_current()?;
        self.write_kept_embeddings()
    }

    /// Writes what is kept in the place of what was written before, if it is to be and something is new. The caller has the
    /// maintenance lock.
    pub(super) fn write_kept_embeddings(&self) -> Result<()> {
        let state = self.state();
        let Some((_, space)) = state.settings.meaning().filter(|_| self.options.keep_embedding_cache) else {
            return Ok(());
        };
        let documents = self.resources.meaning.kept_documents(space);
        let Some((model, documents)) = space.model.as_ref().zip(documents) else { return Ok(()) };
        let bytes = kept_embeddings::encode(space, model, &documents);
        self.store.edit(|edit| {
            for part in self.store.snapshot().parts().iter().filter(|part| is_kept(part)) {
                edit.drop_part(part.id())?;
            }
            edit.write_part(KEPT_EMBEDDINGS, 0, |out| std::io::Write::write_all(out, &bytes)).map(drop)
        })?;
        self.publish_shards(&[])
    }
}

fn is_kept(part: &Part) -> bool {
    part.kind() == KEPT_EMBEDDINGS
}
