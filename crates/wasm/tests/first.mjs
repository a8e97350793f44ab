// The time from when a pack is there to the first result of a search by meaning and words: `node crates/wasm/tests/first.mjs PACK`, the median of nine processes.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Module } from "../js/index.js";

const PROCESSES = 9;
const [packFile, isChild] = process.argv.slice(2);
const here = (path) => new URL(path, import.meta.url);

if (isChild) {
  const module = await Module.load(readFileSync(here("../js/search.wasm")));
  module.setModel(readFileSync(here("../../text-embedder/model/english-256.model")));
  const pack = readFileSync(packFile);
  const headers = { "content-length": String(pack.length) };
  let arrived;
  const artifact = await module.openResponse(new Response(new Blob([pack]).stream(), { headers }), () => (arrived = performance.now()));
  artifact.search({ text: "doctor for animals", snippet: 160, total: true });
  console.log(performance.now() - arrived, artifact.stats().records);
} else {
  const run = () => execFileSync(process.execPath, [fileURLToPath(import.meta.url), packFile, "child"], { encoding: "utf8" }).split(" ");
  const runs = Array.from({ length: PROCESSES }, run);
  const times = runs.map(([time]) => Number(time)).sort((a, b) => a - b);
  console.log(`Node, ${Number(runs[0][1])} records: the first result ${times[PROCESSES >> 1].toFixed(1)} ms after the pack (median of ${PROCESSES} processes, ${times[0].toFixed(1)} to ${times.at(-1).toFixed(1)})`);
}
