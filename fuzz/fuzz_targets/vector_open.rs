//! An index of any bytes: opened, searched in every way, merged. Errors are as good as answers; a panic, or work without
//! bound, is a find.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vector_index::*;

/// Sound indexes to be damaged: with and without a graph, of each metric, and graphs with outlines, one of them of rotated vectors.
static SOUND: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let metrics = [Metric::Cosine, Metric::Dot, Metric::L2];
    let kinds = metrics.into_iter().flat_map(|metric| [(metric, 0), (metric, usize::MAX)]);
    let plain = |dimension| move |metric| Int8Quantizer::new(metric, dimension);
    let kinds = kinds.map(|(metric, graph_from)| (plain(5)(metric), graph_from));
    let rotated = plain(130)(Metric::Cosine).and_then(Int8Quantizer::rotated);
    let kinds = kinds.chain([(plain(130)(Metric::L2), 0), (rotated, 0)]);
    kinds.filter_map(|(quantizer, graph_from)| sound(quantizer.ok()?, graph_from).ok()).collect()
});

fn sound(quantizer: Int8Quantizer, graph_from: usize) -> Result<Vec<u8>> {
    let dimension = quantizer.dimension() as u32;
    let mut codes = Codes::new(quantizer);
    for row in 0..150u32 {
        let value =
            |i: u32| ((row * 31 + i * 17 + 1).wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 + 0.01;
        codes.push(row * 2, &(0..dimension).map(value).collect::<Vec<f32>>())?;
    }
    let built = Builder::new(BuildOptions::new().m(4).graph_from(graph_from)).build(codes)?;
    let (index, mut scratch) = (Index::open(built.to_bytes()?)?, Scratch::new());
    index.search(&vec![1.0; dimension as usize], &SearchOptions::new(5).ef_search(5), &mut scratch)?;
    let expected = if graph_from == 0 { SearchPath::Graph } else { SearchPath::Scan };
    assert_eq!(scratch.statistics().path, expected, "a graph that no search walks through proves nothing");
    Ok(built.to_bytes()?.as_ref().to_vec())
}

/// The first byte chooses: the bytes themselves, or a sound index with bytes put in places, its header's checksum made right.
fn hostile(input: &[u8]) -> Option<Vec<u8>> {
    let (&choice, rest) = input.split_first()?;
    let Some(sound) = SOUND.get(usize::from(choice)) else { return Some(rest.to_vec()) };
    let mut bytes = sound.clone();
    for edit in rest.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        let end = (at + 1 + usize::from(edit[2] % 8)).min(bytes.len());
        bytes[at..end].fill(edit[3]);
    }
    let crc = crc32fast::hash(&bytes[..124]);
    bytes[124..128].copy_from_slice(&crc.to_le_bytes());
    Some(bytes)
}

fn use_all(bytes: &[u8]) -> Result<()> {
    let index = Index::open(AlignedBytes::from(bytes))?;
    let _ = index.verify();
    let query: Vec<f32> = (0..index.quantizer().dimension()).map(|i| (i as f32).cos() + 0.01).collect();
    let filter: RowSet = (0..150).step_by(3).collect();
    let mut scratch = Scratch::new();
    let plain = SearchOptions::new(5);
    // So few vectors are passed over, unless a walk that keeps as few as are wanted looks at fewer.
    let walk = plain.ef_search(5);
    for options in [
        plain,
        plain.exact(true),
        plain.filter(&filter),
        plain.deleted(&filter),
        walk,
        walk.filter(&filter),
        walk.deleted(&filter),
    ] {
        assert!(index.search(&query, &options, &mut scratch)?.len() <= 5);
    }
    // What codes leave out may be any bytes, and too few.
    let len = 300 * index.quantizer().residual_len();
    let residuals: Vec<u8> = bytes.iter().rev().copied().cycle().take(len).collect();
    for residuals in [&residuals[..], &residuals[..residuals.len() / 2]] {
        let refined = plain.rescore(Originals::Residual(residuals), 20);
        for options in [refined, refined.exact(true), refined.filter(&filter), refined.ef_search(5)] {
            assert!(index.search(&query, &options, &mut scratch).map_or(0, |hits| hits.len()) <= 5);
        }
    }
    for row in index.rows()?.into_iter().take(10) {
        index.vector(row)?;
    }
    let mut merge = Builder::new(BuildOptions::new().graph_from(0)).merge();
    merge.add_index(&index, |row| Some(row).filter(|row| row % 7 != 0))?;
    Index::open(merge.build()?.to_bytes()?)?.verify()
}

fuzz_target!(|input: &[u8]| {
    if let Some(bytes) = hostile(input) {
        let _ = use_all(&bytes);
    }
});
