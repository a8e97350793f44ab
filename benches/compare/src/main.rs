//! Records by number, beside SQLite, redb and fjall with equal durability: a sync for every 1,000 records.
//!
//! `cargo run --release --manifest-path benches/compare/Cargo.toml`

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use benches::{Random, Result, disk_len, machine, median, micros, percentile, texts};
use block_format::{Durability, Options, RecordId, Store};
use redb::ReadableDatabase;

const BATCH: usize = 1_000;
const READS: usize = 50_000;
const ROUNDS: usize = 3;

/// What one engine did in one round.
struct Row {
    load: Duration,
    disk: u64,
    reads: Vec<Duration>,
}

fn main() -> Result<()> {
    println!("{}\n", machine()?);
    let texts = texts()?;
    let engines: [(&str, fn(&Path, &[String]) -> Result<Row>); 5] = [
        ("block-format", ours),
        ("block-format, sealed as committed", ours_as_committed),
        ("SQLite 3 (WAL, synchronous=FULL)", sqlite),
        ("redb 4 (Immediate)", redb),
        ("fjall 3 (SyncAll, lz4)", fjall),
    ];
    let mut rows: Vec<Vec<Row>> = engines.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for turn in 0..engines.len() {
            let engine = (round + turn) % engines.len();
            let temp = tempfile::tempdir()?;
            rows[engine].push(engines[engine].1(temp.path(), &texts)?);
        }
    }
    println!("{} texts, {} point reads of random ones, medians of {ROUNDS} rounds\n", texts.len(), READS);
    println!("| engine | load, records/s | x ours | MB on disk | get p50 us | x ours | get p99 us |");
    println!("|---|---|---|---|---|---|---|");
    let summary = |rows: &mut Vec<Row>| {
        let load = median(&rows.iter().map(|row| row.load).collect::<Vec<_>>());
        let mut reads: Vec<Duration> =
            rows.iter_mut().flat_map(|row| std::mem::take(&mut row.reads)).collect();
        (load, percentile(&mut reads, 50), percentile(&mut reads, 99))
    };
    let mut base = None;
    for ((name, _), mut rows) in engines.into_iter().zip(rows) {
        let (load, p50, p99) = summary(&mut rows);
        let (base_load, base_p50) = *base.get_or_insert((load, p50));
        println!(
            "| {name} | {:.0} | {:.2} | {:.1} | {} | {:.2} | {} |",
            texts.len() as f64 / load.as_secs_f64(),
            base_load.as_secs_f64() / load.as_secs_f64(),
            rows[0].disk as f64 / 1e6,
            micros(p50),
            p50.as_secs_f64() / base_p50.as_secs_f64(),
            micros(p99),
        );
    }
    Ok(())
}

/// Times random reads through `get`, which touches the content.
fn reads(end: usize, mut get: impl FnMut(u64) -> Result<u8>) -> Result<Vec<Duration>> {
    let mut random = Random(7);
    for _ in 0..READS / 10 {
        black_box(get(random.below(end as u64))?);
    }
    let mut times = Vec::with_capacity(READS);
    for _ in 0..READS {
        let id = random.below(end as u64);
        let begun = Instant::now();
        black_box(get(id)?);
        times.push(begun.elapsed());
    }
    Ok(times)
}

fn touch(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |a, b| a ^ b)
}

fn ours(temp: &Path, texts: &[String]) -> Result<Row> {
    ours_with(temp, texts, Options::new())
}

fn ours_as_committed(temp: &Path, texts: &[String]) -> Result<Row> {
    ours_with(temp, texts, Options::new().sealed_level(0))
}

