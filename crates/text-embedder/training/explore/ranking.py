"""The library's ranking again, to try things on: BM25 over English stems with the title counted twice, and fusion by normalised
scores of the 100 best of each list. Without anything tried it gives the figures of `benches --bin relevance` to .002."""

import collections
import json
import re
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
import snowballstemmer
import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from evaluate import K, NAMES, best, ndcg
from student import Student

K1, B = 1.4, 0.6
DEPTH = 100  # hits of a list that are fused
MAX_DEVIATIONS = 5
WEIGHTS = {"built-in": 0.4, "minilm": 0.8}  # of the list by meaning, beside 1 for words
ANALYZER = Path(__file__).resolve().parents[3] / "lexical-index/src/analyzer"
WORD = re.compile(r"\w+(?:(?:(?<=[a-z])['.:](?=[a-z])|(?<=[0-9])['.,;](?=[0-9]))\w+)*")
STEM = snowballstemmer.stemmer("english").stemWord


def stop_words():
    """Those that the library leaves out of queries, from its sources."""
    found = set()
    for file, name in (("language.rs", "Self::English"), ("common_words.rs", "Language::English")):
        lists = re.findall(name + r' => \{\s*"([^"]*)"', (ANALYZER / file).read_text(encoding="utf-8"))
        found.update(word for words in lists for word in words.replace("\\\n", " ").split())
    return found


STOP_WORDS = stop_words()


def words_of(text):
    return [re.sub(r"'s$", "", word) for word in WORD.findall(text.lower().replace("\u2019", "'"))]


def stems_of(text):
    return [STEM(word) for word in words_of(text)]


class Terms:
    """An index of counted terms: `matrix` [texts, terms], and the number of each term."""

    def __init__(self, counts):
        self.number = {}
        rows, columns, values = [], [], []
        for row, counted in enumerate(counts):
            for term, count in counted.items():
                rows.append(row)
                columns.append(self.number.setdefault(term, len(self.number)))
                values.append(count)
        self.counts = sparse.csr_matrix((values, (rows, columns)), shape=(len(counts), len(self.number)), dtype=float)
        seen = np.diff(self.counts.tocsc().indptr)
        self.idf = np.log(1 + (len(counts) - seen + 0.5) / (seen + 0.5))

    def bm25(self, k1=K1, b=B):
        """What each term adds to the score of each text."""
        lengths = np.asarray(self.counts.sum(1)).ravel()
        scale = k1 * (1 - b + b * lengths / lengths.mean())
        impacts = self.counts.copy()
        impacts.data = self.idf[impacts.indices] * impacts.data * (k1 + 1) / (impacts.data + np.repeat(scale, np.diff(impacts.indptr)))
        return impacts

    def queries(self, weighted):
        """`weighted` has a dictionary of terms with weights for each query: a matrix [queries, terms]."""
        rows, columns, values = [], [], []
        for row, terms in enumerate(weighted):
            for term, weight in terms.items():
                if term in self.number:
                    rows.append(row)
                    columns.append(self.number[term])
                    values.append(weight)
        return sparse.csr_matrix((values, (rows, columns)), shape=(len(weighted), len(self.number)))


def asked_terms(text):
    """The terms of a query and how often each occurs, without stop words unless there is nothing else."""
    kept = [word for word in words_of(text) if word not in STOP_WORDS] or words_of(text)
    return collections.Counter(map(STEM, kept))


class Collection:
    """A judged collection, its scores by words, and MiniLM's vectors."""

    def __init__(self, folder, name):
        self.name = name
        with zstandard.open(folder / f"{name}.docs.jsonl.zst", "rt", encoding="utf-8") as lines:
            documents = [json.loads(line) for line in lines]
        queries = [json.loads(line) for line in open(folder / f"{name}.queries.jsonl", encoding="utf-8")]
        judged = [i for i, query in enumerate(queries) if query["relevant"]]
        row = {document["id"]: i for i, document in enumerate(documents)}
        self.documents = documents
        self.texts = [f"{d['title']}\n{d['text']}" if d["title"] else d["text"] for d in documents]
        self.queries = [queries[i]["text"] for i in judged]
        self.relevant = [{row.get(i, i) for i in queries[j]["relevant"]} for j in judged]
        self.terms = Terms([collections.Counter(stems_of(d["title"] + "\n" + d["title"] + "\n" + d["text"])) for d in documents])
        self.impacts = self.terms.bm25()
        self.asked = [asked_terms(query) for query in self.queries]
        self.words = self.by_terms(self.asked)
        load = lambda part: np.load(folder / f"{name}.{part}.minilm.f16.npy").astype(np.float32)
        self.minilm_queries, self.minilm_documents = load("queries")[judged], load("docs")
        self.minilm = self.minilm_queries @ self.minilm_documents.T

    def by_terms(self, weighted):
        return (self.terms.queries(weighted) @ self.impacts.T).toarray()

    def by_student(self, student):
        return student.embed(self.queries) @ student.embed(self.texts).T

    def measure(self, scores):
        return ndcg(best(scores, K), self.relevant)

    def fuse(self, lists):
        """`lists` as `(scores, weight, absent)`: `absent` is the score of what a list lacks, or None where there is no such thing."""
        return sum(weight * standard(scores, absent) for scores, weight, absent in lists)

    def with_words(self, scores, weight, words=None):
        words = self.words if words is None else words
        return self.measure(self.fuse([(words, 1.0, 0.0), (scores, weight, None)]))


def standard(scores, absent):
    """Scores of each row less the mean of its 100 best, over their deviation; what is not among them has the lowest of them."""
    top = -np.sort(-scores, axis=1)[:, :DEPTH]
    mean = top.mean(1, keepdims=True)
    deviation = np.maximum(top.std(1, keepdims=True), (top[:, :1] - mean) / MAX_DEVIATIONS)
    lowest = top[:, -1:] if absent is None else np.full_like(mean, absent)
    counted = np.where(scores >= top[:, -1:], scores, lowest)
    return (counted - mean) / np.maximum(deviation, 1e-12)


def read_all(folder):
    return [Collection(Path(folder), name) for name in NAMES]


class Table:
    """A table in Markdown: nDCG@10 of each collection, and the mean."""

    def __init__(self, collections_, title):
        self.collections = collections_
        names = [c.name for c in collections_]
        print(f"\n| {title} | " + " | ".join(names) + " | mean |\n|" + "---|" * (len(names) + 2), flush=True)

    def add(self, name, figure):
        """`figure(collection)` gives an nDCG@10."""
        figures = [figure(c) for c in self.collections]
        print(f"| {name} | " + " | ".join(f"{x:.3f}" for x in figures) + f" | {np.mean(figures):.4f} |", flush=True)


def main(judged, model=None):
    """The three ways of asking, as the library has them: `ranking.py JUDGED [MODEL]`, a folder of model2vec."""
    all_ = read_all(judged)
    table = Table(all_, "as the library ranks")
    table.add("words", lambda c: c.measure(c.words))
    table.add("MiniLM", lambda c: c.measure(c.minilm))
    table.add("words and MiniLM", lambda c: c.with_words(c.minilm, WEIGHTS["minilm"]))
    if model:
        student = Student.load(Path(model))
        table.add("built-in", lambda c: c.measure(c.by_student(student)))
        table.add("words and built-in", lambda c: c.with_words(c.by_student(student), WEIGHTS["built-in"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
