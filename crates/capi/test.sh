#!/usr/bin/env bash
# Tests the interface as programs in C and C++ use it: the header is that of the sources, the examples, the tests and the snippets of the guide run, alone,
# under valgrind and under AddressSanitizer, with the shared and the static library. Needs cmake, a C++ compiler, python3 and valgrind.
# PROFILE: that of cargo, dev unless it is set.
set -euo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/../../target} profile=${PROFILE:-dev} work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { printf -- '-- %s (%s s)\n' "$*" "$SECONDS"; }

step 'the header is that of the sources'
export PATH="$target/tools/bin:$PATH"
[[ $(cbindgen --version 2>/dev/null) == 'cbindgen 0.29.4' ]] ||
  CARGO_TARGET_DIR="$target/tools/build" cargo install --quiet --debug cbindgen@0.29.4 --no-default-features --features clap --root "$target/tools"
cbindgen --quiet --config cbindgen.toml --output "$work/compact_artifact.h"
diff -u include/compact_artifact.h "$work/compact_artifact.h"

# Makes programs in a folder: its name, flags of the compiler, options of cmake. Snippets of the guide are among them.
programs() {
  mkdir -p "$work/$1/snippets"
  python3 tests/snippets.py ../../docs/guide/src/c.md "$work/$1/snippets"
  cmake -S . -B "$work/$1" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS="$2" -DCMAKE_CXX_FLAGS="$2" -DCA_PROFILE="$profile" "${@:3}" >"$work/log" || { cat "$work/log"; exit 1; }
  cmake --build "$work/$1" --parallel 2 >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}

# Runs all programs of a folder, each in an empty folder of its own, under a command.
run() {
  local folder=$1 program
  shift
  for program in "$work/$folder"/*_c "$work/$folder"/*_cpp; do
    rm -rf "$work/data" && mkdir "$work/data"
    "$@" "$program" "$work/data" >"$work/log" 2>&1 || { echo "$folder: $(basename "$program") failed:"; cat "$work/log"; exit 1; }
  done
  echo "$(ls "$work/$folder"/*_c "$work/$folder"/*_cpp | wc -l) programs"
}

step 'programs with the shared library'
programs shared ''
run shared
step 'under valgrind'
run shared valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
step 'with the static library, under AddressSanitizer and UndefinedBehaviorSanitizer'
programs static '-fsanitize=address,undefined -fno-sanitize-recover=all' -DCA_STATIC=ON
run static
step done
