//! The language of texts, and another one: [`CompactArtifact::set_language`], [`CompactArtifact::set_text_options`].

use std::ops::ControlFlow;

use lexical_index::Language;

use crate::api::error::Result;
use crate::api::reports::ReindexReport;
use crate::api::text_options::TextOptions;
use crate::artifact::CompactArtifact;

impl CompactArtifact {
    /// The language by whose stems texts are searched; `None`: by their words as they are.
    pub fn language(&self) -> Option<Language> {
        self.engine.state().settings.analyzer.language()
    }

    /// Whether texts are searched without their diacritics.
    pub fn folds_diacritics(&self) -> bool {
        self.engine.state().settings.analyzer.folds_diacritics()
    }

    /// Changes the language of the texts, and indexes the words of all records anew: see [`set_text_options_with`](Self::set_text_options_with).
    /// One that the artifact has already is no error, and no work unless an earlier release made its words by other rules.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Language, Query, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// let artifact = CompactArtifact::create(temp.path().join("a"))?; // English, if nothing is said
    /// artifact.add(Record::text("die alten Häuser der Stadt"))?;
    /// assert!(artifact.search(&Query::words("Haus"))?.hits.is_empty());
    /// let report = artifact.set_language(Language::German)?;
    /// assert_eq!(report.records, 1);
    /// assert_eq!(artifact.search(&Query::words("Haus"))?.hits.len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn set_language(&self, language: Language) -> Result<ReindexReport> {
        self.set_text_options(TextOptions::new().language(language))
    }

    /// [`set_language`](Self::set_language) for all that says how texts become words.
    pub fn set_text_options(&self, options: TextOptions) -> Result<ReindexReport> {
        self.set_text_options_with(options, |_| ControlFlow::Continue(()))
    }

    /// Changes how texts become words, and indexes the words of all records anew, shard by shard, with the memory that
    /// [`memory_limit`](crate::Options::memory_limit) leaves. Searches go on by the old words meanwhile, and so do commits, whose records are indexed anew at the end; they wait
    /// if they come to more than is kept in memory otherwise. Then the new words take the place of the old ones, all at once: an error or a crash before that changes nothing. Until
    /// then both are on disk.
    ///
    /// `progress` is called with what was done so far, first with nothing, until it says to break: then nothing was changed, and the report says how many records were left.
    /// It runs on the thread of the caller; give a clone of the handle to a thread of its own to go on with other things.
    /// It may search, and commit; what it calls that would wait for the end of this is an error of kind [`Reentrant`](crate::ErrorKind::Reentrant): whatever seals, compacts or changes
    /// settings, and commits where those wait.
    pub fn set_text_options_with(
        &self,
        options: TextOptions,
        mut progress: impl FnMut(&ReindexReport) -> ControlFlow<()>,
    ) -> Result<ReindexReport> {
        self.engine.reindex(options, &mut progress)
    }
}
