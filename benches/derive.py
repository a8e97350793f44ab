#!/usr/bin/env python3
"""Larger and wider sets of vectors out of a real one, and a measure of how real they are.

    python3 -m venv VENV && VENV/bin/pip install numpy faiss-cpu
    VENV/bin/python benches/derive.py grow SOURCE.npy OUT.npy --rows 1000000
    VENV/bin/python benches/derive.py widen SOURCE.npy OUT.npy
    VENV/bin/python benches/derive.py measure ANY.npy

A graph search is as hard as the data's *intrinsic* dimension: random vectors of 384 values have one near 384 and make every
engine look bad; copies with noise have clumps that no embedding has. Both sets keep the intrinsic dimension of the source.

`grow` draws more points from the surface that the source's points lie on. A new vector lies in a ball around a real one, x: the
direction is a random mix of the differences to its ten nearest neighbours, plus half as much of the difference of two neighbours
elsewhere in the set; the distance is that to one of the ten, filled as a ball of the source's dimension is. The first part stays in
the space that the neighbourhood spans, in more directions than a mixture of two has; the second is a real residual, with the
spread over dimensions that real differences have, not white noise. Mixtures of two neighbours with a little noise were tried
first: they lie on lines and close to their ends, which halves the intrinsic dimension (7 instead of 14). Real vectors stay in
the set; the order is random. Density grows as it would with more texts.

`widen` doubles the dimension by a smooth map that can be undone: the vector itself, followed by as many sines of random
projections of it, both halves of the same length. A smooth map that can be undone keeps the intrinsic dimension; the sines bend
the surface into the new dimensions so that the second half is no linear function of the first. The first half keeps the
uneven dimensions that trained embeddings have, and nothing is rotated, since those are what int8 has to cope with.

Measured on a sample against all vectors: the mean cosine of the ten nearest, the intrinsic dimension by the maximum likelihood of
Levina and Bickel (2004, k=20, averaged as MacKay and Ghahramani say) and by TwoNN (Facco et al. 2017), and how many principal
components hold 90 % of the variance. All depend on the number of vectors; so a grown set is measured twice, also on as many of its
rows as the source has. For 117,659 embeddings of WordNet by all-MiniLM-L6-v2 this gives:

| set | vectors | mean top-10 cosine | nearest | MLE dimension | TwoNN | components of 90 % |
|---|---|---|---|---|---|---|
| source | 117659 x 384 | 0.594 | 0.704 | 14.4 | 9.5 | 200 |
| widened | 117659 x 768 | 0.573 | 0.681 | 15.2 | 10.5 | 235 |
| grown, as many | 117659 x 384 | 0.541 | 0.689 | 13.8 | 7.5 | 208 |
| grown | 1000000 x 384 | 0.707 | 0.820 | 7.7 | 9.9 | 208 |

The last line shows the limit of growing eightfold: a real vector and those made around it form a small group, which lowers the dimension
that twenty neighbours see. So a grown set tells how an engine copes with the size, and is somewhat easier than a real one.
"""

import argparse

import faiss
import numpy as np

