#!/usr/bin/env bash
# Makes an environment in target/, builds the module, and runs the tests, the examples, the listings of the guide and both type checkers.
#   ./test.sh             all of it: more examples of the property test, more kills, a release build and the benchmark
#   ./test.sh --small     a dose for every change: a minute beside the build
set -euo pipefail
cd "$(dirname "$0")"
small=false
[ "${1:-}" = --small ] && small=true
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target}"
export VIRTUAL_ENV="${PYTHON_ENV:-$CARGO_TARGET_DIR/python-env}"
[ -x "$VIRTUAL_ENV/bin/python" ] || python3 -m venv "$VIRTUAL_ENV"
export PATH="$VIRTUAL_ENV/bin:$PATH" PYO3_PYTHON="$VIRTUAL_ENV/bin/python"
unset PYTHONPATH
needed=(maturin hypothesis mypy numpy pyarrow pyright pytest)
python -c 'import sys, importlib.util as u; sys.exit(any(u.find_spec(n) is None for n in sys.argv[1:]))' "${needed[@]}" ||
  python -m pip install --quiet "${needed[@]}"
cargo fmt --check
if $small; then
  maturin develop --quiet
  exec python -m pytest -m 'not slow'
fi
cargo clippy --quiet --all-targets --all-features -- -D warnings
maturin develop --quiet
python -m pytest
maturin develop --quiet --release --features bench
python bench.py
