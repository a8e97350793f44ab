#!/usr/bin/env bash
# Runs every fuzz target for SECONDS_EACH (default 60), after what was found before: fuzz/run.sh [SECONDS_EACH]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
command -v cargo-fuzz >/dev/null || cargo install --quiet cargo-fuzz
for target in block_decode segment_open log_recover operations; do
  mkdir -p "fuzz/corpus/$target" "fuzz/regressions/$target"
  limits=(-rss_limit_mb=512 -malloc_limit_mb=256 -timeout=10 -max_len=16384)
  cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/regressions/$target" -- \
    "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 2>&1 |
    tee /tmp/fuzz-"$target".log | grep -E 'ERROR|panicked|SUMMARY|stat::number_of_executed_units' | sed "s/^/$target: /" || true
  grep -q 'stat::number_of_executed_units' /tmp/fuzz-"$target".log
  if grep -qE 'ERROR: (libFuzzer|AddressSanitizer)' /tmp/fuzz-"$target".log; then
    exit 1
  fi
done
