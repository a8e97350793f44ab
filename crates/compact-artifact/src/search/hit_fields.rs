//! Values of the metadata of hits, from columns.

use std::collections::HashMap;
use std::ptr::from_ref;

use serde_json::Value;

use crate::api::error::Result;
use crate::api::results::Hit;
use crate::state::{State, View};

/// Puts the values of a field to the hits that have it.
pub(super) fn add_field(state: &State, field: &str, hits: &mut [&mut Hit]) -> Result<()> {
    // By the shard and the place of the value there.
    let mut known: HashMap<(usize, u32), Value> = HashMap::new();
    for hit in hits.iter_mut() {
        let Some((view, row)) = state.locate(hit.id) else { continue };
        let column = view.shard.column(field, false)?;
        let mut places = column.places(row).to_vec();
        places.retain(|&place| place != 0);
        places.dedup();
        let mut values = Vec::with_capacity(places.len());
        for place in places {
            let key = (from_ref(view).addr(), place);
            if !known.contains_key(&key)
                && let Some(value) = view.shard.filters.value_at(&column, place as usize)?
            {
                // Of a long string the index has the beginning.
                let whole =
                    if value.is_cut() { value.find_in(field, &metadata(state, view, row)?) } else { None };
                known.insert(key, whole.map_or_else(|| value.to_json(), Value::String));
            }
            values.extend(known.get(&key).cloned());
        }
        let value = if values.len() > 1 { Some(Value::Array(values)) } else { values.pop() };
        if let Some(value) = value {
            hit.fields.insert(field.to_owned(), value);
        }
    }
    Ok(())
}

fn metadata(state: &State, view: &View, row: u32) -> Result<serde_json::Map<String, Value>> {
    state.metadata_of(&view.shard, row)
}
