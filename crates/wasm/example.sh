#!/usr/bin/env bash
# Puts the example page and all that it loads into one folder, for any server of files:
#
#   crates/wasm/example.sh [FOLDER [PACK]]     # default: target/example, and the 117,659 texts of `cart demo`
#   python3 -m http.server -d target/example   # then open http://localhost:8000
#
# `build.sh` comes before it. CART=… names the command line, where it is built already.
set -euo pipefail
folder=$(realpath -m "${1:-$(dirname "$0")/../../target/example}")
pack=${2:+$(realpath "$2")}
cd "$(dirname "$0")/../.."
[[ -f crates/wasm/js/search.wasm ]] || { echo 'crates/wasm/build.sh makes js/search.wasm, which is missing' >&2; exit 1; }
mkdir -p "$folder"
cp crates/wasm/example/{index.html,page.js} crates/wasm/js/{index.js,search.wasm} crates/text-embedder/model/english-256.model "$folder"
if [[ -n $pack ]]; then
  cp "$pack" "$folder/demo.pack"
elif [[ ! -f $folder/demo.pack ]]; then
  if [[ -n ${CART:-} ]]; then cart=$CART; else cargo build --quiet --release -p cart; cart=${CARGO_TARGET_DIR:-target}/release/cart; fi
  artifact=$(mktemp -d)
  trap 'rm -rf "$artifact"' EXIT
  "$cart" demo "$artifact/demo.artifact" >/dev/null
  "$cart" pack "$artifact/demo.artifact" "$folder/demo.pack"
fi
du -ch "$folder"/* | tail -n 8
