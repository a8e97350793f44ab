#!/usr/bin/env python3
"""Everything beside us, in one run, into one table: vectors, filters, words, hybrid searches, filling, disk.

    python3 -m venv VENV
    VENV/bin/pip install numpy zstandard pyarrow lancedb qdrant-edge-py zvec usearch hnswlib faiss-cpu pyglass-portable rabitqlib scalable-vs
    VENV/bin/pip install ./crates/python
    VENV/bin/python benches/beside.py crates/cart/data/wordnet.jsonl.zst wordnet-minilm-384.f16.npy --out table.md

All engines are called from Python, one question a call, by one thread, each in a process of its own; what is filled or built may use all processors.
Every 59th record is a question. An engine that is not installed, fails or runs out of its time is named with the reason, and the others go on.
With `--filters around`, filters let through what lies around one record, and questions near it, far from it and anywhere are asked apart.
`--rows 20000 --minutes 5 --engines CompactArtifact,Zvec` is a dose. SeekStorm has no package for Python, and is not among them.
"""

import argparse
import datetime
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zstandard

from beside_engines import DIVISIONS, ENGINES, K, Engine, buckets, texts_of

QUERIES_EVERY, WARM_UP, FILTERED = 59, 20, 200
RECALLS = (0.95, 0.98, 0.99, 0.995)
BELOW = (1, 10, 50, 100, 200, 500, 900)
FILTERED_RECALL = 0.97
PLACES = {"": "", "anywhere": "questions anywhere, ", "near": "questions near what is let through, ", "far": "questions far from what is let through, "}


class Data:
    """Records and questions, and the true nearest of each question."""

    def __init__(self, texts, vectors, rows, queries, threads, filters):
        raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(Path(texts).read_bytes())).read()
        lines = texts_of(raw.decode().splitlines()[: rows or None])
        all_vectors = np.load(vectors)[: len(lines)].astype(np.float32)
        all_vectors /= np.linalg.norm(all_vectors, axis=1, keepdims=True)
        asked = np.arange(len(lines)) % QUERIES_EVERY == 0
        self.vectors = np.ascontiguousarray(all_vectors[~asked])
        self.queries, self.others = np.split(np.ascontiguousarray(all_vectors[asked]), [queries])
        self.texts = [line for line, is_asked in zip(lines, asked) if not is_asked]
        self.questions = [line for line, is_asked in zip(lines, asked) if is_asked][:queries]
        self.threads, self.dimension = threads, self.vectors.shape[1]
        self.truth = top(self.queries @ self.vectors.T)
        if filters == "random":
            self.buckets = buckets(len(self.vectors))
            self.filtered = {"": self.queries[:FILTERED]}
        else:
            # What is let through lies around one record. Asked are questions of all places, those that lie nearest to it, and those that lie farthest.
            around = self.vectors[0]
            self.buckets = np.argsort(np.argsort(-(self.vectors @ around))) * DIVISIONS // len(self.vectors)
            asked = all_vectors[asked]
            asked = asked[np.argsort(-(asked @ around))]
            self.filtered = {"anywhere": self.queries[:FILTERED], "near": asked[:FILTERED], "far": asked[-FILTERED:]}

    def filtered_truth(self, questions):
        scores = questions @ self.vectors.T
        return {below: top(np.where(self.buckets < below, scores, -2.0)) for below in BELOW}


def top(scores):
    found = np.argpartition(-scores, K, axis=1)[:, :K]
    return [set(row[score > -2.0].tolist()) for row, score in zip(found, np.take_along_axis(scores, found, axis=1))]


