"""A query without a model: texts embedded by MiniLM, queries by a table of terms: `query_table.py WORK JUDGED MODEL PORTION`, after train.sh.

The table has a row of 384 values for each token. Rows are first those whose mean is nearest to MiniLM's vectors of queries (stage 2),
then trained by the pairs of stage 3, of which the side of texts is MiniLM's and stays as it is. `MODEL` is the built-in model, `PORTION` of the pairs are trained on.
"""

import sys
from pathlib import Path

import numpy as np

from ranking import WEIGHTS, Table, read_all
from stages import Adam, batches, gradient_of_unit, regress, softmax, token_rows
from student import Student, normalise
from train import Data

SETTINGS = {"seed": 1, "batch": 1024, "epochs": 1, "rate": 0.02, "temperature": 0.05, "margin": 0.1, "own": 1.0, "aim": 30.0}


def contrast(rows, data, settings):
    """A query is nearer to MiniLM's vector of its own text than to those of the other pairs of its batch, except those that MiniLM
    finds nearly as near; and it is near to MiniLM's vector of itself."""
    rng = np.random.default_rng(settings["seed"])
    adam = Adam(rows.shape)
    total = settings["epochs"] * (len(data.group) // settings["batch"])
    step = 0
    while step < total:
        for chosen in batches(rng, data.group, settings["batch"]):
            matrix = data.matrix[data.queries[chosen]]
            texts, aims = (normalise(data.vectors[side[chosen]].astype(np.float32)) for side in (data.documents, data.queries))
            pooled = matrix @ rows
            norms = np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-9)
            unit, own = pooled / norms, np.arange(len(chosen))
            taught = aims @ texts.T
            rival = taught > np.diag(taught)[:, None] - settings["margin"]
            rival[own, own] = False
            scores = unit @ texts.T / settings["temperature"]
            scores[rival] = -1e4
            pull = softmax(scores)
            pull[own, own] -= 1
            pull *= settings["own"] / settings["temperature"] / len(chosen)
            gradient = gradient_of_unit(unit, norms, pull @ texts - settings["aim"] / len(chosen) * aims)
            used = np.unique(matrix.indices)
            step += 1
            rate = settings["rate"] * min(1, step / 50) * (1 - step / total)
            adam.update(rows, used, (matrix.T.tocsr() @ gradient.astype(np.float32))[used], rate)
            if step == total:
                break
    return rows


def main(work, judged, model, portion):
    collections = read_all(Path(judged))
    table = Table(collections, "texts | queries | asked")

    def add(texts, queries, score, weight):
        found = {c.name: score(c) for c in collections}
        scores = lambda c: found[c.name]
        table.add(f"{texts} | {queries} | meaning", lambda c: c.measure(scores(c)))
        for factor in (0.5, 0.75, 1):
            name = f"{texts} | {queries} | both, weight {weight * factor:g}"
            table.add(name, lambda c: c.with_words(scores(c), weight * factor))

    built_in = Student.load(Path(model))
    add("MiniLM", "MiniLM", lambda c: c.minilm, WEIGHTS["minilm"])
    add("built-in", "built-in", lambda c: c.by_student(built_in), WEIGHTS["built-in"])
    data = Data(Path(work), portion=float(portion))
    by_table = lambda student: lambda c: student.embed(c.queries) @ c.minilm_documents.T
    known = np.unique(data.queries)
    vectors = data.vectors[known].astype(np.float32)
    rows = token_rows(data.tokens, np.eye(vectors.shape[1], dtype=np.float32), data.matrix[known])
    rows = regress(data.matrix[known], vectors, rows, 0.3, 25, lambda step, rows: False)
    add("MiniLM", "a table by regression", by_table(Student(data.tokenizer, rows)), WEIGHTS["minilm"])
    rows = contrast((rows / np.sqrt((rows * rows).mean())).astype(np.float32), data, SETTINGS)
    add("MiniLM", "the same, then trained by pairs", by_table(Student(data.tokenizer, rows)), WEIGHTS["minilm"])


if __name__ == "__main__":
    main(*sys.argv[1:])