NEIGHBOURS = 10
CELLS, PROBES = 1024, 16
CHUNK = 20_000
SAMPLE = 1_000
REACH = 1.0  # of the ball around x, in distances to a neighbour
DIMENSION = 14  # by which the ball is filled
RESIDUAL = 0.5  # length of the difference from elsewhere, that of the local one being 1
BEND = 1.0  # spread of the projections under the sine
MLE_DEPTH = 20
TINY = np.float32(1e-6)  # keeps the difference of two equal vectors from having no direction
DUPLICATE = 1e-3  # distances below this are f16's rounding


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_text in (("grow", "more vectors"), ("widen", "twice the dimension")):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("source")
        command.add_argument("out")
        if name == "grow":
            command.add_argument("--rows", type=int, default=1_000_000)
    commands.add_parser("measure", help="only figures").add_argument("source")
    return parser.parse_args()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def neighbours(rows):
    """Near neighbours of every row, found by inverted lists: nearly the nearest is near enough here."""
    dim = rows.shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, CELLS, faiss.METRIC_INNER_PRODUCT)
    index.train(rows[:: max(1, len(rows) // (50 * CELLS))])
    index.add(rows)
    index.nprobe = PROBES
    found = index.search(rows, NEIGHBOURS + 1)[1]
    return np.where(found < 0, np.arange(len(rows))[:, None], found)[:, 1:]


def grown(source, near, count, random):
    """New vectors around random ones of the source."""
    x = random.integers(len(source), size=count)
    around = source[near[x]] - source[x][:, None]
    weights = random.normal(0, 1, (count, 1, NEIGHBOURS)).astype(np.float32)
    a = random.integers(len(source), size=count)
    b = near[a, random.integers(NEIGHBOURS, size=count)]
    direction = unit((weights @ around)[:, 0]) + RESIDUAL * unit(source[a] - source[b] + TINY)
    far = np.linalg.norm(around[np.arange(count), random.integers(NEIGHBOURS, size=count)], axis=1)
    radius = REACH * far * random.random(count) ** (1 / DIMENSION)
    return unit(source[x] + radius[:, None].astype(np.float32) * unit(direction))


def grow(source, out, rows, random):
    near = neighbours(source)
    place = random.permutation(rows)
    kept = min(len(source), rows)
    out[place[:kept]] = source[:kept]
    for begin in range(kept, rows, CHUNK):
        chunk = place[begin : begin + CHUNK]
        out[chunk] = grown(source, near, len(chunk), random)


def widen(source, out, random):
    dim = source.shape[1]
    projection = random.normal(0, BEND, (dim, dim)).astype(np.float32)
    for begin in range(0, len(source), CHUNK):
        rows = source[begin : begin + CHUNK]
        out[begin : begin + CHUNK] = unit(np.hstack([rows, unit(np.sin(rows @ projection))]))


def nearest_cosines(rows, random):
    """Cosines of the nearest rows to a sample of them, descending, themselves left out."""
    sample = random.choice(len(rows), size=min(SAMPLE, len(rows)), replace=False)
    queries = unit(rows[sample].astype(np.float32))
    best = np.full((len(sample), MLE_DEPTH + 1), -1.0, dtype=np.float32)
    for begin in range(0, len(rows), CHUNK):
        tile = unit(rows[begin : begin + CHUNK].astype(np.float32))
        scores = np.hstack([best, queries @ tile.T])
        best = np.partition(scores, -MLE_DEPTH - 1, axis=1)[:, -MLE_DEPTH - 1 :]
    return -np.sort(-best, axis=1)[:, 1:]


def measure(name, rows, random):
    cosines = nearest_cosines(rows, random)
    distances = np.sqrt(np.maximum(0, 2 - 2 * cosines.astype(np.float64)))
    distances = distances[distances[:, 0] > DUPLICATE]
    logs = np.log(distances[:, -1:] / distances[:, :-1]).mean(axis=1)
    mle = 1 / (logs * (MLE_DEPTH - 1) / (MLE_DEPTH - 2)).mean()
    two_nn = 1 / np.log(distances[:, 1] / distances[:, 0]).mean()
    figures = f"{cosines[:, :NEIGHBOURS].mean():.3f} | {cosines[:, 0].mean():.3f} | {mle:.1f} | {two_nn:.1f}"
    print(f"| {name} | {len(rows)} x {rows.shape[1]} | {figures} | {components(rows)} |", flush=True)


def components(rows):
    """Principal components that hold 90 % of the variance."""
    part = rows[:: max(1, len(rows) // CHUNK)].astype(np.float32)
    spectrum = np.linalg.eigvalsh(np.cov(part.T))[::-1]
    return int(np.searchsorted(np.cumsum(spectrum) / spectrum.sum(), 0.9)) + 1


def main():
    args = options()
    random = np.random.default_rng(args.seed)
    stored = np.load(args.source, mmap_mode="r")
    print("| set | vectors | mean top-10 cosine | nearest | MLE dimension | TwoNN | components of 90 % |")
    print("|---|---|---|---|---|---|---|")
    measure("source", stored, random)
    if args.command == "measure":
        return
    source = unit(stored.astype(np.float32))
    shape = (args.rows, source.shape[1]) if args.command == "grow" else (len(source), 2 * source.shape[1])
    out = np.lib.format.open_memmap(args.out, mode="w+", dtype=np.float16, shape=shape)
    if args.command == "grow":
        grow(source, out, args.rows, random)
        measure("grown, as many", out[: len(source)], random)
        measure("grown", out, random)
    else:
        widen(source, out, random)
        measure("widened", out, random)
    out.flush()


if __name__ == "__main__":
    main()
