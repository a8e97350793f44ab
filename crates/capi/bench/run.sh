#!/usr/bin/env bash
# Searches through C beside the same through Rust, by turns.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/../../target} work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --quiet --release --lib --example search_in_rust
cc -O2 -Wall -Wextra -Werror -Iinclude bench/search.c -o "$work/search" -L"$target/release" -lcompact_artifact_c -Wl,-rpath,"$target/release" -lm
for _ in 1 2 3; do
  "$target/release/examples/search_in_rust" "$work/a"
  "$work/search" "$work/a"
done
