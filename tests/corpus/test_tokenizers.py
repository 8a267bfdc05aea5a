"""Text counted by a tokenizer.json: what the library itself cuts, line by line, and nothing that it would add."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from wordalloc.cli import main
from wordalloc.corpus import read_vocabulary
from wordalloc.errors import FormatError

tokenizers = pytest.importorskip("tokenizers", reason="needs the extra huggingface")

LINES = [
    "The cat  sat on the mat.",
    "",
    "\tna\u00efve dogs, \u4e16\u754c \U0001f600!",
    "CAPITALS and <mark> and [CLS] here ",
    "zzz",
] * 3


def _byte_level():
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    return made, tokenizers.trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, special_tokens=["<|end|>"])


def _word_piece():
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    return made, tokenizers.trainers.WordPieceTrainer(vocab_size=60, special_tokens=special, limit_alphabet=20)


def _unigram():
    made = tokenizers.Tokenizer(tokenizers.models.Unigram())
    made.normalizer = tokenizers.normalizers.NFKC()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    return made, tokenizers.trainers.UnigramTrainer(vocab_size=60, special_tokens=["<s>", "<unk>"], unk_token="<unk>")


def _words():
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return made, tokenizers.trainers.WordLevelTrainer(vocab_size=9, special_tokens=["[UNK]"])


@pytest.mark.parametrize("make", [_byte_level, _word_piece, _unigram, _words])
def test_the_tokens_of_real_models(tmp_path, make):
    tokenizer, trainer = make()
    tokenizer.train_from_iterator(LINES[:2], trainer)  # so that much is unknown later
    tokenizer.add_tokens(["<mark>"])
    plain = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    begin, end = tokenizer.id_to_token(0), tokenizer.id_to_token(1)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, 0), (end, 1)]
    )
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=64, pad_token=begin)
    tokenizer.save(str(tmp_path / "tokenizer.json"), pretty=False)
    (tmp_path / "text.txt").write_bytes("\r\n".join(LINES).encode())
    rows = "".join(json.dumps({"id": "x", "body": line}) + "\n" for line in LINES)
    (tmp_path / "rows.jsonl").write_text(rows)
    expected = Counter(number for line in LINES for number in plain.encode(line).ids)
    calls = []
    files = [tmp_path / "tokenizer.json", tmp_path / "text.txt"]
    vocabulary = read_vocabulary(files, progress=lambda *at: calls.append(at))
    assert vocabulary.counts.tolist() == [expected[number] for number in vocabulary.ids.tolist()]
    assert dict(zip(vocabulary.words, vocabulary.ids.tolist(), strict=True)) == plain.get_vocab()
    assert vocabulary.total == expected.total() and vocabulary.text is None
    size = (tmp_path / "text.txt").stat().st_size
    assert calls[-1] == (size, size)
    again = read_vocabulary([tmp_path / "tokenizer.json", tmp_path / "rows.jsonl"], column="body")
    assert again.fingerprint == vocabulary.fingerprint


def test_a_tokenizer_that_cannot_cut_the_text(tmp_path):
    tokenizer, trainer = _words()
    tokenizer.train_from_iterator(["a b"], trainer)
    content = json.loads(tokenizer.to_str())
    content["model"]["unk_token"] = "nowhere"
    (tmp_path / "t.json").write_text(json.dumps(content))
    (tmp_path / "text.txt").write_text("a c\n")
    with pytest.raises(FormatError, match=r"t\.json: the package tokenizers cannot cut .*text\.txt by it: .*UNK"):
        read_vocabulary([tmp_path / "t.json", tmp_path / "text.txt"])


def test_a_tokenizer_and_a_column_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tokenizer, trainer = _words()
    tokenizer.train_from_iterator(["a b"], trainer)
    tokenizer.save("t.json")
    (tmp_path / "rows.jsonl").write_text('{"title": "x", "body": "a a b"}\n{"title": "y", "body": "c"}\n')
    with pytest.raises(SystemExit) as ended:
        main(["cutoffs", "t.json", "rows.jsonl", "--column", "body", "--dim", "8", "--json"])
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "") and json.loads(out)["tokens"] == 4
    for arguments, says in (
        (["t.json", "--column", "body"], "t.json: is json, but --column names a column"),
        (["t.json", "rows.jsonl"], "no column is clearly the text; name one with --column"),
        (["t.json", "rows.jsonl", "--column", "x"], "there is no column 'x'; of strings it has: title, body"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["count", *arguments])
        assert ended.value.code == 2 and says in capsys.readouterr()[1]
