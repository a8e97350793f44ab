#!/bin/sh
# Tests the crate against a server that speaks the language of S3 (moto, from PyPI) on the loopback: needs python3, and a way to PyPI the first time.
set -eu
cd "$(dirname "$0")"
venv="${MOTO_VENV:-target/moto}"
[ -x "$venv/bin/moto_server" ] || { python3 -m venv "$venv"; "$venv/bin/pip" install --quiet 'moto[server]'; }
log=$(mktemp)
"$venv/bin/moto_server" -H 127.0.0.1 -p 0 >"$log" 2>&1 &
server=$!
trap 'kill $server; rm -f "$log"' EXIT
for _ in $(seq 100); do
  S3_ENDPOINT=$(sed -n 's/.*Running on \(http[^ ]*\).*/\1/p' "$log" | head -1)
  [ -z "$S3_ENDPOINT" ] || break
  sleep 0.3
done
[ -n "$S3_ENDPOINT" ] || { cat "$log"; exit 1; }
export S3_ENDPOINT
cargo test --features s3 --test it s3:: -- --nocapture
