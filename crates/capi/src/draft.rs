//! A batch that is being filled, and the records in it.

use std::time::{Duration, SystemTime};

use compact_artifact::{Batch, Filter, MetadataPatch, Receipt, Record, json};

use crate::boundary::Call;
use crate::code::{Failure, Result};
use crate::types::{ca_new_record, ca_receipt, ca_str, ca_vector};

/// A batch, and how many ids committing it will give.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    batch: Batch,
    pub(crate) records: usize,
}

impl Draft {
    pub(crate) fn change(&mut self, change: impl FnOnce(Batch) -> Batch) {
        self.batch = change(std::mem::take(&mut self.batch));
    }

    pub(crate) fn put(&mut self, record: Record, replace: bool) {
        self.change(|batch| if replace { batch.upsert(record) } else { batch.add(record) });
        self.records += 1;
    }

    /// The batch; nothing is left here.
    pub(crate) fn take(&mut self) -> Batch {
        std::mem::take(self).batch
    }
}

/// A record that C describes.
pub(crate) fn record(call: &Call, given: *const ca_new_record) -> Result<Record> {
    let given = call.sized("record", given)?;
    let text = call.text("record: text", given.text)?;
    let record = match (text, call.bytes("record: blob", given.blob)?) {
        (Some(text), None) => Record::text(text),
        (None, Some(blob)) => Record::blob(blob),
        _ => return Err(Failure::invalid("record: expected either a text or a blob")),
    };
    with_parts(call, record, &given)
}

/// A record whose content comes from elsewhere.
pub(crate) fn record_of_stream(call: &Call, given: *const ca_new_record) -> Result<Record> {
    let given = call.sized("record", given)?;
    let text = call.text("record: text", given.text)?;
    if text.is_some() || call.bytes("record: blob", given.blob)?.is_some() {
        return Err(Failure::invalid("record: expected no content beside a stream, found one"));
    }
    with_parts(call, Record::blob([]), &given)
}

/// What a record has beside its content.
fn with_parts(call: &Call, mut record: Record, given: &ca_new_record) -> Result<Record> {
    if let Some(key) = call.text("record: key", given.key)? {
        record = record.key(key);
    }
    if let Some(metadata) = call.text("record: metadata", given.metadata)? {
        record = record.metadata(json::from_str(metadata)?);
    }
    for field in call.values("record: fields", given.fields, given.field_count)? {
        let name = call.needed_text("record: name of a field", field.name)?;
        record = record.field(name, call.needed_text("record: text of a field", field.text)?);
    }
    for embedding in call.values("record: embeddings", given.embeddings, given.embedding_count)? {
        let (space, values) = vector(call, "record: embedding", embedding)?;
        record = record.embedding(space, values);
    }
    if given.expires_at_ms != 0 {
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(given.expires_at_ms));
        record =
            record.expires_at(time.ok_or_else(|| Failure::invalid("record: expires_at_ms: too far away"))?);
    }
    Ok(record)
}

/// A vector that C describes: the name of its space, and its values.
pub(crate) fn vector<'call>(
    call: &'call Call,
    what: &str,
    given: &ca_vector,
) -> Result<(&'call str, &'call [f32])> {
    Ok((call.needed_text(what, given.space)?, call.values(what, given.values, given.len)?))
}

/// A filter that must be there.
pub(crate) fn filter(call: &Call, given: ca_str) -> Result<Filter> {
    Ok(Filter::from_json(&json::from_str(call.needed_text("filter", given)?)?)?)
}

/// A filter; none, for all records.
pub(crate) fn optional_filter(call: &Call, given: ca_str) -> Result<Option<Filter>> {
    let text = call.text("filter", given)?;
    text.map(|text| Ok(Filter::from_json(&json::from_str(text)?)?)).transpose()
}

/// A change of metadata: a JSON merge patch.
pub(crate) fn patch(call: &Call, given: ca_str) -> Result<MetadataPatch> {
    Ok(json::from_str(call.needed_text("patch", given)?)?.into())
}

/// What a commit did, as C sees it.
pub(crate) fn receipt(receipt: &Receipt) -> ca_receipt {
    ca_receipt {
        commit: receipt.seq.0,
        added: receipt.ids.len() as u64,
        deleted: receipt.deleted,
        updated: receipt.updated,
    }
}
