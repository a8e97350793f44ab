//! Indexes whose lists are numbers of 32 bits, as earlier versions wrote them, are read for good. They are made here of what is written now, as docs/FORMAT.md says it.

use vector_index::*;

use crate::data::*;

fn u32_at(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap()
}

/// The index that an earlier version would have written of the same graph.
pub(crate) fn as_earlier(bytes: &[u8]) -> Vec<u8> {
    if u32_at(bytes, 12) == 0 {
        return bytes.to_vec();
    }
    let [dimension, nodes, rows, hidden] = [28, 32, 72, 76].map(|at| u32_at(bytes, at));
    let (layers, m) = (usize::from(bytes[27]), usize::from(u16::from_le_bytes([bytes[40], bytes[41]])));
    let before = [
        if bytes[25] == 1 { dimension * 8 } else { 0 },
        nodes * if bytes[24] == 2 { 8 } else { 4 },
        nodes * 4,
        if bytes[26] == 1 { 0 } else { rows * 4 },
        rows * 4,
        (rows - nodes) * 8,
        hidden * 4,
    ];
    let at = before.iter().fold(128usize, |at, len| at.next_multiple_of(64) + len);
    let (mut at, mut earlier) = (at.next_multiple_of(64), bytes[..at].to_vec());
    for layer in 0..layers {
        let (count, room) = (u32_at(bytes, 44 + 4 * layer), if layer == 0 { 2 * m } else { m });
        let width = (usize::BITS - count.leading_zeros()).max(16) as usize;
        let len = (room * width).div_ceil(32) * 4;
        earlier.resize(earlier.len().next_multiple_of(64), 0);
        for list in bytes[at..at + count * len].chunks_exact(len) {
            let bit = |bit: usize| u32::from(list[bit / 8] >> (bit % 8) & 1);
            let number = |i: usize| (0..width).fold(0, |number, at| number | bit(i * width + at) << at);
            let none = |number: u32| if number == u32::MAX >> (32 - width) { u32::MAX } else { number };
            earlier.extend((0..room).flat_map(|i| none(number(i)).to_le_bytes()));
        }
        at = (at + count * len).next_multiple_of(64);
    }
    let checksums = (0..bytes.len())
        .step_by(64)
        .rev()
        .find(|content| content + (content.div_ceil(65_536) + 1) * 4 == bytes.len());
    earlier.resize(earlier.len().next_multiple_of(64), 0);
    earlier.extend_from_slice(&bytes[at..checksums.unwrap()]);
    let total = earlier.len() + (earlier.len().div_ceil(65_536) + 1) * 4;
    earlier[12..16].fill(0);
    earlier[16..24].copy_from_slice(&(total as u64).to_le_bytes());
    let crc = crc32fast::hash(&earlier[..124]);
    earlier[124..128].copy_from_slice(&crc.to_le_bytes());
    let table: Vec<u8> =
        earlier.chunks(65_536).flat_map(|piece| crc32fast::hash(piece).to_le_bytes()).collect();
    earlier.extend_from_slice(&table);
    earlier.extend(crc32fast::hash(&table).to_le_bytes());
    earlier
}

#[test]
fn an_index_of_an_earlier_version_finds_the_same_and_merges_into_the_same() {
    for (metric, dimension, count, m) in [
        (Metric::Cosine, 24, 3_000, 16),
        (Metric::L2, 160, 700, 5),
        (Metric::Dot, 8, 900, 2),
        (Metric::Cosine, 8, 66_000, 16),
    ] {
        let all = vectors(3, count, dimension);
        let options = BuildOptions::new().graph_from(0).m(m);
        let new = Builder::new(options).build(codes(metric, dimension, &all)).unwrap().to_bytes().unwrap();
        let earlier = as_earlier(new.as_ref());
        let [new, earlier] = [new.as_ref(), &earlier[..]].map(|bytes| {
            let index = Index::open(AlignedBytes::from(bytes)).unwrap();
            index.verify().unwrap();
            index
        });
        let mut scratch = Scratch::new();
        let filter: RowSet = (0..u32::try_from(count).unwrap()).step_by(2).collect();
        for query in vectors(4, 50, dimension).chunks_exact(dimension) {
            for options in [SearchOptions::new(10), SearchOptions::new(10).filter(&filter)] {
                let [found, expected] = [&earlier, &new]
                    .map(|index| index.search(query, &options, &mut scratch).unwrap().to_vec());
                assert_eq!(found, expected);
            }
        }
        let [merged, expected] = [&earlier, &new].map(|index| {
            let mut merge = Builder::new(options).merge();
            merge.add_index(index, |row| (row % 9 > 0).then_some(row)).unwrap();
            merge.build().unwrap().to_bytes().unwrap()
        });
        assert!(merged.as_ref() == expected.as_ref());
    }
}

#[test]
fn packed_lists_take_little_more_than_half_of_what_they_took() {
    let all = vectors(5, 20_000, 8);
    let new =
        Builder::new(BuildOptions::new()).build(codes(Metric::Cosine, 8, &all)).unwrap().to_bytes().unwrap();
    let (now, before) = (new.as_ref().len(), as_earlier(new.as_ref()).len());
    let saved = (before - now) / 20_000;
    assert!((64..=66).contains(&saved), "{saved} bytes a vector");
}
