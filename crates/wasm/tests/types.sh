#!/usr/bin/env bash
# The types of the package, under both ways in which TypeScript finds them, and what the package holds. `js/search.wasm` must be there.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(realpath -m "${CARGO_TARGET_DIR:-../../target}")/wasm-types
mkdir -p "$tools"
[[ -x $tools/node_modules/.bin/tsc ]] || npm install --silent --no-audit --no-fund --prefix "$tools" typescript@5 @types/node@20
# The package as others get it.
packed=$(cd js && npm pack --silent --pack-destination "$tools")
listed=$(tar -tzf "$tools/$packed" | sort | paste -sd ' ')
expected='package/index.d.ts package/index.js package/LICENSE-APACHE package/LICENSE-MIT package/package.json package/README.md package/search.wasm'
[[ $(tr ' ' '\n' <<<"$listed" | sort) == $(tr ' ' '\n' <<<"$expected" | sort) ]] || { echo "the package holds $listed" >&2; exit 1; }
rm -rf "$tools/user" && mkdir -p "$tools/user"
cp tests/types.ts "$tools/user/types.ts"
echo '{"type": "module"}' >"$tools/user/package.json"
(cd "$tools/user" && npm install --silent --no-audit --no-fund --no-save "$tools/$packed")
compile() {
  (cd "$tools/user" && ../node_modules/.bin/tsc --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --target es2022 --lib es2022,dom --types node \
    --typeRoots ../node_modules/@types "$@" types.ts)
}
compile --noEmit --module esnext --moduleResolution bundler
compile --module node16 --moduleResolution node16
# What it is checked to do it does.
(cd "$tools/user" && node types.js)
echo 'the types are right under node16 and bundler'