def measure(engine, ask, arguments, truth=None):
    """Times of calls in microseconds, and recall.

    Each question is asked once, so that nothing is answered from what was kept. The first calls do not count; of the mean, the slowest hundredth neither,
    which the machine interrupted.
    """
    answers, times = [], []
    for argument in arguments:
        begun = time.perf_counter()
        answers.append(ask(*argument))
        times.append((time.perf_counter() - begun) * 1e6)
    times = np.sort(times[WARM_UP:])
    p50, p99 = np.percentile(times, [50, 99])
    figures = {"p50": float(p50), "p99": float(p99), "mean": float(np.mean(times[: -(-len(times) * 99 // 100)]))}
    if truth:
        found = sum(len(true & {int(row) for row in engine.rows(answer)}) for answer, true in zip(answers, truth, strict=True))
        figures["recall"] = found / max(1, sum(map(len, truth)))
    return figures


def sweep(engine, ask, queries, truth, enough, until):
    """Figures of each effort, until enough is found, or it is late."""
    points = []
    for effort in engine.efforts:
        points.append({"effort": effort} | measure(engine, ask, [(query, effort) for query in queries], truth))
        if points[-1]["recall"] >= enough or time.monotonic() > until:
            break
    return points


def run_engine(name, data, seconds):
    """All that is measured of one engine, in this process."""
    until = time.monotonic() + seconds
    folder = tempfile.mkdtemp(prefix="beside-")
    try:
        begun = time.perf_counter()
        engine = ENGINES[name](folder, data)
        result = {"name": name, "version": importlib.metadata.version(engine.package), "fill": time.perf_counter() - begun}
        disk = sum(os.path.getsize(os.path.join(at, file)) for at, _, files in os.walk(folder) for file in files)
        result |= {"note": getattr(engine, "note", ""), "bytes": engine.bytes() or disk or None}
        # What is read or verified when it is first used was, by other questions.
        for query in data.others:
            engine.vector(query, engine.efforts[0])
        result["vector"] = sweep(engine, engine.vector, data.queries, data.truth, 0.9975, until)
        if hasattr(engine, "filtered"):
            result["filtered"] = {}
            for place, questions in data.filtered.items():
                truth = data.filtered_truth(questions)
                points = result["filtered"][place] = {}
                for below in BELOW:
                    ask = lambda query, effort, below=below: engine.filtered(query, effort, below)
                    points[below] = sweep(engine, ask, questions, truth[below], FILTERED_RECALL, until)
        if hasattr(engine, "words"):
            result["words"] = measure(engine, engine.words, [(text,) for text in data.questions])
        if hasattr(engine, "hybrid"):
            result["hybrid"] = measure(engine, engine.hybrid, list(zip(data.questions, data.queries)))
        return result
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def at_recall(points, target, field):
    """The logarithm interpolated between the two points around a recall."""
    above = next((i for i, point in enumerate(points) if point["recall"] >= target), None)
    if above is None:
        return None
    if above == 0:
        return points[0][field]
    low, high = points[above - 1], points[above]
    share = (target - low["recall"]) / max(1e-9, high["recall"] - low["recall"])
    return float(np.exp(np.log(low[field]) * (1 - share) + np.log(high[field]) * share))


def cell(value, digits=0):
    return "–" if value is None else f"{value:.{digits}f}"


def rows(results, head, values):
    """A table, whose rows are engines."""
    lines = [f"| {head} |", "|---" * (head.count("|") + 1) + "|"]
    lines += [f"| {result['name']} {result['version']} | {values(result)} |" for result in results]
    return "\n".join(lines)


def tables(results):
    def vectors(result):
        means = [at_recall(result["vector"], target, "mean") for target in RECALLS]
        size = result["bytes"] and result["bytes"] / result["base"]
        qps = " | ".join(cell(mean and 1e6 / mean) for mean in means)
        return f"{result['fill']:.1f} | {cell(size)} | {qps} | {max(point['recall'] for point in result['vector']):.4f}"

    def filters(place):
        return lambda result: " | ".join(cell(at_recall(result["filtered"][place][str(below)], FILTERED_RECALL, "p50")) for below in BELOW)

    def both(result):
        figures = [result.get(kind) for kind in ("words", "hybrid")]
        return " | ".join("–" if not some else f"{some['p50']:.0f} / {some['p99']:.0f}" for some in figures)

    qps_head = " | ".join(f"QPS at {target}" for target in RECALLS)
    below_head = " | ".join(f"{below / 10:g} %" for below in BELOW)
    filtered = [result for result in results if result.get("filtered")]
    places = filtered[0]["filtered"] if filtered else []
    head = f"filter that lets so much through, p50 µs at recall {FILTERED_RECALL} | {below_head}"
    with_words = [result for result in results if result.get("words")]
    return "\n\n".join([
        rows(results, f"filled, searched for vectors | s | bytes a record | {qps_head} | most found", vectors),
        *(rows(filtered, head.replace("filter that", f"{PLACES[place]}filter that"), filters(place)) for place in places),
        rows(with_words, "whole definitions as questions, p50 / p99 µs | words | hybrid", both),
    ])


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "?")
    return f"{os.cpu_count()} x {model}; {datetime.date.today()}"


def run_all(args):
    """Each engine in a process of its own, one after the other."""
    names = args.engines.split(",") if args.engines else list(ENGINES)
    end = time.monotonic() + args.minutes * 60
    results, left_out = [], []
    loads = [os.getloadavg()[0]]
    for place, name in enumerate(names):
        # What earlier engines did not take is for those that follow; half of it is for the sweeps.
        seconds = (end - time.monotonic()) / (len(names) - place)
        command = [sys.executable, __file__, *sys.argv[1:], "--engine", name, "--seconds", str(seconds / 2)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=max(1, seconds), check=False)
            last = (done.stdout.strip().splitlines() or [""])[-1]
            results.append(json.loads(last))
        except subprocess.TimeoutExpired:
            left_out.append(f"{name}: not done within {seconds:.0f} s")
        except json.JSONDecodeError:
            reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
            left_out.append(f"{name}: {reason[:160]}")
        loads.append(os.getloadavg()[0])
        print(f"{name} is done", file=sys.stderr)
    dose = f"{results[0]['base']} records, {results[0]['queries']} questions" if results else "nothing was measured"
    notes = [f"{result['name']}: {result['note']}" for result in results if result.get("note")]
    text = "\n\n".join([
        f"{machine()}; load {min(loads):.1f} to {max(loads):.1f}; {dose}; `{' '.join(['beside.py', *map(os.path.basename, sys.argv[1:])])}`",
        tables(results),
        *(f"Left out: {reason}" for reason in left_out),
        *notes,
    ])
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts")
    parser.add_argument("vectors")
    parser.add_argument("--rows", type=int, default=0, help="only so many records; 0: all")
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of filling and building")
    of_filters = "what they let through has nothing to do with vectors, or lies around one record"
    parser.add_argument("--filters", choices=("random", "around"), default="random", help=of_filters)
    parser.add_argument("--engines", help=",".join(ENGINES))
    parser.add_argument("--out", type=Path, help="where the tables are written")
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.engine:
        return run_all(args)
    assert issubclass(ENGINES[args.engine], Engine)
    data = Data(args.texts, args.vectors, args.rows, args.queries, args.threads, args.filters)
    result = run_engine(args.engine, data, args.seconds)
    print(json.dumps(result | {"base": len(data.vectors), "queries": len(data.queries)}))


if __name__ == "__main__":
    main()
