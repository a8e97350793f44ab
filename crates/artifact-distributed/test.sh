#!/bin/sh
# Builds and tests the crate, which is outside of the workspace.
set -eu
cd "$(dirname "$0")"
cargo fmt --check
cargo clippy --all-targets --all-features -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features
cargo test --all-features
