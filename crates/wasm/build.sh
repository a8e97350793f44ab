#!/usr/bin/env bash
# Makes `js/search.wasm`, prints its size, and tests it under Node beside the command line. Needs a nightly toolchain with `rust-src`, and Node 20.
#
#   crates/wasm/build.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
# There is no source of random bytes, which nothing that reads asks for.
RUSTFLAGS='--cfg getrandom_backend="unsupported" -C target-feature=+simd128' CARGO_PROFILE_RELEASE_OPT_LEVEL=${OPT_LEVEL:-s} CARGO_PROFILE_RELEASE_STRIP=true \
  CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_LTO=${LTO:-fat} \
  cargo +nightly build --release -Zbuild-std=std,panic_abort --target wasm32-unknown-unknown -p wasm
cp "$target/wasm32-unknown-unknown/release/wasm.wasm" crates/wasm/js/search.wasm
printf '%s bytes, %s of them gzipped\n' "$(stat -c %s crates/wasm/js/search.wasm)" "$(gzip -9c crates/wasm/js/search.wasm | wc -c)"
if [[ -n ${CART:-} ]]; then cart=$CART; else cargo build --quiet -p cart; cart=$target/debug/cart; fi
node crates/wasm/tests/node.mjs "$cart"
