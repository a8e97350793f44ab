// Each call with its types; after `@ts-expect-error`, what they must refuse. It also runs, as far as that needs no pack.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Artifact, Module } from "compact-artifact";
import type { Entry, Hit, Results, Search, Snippet } from "compact-artifact";

const bytes = readFileSync(fileURLToPath(import.meta.resolve("compact-artifact/search.wasm")));
const module: Module = await Module.load(bytes);
const other: Module = await Module.load(new Response(bytes, { headers: { "content-type": "application/wasm" } }));

function refused(call: () => unknown): string {
  try {
    call();
  } catch (e) {
    if (e instanceof Error) return e.message;
  }
  throw new Error("not refused");
}

refused(() => module.setModel(new ArrayBuffer(10)));
refused(() => module.setModel(new Uint8Array(10)));
refused(() => other.open(new ArrayBuffer(10)));
const notFound = await module
  .openResponse(Promise.resolve(new Response("", { status: 404, statusText: "Not Found" })), (loaded, total) => {
    const share: number = total === undefined ? loaded : loaded / total;
    return share;
  })
  .then(() => "", (e: Error) => e.message);
if (!notFound.includes("404")) throw new Error(notFound);

export function every(artifact: Artifact): void {
  const search: Search = {
    text: "moon",
    words: "+moon",
    meaning: "moon",
    vector: { space: "v", values: Float32Array.of(1, 2, 3) },
    filter: { year: { $gte: 1960 } },
    k: 10,
    offset: 0,
    order_by: "-year",
    group_by: "year",
    total: true,
    snippet: 100,
  };
  const results: Results = artifact.search(search);
  const hit: Hit | undefined = results.hits[0];
  const key: string | null | undefined = hit?.key;
  const snippet: Snippet | null | undefined = hit?.snippet;
  const start: number | undefined = snippet?.highlights[0]?.start;
  const total: number | undefined = results.total?.records;
  const entry: Entry | null = artifact.get("key") ?? artifact.get(1);
  const text: string | undefined = entry?.text;
  const found: { key: string; id: number }[] = [...artifact.keys(), ...artifact.keys("prefix")];
  const stats: { records: number; finds_by_meaning: boolean; damage: string[]; spaces: string[] } = artifact.stats();
  artifact.search({});
  artifact.close();
  void [key, start, total, text, found, stats];

  // @ts-expect-error: no such field
  artifact.search({ wrods: "x" });
  // @ts-expect-error: a number
  artifact.search({ k: "10" });
  // @ts-expect-error: a space is missing
  artifact.search({ vector: { values: [1] } });
  // @ts-expect-error: an object
  artifact.search({ filter: "year > 1960" });
  // @ts-expect-error: null if there is none
  artifact.get("key").text;
  // @ts-expect-error: hits may be fewer
  results.hits[0].key;
  // @ts-expect-error: a key or an id
  artifact.get({ key: "x" });
  // @ts-expect-error: a string
  artifact.keys(1);
  // @ts-expect-error: made by `open` only
  new Artifact();
  // @ts-expect-error: made by `load` only
  new Module();
  // @ts-expect-error: bytes
  module.open("notes.pack");
  // @ts-expect-error: a response
  void module.openResponse("notes.pack");
}
