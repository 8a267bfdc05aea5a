#!/bin/sh
# Makes the pictures in docs/pictures/ anew, from the demo corpus, by the tool's own commands: sh docs/pictures.sh
# The corpus is the documentation of the Python that runs this, so that another version gives other figures.
set -eu
pictures=$(cd "$(dirname "$0")" && pwd)/pictures
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python -c 'from wordalloc.corpus import write_demo_corpus; write_demo_corpus(".")'

wordalloc cutoffs train.txt --dim 256 --batch 1120
wordalloc classes train.txt --min-count 3 -k 100
wordalloc tree train.txt
wordalloc lightrnn-init train.txt --max-size 10000

wordalloc plot train.cutoffs.safetensors -o "$pictures/zipf.svg"
wordalloc plot train.classes.safetensors -o "$pictures/classes.svg"
wordalloc plot train.tree.safetensors -o "$pictures/tree.svg"
wordalloc plot train.table.safetensors -o "$pictures/table.svg"
