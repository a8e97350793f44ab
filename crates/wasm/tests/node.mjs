// `search.wasm` under Node answers as the command line does: `node crates/wasm/tests/node.mjs target/debug/cart`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Module } from "../js/index.js";

const cart = resolve(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "wasm-"));
const run = (...args) => execFileSync(cart, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const here = (path) => new URL(path, import.meta.url);

try {
  const words = ["heron", "river", "moon", "castle", "bread", "violin", "storm", "garden"];
  const line = (n) => {
    const text = [1, 3, 7, 11, 13].map((step) => words[(n * step + Math.floor(n / 8) * (step >> 1)) % words.length]).join(" ");
    const vector = [Math.sin(n), Math.cos(n), Math.sin(2 * n), 1];
    return JSON.stringify({ key: `k/${n}`, title: words[n % 8], text: `Record ${n}: ${text}.`, metadata: { n, even: n % 2 === 0 }, vectors: { v: vector } });
  };
  writeFileSync(join(folder, "x.jsonl"), Array.from({ length: 3000 }, (_, n) => line(n)).join("\n"));
  run("add", "a", "x.jsonl");
  run("pack", "a", "a.pack");

  const module = await Module.load(readFileSync(here("../js/search.wasm")));
  module.setModel(readFileSync(here("../../text-embedder/model/english-256.model")));
  const pack = readFileSync(join(folder, "a.pack"));
  const artifact = module.open(pack);

  const same = (search, ...args) => {
    const expected = JSON.parse(run("search", "a.pack", ...args, "--json")).hits;
    const { hits } = artifact.search(search);
    assert.deepEqual(hits.map(({ id, key }) => [id, key]), expected.map(({ id, key }) => [id, key]), args.join(" "));
    for (const [at, hit] of hits.entries()) {
      assert.ok(Math.abs(hit.score - expected[at].score) <= 1e-6 * Math.abs(hit.score), `${hit.score} ${expected[at].score}`);
      assert.deepEqual(hit.metadata, expected[at].metadata);
      assert.deepEqual(hit.snippet, expected[at].snippet);
    }
    return hits;
  };
  assert.equal(same({ words: '"river castle"', k: 20 }, "--syntax", '"river castle"', "-k", "20").length, 20);
  same({ words: "+moon -storm viol*" }, "--syntax", "+moon -storm viol*");
  same({ words: "gardn~" }, "--syntax", "gardn~");
  same({ words: "bread", filter: { n: { $gte: 2000 }, even: true }, offset: 5 }, "--syntax", "bread", "--filter", '{"n":{"$gte":2000},"even":true}', "--offset", "5");
  same({ text: "water birds" }, "water birds");
  same({ meaning: "water birds" }, "water birds", "--meaning");
  same({ text: "baking a loaf", k: 30 }, "baking a loaf", "-k", "30");
  same({ filter: { even: false }, order_by: "-n", k: 7 }, "--filter", '{"even":false}', "--sort", "n:desc", "-k", "7");
  writeFileSync(join(folder, "q.json"), "[0.3, -0.2, 0.9, 0.5]");
  same({ vector: { space: "v", values: [0.3, -0.2, 0.9, 0.5] } }, "--vector-file", "q.json", "--space", "v");

  const entry = artifact.get("k/17");
  assert.deepEqual(entry, { ...entry, key: "k/17", metadata: { n: 17, even: false }, fields: { title: "river" } });
  assert.equal(artifact.get(entry.id).text, entry.text);
  assert.equal(artifact.get("nothing"), null);
  assert.equal(artifact.keys("k/299").length, 11);
  assert.deepEqual(artifact.stats(), { records: 3000, finds_by_meaning: true, damage: [], spaces: ["v", "meaning"] });
  assert.equal(artifact.search({ words: "moon", total: true, k: 1 }).total.is_exact, true);

  assert.deepEqual(artifact.search({ vector: { space: "v", values: Float32Array.of(1, 2, 3, 4) } }), artifact.search({ vector: { space: "v", values: [1, 2, 3, 4] } }));
  assert.deepEqual(artifact.search(), artifact.search({}));
  assert.throws(() => artifact.search({ wrods: "x" }), /wrods/);
  assert.throws(() => artifact.search("moon"), /expected an object/);
  assert.throws(() => artifact.search({ k: -1 }), /expected a whole number/);
  assert.throws(() => artifact.search({ vector: { space: "v", values: [1, NaN] } }), /expected a number/);
  assert.throws(() => artifact.search({ filter: { n: { $near: 1 } } }), /\$near/);
  for (const n of [undefined, NaN, Infinity, () => 1, { $gte: undefined }, { $in: [1, undefined] }, new Map([["$gte", 1]]), /x/, new Date(NaN), new Number(NaN), new Number(1), new DataView(new ArrayBuffer(8)), new ArrayBuffer(8), new (class { $gte = 1 })()]) {
    assert.throws(() => artifact.search({ filter: { n } }), TypeError, `a filter of ${n}`);
  }
  assert.throws(() => artifact.search({ filter: Promise.resolve({ n: 1 }) }), /filter: expected a value that JSON has, found Promise/);
  const bare = (object) => Object.assign(Object.create(null), object);
  assert.deepEqual(artifact.search(bare({ words: "moon", filter: bare({ n: { $gte: 1 } }) })), artifact.search({ words: "moon", filter: { n: { $gte: 1 } } }));
  assert.deepEqual(artifact.search({ filter: { at: { $gte: new Date(0) } } }), artifact.search({ filter: { at: { $gte: "1970-01-01T00:00:00.000Z" } } }));
  assert.equal(artifact.search({ words: "moon", filter: undefined, k: 3 }).hits.length, 3);
  assert.throws(() => module.open(new Uint8Array(100)), /./);
  for (const wrong of ["a.pack", undefined, 5, new Response(pack), Promise.resolve(pack)]) assert.throws(() => module.open(wrong), /expected an ArrayBuffer.*openResponse/);
  assert.throws(() => module.setModel("english-256.model"), TypeError);
  const without = (await Module.load(readFileSync(here("../js/search.wasm")))).open(pack);
  assert.throws(() => without.search({ meaning: "water birds" }), /setModel gives it/);
  assert.ok(without.search({ text: "heron" }).hits.length > 0, "by words");
  assert.throws(() => module.setModel(new Uint8Array(100)), /model/);

  // A response, whole and in pieces, with its length and without; then some that go wrong.
  const response = (bytes, len, status = 200) => {
    const pieces = Array.from({ length: Math.ceil(bytes.length / 99_991) }, (_, n) => bytes.subarray(n * 99_991, (n + 1) * 99_991));
    const body = new ReadableStream({ pull: (to) => (pieces.length > 0 ? to.enqueue(pieces.shift()) : to.close()) });
    return new Response(body, { status, headers: len === undefined ? {} : { "content-length": String(len) } });
  };
  for (const len of [pack.length, undefined]) {
    const loaded = [];
    const other = await module.openResponse(response(pack, len), (...progress) => loaded.push(progress));
    assert.deepEqual(other.search({ words: "heron" }), artifact.search({ words: "heron" }));
    assert.deepEqual(loaded.at(-1), [pack.length, len]);
    other.close();
  }
  await assert.rejects(module.openResponse(pack), /expected a Response/);
  for (const len of [4_200_000_000, 5_000_000_000, 2 ** 40]) await assert.rejects(module.openResponse(response(pack, len)), /do not fit/);
  await assert.rejects(module.openResponse(response(pack, pack.length - 1)), /more than/);
  await assert.rejects(module.openResponse(response(pack, pack.length + 1)), /ended after/);
  await assert.rejects(module.openResponse(response(pack, pack.length, 404)), /404/);
  await assert.rejects(module.openResponse(response(new Uint8Array(100), 100)), /./);
  await assert.rejects(Module.load(response(pack, pack.length, 404)), /404/);
  for (const at of [0, 100, pack.length >> 1, pack.length - 10]) {
    const damaged = Buffer.from(pack);
    damaged[at] ^= 1;
    try {
      const other = module.open(damaged);
      for (const word of words) other.search({ words: word, k: 100 }); // an error, or what was written
      other.close();
    } catch (e) {
      assert.ok(!(e instanceof WebAssembly.RuntimeError), `${at}: ${e}`);
    }
  }
  artifact.close();
  assert.throws(() => artifact.stats(), /closed/);
  console.log("search.wasm answers as the command line does");
} finally {
  rmSync(folder, { recursive: true });
}
