//! The integration tests of block-format, one module a subject.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed; it may look at files; it prints the counts that it stands for"
)]

mod bad_input; // a file that is not ours, hostile bytes, wrong arguments: typed errors
mod campaign; // the machinery of the campaigns
mod crash; // power loss at every event
mod creation; // what fails removes what it made, and nothing else
mod damage; // flipped, cut off and misplaced bytes
mod dictionaries; // segments with a dictionary: smaller, read the same, damaged like anything else
mod edits; // edits beside commits, parts that are lost, the cache, deleted ids
mod faults; // failing calls, at every index
mod following; // a reader beside a writer, and what it says where something else or nothing is there
mod forged; // right checksums over wrong numbers: typed errors, no overflow
mod hostile; // locks removed, links, sparse files, files in the wrong place
mod ids; // ids that were not given out, under right checksums and chains: damage
mod lying; // a medium that does not keep what is written
mod observed; // who hears of syncs and blocks; files that are held after they were replaced
mod packs; // one file with everything in it
mod planted; // each sync and check left out: the campaigns notice
mod records; // what goes in comes out: batches, large content, deletes, seal, bulk, parts, readers beside a writer
mod salvage; // what is taken from which file: what is lost is named, what was deleted stays so
mod second_decoder; // benches/decode.py reads what this crate writes
mod twice; // what an edit is told twice is done once
mod usage; // bytes of files, and of deleted records in them
mod verify; // damage told from what a crash leaves, and from what a writer is doing
mod work; // forged and damaged files of twice the length cost twice the work
