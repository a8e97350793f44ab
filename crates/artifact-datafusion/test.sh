#!/bin/sh
# Builds and tests the crate, which is outside of the workspace.
set -eu
cd "$(dirname "$0")"
cargo fmt --check --all
cargo clippy --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
cargo test --workspace
