//! The settings of an artifact: from options, compared with options, written.

use block_format::{Edit, Snapshot as Records, Store};
use lexical_index::{Analyzer, Language, Query};

use crate::api::error::{Error, ErrorKind, Result};
use crate::api::options::{LanguageOption, Options};
#[cfg(feature = "embedder")]
use crate::api::space::SpaceModel;
use crate::api::text_options::TextOptions;
use crate::format::parts::{SETTINGS, SETTINGS_COPIES};
use crate::format::settings::{Settings, read_settings};
use crate::protocol::{Step, Steps};

/// The language of texts where none is said.
const DEFAULT_LANGUAGE: Option<Language> =
    if cfg!(feature = "stemmers") { Some(Language::English) } else { None };

/// What a new artifact is set up to.
pub(super) fn settings_of(options: &Options) -> Result<Settings> {
    let language = match options.language {
        LanguageOption::Unset => DEFAULT_LANGUAGE,
        LanguageOption::NoStems => None,
        LanguageOption::Stems(language) => Some(language),
    };
    let analyzer = analyzer(language, options.fold_diacritics.unwrap_or(true))?;
    extended(Settings::new(analyzer).with_fields(&options.fields, true)?, options)?
        .with_schema(options.schema.as_ref())
}

fn analyzer(language: Option<Language>, fold_diacritics: bool) -> Result<Analyzer> {
    let analyzer = Analyzer::new().fold_diacritics(fold_diacritics).written_out(true);
    Ok(match language {
        Some(language) => analyzer.stem(language)?.common_elisions(language == Language::English),
        None => analyzer,
    })
}

/// The analyzer of an artifact that has `stored` so far, with what the options say, and the newest rules.
pub(super) fn changed_analyzer(stored: &Analyzer, options: TextOptions) -> Result<Analyzer> {
    let fold_diacritics = options.fold_diacritics.unwrap_or_else(|| stored.folds_diacritics());
    match options.language {
        LanguageOption::Unset => {
            let stored = Analyzer::from_identity(stored.identity())?;
            Ok(stored.newest_rules().fold_diacritics(fold_diacritics))
        }
        LanguageOption::NoStems => analyzer(None, fold_diacritics),
        LanguageOption::Stems(language) => analyzer(Some(language), fold_diacritics),
    }
}

/// Settings with the vector spaces and the fields of options, and with the model of their embedder.
pub(super) fn extended(settings: Settings, options: &Options) -> Result<Settings> {
    let mut settings = settings.with_spaces(&options.spaces)?.with_fields(&options.fields, false)?;
    if let Some(similar) = options.precompute_similar {
        settings.similar = u32::try_from(similar).unwrap_or(0); // was checked
    }
    settings = settings.with_expiry(options.expires_at.as_deref())?;
    #[cfg(feature = "embedder")]
    if let Some(embedder) = options.embedder.as_deref() {
        return settings.with_model(SpaceModel::from_embedder(embedder), embedder.dimension());
    }
    Ok(settings)
}

/// Refuses new fields that no query could name. Artifacts of earlier releases may have such, which are read as before.
pub(super) fn check_new_fields<'a>(mut names: impl Iterator<Item = &'a str>) -> Result<()> {
    names.find(|name| !Query::can_name(name)).map_or(Ok(()), |name| {
        Err(Error::invalid(format!(
            "a field {name:?}; expected a name that a query can have before a colon: without white space and : \" ( ) \\ ^ ~ *, and not beginning with + or -"
        )))
    })
}

