#!/usr/bin/env bash
# Everything that is tested of the module, as its users would use it: under Node (`build.sh`), its types, its package, and the example page in Chromium.
#
#   crates/wasm/test.sh              # MEASURE=1: times of the first result as well; SMALL=1: without the 117,659 texts of the demo
#
# It installs `playwright` from PyPI and `typescript` from npm under `target`. Chromium: CHROMIUM, or `chromium` on the path.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
[[ -n ${CART:-} ]] || { cargo build --quiet --profile quick -p cart; CART=$target/quick/cart; }
CART=$(realpath "$CART")
export CART
crates/wasm/build.sh
crates/wasm/tests/types.sh

tools=$target/wasm-tools
[[ -x $tools/bin/python ]] || { python3 -m venv "$tools"; "$tools/bin/pip" install --quiet playwright; }
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
# Some 3,000 of the demo's texts, and all of them.
artifact=$temp/demo.artifact
"$CART" demo "$artifact" >/dev/null
{
  "$CART" export "$artifact" | awk 'NR % 39 == 1'
  echo '{"key": "œuf", "text": "Œufs à la neige — île flottante: meringue on crème anglaise"}'
} | "$CART" add "$temp/small.artifact" --jsonl - >/dev/null
"$CART" pack "$temp/small.artifact" "$temp/small.pack"
crates/wasm/example.sh "$temp/small" "$temp/small.pack"
"$tools/bin/python" crates/wasm/tests/page.py "$CART" "$temp/small" ${MEASURE:+--measure}
[[ -z ${MEASURE:-} ]] || node crates/wasm/tests/first.mjs "$temp/small.pack"
[[ -n ${SMALL:-} ]] && exit
"$CART" pack "$artifact" "$temp/demo.pack"
crates/wasm/example.sh "$temp/demo" "$temp/demo.pack"
"$tools/bin/python" crates/wasm/tests/page.py "$CART" "$temp/demo" ${MEASURE:+--measure}
[[ -z ${MEASURE:-} ]] || node crates/wasm/tests/first.mjs "$temp/demo.pack"
