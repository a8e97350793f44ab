//! The memory of several assistants: processes that write to one artifact by turns, facts that are replaced, what was seen and expires by itself.
//!
//! `cargo run --release -p compact-artifact --example agent_memory`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use compact_artifact::{
    CompactArtifact, Facet, FieldType, Filter, Maintenance, Options, Query, Record, Schema, StaticEmbedder,
};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// As many processes remember at the same time.
const AGENTS: usize = 4;
/// As much each of them sees.
const SIGHTS: usize = 50;
const DAY: Duration = Duration::from_hours(24);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [path, name] = &args[..] {
        return agent(Path::new(path), name); // this is one of the other processes
    }
    let temp = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let agent = |path: &Path, name: &str| {
        let mut command = Command::new(&program);
        command.arg(path).arg(name);
        command
    };
    run(&temp.path().join("memory.artifact"), agent).map(drop)
}

/// What all of them open the memory with: whoever wants to write waits for the others, lets go of the artifact when it is idle, and says whose memory it is.
fn options() -> Result<Options> {
    Ok(CompactArtifact::options()
        .embedder(Arc::new(StaticEmbedder::built_in()?))
        .expires_at("until")
        .schema(Schema::new().required("agent", FieldType::String).required("kind", FieldType::String))
        .maintenance(Maintenance::Background)
        .busy_timeout(Duration::from_mins(1))
        .idle_release(Duration::ZERO))
}

/// One agent: it sees things, which matter for a day or are old already, and learns a fact that all share.
pub(crate) fn agent(path: &Path, name: &str) -> Result<()> {
    let memory = options()?.open(path)?;
    for number in 0..SIGHTS {
        let (text, until) = match number % 2 {
            0 => (format!("{name} saw a heron by the river, walk {number}"), SystemTime::now() + DAY),
            _ => (format!("{name} heard that it would rain, day {number}"), SystemTime::now() - DAY),
        };
        let metadata = json!({"agent": name, "kind": "seen"});
        memory.add(Record::text(text).metadata(metadata).expires_at(until))?;
    }
    let fact = Record::text(format!("The user lives in Porto, says {name}.")).key("home");
    memory.upsert(fact.metadata(json!({"agent": name, "kind": "fact", "sure": false})))?;
    Ok(memory.close()?)
}

/// Lets the agents remember at the same time, then recalls; `agent` makes the command that runs [`agent`]. Returns how much is remembered, and
/// what was found first.
pub(crate) fn run(path: &Path, agent: impl Fn(&Path, &str) -> Command) -> Result<(u64, String)> {
    let memory = options()?.create(path)?;
    let agents: Vec<_> = (1..=AGENTS)
        .map(|number| agent(path, &format!("agent {number}")).spawn())
        .collect::<std::io::Result<_>>()?;
    let mut last = memory.snapshot().seq();
    for mut agent in agents {
        if !agent.wait()?.success() {
            return Err("an agent failed".into());
        }
        memory.refresh()?;
        if let Some(changes) = memory.changes_since(last)? {
            println!(
                "{} memories came, {} took the place of others",
                changes.added.len(),
                changes.replaced.len()
            );
            last = changes.commit;
        }
    }

    // A fact is changed in part: its id, text and embedding stay.
    memory.update_key("home", json!({"sure": true}))?;

    // Recall by meaning, among what is not over.
    let query = Query::text("water birds").filter(Filter::field("kind").eq("seen")).k(1).fetch(true);
    let found = memory.search(&query.facet(Facet::values("agent")).strict_fields(true))?;
    let first = found
        .hits
        .first()
        .and_then(|hit| hit.record.as_ref())
        .ok_or("nothing was found")?
        .text()?
        .into_owned();
    println!("remembered: {}; found first: {first}", memory.len());

    // What is over is deleted on the disk as well, at the next chance or now.
    memory.seal()?;
    let stats = memory.stats();
    println!("{} records, {} bytes on disk", stats.records, stats.disk_bytes);
    let len = memory.len();
    memory.close()?;
    Ok((len, first))
}
