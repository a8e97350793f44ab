#!/bin/sh
# Makes the model again: ./train.sh WORK MODEL [JUDGED] [--portion P]
#   WORK    a folder for packages, texts and vectors, about 3 GB; a run that was stopped goes on from what is there
#   MODEL   the folder to write: config.json, tokenizer.json, model.safetensors
#   JUDGED  a folder of judged collections to look at after each stage, such as ../shared/data/relevance
#   P       the portion of the pairs that are trained on: 0.02 runs every step in minutes
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
[ -x "$1/venv/bin/python" ] || python3 -m venv "$1/venv"
"$1/venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
exec "$1/venv/bin/python" -u "$here/train.py" "$@"
