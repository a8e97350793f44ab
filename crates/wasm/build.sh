#!/usr/bin/env bash
# Makes `js/search.wasm`, prints its size, and tests it under Node beside the command line. Needs a nightly toolchain with `rust-src`, and Node 20.
#
#   crates/wasm/build.sh     # KERNELS=1: compares the kernels as well, compiled with simd128 and without; MEASURE=1: prints times
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
# The first argument is a target feature. There is no source of random bytes, which nothing that reads asks for.
build() {
  RUSTFLAGS="--cfg getrandom_backend=\"unsupported\" -C target-feature=$1" CARGO_PROFILE_RELEASE_OPT_LEVEL=${OPT_LEVEL:-3} CARGO_PROFILE_RELEASE_STRIP=true \
    CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_LTO=${LTO:-fat} \
    cargo +nightly build --quiet --release -Zbuild-std=std,panic_abort --target wasm32-unknown-unknown -p wasm "${@:2}"
}
if [[ -n ${KERNELS:-} ]]; then
  for feature in +simd128 -simd128; do
    build "$feature" --example kernels
    kernels=$([[ $feature == +simd128 ]] && echo 2 || echo 1)
    node crates/wasm/tests/kernels.mjs "$target/wasm32-unknown-unknown/release/examples/kernels.wasm" "$kernels"
  done
fi
build +simd128 --lib
cp "$target/wasm32-unknown-unknown/release/wasm.wasm" crates/wasm/js/search.wasm
cp LICENSE-MIT LICENSE-APACHE crates/wasm/js/
size=$(gzip -9c crates/wasm/js/search.wasm | wc -c)
printf '%s bytes, %s of them gzipped\n' "$(stat -c %s crates/wasm/js/search.wasm)" "$size"
[[ $size -lt 1500000 ]] || { echo 'more than the 1.5 MB that a page may have to load' >&2; exit 1; }
if [[ -n ${CART:-} ]]; then cart=$CART; else cargo build --quiet -p cart; cart=$target/debug/cart; fi
node crates/wasm/tests/node.mjs "$cart"
