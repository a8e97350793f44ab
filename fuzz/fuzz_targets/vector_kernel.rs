//! Every kernel of this machine finds the same, to the last bit, as the plain one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vector_index::*;

fn hits(dimension: usize, bytes: &[u8]) -> Result<()> {
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Dot, dimension)?);
    for (row, chunk) in (0u32..).zip(bytes.chunks_exact(dimension)) {
        let row_codes: Vec<i8> = chunk.iter().map(|&byte| byte.cast_signed().max(-127)).collect();
        codes.push_codes(row, &row_codes, 1.0)?;
    }
    let index = Index::open(Builder::new(BuildOptions::new().graph_from(0)).build(codes)?.to_bytes()?)?;
    let queries: Vec<f32> = bytes.iter().take(dimension).map(|&byte| f32::from(byte.cast_signed())).collect();
    let found = |kernel, exact| {
        let options = SearchOptions::new(10).exact(exact);
        index.clone().with_kernel(kernel).search_batch(&queries, &options)
    };
    for exact in [false, true] {
        let expected = found(Kernel::available()[0], exact)?;
        for kernel in Kernel::available() {
            assert_eq!(found(kernel, exact)?, expected, "{kernel}");
        }
    }
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    if let Some((&first, rest)) = input.split_first() {
        let _ = hits(usize::from(first) + 1, rest);
    }
});
