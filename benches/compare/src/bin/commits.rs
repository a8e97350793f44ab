//! Commits of one record each: synced, by threads that share syncs where an engine can, and handed to the operating system only. Beside SQLite,
//! redb and fjall.
//!
//! `cargo run --release --manifest-path benches/compare/Cargo.toml --bin commits`

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benches::{Result, machine, median, texts};
use block_format::{Options, Store};

const THREADS: [usize; 3] = [1, 4, 16];
/// How long an engine commits.
const TIME: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 3;

/// One record, durable or not, by one of several threads.
type Put = Box<dyn Fn(u64, &[u8]) -> Result<()> + Send + Sync>;
/// An engine in a folder; durable or not.
type Open = fn(&Path, bool) -> Result<Put>;

fn main() -> Result<()> {
    println!("{}\n", machine()?);
    let texts = texts()?;
    let engines: [(&str, Open); 4] = [
        ("block-format", ours),
        ("SQLite 3 (WAL; FULL, or NORMAL)", sqlite),
        ("redb 4 (Immediate, or None)", redb),
        ("fjall 3 (SyncAll, or Buffer)", fjall),
    ];
    let kinds = THREADS.map(|threads| (threads, true)).into_iter().chain([(1, false)]).collect::<Vec<_>>();
    let mut times = vec![vec![Vec::new(); kinds.len()]; engines.len()];
    for round in 0..ROUNDS {
        for (kind, &(threads, durable)) in kinds.iter().enumerate() {
            for turn in 0..engines.len() {
                let engine = (round + turn) % engines.len();
                let temp = tempfile::tempdir()?;
                let put = engines[engine].1(temp.path(), durable)?;
                times[engine][kind].push(time_per_commit(&put, threads, &texts)?);
            }
        }
    }
    println!("commits a second, medians of {ROUNDS} rounds of {} ms\n", TIME.as_millis());
    println!("| engine | synced, 1 thread | 4 threads | 16 threads | not synced, 1 thread |");
    println!("|---|---|---|---|---|");
    for ((name, _), times) in engines.iter().zip(times) {
        let rates = times.iter().map(|times| format!("{:.0}", 1.0 / median(times).as_secs_f64()));
        println!("| {name} | {} |", rates.collect::<Vec<_>>().join(" | "));
    }
    Ok(())
}

/// The time of all threads together, divided by their commits.
fn time_per_commit(put: &Put, threads: usize, texts: &[String]) -> Result<Duration> {
    let number = AtomicU64::new(0);
    let begun = Instant::now();
    let work = || -> std::result::Result<(), String> {
        while begun.elapsed() < TIME {
            let id = number.fetch_add(1, Ordering::Relaxed);
            let text = &texts[usize::try_from(id).unwrap_or(0) % texts.len()];
            put(id, text.as_bytes()).map_err(|e| e.to_string())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a panic".to_owned())))
    })?;
    Ok(begun.elapsed() / u32::try_from(number.load(Ordering::Relaxed).max(1))?)
}

fn ours(temp: &Path, durable: bool) -> Result<Put> {
    let store = Store::create(temp.join("artifact"), Options::new())?;
    let durability =
        if durable { block_format::Durability::Sync } else { block_format::Durability::Buffered };
    Ok(Box::new(move |_, content| {
        let mut batch = store.batch();
        batch.put(content)?;
        store.commit(batch, durability)?;
        Ok(())
    }))
}

fn sqlite(temp: &Path, durable: bool) -> Result<Put> {
    let db = rusqlite::Connection::open(temp.join("db.sqlite"))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    db.execute("CREATE TABLE records (id INTEGER PRIMARY KEY, content BLOB)", [])?;
    let db = Mutex::new(db);
    Ok(Box::new(move |id, content| {
        let db = db.lock().map_err(|_| "a panic")?;
        let mut insert = db.prepare_cached("INSERT INTO records VALUES (?1, ?2)")?;
        insert.execute(rusqlite::params![i64::try_from(id)?, content])?;
        Ok(())
    }))
}

fn redb(temp: &Path, durable: bool) -> Result<Put> {
    const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("records");
    let db = redb::Database::create(temp.join("db.redb"))?;
    Ok(Box::new(move |id, content| {
        let mut transaction = db.begin_write()?;
        transaction.set_durability(if durable {
            redb::Durability::Immediate
        } else {
            redb::Durability::None
        })?;
        transaction.open_table(TABLE)?.insert(id, content)?;
        transaction.commit()?;
        Ok(())
    }))
}

fn fjall(temp: &Path, durable: bool) -> Result<Put> {
    let db = fjall::Database::builder(temp.join("fjall")).open()?;
    let records = db.keyspace("records", fjall::KeyspaceCreateOptions::default)?;
    let mode = if durable { fjall::PersistMode::SyncAll } else { fjall::PersistMode::Buffer };
    Ok(Box::new(move |id, content| {
        records.insert(id.to_be_bytes(), content)?;
        db.persist(mode)?;
        Ok(())
    }))
}
