"""Makes `tests/data/tokens.json`: a small vocabulary, texts, and the tokens that the PyPI package `tokenizers` gives.

    pip install tokenizers zstandard
    python3 crates/text-embedder/tests/make_fixture.py crates/cart/data/wordnet.jsonl.zst crates/text-embedder/tests/data/tokens.json

The vocabulary is trained on glosses of WordNet, and differs a little from run to run because the trainer breaks ties at random; the texts are others of these, and strings of characters that are handled in special ways.
"""

import json
import random
import sys

from compare_tokenizers import SPECIAL, wordnet
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer


def bert(model):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def main():
    source, target = sys.argv[1:]
    glosses = list(wordnet(source))
    trained = bert(WordPiece(unk_token="[UNK]"))
    words = ["한국어 中文 ひらがな straße naïve Ωμέγα йод «» — … € ½"] * 3
    trainer = WordPieceTrainer(vocab_size=1200, min_frequency=2, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    trained.train_from_iterator(glosses[::40] + words, trainer)
    vocabulary = [token for token, _ in sorted(trained.get_vocab().items(), key=lambda entry: entry[1])]
    tokenizer = bert(WordPiece({token: number for number, token in enumerate(vocabulary)}, unk_token="[UNK]", max_input_chars_per_word=100))
    generator = random.Random(2)
    strings = [
        "".join(generator.choice(SPECIAL) + generator.choice(["", "", " "]) for _ in range(generator.randrange(1, 10))) for _ in range(150)
    ]
    texts = ["", " ", *SPECIAL, *strings, *words[:1], *glosses[20::600]]
    cases = [[text, tokenizer.encode(text, add_special_tokens=False).ids] for text in texts]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    with open(target, "w", encoding="utf-8") as file:
        file.write(f'{{"vocabulary":{json.dumps(vocabulary, separators=(",", ":"))},\n"cases":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
