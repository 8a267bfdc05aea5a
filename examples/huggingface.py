"""A Hugging Face model with an adaptive softmax and an adaptive embedding, trained by Trainer, in a minute.

    python examples/huggingface.py [steps]

A small GPT-2 with random weights learns the documentation that every Python carries, in the tokens of a BPE tokenizer
made from it. The tokenizer's ids are in no order of frequency, as with any tokenizer, and nobody needs to care.
"""

from __future__ import annotations

import itertools
import math
import sys
import tempfile

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

import wordalloc
from wordalloc.corpus.demo import demo_paragraphs
from wordalloc.nn.huggingface import from_pretrained, replace_lm_head

DIM, LENGTH, BATCH, TOKENS, PARAGRAPHS = 128, 32, 16, 8000, 6000


def tokenizer_of(paragraphs: list[str]) -> PreTrainedTokenizerFast:
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(paragraphs, vocab_size=TOKENS, special_tokens=["<eos>"], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=trained, eos_token="<eos>")


def vocabulary_of(tokenizer: PreTrainedTokenizerFast, stream: np.ndarray) -> wordalloc.Vocabulary:
    """Return all tokens, the most frequent first, and the tokenizer's id of each."""
    ids = np.arange(len(tokenizer))
    tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
    return wordalloc.Vocabulary.from_counts(tokens, np.bincount(stream, minlength=len(ids)), ids=ids)


def model_of(n_tokens: int, eos: int) -> GPT2LMHeadModel:
    padded = 64 * math.ceil(n_tokens / 64)  # as models do: some ids are no tokens
    shape = {"n_embd": DIM, "n_layer": 2, "n_head": 4, "n_positions": LENGTH}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=padded, bos_token_id=eos, eos_token_id=eos, **shape))
    model.generation_config.pad_token_id = eos
    return model


def main(steps: int) -> None:
    set_seed(0)
    paragraphs = list(itertools.islice(demo_paragraphs(), PARAGRAPHS))  # reading all takes a few seconds
    tokenizer = tokenizer_of(paragraphs)
    encoded = tokenizer([f"{paragraph}<eos>" for paragraph in paragraphs])["input_ids"]
    stream = np.concatenate([np.array(ids) for ids in encoded])
    blocks = torch.from_numpy(stream[: len(stream) // LENGTH * LENGTH]).view(-1, LENGTH)
    rows = [{"input_ids": block, "labels": block} for block in blocks]
    held_out, kept = rows[::20], [row for i, row in enumerate(rows) if i % 20]

    vocabulary = vocabulary_of(tokenizer, stream)
    cutoffs = wordalloc.adaptive_cutoffs(vocabulary, dim=DIM, batch=BATCH * LENGTH)
    model = model_of(len(tokenizer), tokenizer.eos_token_id)
    replace_lm_head(model, cutoffs, embedding=True, tokenizer=tokenizer)  # prints what it saves

    with tempfile.TemporaryDirectory() as folder:
        quiet = {"report_to": [], "disable_tqdm": True, "save_strategy": "no", "use_cpu": True}
        sizes = {"per_device_train_batch_size": BATCH, "per_device_eval_batch_size": BATCH, "max_steps": steps}
        arguments = TrainingArguments(folder, learning_rate=3e-3, logging_strategy="no", **sizes, **quiet)
        trainer = Trainer(model, arguments, train_dataset=kept, eval_dataset=held_out)
        trainer.remove_callback(PrinterCallback)
        before = trainer.evaluate()["eval_loss"]
        trainer.train()
        after = trainer.evaluate()["eval_loss"]
        print(f"perplexity: {math.exp(before):,.0f} before training, {math.exp(after):,.1f} after {steps} steps")
        model.save_pretrained(folder)
        again = from_pretrained(folder)
    prompt = tokenizer("return the number of", return_tensors="pt")
    for words in again.generate(**prompt, max_new_tokens=12, num_beams=4, do_sample=False):
        print(tokenizer.decode(words))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
