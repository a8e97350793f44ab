"""Texts of our own with their vectors, for the tests of other readers: `fixture.py MODEL TARGET.json`."""

import json
import sys
from pathlib import Path

import numpy as np

from student import Student

TEXTS = [
    "fear of small rooms",
    "Claustrophobia is the dread of being shut in a narrow place.",
    "a large domesticated cat",
    "The quick brown fox jumps over the lazy dog.",
    "How do I mount a USB stick that is read-only?",
    "how to bake bread without yeast",
    "Prices of wheat rose by 3.5% in March, to $212 a tonne.",
    "The senate voted 51-49; the president signed the bill on Tuesday.",
    "An enzyme that splits starch into sugars",
    "p53 regulates the cell cycle and hence functions as a tumour suppressor.",
    "B-trees keep keys sorted for sequential traversing.",
    "E = mc^2",
    "fn main() { println!(\"hello\"); }",
    "https://example.org/a/b?c=d&e=f#g",
    "someone@example.org",
    "CAFÉ NAÏVE Ångström façade déjà-vu",
    "cafe naive angstrom facade deja-vu",
    "α-Tocopherol and β-carotene",
    "İstanbul'da hava güneşli",
    "weiß, groß, Straße",
    "don't can't it's the dogs' o'clock",
    "state-of-the-art, well-known, e-mail",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "word\twith\ttabs\nand\nlines\r\nand\u00a0spaces",
    "zero\u200bwidth and con\u0007trol",
    "日本語 and English",
    "emoji 🙂 in the middle",
    "½ ² ™ © € £ ° ± …",
    "“curly” quotes — and dashes – too",
    "1234567890 12,345.67 0x1F 1e-9",
    "a",
    "I",
    "the the the the",
    "cat",
    "cats",
    "x" * 99,
    "x" * 101 + " is too long a word",
    "to be or not to be",
    "The Who",
    "night " * 300,
]
WITHOUT_VECTOR = ["", " \n\t", "日本語", "🙂🙂", "\u0007\u200b"]


def main(folder, target):
    student = Student.load(folder)
    vectors = student.embed(TEXTS)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert student.words.matrix(WITHOUT_VECTOR).nnz == 0
    lines = [json.dumps({"text": text, "vector": [round(float(x), 6) for x in vector]}, ensure_ascii=False)
             for text, vector in zip(TEXTS, vectors)]
    lines += [json.dumps({"text": text, "vector": None}, ensure_ascii=False) for text in WITHOUT_VECTOR]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
