//! What the metadata of all records have in common.

use std::collections::BTreeSet;

use metadata_index::Type;
use serde_json::Value;

use super::facets;
use crate::api::error::Result;
use crate::api::results::MetadataField;
use crate::state::State;

/// The fields that any record has, in the order of their paths.
pub(crate) fn fields(state: &State) -> Result<Vec<MetadataField>> {
    let mut names = BTreeSet::new();
    for view in &state.views {
        let is_live = |row| !view.dead.contains(row);
        view.shard.filters.each_field(is_live, &mut |name| {
            names.insert(name.to_owned());
        })?;
    }
    names.into_iter().map(|name| field(state, name)).collect()
}

fn field(state: &State, name: String) -> Result<MetadataField> {
    let mut field = MetadataField { is_single: true, ..MetadataField::default() };
    let types = state.types(&name)?;
    let all = [Type::Bool, Type::Number, Type::String, Type::Date];
    field.types = all.into_iter().filter(|&ty| types.contains(ty)).collect();
    for view in &state.views {
        let column = view.shard.column(&name, false)?;
        let has_several = |&row: &u32| !view.dead.contains(row) && column.places(row).len() > 1;
        field.is_single &= !(0..view.shard.rows).any(|row| has_several(&row));
    }
    if field.types == [Type::Number] {
        let values = facets::values(state, &name, None)?;
        field.are_i64 = values.iter().all(|count| count.value.is_i64());
        field.are_f64 = values.iter().all(|count| is_f64(&count.value));
    }
    field.name = name;
    Ok(field)
}

/// Whether a number is the same as a float of 64 bits.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "what is lost is what is asked for"
)]
fn is_f64(number: &Value) -> bool {
    let integer = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    number.is_f64() || integer.is_some_and(|integer| (integer as f64) as i128 == integer)
}
