//! Each verification of what lies in an artifact left out in turn: then flipped bits change answers in silence, which the campaign of `flips` must notice.

use std::fs;
use std::ops::Range;
use std::path::Path;

use compact_artifact::{Options, Step, StoreStep};

use crate::flips::{Subject, Way, build_sized, options};

/// The most bits that are flipped before one must be noticed, and of a sound program none.
const MAX_FLIPS: u64 = 600;
const MAX_SOUND_FLIPS: u64 = 10;

/// From docs/FORMAT.md: kinds of parts, and of sections in a shard.
const SETTINGS: u32 = 256;
const SHARD: u32 = 257;
const TOMBSTONES: u32 = 258;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// Where bytes of a kind are: the number of a file, and a range of it.
type Places = Vec<(usize, Range<usize>)>;

/// Finds what bits are flipped in.
type Find<'a> = &'a dyn Fn(&Subject) -> Places;

/// The contents of all parts of a kind.
fn contents(subject: &Subject, kind: u32) -> Places {
    let content = |(number, file): (usize, &std::path::PathBuf)| {
        let bytes = fs::read(file).unwrap();
        let is_part = file.file_name()?.to_string_lossy().starts_with("part-");
        let footer = bytes.len().checked_sub(64).filter(|_| is_part)?;
        (u32_at(&bytes, footer + 16) == kind).then(|| (number, 0..u64_at(&bytes, footer + 8)))
    };
    subject.files.iter().enumerate().filter_map(content).collect()
}

/// The sections of a kind in all shards.
fn sections(subject: &Subject, kind: u32) -> Places {
    let mut found = Vec::new();
    for (number, content) in contents(subject, SHARD) {
        let shard = &fs::read(&subject.files[number]).unwrap()[content];
        let trailer = shard.len() - 64;
        let table = trailer - 24 * u32_at(shard, trailer + 12) as usize..trailer;
        for entry in shard[table].chunks_exact(24).filter(|entry| u32_at(entry, 0) == kind) {
            let start = u64_at(entry, 8);
            found.push((number, start..start + u64_at(entry, 16)));
        }
    }
    found
}

/// Where the section of a kind is in the file of a shard.
pub(crate) fn section(file: &Path, kind: u32) -> Range<usize> {
    let bytes = fs::read(file).unwrap();
    let content = &bytes[..u64_at(&bytes, bytes.len() - 56)];
    let trailer = content.len() - 64;
    let table = &content[trailer - 24 * u32_at(content, trailer + 12) as usize..trailer];
    let entry = table.chunks_exact(24).find(|entry| u32_at(entry, 0) == kind).unwrap();
    u64_at(entry, 8)..u64_at(entry, 8) + u64_at(entry, 16)
}

/// The blocks of segments.
fn blocks(subject: &Subject) -> Places {
    let is_segment = |file: &Path| file.file_name().unwrap().to_string_lossy().starts_with("segment-");
    let len = |file: &Path| fs::metadata(file).unwrap().len() as usize;
    let segments = subject.files.iter().enumerate().filter(|(_, file)| is_segment(file));
    segments.map(|(number, file)| (number, 4096..len(file))).collect()
}

/// So many bits of these places, spread over all.
fn bits(places: &Places, count: u64) -> impl Iterator<Item = (usize, u64)> {
    let all: u64 = places.iter().map(|(_, range)| range.len() as u64 * 8).sum();
    let stride = ((all / count) | 1) as usize;
    places.iter().flat_map(move |(file, range)| {
        let file = *file;
        (range.start as u64 * 8..range.end as u64 * 8).step_by(stride).map(move |bit| (file, bit))
    })
}

/// The first silent change that is noticed.
fn first_change(
    options: Options,
    directory: &Path,
    find: impl Fn(&Subject) -> Places,
    count: u64,
) -> Option<String> {
    let subject = Subject::new(Way::Mapped, options, directory);
    let places = find(&subject);
    assert!(!places.is_empty(), "there is nothing of the kind");
    bits(&places, count).find_map(|(file, bit)| subject.flip(&subject.files[file], bit).err())
}

/// What is checked is a page of 4 KiB: sections of one page, which others use as well, would be verified by those.
fn large(directory: &Path) {
    build_sized(directory, 1_400, (20..1_400).step_by(2));
}

#[test]
fn every_verification_that_is_left_out_is_missed() {
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join("a");
    large(&directory);
    for &step in Step::CHECKS {
        let find = |subject: &Subject| match step {
            Step::CheckIds => sections(subject, 1),
            Step::CheckWords => sections(subject, 2),
            Step::CheckFilters => sections(subject, 3),
            Step::CheckVectors => sections(subject, 4),
            Step::CheckOriginals => sections(subject, 5),
            other => panic!("{other:?} is not of a section"),
        };
        let change = first_change(options().leave_out(step), &directory, find, MAX_FLIPS);
        let change = change.unwrap_or_else(|| panic!("{step:?} left out, and nothing notices"));
        println!("{step:?} left out: {}", change.chars().take(160).collect::<String>());
        let sound = first_change(options(), &directory, find, MAX_SOUND_FLIPS);
        assert_eq!(sound, None, "nothing left out");
    }
}

#[test]
fn every_verification_of_the_store_that_is_left_out_is_missed_in_what_the_facade_keeps_there() {
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join("a");
    large(&directory);
    let kept: [(&str, StoreStep, Find<'_>); 3] = [
        ("settings", StoreStep::CheckPart, &|subject| contents(subject, SETTINGS)),
        ("tombstones", StoreStep::CheckPart, &|subject| contents(subject, TOMBSTONES)),
        ("blocks, and the dictionary that they refer to", StoreStep::CheckPayload, &blocks),
    ];
    for (name, step, find) in kept {
        let change = first_change(options().leave_out_of_store(step), &directory, find, MAX_FLIPS);
        let change = change.unwrap_or_else(|| panic!("{step:?} left out, and nothing notices in {name}"));
        println!("{step:?} left out, {name}: {}", change.chars().take(160).collect::<String>());
        assert_eq!(
            first_change(options(), &directory, find, MAX_SOUND_FLIPS),
            None,
            "nothing left out: {name}"
        );
    }
}
