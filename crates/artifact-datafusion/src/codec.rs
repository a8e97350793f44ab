//! Tables and operators ↔ bytes, for engines that run a plan in several processes.
//!
//! Bytes are JSON behind a mark, and are meant for processes of one build of this crate. A plan has locations and hashes of packs, and each process opens those that it needs, by its own [`Packs`].

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Result, plan_datafusion_err};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::physical_plan::ExecutionPlan;
use serde_json::{Value, json};

use crate::external;
use crate::format::CartFormatFactory;
use crate::make_exec::MakeExec;
use crate::pack_exec::PackExec;
use crate::packs::Packs;
use crate::rank_exec::RankExec;
use crate::search::CartSearch;
use crate::table::CartTable;
use crate::write::WriteExec;

/// What begins the bytes; no message of protobuf begins like this.
const MARK: &[u8] = b"\x07cart ";

/// Bytes of an operator of this crate; `None`: it is another's.
pub fn encode_plan(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Vec<u8>>> {
    let value = if let Some(exec) = plan.downcast_ref::<PackExec>() {
        json!({"pack": exec.to_json()?})
    } else if let Some(exec) = plan.downcast_ref::<RankExec>() {
        json!({"rank": exec.to_json()?})
    } else if let Some(exec) = plan.downcast_ref::<MakeExec>() {
        json!({"make": exec.to_json()})
    } else if let Some(exec) = plan.downcast_ref::<WriteExec>() {
        json!({"write": exec.to_json()})
    } else {
        return Ok(None);
    };
    encode(&value).map(Some)
}

/// The operator that [`encode_plan`] made bytes of, above its input; `None`: they are another's.
pub fn decode_plan(
    bytes: &[u8],
    inputs: &[Arc<dyn ExecutionPlan>],
    packs: &Arc<Packs>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(value) = decode(bytes)? else { return Ok(None) };
    let [input] = inputs else {
        return Err(plan_datafusion_err!("an operator with {} inputs; expected one", inputs.len()));
    };
    let (packs, input) = (packs.clone(), input.clone());
    if let Some(pack) = value.get("pack") {
        PackExec::from_json(pack, packs, input).map(Some)
    } else if let Some(rank) = value.get("rank") {
        RankExec::from_json(rank, packs, input).map(Some)
    } else if let Some(make) = value.get("make") {
        MakeExec::from_json(make, &packs, input).map(Some)
    } else if let Some(write) = value.get("write") {
        WriteExec::from_json(write, input).map(Some)
    } else {
        Err(plan_datafusion_err!("{value}: expected an operator"))
    }
}

/// Bytes of a [`CartTable`], or of a [`CartSearch`] that SQL made; `None`: it is another table.
pub fn encode_table(table: &Arc<dyn TableProvider>) -> Result<Option<Vec<u8>>> {
    let value = if let Some(table) = table.downcast_ref::<CartTable>() {
        json!({"table": table.to_json()})
    } else if let Some(search) = table.downcast_ref::<CartSearch>() {
        json!({"search": search.to_json()?})
    } else {
        return Ok(None);
    };
    encode(&value).map(Some)
}

/// The table that [`encode_table`] made bytes of; `None`: they are another's.
pub fn decode_table(bytes: &[u8], packs: &Arc<Packs>) -> Result<Option<Arc<dyn TableProvider>>> {
    let Some(value) = decode(bytes)? else { return Ok(None) };
    let packs = packs.clone();
    match (value.get("table"), value.get("search")) {
        (Some(table), _) => Ok(Some(Arc::new(CartTable::from_json(table, packs)?))),
        (_, Some(search)) => Ok(Some(Arc::new(CartSearch::from_json(search, packs)?))),
        _ => Err(plan_datafusion_err!("{value}: expected a table")),
    }
}

/// Bytes of the format of a `COPY … STORED AS CART`; `None`: it is another format. Options of the statement are in it only if [`KeepCopyOptions`](crate::KeepCopyOptions) has put them there.
pub fn encode_format(format: &Arc<dyn FileFormatFactory>) -> Result<Option<Vec<u8>>> {
    let format = format.downcast_ref::<CartFormatFactory>();
    format.map(|format| encode(&json!({"format": format.options}))).transpose()
}

/// The format that [`encode_format`] made bytes of; `None`: they are another's.
pub fn decode_format(bytes: &[u8], packs: &Arc<Packs>) -> Result<Option<Arc<dyn FileFormatFactory>>> {
    let Some(value) = decode(bytes)? else { return Ok(None) };
    let options = serde_json::from_value(value["format"].clone()).map_err(external)?;
    Ok(Some(Arc::new(CartFormatFactory { packs: packs.clone(), options })))
}

fn encode(value: &Value) -> Result<Vec<u8>> {
    let mut bytes = MARK.to_vec();
    serde_json::to_writer(&mut bytes, value).map_err(external)?;
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<Option<Value>> {
    let rest = bytes.strip_prefix(MARK);
    rest.map(|rest| serde_json::from_slice(rest).map_err(|e| external(e).context("a plan of packs")))
        .transpose()
}
