#!/usr/bin/env bash
# Keeps what the fuzzer found to be of use, for the next run on any machine: fuzz/corpus/ without inputs that reach nothing new becomes fuzz/inputs/TARGET.tar.gz.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p fuzz/inputs
for folder in fuzz/corpus/*/; do
  target=$(basename "$folder")
  cargo +nightly fuzz cmin "$target" "fuzz/corpus/$target" -- -rss_limit_mb=512 -malloc_limit_mb=256 >/dev/null 2>&1 ||
    echo "$target: not minimised; what an input did is in fuzz/artifacts/$target"
  tar -C fuzz/corpus --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c "$target" | gzip -9n >"fuzz/inputs/$target.tar.gz"
  echo "$target: $(find "$folder" -type f | wc -l) inputs, $(stat -c %s "fuzz/inputs/$target.tar.gz") bytes"
done
