"""Queries with more words: synonyms of WordNet, among the texts found first or at all, and the terms of those texts (RM3, Abdul-Jaleel et
al., "UMass at TREC 2004"): `expansion.py WORK JUDGED MODEL`, after train.sh. `MODEL` is a folder of model2vec: the built-in model.
"""

import collections
import sys
from pathlib import Path

import numpy as np

from ranking import STOP_WORDS, STEM, WEIGHTS, Table, read_all, words_of
from sources import members
from student import Student

FIRST = 10  # texts that are taken for relevant


def synonyms(archive):
    """The stems of single words that share a sense with one of a stem, from the package `wordnet-base`."""
    near = collections.defaultdict(set)
    for _, text in members(archive, r"/wordnet/data\.(noun|verb|adj|adv)$"):
        for line in text.split("\n"):
            fields = line.split(" ")
            if len(fields) < 6 or line.startswith(" "):
                continue
            words = [word.split("(")[0].lower() for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
            stems = {STEM(word) for word in words if "_" not in word and word not in STOP_WORDS}
            for stem in stems:
                near[stem] |= stems - {stem}
    return near


def with_synonyms(c, near, weight, among_first):
    """Each query with the synonyms of its terms, at `weight` times the term's: all of them, or those in the texts found first."""
    expanded = []
    for asked, scores in zip(c.asked, c.words):
        here = None
        if among_first:
            found = np.argsort(-scores, kind="stable")[:FIRST]
            here = set(c.impacts[found].indices)
        terms = collections.Counter(asked)
        for term, times in asked.items():
            for other in near.get(term, ()):
                number = c.terms.number.get(other)
                if number is not None and other not in asked and (here is None or number in here):
                    terms[other] += weight * times
        expanded.append(terms)
    return c.by_terms(expanded)


def with_feedback(c, weight, count):
    """Each query with the `count` terms that have most of the probability in the texts found first, which together weigh `weight` beside
    1 - `weight` for the query; a text counts by its score."""
    names = {number: term for term, number in c.terms.number.items()}
    stop = {STEM(word) for word in STOP_WORDS}
    expanded = []
    for asked, scores in zip(c.asked, c.words):
        found = np.argsort(-scores, kind="stable")[:FIRST]
        model = collections.Counter()
        for text in found:
            counts = c.terms.counts[text]
            for number, count_ in zip(counts.indices, counts.data):
                if names[number] not in stop:
                    model[names[number]] += scores[text] * count_ / counts.sum()
        best = model.most_common(count)
        total, asked_total = sum(value for _, value in best), sum(asked.values())
        terms = collections.Counter({term: (1 - weight) * times / asked_total for term, times in asked.items()})
        for term, value in best:
            terms[term] += weight * value / total
        expanded.append(terms)
    return c.by_terms(expanded)


def main(work, judged, model):
    all_ = read_all(judged)
    student = Student.load(model)
    built_in = {c.name: c.by_student(student) for c in all_}
    near = synonyms(next((work / "packages").glob("wordnet-base_*.deb")))
    table = Table(all_, "expansion | asked")

    def add(name, words):
        scores = {c.name: words(c) for c in all_}
        table.add(f"{name} | words", lambda c: c.measure(scores[c.name]))
        table.add(f"{name} | words, built-in", lambda c: c.with_words(built_in[c.name], WEIGHTS["built-in"], scores[c.name]))
        table.add(f"{name} | words, MiniLM", lambda c: c.with_words(c.minilm, WEIGHTS["minilm"], scores[c.name]))

    add("none", lambda c: c.words)
    for weight in (0.05, 0.1, 0.2, 0.4):
        add(f"synonyms in the first {FIRST} texts, weight {weight}", lambda c: with_synonyms(c, near, weight, True))
    for weight in (0.05, 0.1, 0.2):
        add(f"all synonyms, weight {weight}", lambda c: with_synonyms(c, near, weight, False))
    for count in (10, 30):
        for weight in (0.1, 0.2, 0.4):
            add(f"{count} terms of the first {FIRST} texts, weight {weight}", lambda c: with_feedback(c, weight, count))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