fn ours_with(temp: &Path, texts: &[String], options: Options) -> Result<Row> {
    let path = temp.join("artifact");
    let begun = Instant::now();
    let store = Store::create(&path, options.clone())?;
    for chunk in texts.chunks(BATCH) {
        let mut batch = store.batch();
        chunk.iter().try_for_each(|text| batch.put(text.as_bytes()).map(drop))?;
        store.commit(batch, Durability::Sync)?;
    }
    let load = begun.elapsed();
    store.close()?;
    let disk = disk_len(&path)?;
    let (store, _) = Store::open(&path, options)?;
    let snapshot = store.snapshot();
    let get = |id| Ok(touch(&snapshot.get(RecordId(id))?.ok_or("missing")?.bytes()?));
    Ok(Row { load, disk, reads: reads(texts.len(), get)? })
}

fn sqlite(temp: &Path, texts: &[String]) -> Result<Row> {
    let path = temp.join("db.sqlite");
    let open = || -> Result<rusqlite::Connection> {
        let db = rusqlite::Connection::open(&path)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        Ok(db)
    };
    let begun = Instant::now();
    let mut db = open()?;
    db.execute("CREATE TABLE records (id INTEGER PRIMARY KEY, content BLOB)", [])?;
    for (number, chunk) in texts.chunks(BATCH).enumerate() {
        let transaction = db.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO records VALUES (?1, ?2)")?;
            for (index, text) in chunk.iter().enumerate() {
                insert.execute(rusqlite::params![(number * BATCH + index) as i64, text.as_bytes()])?;
            }
        }
        transaction.commit()?;
    }
    let load = begun.elapsed();
    drop(db);
    let disk = disk_len(temp)?;
    let db = open()?;
    let mut select = db.prepare("SELECT content FROM records WHERE id = ?1")?;
    let get = |id: u64| Ok(select.query_row([id as i64], |row| Ok(touch(row.get_ref(0)?.as_blob()?)))?);
    Ok(Row { load, disk, reads: reads(texts.len(), get)? })
}

fn redb(temp: &Path, texts: &[String]) -> Result<Row> {
    const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("records");
    let path = temp.join("db.redb");
    let begun = Instant::now();
    let db = redb::Database::create(&path)?;
    for (number, chunk) in texts.chunks(BATCH).enumerate() {
        let transaction = db.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (index, text) in chunk.iter().enumerate() {
                table.insert((number * BATCH + index) as u64, text.as_bytes())?;
            }
        }
        transaction.commit()?;
    }
    let load = begun.elapsed();
    drop(db);
    let disk = disk_len(temp)?;
    let db = redb::Database::open(&path)?;
    let transaction = db.begin_read()?;
    let table = transaction.open_table(TABLE)?;
    let get = |id: u64| Ok(touch(table.get(id)?.ok_or("missing")?.value()));
    Ok(Row { load, disk, reads: reads(texts.len(), get)? })
}

fn fjall(temp: &Path, texts: &[String]) -> Result<Row> {
    let path = temp.join("fjall");
    let open = || -> Result<_> {
        let db = fjall::Database::builder(&path).open()?;
        let records = db.keyspace("records", fjall::KeyspaceCreateOptions::default)?;
        Ok((db, records))
    };
    let begun = Instant::now();
    let (db, records) = open()?;
    for (number, chunk) in texts.chunks(BATCH).enumerate() {
        let mut batch = db.batch();
        for (index, text) in chunk.iter().enumerate() {
            batch.insert(&records, ((number * BATCH + index) as u64).to_be_bytes(), text.as_bytes());
        }
        batch.commit()?;
        db.persist(fjall::PersistMode::SyncAll)?;
    }
    let load = begun.elapsed();
    records.rotate_memtable_and_wait()?; // so that reads come from tables, like everybody else's
    drop((db, records));
    let (_db, records) = open()?;
    let disk = tree_len(&path)?;
    let get = |id: u64| Ok(touch(&records.get(id.to_be_bytes())?.ok_or("missing")?));
    Ok(Row { load, disk, reads: reads(texts.len(), get)? })
}

fn tree_len(path: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        total += if path.is_dir() { tree_len(&path)? } else { path.metadata()?.len() };
    }
    Ok(total)
}
