#!/usr/bin/env bash
# What the library weighs in a program: the stripped size of a minimal searcher, and the crates that it needs, without default features.
# Fails above the limits.
set -euo pipefail
cd "$(dirname "$0")/.."
max_bytes=$((3 * 1000 * 1000)) max_crates=44
# Panics abort, and C never throws, so that nothing would read its tables for unwinding. Functions of the same instructions become one: Rust's own linker does
# that when asked, and nothing compares their addresses. Blocks are smaller than 16 MB, so that the decoder of zstd for larger windows can be left out; and of its two decoders
# of Huffman codes one is enough, which takes a symbol at a time instead of two. What is to be relocated is told in 1 kB instead of 51, as glibc reads it from 2.36 on.
RUSTFLAGS="${RUSTFLAGS:-} -Clink-arg=-Wl,--icf=all -Clink-arg=-Wl,-z,pack-relative-relocs" CFLAGS="${CFLAGS:-} -fno-asynchronous-unwind-tables -DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT -DHUF_FORCE_DECOMPRESS_X1" cargo build --quiet --profile weight -p minimal-searcher
bytes=$(stat -c %s "${CARGO_TARGET_DIR:-target}/weight/minimal-searcher")
crates=$(cargo tree -p compact-artifact --no-default-features -e normal,no-proc-macro --prefix none --no-dedupe | awk '{print $1}' | sort -u | wc -l)
printf 'minimal searcher: %s bytes, stripped (limit %s); %s crates (limit %s)\n' "$bytes" "$max_bytes" "$crates" "$max_crates"
[ "$bytes" -lt "$max_bytes" ] && [ "$crates" -le "$max_crates" ]
