#!/usr/bin/env bash
# Wheels for Linux into target/wheels, for x86-64 and 64-bit Arm, with glibc (manylinux2014) and with musl (musllinux_1_2); `ziglang` from PyPI is the C compiler
# and linker. A standard library that the toolchain does not have is built by a nightly with the component rust-src; without one, that wheel is left out, and named.
# Then the wheels with glibc run: on this processor, on older ones (qemu-x86_64) and on 64-bit Arm (qemu-aarch64, with the Python of Debian).
#   ./wheels.sh TARGET...     only these
# MUSL_PYTHON: a Python with musl, under which the wheel for x86-64 with musl runs. One is made of Debian's `apt-get source python3.11` by `./configure CC=musl-gcc` (package
# `musl-tools`), if a script in the place of musl-gcc takes -I/usr/… and -L/usr/… from its arguments and says nothing to --print-multiarch.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target}"
environment="${PYTHON_ENV:-$CARGO_TARGET_DIR/python-env}"
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
export PATH="$environment/bin:$PATH"
unset PYTHONPATH PYO3_PYTHON
python -c 'import ziglang, maturin' 2>/dev/null || python -m pip install --quiet maturin ziglang
wheels=$CARGO_TARGET_DIR/wheels
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { printf -- '-- %s (%s s)\n' "$*" "$SECONDS"; }

targets=("$@")
[ $# -gt 0 ] || targets=(x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-musl)
libraries="$(rustc --print sysroot)/lib/rustlib"
source="$(rustc +nightly --print sysroot 2>/dev/null || true)/lib/rustlib/src/rust/library"
failed=()
for target in "${targets[@]}"; do
  with=()
  if [ ! -d "$libraries/$target" ]; then
    if [ ! -d "$source" ]; then
      printf 'left out: %s, for which there is neither a standard library nor a nightly with rust-src\n' "$target"
      continue
    fi
    with=(RUSTUP_TOOLCHAIN=nightly CARGO_UNSTABLE_BUILD_STD=std,panic_unwind)
  fi
  case $target in
    *-musl) platform=musllinux_1_2 ;;
    *) platform=manylinux2014 ;;
  esac
  step "$target${with:+, with a standard library built here}"
  env "${with[@]}" maturin build --quiet --release --zig --target "$target" --compatibility "$platform" --out "$wheels" || failed+=("$target")
done
ls -l "$wheels"/*.whl

# Unpacks the wheel whose name ends so, to where a Python finds it.
unpacked() {
  python -m zipfile --extract "$(ls "$wheels"/*"$1".whl)" "$work/$1"
  echo "$work/$1"
}

if ls "$wheels"/*manylinux*x86_64.whl >/dev/null 2>&1; then
  step 'x86-64'
  folder=$(unpacked manylinux_2_17_x86_64)
  for version in 3.10 3.11 3.12 3.13 3.14; do
    ! interpreter=$(command -v "python$version") || ! "$interpreter" -c '' 2>/dev/null || PYTHONPATH=$folder "$interpreter" tests/portable.py
  done
  if command -v qemu-x86_64 >/dev/null; then
    real=$(python -c 'import os, sys; print(os.path.realpath(sys.executable))')
    for cpu in qemu64 Nehalem Haswell; do
      printf '%s: ' "$cpu"
      PYTHONPATH=$folder qemu-x86_64 -cpu "$cpu" "$real" tests/portable.py 2> >(grep -v "TCG doesn't support" >&2)
    done
  else
    echo 'left out: processors without AVX2, for which there is no qemu-x86_64'
  fi
fi

if [ -n "${MUSL_PYTHON:-}" ]; then
  step 'x86-64 with musl'
  PYTHONPATH=$(unpacked musllinux_1_2_x86_64) "$MUSL_PYTHON" tests/portable.py
fi

# The Python of Debian for 64-bit Arm, beside the system and without touching it.
arm_python() {
  local lists=$1/lists packages=(libbz2-1.0 libc6 libexpat1 libffi8 libgcc-s1 liblzma5 libpython3.11-minimal libpython3.11-stdlib libssl3 python3.11-minimal zlib1g)
  mkdir -p "$1/debs" "$lists/partial"
  local arm=(-qq -oAPT::Architecture=amd64 -oAPT::Architectures=amd64,arm64 -oDir::State::Lists="$lists" -oAPT::Sandbox::User=root)
  apt-get "${arm[@]}" update && (cd "$1/debs" && apt-get "${arm[@]}" download "${packages[@]/%/:arm64}") || return
  for deb in "$1"/debs/*.deb; do dpkg -x "$deb" "$1"; done
}

if ls "$wheels"/*manylinux*aarch64.whl >/dev/null 2>&1; then
  step '64-bit Arm'
  folder=$(unpacked manylinux_2_17_aarch64) root=${ARM_PYTHON_DIR:-$HOME/.cache/python-aarch64}
  if command -v qemu-aarch64 >/dev/null && { [ -x "$root/usr/bin/python3.11" ] || arm_python "$root" 2>/dev/null; }; then
    PYTHONPATH=$folder qemu-aarch64 -L "$root" "$root/usr/bin/python3.11" tests/portable.py
  else
    echo 'left out: 64-bit Arm, for which there is no qemu-aarch64, or no Python by apt'
  fi
fi
step "done${failed:+, but for ${failed[*]}}"
[ ${#failed[@]} -eq 0 ]
