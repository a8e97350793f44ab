#!/usr/bin/env bash
# Wheels for Linux into target/wheels: for the machine's own processor with the glibc of manylinux2014, and for each other kind for which there are means
# here: a standard library of Rust for the target, and `ziglang` from PyPI as the C compiler and linker. What cannot be built is named.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target}"
environment="${PYTHON_ENV:-$CARGO_TARGET_DIR/python-env}"
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
export PATH="$environment/bin:$PATH"
python -c 'import ziglang, maturin' 2>/dev/null || python -m pip install --quiet maturin ziglang
libraries="$(rustc --print sysroot)/lib/rustlib"
for target in x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do
  if [ ! -d "$libraries/$target" ]; then
    printf 'left out: %s, for which there is no standard library (rustup target add %s)\n' "$target" "$target"
    continue
  fi
  case $target in
    *-musl) platform=musllinux_1_2 ;;
    *) platform=manylinux2014 ;;
  esac
  maturin build --quiet --release --zig --target "$target" --compatibility "$platform" --out "$CARGO_TARGET_DIR/wheels"
done
ls -l "$CARGO_TARGET_DIR"/wheels/*.whl
# The wheel for this processor with each Python that is here, and on processors without AVX2 as `qemu-x86_64` of the package qemu-user has them.
wheel=$(ls "$CARGO_TARGET_DIR"/wheels/*manylinux*x86_64.whl)
unpacked=$(mktemp -d)
trap 'rm -r "$unpacked"' EXIT
python -m pip install --quiet --no-deps --target "$unpacked" "$wheel"
for version in 3.10 3.11 3.12 3.13 3.14; do
  ! interpreter=$(command -v "python$version") || ! "$interpreter" -c '' 2>/dev/null || PYTHONPATH=$unpacked "$interpreter" tests/portable.py
done
if command -v qemu-x86_64 >/dev/null; then
  real=$(python -c 'import os, sys; print(os.path.realpath(sys.executable))')
  for cpu in qemu64 Nehalem Haswell; do
    printf '%s: ' "$cpu"
    PYTHONPATH=$unpacked qemu-x86_64 -cpu "$cpu" "$real" tests/portable.py 2> >(grep -v "TCG doesn't support" >&2)
  done
else
  echo 'left out: processors without AVX2, for which there is no qemu-x86_64'
fi
