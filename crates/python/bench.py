"""Searches and batches through Python beside the same ones in Rust, in the same process and in turns.

    maturin develop --release --features bench && python bench.py

Required: the median of a search is at most 15 µs longer, and adding a batch of NumPy takes at most a tenth longer. `--check` fails above that.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Any

import numpy

from compact_artifact import CompactArtifact, _native

WORDS = "red green kite rose sea whale river stone quiet bright winter garden letter night glass road".split()


def percentiles(nanos: list[int]) -> tuple[float, float]:
    """The median and the 95th percentile in microseconds."""
    ordered = sorted(nanos)
    return ordered[len(ordered) // 2] / 1e3, ordered[int(len(ordered) * 0.95)] / 1e3


def timed(call: Any, arguments: list[Any]) -> list[int]:
    """Nanoseconds of each call, which takes the text of the first hit as programs do."""
    times: list[int] = []
    for argument in arguments:
        begun = time.perf_counter_ns()
        found = call(argument)
        times.append(time.perf_counter_ns() - begun)
        del found
    return times


def searches(records: int, queries: int) -> float:
    """Compares searches; returns the largest difference of the medians in microseconds."""
    native: Any = _native
    random = numpy.random.default_rng(1)
    texts = [" ".join(random.choice(WORDS, 12)) for _ in range(records)]
    vectors = random.normal(size=(records, 64)).astype("f4")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        artifact = CompactArtifact.create(
            pathlib.Path(folder) / "a", spaces={"v": 64}, durability="buffered", result_cache_bytes=0
        )
        artifact.add_batch(texts=texts, embeddings={"v": vectors}, batch_size=10_000)
        artifact.seal()
        wanted = [" ".join(random.choice(WORDS, 2)) for _ in range(queries)]
        near = random.normal(size=(queries, 64)).astype("f4")
        kinds: list[tuple[str, Any, Any, list[Any]]] = [
            ("words", lambda: native.bench_words(artifact, wanted, 10), lambda text: artifact.search(words=text, k=10), wanted),
            ("vector", lambda: native.bench_vectors(artifact, "v", near, 10), lambda row: artifact.search(vector=row, space="v", k=10), list(near)),
        ]
        for name, rust, python, arguments in kinds:
            rust()  # the first time, for the caches
            timed(python, arguments)
            ours: list[int] = []
            theirs: list[int] = []
            for _ in range(5):
                theirs += rust()
                ours += timed(python, arguments)
            (rust50, rust95), (python50, python95) = percentiles(theirs), percentiles(ours)
            worst = max(worst, python50 - rust50)
            print(f"search {name:7} Rust p50 {rust50:8.1f} µs p95 {rust95:8.1f} | Python p50 {python50:8.1f} µs p95 {python95:8.1f} | +{python50 - rust50:.1f} µs")
        artifact.close()
    return worst


def adding(records: int, dimension: int, rounds: int) -> float:
    """Compares adding one batch; returns how much longer it takes through Python, as a part of the time in Rust.

    What counts is the time of processors, which other programs disturb least: the median over rounds, in which both take turns, of the one divided by the other."""
    native: Any = _native
    worst = 0.0

    def rust(artifact: CompactArtifact, rows: Any) -> tuple[float, float]:
        wall, busy = native.bench_add(artifact, "v", rows)
        return wall / 1e6, busy / 1e6

    def python(artifact: CompactArtifact, rows: Any) -> tuple[float, float]:
        begun, busy = time.perf_counter_ns(), time.process_time_ns()
        artifact.add_batch(embeddings={"v": rows})
        return (time.perf_counter_ns() - begun) / 1e6, (time.process_time_ns() - busy) / 1e6

    for kind in ("f4", "f2", "i1"):
        rows = (numpy.random.default_rng(2).normal(size=(records, dimension)) * 50).astype(kind)
        times: dict[Any, list[tuple[float, float]]] = {rust: [], python: []}
        for number in range(rounds):
            for add in (rust, python) if number % 2 == 0 else (python, rust):
                with tempfile.TemporaryDirectory() as folder:
                    artifact = CompactArtifact.create(
                        pathlib.Path(folder) / "a", spaces={"v": dimension}, durability="buffered", maintenance="manual", threads=1
                    )
                    times[add].append(add(artifact, rows))
                    del artifact
        more = statistics.median(ours[1] / theirs[1] for ours, theirs in zip(times[python], times[rust], strict=True)) - 1
        worst = max(worst, more)
        said = [
            f"{name} {statistics.median(wall for wall, _ in times[add]):8.1f} ms, of processors {statistics.median(busy for _, busy in times[add]):.1f}"
            for name, add in (("Rust", rust), ("Python", python))
        ]
        print(f"add {records} x {dimension} {kind}: {' | '.join(said)} | {100 * more:+.1f} %")
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="fail above the limits")
    given = parser.parse_args()
    if not hasattr(_native, "bench_words"):
        sys.exit("built without the feature `bench`: maturin develop --release --features bench")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    slower = searches(given.records, given.queries)
    longer = adding(given.records, 128, given.rounds)
    return int(given.check and (slower > 15 or longer > 0.1))


if __name__ == "__main__":
    sys.exit(main())
