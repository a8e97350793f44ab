"""What each part of the last stages brings: runs of one epoch, from rows of tokens alone, with one part changed:
`ablate.py WORK [JUDGED]`."""

import sys
from pathlib import Path

import numpy as np

from stages import principal_axes, token_rows
from train import CONTRAST, PCA_TEXTS, VALUES, Data, Log, contrast

CHANGES = {
    "all parts": {},
    "without own documents": {"own": 0.0},
    "without the teacher's order": {"order": 0.0},
    "without the teacher's vectors": {"aim": 0.0},
    "one length": {"lengths": {256: 1.0}},
    "without the curve": {"curve": False},
}


def main(work, judged=None):
    data = Data(work, judged)
    log = Log(data)
    known = np.unique(np.concatenate([data.queries, data.documents]))
    axes = principal_axes(data.vectors[known[:PCA_TEXTS]].astype(np.float32), VALUES)
    rows = token_rows(data.tokens, axes, data.matrix[known])
    for name, change in CHANGES.items():
        settings = {**CONTRAST, "epochs": 1, "curve": True, **change}
        log.add(name, contrast(data, None, rows, axes, settings))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
