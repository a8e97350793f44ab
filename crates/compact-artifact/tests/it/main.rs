//! The tests of the facade; this is their table of contents.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "tests"
)]

/// A call in the middle of another one.
mod between;
mod breadth;
/// What is kept in memory, and for how long.
mod caches;
/// What is new together, beside a plain map.
mod combined;
/// Power loss, and calls that fail.
mod crash;
/// What the sequences of that are compared with.
mod crash_model;
/// The same, while an artifact moves to another model.
mod crash_reembed;
/// The same, while texts get another language.
mod crash_reindex;
/// The sequences.
mod crash_run;
/// Flipped bytes and missing files.
mod damage;
mod damaged_changes;
/// Changes in part at their edges.
mod edges;
/// The examples do what they say.
mod examples;
/// Records that expire.
mod expiry;
/// Several snapshots searched as one.
mod federated;
/// Texts in fields beside the content.
mod fields;
/// What `stats` says, against the files, the maps and the allocator.
mod figures;
/// Flipped bits, and every question asked after each.
mod flips;
/// A reader that follows.
mod follow;
/// Right checksums over wrong numbers.
mod forged;
/// A file of this version of the format.
mod golden;
/// Groups, values of hits, totals.
mod groups;
/// Clones of a handle, and values as JSON.
mod handles;
/// Indexes of another crate.
mod hnsw_rs;
/// Threads that have nothing to do help a search.
mod idle;
/// The cache of embeddings, kept in the artifact.
mod kept;
/// Processes that are killed.
mod kill;
/// Stems, stop words, and texts of several languages.
mod language;
/// Embeddings that come after their records.
mod late;
/// Bottlenecks, each provoked and found.
mod latency;
/// Steps left out in turn: the tests notice.
mod left_out;
/// Types of fields, where records are gone.
mod live_types;
/// What was lost, and is missed.
mod lost;
mod meaning;
/// Who holds memory, against the allocator; leaks, each provoked and found.
mod memory;
/// What is accepted is read back: limits, numbers, strings, names.
mod metadata;
/// Bad input, two writers, media that are full or read-only: errors that say what to do, and nothing changed.
mod misuse;
/// A plain model of an artifact, and any sequence of calls on both.
mod model;
mod moved;
/// Arguments of any size.
mod numbers;
/// Every option acts, or is refused.
mod obeyed;
/// Figures and spans, as a recorder and a subscriber get them.
mod observed;
/// Hits in the order of fields, totals, and values that are counted, beside a plain scan of all records.
mod order;
/// One immutable file of an artifact.
mod packed;
/// Pages of a query are pieces of one ranking.
mod pages;
/// Paths at which there can be no artifact.
mod paths;
/// Each verification left out: then flipped bits are noticed.
mod planted;
/// Space that comes back by itself.
mod policy;
/// How far sealing is.
mod progress;
/// A pack that is read by ranges.
mod ranges;
/// Another language for texts that are there.
mod reindex;
/// Something else where an artifact was opened.
mod replaced;
/// Calls that are awaited.
mod requests;
/// What metadata must be.
mod schema;
/// Processes that write by turns.
mod shared;
/// Neighbours of records that are stored.
mod similar;
/// Deleted space comes back.
mod space;
/// Vector spaces that are dropped and renamed.
mod spaces;
/// No thread that an option did not ask for.
mod threads;
mod toy;
/// Fields that no record has.
mod unknown_fields;
/// Records that change in part.
mod update;
/// Vectors of any size.
mod vectors;
/// What is kept of vectors, whatever is done with their records.
mod vectors_kept;
mod words_beside;
