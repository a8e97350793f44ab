//! What an artifact is set up as, and changes of it: vector spaces, fields, language, schema, model.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use compact_artifact::{CompactArtifact, Schema, SpaceModel, json};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::boundary::guard;
use crate::calls::report::{needed_report, reported};
use crate::code::{Result, ca_code};
use crate::handles;
use crate::opaque::{ca_artifact, ca_buffer};
use crate::options::{self, read_object};
use crate::types::ca_str;

/// What the artifact is set up as, as JSON: `path`, `is_read_only`, `language`, `fold_diacritics`, `fields`, `spaces`, `schema`, `expires_at`, `precompute_similar`, and
/// `is_model_at_hand`, whether texts can be searched by meaning.
#[unsafe(no_mangle)]
pub extern "C" fn ca_settings(artifact: *const ca_artifact, json: *mut *mut ca_buffer) -> ca_code {
    guard(|call| needed_report(call, json, || Ok(settings(&*handles::get(artifact)?))))
}

/// Adds a vector space. One that is there already, set up the same, is no failure. `metric`: `cosine`, `dot` or `l2`, or none for `cosine`; `quantization`: `int8` or
/// `rotated-int8`, how vectors become codes of a byte a dimension, or none for the latter beyond 64 dimensions; `originals`: `none`, `residual`, `f16` or `f32`, what is kept
/// beside codes, or none for `residual`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_add_space(
    artifact: *const ca_artifact,
    name: ca_str,
    dimension: usize,
    metric: ca_str,
    quantization: ca_str,
    originals: ca_str,
) -> ca_code {
    guard(|call| {
        let artifact = handles::get(artifact)?;
        let (metric, originals) = (call.text("metric", metric)?, call.text("originals", originals)?);
        let quantization = call.text("quantization", quantization)?;
        let space = options::space(dimension, metric, quantization, originals)?;
        Ok(artifact.add_space(call.needed_text("name", name)?, space)?)
    })
}

/// Removes a vector space: its vectors are not found from now on, and `ca_compact` returns their bytes.
#[unsafe(no_mangle)]
pub extern "C" fn ca_drop_space(artifact: *const ca_artifact, name: ca_str) -> ca_code {
    guard(|call| Ok(handles::get(artifact)?.drop_space(call.needed_text("name", name)?)?))
}

/// Gives a vector space another name, which none has.
#[unsafe(no_mangle)]
pub extern "C" fn ca_rename_space(artifact: *const ca_artifact, name: ca_str, to: ca_str) -> ca_code {
    guard(|call| {
        let (name, to) = (call.needed_text("name", name)?, call.needed_text("to", to)?);
        Ok(handles::get(artifact)?.rename_space(name, to)?)
    })
}

/// Adds a field of texts, whose words count `weight` times, 1 to 10. One that is there already with that weight is no failure.
#[unsafe(no_mangle)]
pub extern "C" fn ca_add_field(artifact: *const ca_artifact, name: ca_str, weight: u32) -> ca_code {
    guard(|call| Ok(handles::get(artifact)?.add_field(call.needed_text("name", name)?, weight)?))
}

/// Changes how texts become words, and indexes the words of all records anew; searches go on by the old ones until that is done. `options` is a JSON object:
/// `language`, `"german"` for one or `"none"`, and `fold_diacritics`; what is not in it stays as it is. `report`, as JSON, may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_set_text_options(
    artifact: *const ca_artifact,
    options: ca_str,
    report: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| {
        reported(call, report, || {
            let options = options::text_options(call.needed_text("options", options)?)?;
            Ok(handles::get(artifact)?.set_text_options(options)?)
        })
    })
}

/// Says what the metadata of records must be from now on, `{"year": {"type": "number", "required": true}, "tags": "string"}` with the types `bool`, `number`,
/// `string` and `date`; none: anything. `CA_SCHEMA_VIOLATION`: a record that is there breaks it, and nothing was changed.
#[unsafe(no_mangle)]
pub extern "C" fn ca_set_schema(artifact: *const ca_artifact, schema_json: ca_str) -> ca_code {
    guard(|call| {
        let artifact = handles::get(artifact)?;
        let schema = match call.text("schema", schema_json)? {
            Some(text) => Some(Schema::from_json(&json::from_str(text)?)?),
            None => None,
        };
        Ok(artifact.set_schema(schema)?)
    })
}

/// Moves to another model, `built-in` or the path of one, and embeds texts that have no embedding. `report`, as JSON, may be NULL. After a failure
/// searches go on with the old model, and the same call goes on where it was. `CA_WOULD_LOSE_EMBEDDING`: records that are no texts have vectors that were given
/// in the space of the old model, and nothing was changed.
#[unsafe(no_mangle)]
pub extern "C" fn ca_reembed(
    artifact: *const ca_artifact,
    model: ca_str,
    report: *mut *mut ca_buffer,
) -> ca_code {
    ca_reembed_with(artifact, model, ca_str::NONE, report)
}

/// The same with options: `{"lose_given": true}` lets vectors go that were given for records that are no texts; the report counts them as `given`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_reembed_with(
    artifact: *const ca_artifact,
    model: ca_str,
    options: ca_str,
    report: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| {
        reported(call, report, || {
            let options = call.text("options", options)?;
            let options: GivenReembed =
                options.map_or_else(|| Ok(GivenReembed::default()), |text| read_object("options", text))?;
            reembed(&*handles::get(artifact)?, call.needed_text("model", model)?, options.lose_given)
        })
    })
}

fn settings(artifact: &CompactArtifact) -> Value {
    let spaces = artifact.spaces().into_iter().map(|space| {
        let model = space.model().map(SpaceModel::id);
        let (dimension, metric) = (space.dimension(), space.metric().to_string());
        let (quantization, originals) = (space.quantization().to_string(), space.originals().to_string());
        let parts = serde_json::json!({
            "dimension": dimension, "metric": metric, "quantization": quantization, "originals": originals, "model": model
        });
        (space.name().to_owned(), parts)
    });
    let fields = artifact.fields().into_iter().map(|(name, weight)| (name, weight.into()));
    serde_json::json!({
        "path": artifact.path().to_string_lossy(),
        "is_read_only": artifact.is_read_only(),
        "language": artifact.language().map_or_else(|| "none".to_owned(), |language| language.to_string()),
        "fold_diacritics": artifact.folds_diacritics(),
        "fields": fields.collect::<Map<String, Value>>(),
        "spaces": spaces.collect::<Map<String, Value>>(),
        "schema": artifact.schema().map(|schema| schema.to_json()),
        "expires_at": artifact.expires_field(),
        "precompute_similar": artifact.precomputed_similar(),
        "is_model_at_hand": artifact.is_model_at_hand(),
    })
}

/// Options of `ca_reembed_with`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GivenReembed {
    lose_given: bool,
}

#[cfg(feature = "embedder")]
fn reembed(
    artifact: &CompactArtifact,
    model: &str,
    lose_given: bool,
) -> Result<compact_artifact::ReembedReport> {
    let to_the_end = |_: &_| std::ops::ControlFlow::Continue(());
    Ok(artifact.reembed_with(options::embedder(model)?, lose_given, to_the_end)?)
}

#[cfg(not(feature = "embedder"))]
fn reembed(_: &CompactArtifact, _: &str, _: bool) -> Result<serde_json::Value> {
    Err(options::without("embedder", "models"))
}
