//! A reader for a device: a packed artifact, searched with 24 MiB of address space for everything, the program included.
//!
//! `cargo run --release -p compact-artifact --example edge_reader`: makes a pack, and starts itself under that limit (`ulimit -v`).
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::process::Command;

use compact_artifact::{CompactArtifact, Filter, Options, Query, Record};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// KiB of address space that the reader may have.
const LIMIT_KIB: usize = 24 << 10;

fn main() -> Result<()> {
    if let [pack] = &std::env::args().skip(1).collect::<Vec<_>>()[..] {
        return read(Path::new(pack)); // on the device
    }
    let temp = tempfile::tempdir()?;
    let pack = temp.path().join("catalogue.cart");
    make(&pack, 20_000)?;
    let limited = format!("ulimit -v {LIMIT_KIB} && exec \"$0\" \"$1\"");
    let status =
        Command::new("sh").args(["-c", &limited]).arg(std::env::current_exe()?).arg(&pack).status()?;
    if status.success() { Ok(()) } else { Err(format!("the reader failed: {status}").into()) }
}

/// On a computer: a catalogue of parts as one file.
fn make(pack: &Path, parts: u32) -> Result<()> {
    let folder = pack.with_extension("artifact");
    let artifact = CompactArtifact::create(&folder)?;
    let shapes = ["bolt", "washer", "bracket", "hinge", "valve"];
    let metals = ["steel", "brass", "copper", "zinc"];
    artifact.add_batch((0..parts).map(|number| {
        let (shape, metal) = (shapes[number as usize % 5], metals[number as usize / 5 % 4]);
        let text = format!("A {metal} {shape} of {} mm for machine {}", number % 97, number % 1_009);
        Record::text(text).key(format!("part-{number}")).metadata(json!({"metal": metal, "mm": number % 97}))
    }))?;
    artifact.pack(pack)?;
    Ok(artifact.close()?)
}

/// On the device: one thread, small caches, everything else is read where it lies in the file.
fn read(pack: &Path) -> Result<()> {
    let catalogue = Options::edge().threads(1).open_read_only(pack)?;
    let query = Query::words("brass hinge").filter(Filter::field("mm").lt(20)).k(3).fetch(true);
    for part in catalogue.search(&query)?.hits.iter().filter_map(|hit| hit.record.as_ref()) {
        println!("{}: {}", part.key()?.unwrap_or_default(), part.text()?);
    }
    let part = catalogue.get_by_key("part-17")?.ok_or("part 17 is missing")?;
    println!("{} parts; part 17: {}", catalogue.len(), part.text()?);
    Ok(())
}
