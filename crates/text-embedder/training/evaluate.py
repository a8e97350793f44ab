"""How good a model is: on pairs held out here, by which stages and settings are chosen, and on the judged collections,
which are only looked at."""

import collections
import json
import re

import numpy as np
import snowballstemmer
import zstandard

K = 10
NAMES = ("cisi", "cacm", "time")


def best(scores, k):
    """Columns of the k best scores of each row, best first; of equal scores the first column."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def ndcg(ranked, relevant):
    """nDCG@10 with gain 1 and discount log2(rank + 1), as a mean over queries; `relevant` is a set for each query."""
    discounts = 1 / np.log2(np.arange(2, K + 2))
    total = 0.0
    for columns, wanted in zip(ranked, relevant):
        gains = [column in wanted for column in columns[:K]]
        total += (discounts[: len(gains)] * gains).sum() / discounts[: min(K, len(wanted))].sum()
    return total / len(relevant)


class HeldOut:
    """Queries and documents of pairs that were not trained on, with the teacher's vectors of both."""

    def __init__(self, words, pairs, queries, documents):
        """`pairs` as `(source, query, document)`; `queries` and `documents` are the teacher's vectors."""
        self.queries = words.matrix([pair[1] for pair in pairs])
        self.documents = words.matrix([pair[2] for pair in pairs])
        self.near = best(queries @ documents.T, K)
        self.teacher = self.found(best(queries @ documents.T, K))

    def found(self, ranked):
        return ndcg(ranked, [{i} for i in range(len(ranked))])

    def measure(self, student, length=None):
        """`(nDCG@10 of the own document, part of the teacher's ten nearest that are among the student's ten)`."""
        queries = student.embed_matrix(self.queries, length)
        documents = student.embed_matrix(self.documents, length)
        ranked = best(queries @ documents.T, K)
        shared = np.mean([len(set(a) & set(b)) / K for a, b in zip(ranked, self.near)])
        return self.found(ranked), shared


def terms_of(text, stem):
    return stem.stemWords(re.findall(r"[a-z0-9]+", text.lower()))


class Judged:
    """One judged collection, with BM25 over English stems (k1 1.2, b 0.75) as the words to fuse with."""

    def __init__(self, folder, name):
        with zstandard.open(folder / f"{name}.docs.jsonl.zst", "rt", encoding="utf-8") as lines:
            documents = [json.loads(line) for line in lines]
        queries = [json.loads(line) for line in open(folder / f"{name}.queries.jsonl", encoding="utf-8")]
        judged = [i for i, query in enumerate(queries) if query["relevant"]]
        row = {document["id"]: i for i, document in enumerate(documents)}
        self.texts = [f"{d['title']}. {d['text']}" if d["title"] else d["text"] for d in documents]
        self.queries = [queries[i]["text"] for i in judged]
        self.relevant = [{row.get(i, i) for i in queries[j]["relevant"]} for j in judged]
        self.words = self.bm25()
        load = lambda part: np.load(folder / f"{name}.{part}.minilm.f16.npy").astype(np.float32)
        self.minilm = load("queries")[judged] @ load("docs").T

    def bm25(self, k1=1.2, b=0.75):
        stem = snowballstemmer.stemmer("english")
        postings, lengths = collections.defaultdict(dict), []
        for i, text in enumerate(self.texts):
            terms = terms_of(text, stem)
            lengths.append(len(terms))
            for term, count in collections.Counter(terms).items():
                postings[term][i] = count
        scale = k1 * (1 - b + b * np.array(lengths) / np.mean(lengths))
        scores = np.zeros((len(self.queries), len(self.texts)))
        for i, query in enumerate(self.queries):
            for term in terms_of(query, stem):
                rows = np.fromiter(postings[term], int)
                counts = np.fromiter(postings[term].values(), float)
                rarity = np.log(1 + (len(self.texts) - len(rows) + 0.5) / (len(rows) + 0.5))
                scores[i, rows] += rarity * counts * (k1 + 1) / (counts + scale[rows])
        return scores

    def measure(self, scores):
        return ndcg(best(scores, K), self.relevant)

    def fuse(self, meaning, weight, depth=100):
        """Each list's `depth` best scores brought to 0..1, then a weighted sum; what a list lacks counts 0."""
        total = 0
        for scores, portion in ((self.words, 1 - weight), (meaning, weight)):
            top = -np.sort(-scores, axis=1)[:, [0, depth - 1]]
            total = total + portion * np.clip((scores - top[:, 1:]) / (top[:, :1] - top[:, 1:]), 0, None)
        return total


def judged_collections(folder):
    return {name: Judged(folder, name) for name in NAMES}


def measure_judged(collections_, scores_of, weights=(0.3, 0.4, 0.5)):
    """`{"alone": mean, 0.3: mean, ...}` and the same for each collection; `scores_of(name, collection)` ranks by meaning."""
    table = {}
    for name, judged in collections_.items():
        meaning = scores_of(name, judged)
        fused = {weight: judged.measure(judged.fuse(meaning, weight)) for weight in weights}
        table[name] = {"alone": judged.measure(meaning), **fused}
    table["mean"] = {key: float(np.mean([table[name][key] for name in NAMES])) for key in table["cisi"]}
    return table
