// Every kernel finds what the plain one finds, to the last bit: `node crates/wasm/tests/kernels.mjs kernels.wasm KERNELS`, with how many kernels there must be.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const [file, kernels] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(file), {});
const { agreeing, scan } = instance.exports;
for (const [dimension, count] of [[1, 50], [3, 200], [31, 100], [64, 300], [65, 65], [127, 200], [130, 100], [256, 200], [384, 100], [1024, 40], [1100, 40], [2100, 70]]) {
  for (const seed of [1, 7919, 123457]) assert.equal(agreeing(dimension, count, seed), Number(kernels), `${dimension} dimensions, ${count} vectors, seed ${seed}`);
}
if (process.env.MEASURE) {
  // Time of the processor, since others may use it as well.
  const milliseconds = (call) => {
    const times = Array.from({ length: 9 }, () => {
      const begun = process.cpuUsage();
      call();
      return process.cpuUsage(begun).user / 1000;
    });
    return times.sort((a, b) => a - b)[4];
  };
  for (const exact of [true, false]) {
    for (let kernel = 0; kernel < Number(kernels); kernel += 1) {
      assert.equal(scan(kernel, exact), 40);
      const each = milliseconds(() => scan(kernel, exact)) / 4;
      console.log(`20,000 vectors of 256, ${exact ? "by whole codes" : "by signs first"}, kernel ${kernel}: ${Math.round(1000 / each)} searches a second`);
    }
  }
}
console.log(`${kernels} kernels find the same`);