/// Settings for reading: what they do not have cannot be added. An embedder has nothing to do where texts are not embedded.
pub(super) fn extended_for_reading(settings: Settings, options: &Options) -> Result<Settings> {
    options.spaces.iter().try_for_each(|(name, _)| settings.space(name).map(drop))?;
    options.fields.iter().try_for_each(|(name, _)| settings.field(name).map(drop))?;
    if options.expires_at.is_some() && settings.expires_at.is_none() {
        let message =
            "records of this artifact do not expire; open it for writing with this option, or leave it out";
        return Err(Error::new(ErrorKind::SettingsMismatch, message));
    }
    if options.schema.is_some() && settings.schema.is_none() {
        let message = "the artifact has no schema; open it for writing with this option, or leave it out";
        return Err(Error::new(ErrorKind::SettingsMismatch, message));
    }
    if options.precompute_similar.is_some_and(|similar| similar as u64 != u64::from(settings.similar)) {
        let message = format!(
            "option precompute_similar: the artifact stores {} for each record; open it for writing with this option, or leave it out",
            settings.similar
        );
        return Err(Error::new(ErrorKind::SettingsMismatch, message));
    }
    #[cfg(feature = "embedder")]
    if settings.meaning().is_none() {
        return extended(settings, &Options { embedder: None, ..options.clone() });
    }
    extended(settings, options)
}

/// The settings in the store; those of the options if it has none, because its creation was interrupted.
pub(super) fn read_settings_or(records: &Records, options: &Options) -> Result<Settings> {
    read_settings(records)?.map_or_else(|| settings_of(options), Ok)
}

/// Whether an artifact is what these options would have made it.
pub(super) fn check_against(
    options: &Options,
    stored: &Settings,
    artifact: block_format::ArtifactId,
) -> Result<()> {
    let names = options.fields.iter().map(|(name, _)| name.as_str());
    check_new_fields(names.filter(|name| stored.field(name).is_err()))?;
    let differs = |option: &str, what_next: &str| {
        let message = format!("option {option}: the artifact has another; leave it out, or {what_next}");
        Err(Error::new(ErrorKind::SettingsMismatch, message))
    };
    let change = "open the artifact without it and call `set_text_options`";
    let has_its_language = match options.language {
        LanguageOption::Unset => true,
        LanguageOption::NoStems => stored.analyzer.language().is_none(),
        LanguageOption::Stems(language) => stored.analyzer.language() == Some(language),
    };
    if !has_its_language {
        return differs("language", change);
    }
    if let Some(fold) = options.fold_diacritics
        && stored.analyzer.folds_diacritics() != fold
    {
        return differs("fold_diacritics", change);
    }
    if stored.schema.is_some() {
        stored.clone().with_schema(options.schema.as_ref())?;
    }
    if options.store.artifact_of_seed().is_some_and(|seeded| seeded != artifact) {
        return differs("seed", "create a new artifact with it");
    }
    Ok(())
}

/// Writes the settings in the place of those before.
pub(super) fn write_settings(store: &Store, settings: &Settings, steps: Steps) -> Result<()> {
    Ok(store.edit(|edit| put_settings(edit, &store.snapshot(), settings, steps))?)
}

/// Puts settings into an edit, in the place of those in `records`, as often as is needed for one damaged file not to matter.
pub(super) fn put_settings(
    edit: &mut Edit<'_>,
    records: &Records,
    settings: &Settings,
    steps: Steps,
) -> block_format::Result<()> {
    let bytes = settings.encode();
    let copies = if steps.take(Step::WriteSettingsTwice) { SETTINGS_COPIES } else { 1 };
    for part in records.parts().iter().filter(|part| part.kind() == SETTINGS) {
        edit.drop_part(part.id())?;
    }
    (0..copies as u64).try_for_each(|copy| {
        edit.write_part(SETTINGS, copy, |out| std::io::Write::write_all(out, &bytes)).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_by_earlier_rules_are_made_by_the_newest_whatever_is_changed() {
        let newest = Analyzer::new().identity()[0];
        let stored = Analyzer::from_identity([2, 5, 0, 0, 0, 0, 0, 0]).unwrap();
        let changed = |options| changed_analyzer(&stored, options).unwrap().identity();
        assert_eq!(changed(TextOptions::new()), [newest, 5, 0, 0, 0, 0, 0, 0]);
        assert_eq!(changed(TextOptions::new().fold_diacritics(false)), [newest, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(changed(TextOptions::new().no_language()), [newest, 5, 0, 0, 0, 0, 0, 0]);
    }
}
