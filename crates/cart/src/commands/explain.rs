//! How a search went.

use compact_artifact::Explain;

use crate::failure::Result;
use crate::output::{Output, count, one_line, several, time};

pub(super) fn write(explain: &Explain, output: &mut Output) -> Result<()> {
    let mut row = |name: &str, value: String| {
        let line = output.faint(format_args!("{name:<10} {}", one_line(&value)));
        output.line(format_args!("{line}"))
    };
    let shards = several(explain.shards as u64, "index");
    row(
        "searched",
        format!(
            "{} in {shards}, {} in the tail",
            several(explain.records, "record"),
            count(explain.tail_records)
        ),
    )?;
    if let Some(matches) = explain.filter_matches {
        row("filter", format!("{} in {}", several(matches, "match"), time(explain.filter_time)))?;
    }
    for field in &explain.unknown_fields {
        row("unknown", field.to_string())?;
    }
    for list in &explain.lists {
        let hits = several(list.hits as u64, "hit");
        let how = match (list.graphs, list.scans) {
            (0, 0) => String::new(),
            _ if list.stored > 0 && list.graphs == 0 => ", from stored neighbours".to_owned(),
            (graphs, scans) => format!(
                ", {} walked with {}, {} scanned, {}",
                several(graphs as u64, "graph"),
                several(list.hops, "hop"),
                count(scans as u64),
                several(list.distances, "distance")
            ),
        };
        row(&list.list, format!("{hits} in {}{how}", time(list.time)))?;
    }
    let (decoded, cached) = (several(explain.blocks_decoded, "block"), count(explain.blocks_cached));
    row("records", format!("{decoded} decoded and {cached} from the cache in {}", time(explain.fetch_time)))
}
