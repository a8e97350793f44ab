//! Whether options can be, before anything is created or opened with them.

use crate::api::error::{Error, Result};
use crate::api::options::Options;
use crate::api::schema::Schema;

/// The most neighbours of a record that are stored.
const MAX_SIMILAR: usize = 1000;

impl Options {
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(limit) = self.memory_limit.filter(|&limit| limit < 8 << 20) {
            return Err(Error::invalid(format!(
                "option memory_limit: expected at least 8 MiB, found {limit} bytes"
            )));
        }
        self.auto_compact.map_or(Ok(()), |policy| policy.check())?;
        if self.idle_release.is_some() && self.busy_timeout.is_zero() {
            return Err(Error::invalid(
                "option idle_release would lose the artifact to others; expected a busy_timeout above 0",
            ));
        }
        self.check_caches()?;
        #[cfg(feature = "async")]
        if !(1..=1024).contains(&self.max_concurrent_requests) {
            return Err(Error::invalid(format!(
                "option max_concurrent_requests: expected 1 to 1024, found {}",
                self.max_concurrent_requests
            )));
        }
        match self.precompute_similar.unwrap_or(0) {
            0 => {}
            1..=MAX_SIMILAR if cfg!(feature = "similar") => {}
            1..=MAX_SIMILAR => {
                return Err(Error::invalid(
                    "option precompute_similar: this build leaves out the feature `similar`",
                ));
            }
            more => {
                return Err(Error::invalid(format!(
                    "option precompute_similar: expected 0 to {MAX_SIMILAR}, found {more}"
                )));
            }
        }
        let (k1, b) = self.bm25;
        if !((0.0..=100.0).contains(&k1) && (0.0..=1.0).contains(&b)) {
            return Err(Error::invalid(format!(
                "option bm25: expected k1 from 0 to 100 and b from 0 to 1, found {k1} and {b}"
            )));
        }
        #[cfg(feature = "embedder")]
        self.embedder.as_deref().map_or(Ok(0.0), crate::meaning::weight_of)?;
        self.schema.as_ref().map_or(Ok(()), Schema::check_limits)?;
        check_given_once("field", &self.fields)?;
        check_given_once("vector space", &self.spaces)?;
        self.spaces.iter().try_for_each(|(name, space)| space.check(name))
    }

    fn check_caches(&self) -> Result<()> {
        if self.block_cache_bytes > 0 && cfg!(not(feature = "cache")) {
            return Err(Error::invalid("option cache_bytes: this build leaves out the feature `cache`"));
        }
        self.check_result_ttl()?;
        if self.result_cache_bytes > 0 && cfg!(not(feature = "cache")) {
            return Err(Error::invalid(
                "option result_cache_bytes: this build leaves out the feature `cache`",
            ));
        }
        if self.embedding_cache_bytes > 0 && cfg!(not(feature = "cache")) {
            return Err(Error::invalid(
                "option embedding_cache_bytes: this build leaves out the feature `cache`",
            ));
        }
        #[cfg(feature = "embedder")]
        if self.keep_embedding_cache && self.embedding_cache_bytes == 0 {
            return Err(Error::invalid(
                "option keep_embedding_cache would have no effect; expected an embedding_cache_bytes above 0",
            ));
        }
        Ok(())
    }
}

/// Refuses a name that is given twice, set up otherwise the second time.
fn check_given_once<T: PartialEq>(what: &str, given: &[(String, T)]) -> Result<()> {
    for (at, (name, setup)) in given.iter().enumerate() {
        if given[..at].iter().any(|(other, earlier)| other == name && earlier != setup) {
            let message = format!("{what} {name:?} is given twice, set up otherwise each time; give it once");
            return Err(Error::invalid(message));
        }
    }
    Ok(())
}
