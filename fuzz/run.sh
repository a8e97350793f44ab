#!/usr/bin/env bash
# Runs every fuzz target, or those named, for SECONDS_EACH (default 60): fuzz/run.sh [SECONDS_EACH [TARGET...]]
# What was found before is replayed first. What is found now lies in fuzz/artifacts/<target>/, and the exit status is 1.
# It begins with the inputs in fuzz/inputs/, which fuzz/keep.sh writes, unless fuzz/corpus/ has some. fuzz/totals gets a line for each run of a target: its
# executions, and seconds of CPU in user and in system mode; their sums are printed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] ||
  targets=(block_decode segment_open log_recover operations vector_open vector_kernel lexical_open lexical_query
    artifact_open pack_open filter_text query_text input_text mcp embedder_open wordpiece)
command -v cargo-fuzz >/dev/null || cargo install --quiet cargo-fuzz
# Two to four times as many inputs a second: no stacks of allocations, little kept of what was freed, no search for leaks after each input (the replay of
# what was found before does search). To read a find, run its input without these.
export ASAN_OPTIONS="quarantine_size_mb=8:malloc_context_size=0:detect_stack_use_after_return=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
limits=(-rss_limit_mb=512 -malloc_limit_mb=256 -timeout=10)
logs=$(mktemp -d)
status=0
summary=()
# All at once, so that no processor waits for another.
cargo +nightly fuzz build >"$logs/build" 2>&1 || { grep -aE -A9 '^error' "$logs/build"; exit 1; }
for target in "${targets[@]}"; do
  regressions=fuzz/regressions/$target
  mkdir -p "$regressions"
  if [ ! -e "fuzz/corpus/$target" ]; then
    mkdir -p "fuzz/corpus/$target"
    [ ! -e "fuzz/inputs/$target.tar.gz" ] || tar -xzf "fuzz/inputs/$target.tar.gz" -C fuzz/corpus
  fi
  # `-runs=0` reads the inputs of a directory, each once, and ends.
  if ! cargo +nightly fuzz run "$target" "$regressions" -- "${limits[@]}" -runs=0 >"$logs/$target.replay" 2>&1; then
    grep -aE -A1 'panicked at|ERROR|^error' "$logs/$target.replay" || tail -n 20 "$logs/$target.replay"
    summary+=("$target: what was found before is back, see $logs/$target.replay")
    status=1
    continue
  fi
  case $target in operations) max_len=600 ;; *) max_len=3000 ;; esac
  TIMEFORMAT='%U %S'
  { time cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "$regressions" -- "${limits[@]}" -detect_leaks=0 -len_control=0 \
    -max_len="$max_len" -max_total_time="$seconds" -print_final_stats=1 >"$logs/$target" 2>&1; } 2>"$logs/time" && ended=well || ended=badly
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$target")
  echo "$target ${executions:-0} $(cat "$logs/time")" >>fuzz/totals
  if [ "$ended" = well ]; then
    summary+=("$target: ${executions:-0} executions, nothing found")
  else
    grep -aE -A1 'panicked at|ERROR|Test unit written|^error' "$logs/$target" || tail -n 20 "$logs/$target"
    summary+=("$target: ${executions:-0} executions, then a find, see $logs/$target")
    status=1
  fi
done
printf '%s\n' "${summary[@]}"
echo 'So far:'
awk '{ runs[$1] += $2; cpu[$1] += $3 + $4 }
  END { for (target in runs) printf "%-15s %12d executions, %8.2f hours of CPU\n", target, runs[target], cpu[target] / 3600 }' fuzz/totals | sort
exit "$status"
