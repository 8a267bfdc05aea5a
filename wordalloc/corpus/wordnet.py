"""WordNet's nouns and verbs and the IS-A links between them, from its database files (wndb(5WN)).

Of every lemma the first sense is read, the most frequent one; of every synset the first hypernym, or the class that
it is an instance of, so that the links make a forest. Where links run in a circle, as those of "restrain" and
"inhibit" do in WordNet 3.0, the first synset in the file loses its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wordalloc.errors import FormatError, InputError
from wordalloc.files import unreadable
from wordalloc.vocabulary import Vocabulary

PARTS = ("noun", "verb")
_COMMON = 1 / 5000
_HYPERNYMS = (b"@", b"@i")
_DETACHED = {  # morphy(7WN): an ending, and what takes its place
    "noun": "s ses:s xes:x zes:z ches:ch shes:sh men:man ies:y",
    "verb": "s ies:y es:e es ed:e ed ing:e ing",
}
_RULES = {part: [rule.partition(":")[::2] for rule in rules.split()] for part, rules in _DETACHED.items()}


@dataclass(frozen=True)
class Sense:
    """The first sense of a lemma.

    Attributes
    ----------
    synset : str
        ``n`` or ``v`` and the eight digits of the synset's offset.
    tagged : int
        How many of the lemma's senses occur in the texts that WordNet's authors tagged.
    """

    synset: str
    tagged: int


@dataclass(frozen=True)
class WordNet:
    """First senses and the forest of their hypernyms.

    Attributes
    ----------
    senses : mapping of str to mapping of str to Sense
        For ``"noun"`` and ``"verb"``: the first sense of each lemma.
    exceptions : mapping of str to mapping of str to tuple of str
        For ``"noun"`` and ``"verb"``: the base forms of irregular ones.
    hypernyms : mapping of str to str
        The synset above each synset that is no root.
    """

    senses: Mapping[str, Mapping[str, Sense]]
    exceptions: Mapping[str, Mapping[str, tuple[str, ...]]]
    hypernyms: Mapping[str, str]

    def lemma(self, word: str, part: str) -> str | None:
        """Return the base form of a word, or None where WordNet has none.

        As morphy(7WN) says: the exceptions first, then the word itself, then the rules of detachment, those for
        nouns also in front of a final "ful".

        Parameters
        ----------
        word : str
            In any case.
        part : {"noun", "verb"}
            Part of speech.
        """
        word, known = word.lower(), self.senses[part]
        forms = [*self.exceptions[part].get(word, ()), word]
        stem, ful = (word[:-3], "ful") if part == "noun" and word.endswith("ful") else (word, "")
        forms += [stem.removesuffix(old) + new + ful for old, new in _RULES[part] if stem.endswith(old)]
        return next((form for form in forms if form in known), None)

    def sense(self, word: str) -> Sense | None:
        """Return a word's first sense, or None where WordNet has none.

        A word that can be noun and verb is what more of its senses are tagged as, else a noun.

        Parameters
        ----------
        word : str
            In any case and form.
        """
        lemmas = {part: self.lemma(word, part) for part in PARTS}
        found = [self.senses[part][lemma] for part, lemma in lemmas.items() if lemma is not None]
        return max(found, key=lambda sense: sense.tagged, default=None)

    def path(self, synset: str) -> tuple[str, ...]:
        """Return the synsets from a root to this one, behind ``"noun"`` or ``"verb"``.

        Parameters
        ----------
        synset : str
            As in a `Sense`.
        """
        path = [synset]
        while path[-1] in self.hypernyms:
            path.append(self.hypernyms[path[-1]])
        return ("noun" if synset.startswith("n") else "verb", *reversed(path))

    def hierarchy(self, vocabulary: Vocabulary) -> dict[int, tuple[str, ...]]:
        """Return the paths to the first senses of the words that have one, by rank.

        A word that is more than every 5,000th token, but which the tagged texts, of over 200,000 tagged words, never
        show in a sense of WordNet's, is left out: it is another part of speech. WordNet knows "he" as helium only.

        Parameters
        ----------
        vocabulary : Vocabulary
            V words and counts.
        """
        senses = map(self.sense, vocabulary.words)
        common = vocabulary.counts > _COMMON * vocabulary.total
        return {
            rank: self.path(sense.synset)
            for rank, sense in enumerate(senses)
            if sense is not None and (sense.tagged or not common[rank])
        }


def read_wordnet(folder: str | os.PathLike[str]) -> WordNet:
    """Read WordNet 3.x: the files {index,data}.{noun,verb} and {noun,verb}.exc of its ``dict`` folder.

    Parameters
    ----------
    folder : path-like
        Where they are; /usr/share/wordnet on Debian once ``wordnet-base`` is installed.

    Returns
    -------
    WordNet

    Raises
    ------
    InputError
        If the folder or a file is missing.
    FormatError
        If a line is damaged; the message names the file and the line.

    Examples
    --------
    >>> read_wordnet("no/such/folder")
    Traceback (most recent call last):
    wordalloc.errors.InputError: no/such/folder: no such folder; WordNet's dict folder is expected (Debian: ...)
    """
    path = Path(folder)
    hint = "WordNet's dict folder is expected (Debian: /usr/share/wordnet, in the package wordnet-base)"
    if not path.is_dir():
        raise InputError(f"{folder}: {'is a file' if path.exists() else 'no such folder'}; {hint}")
    names = [name for part in PARTS for name in (f"index.{part}", f"data.{part}", f"{part}.exc")]
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise InputError(f"{folder}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; {hint}")
    senses, exceptions = {}, {}
    hypernyms: dict[str, str] = {}
    for part in PARTS:
        above = _read_data(path / f"data.{part}")
        senses[part] = _read_index(path / f"index.{part}", above)
        exceptions[part] = _read_exceptions(path / f"{part}.exc")
        hypernyms |= _without_circles({synset: parent for synset, parent in above.items() if parent})
    return WordNet(senses, exceptions, hypernyms)


def _read_index(path: Path, synsets: Mapping[str, str | None]) -> dict[str, Sense]:
    """Read ``lemma pos synset_cnt p_cnt [symbol ...] sense_cnt tagsense_cnt synset_offset ...`` lines."""
    senses = {}
    for where, _, line in _lines(path):
        try:
            lemma, part, n_synsets, n_symbols, *rest = line.split()
            _, tagged, *offsets = rest[int(n_symbols) :]
            sense = Sense(_synset(part, offsets[0]), int(tagged))
            if len(offsets) != int(n_synsets):
                raise ValueError
        except (ValueError, IndexError) as error:
            raise _damaged(where, line) from error
        if sense.synset not in synsets:
            raise FormatError(
                f"{where}: damaged: the synset {sense.synset} is not in data{path.suffix}; install WordNet again"
            )
        senses[lemma.decode()] = sense
    return senses


def _read_data(path: Path) -> dict[str, str | None]:
    """Read ``offset file type w_cnt word id [...] p_cnt [symbol offset pos words ...] ... | gloss`` lines.

    Return the first hypernym of each synset, None for a root. A line begins at the byte that it says.
    """
    above: dict[str, str | None] = {}
    for where, position, line in _lines(path):
        try:
            offset, _, part, n_words, *rest = line.split(b" | ", 1)[0].split()
            n_pointers, *pointers = rest[2 * int(n_words, 16) :]
            fours = list(zip(*[iter(pointers[: 4 * int(n_pointers)])] * 4, strict=True))
            if len(fours) != int(n_pointers):
                raise ValueError
            found = [_synset(kind, target) for symbol, target, kind, _ in fours if symbol in _HYPERNYMS]
            synset = _synset(part, offset)
        except (ValueError, IndexError) as error:
            raise _damaged(where, line) from error
        if int(offset) != position:
            raise FormatError(
                f"{where}: damaged: the line says that it begins at byte {int(offset)}, but it begins at byte "
                f"{position}; the file was changed, perhaps its line ends; install WordNet again"
            )
        above[synset] = found[0] if found else None
    for synset, parent in above.items():
        if parent is not None and parent not in above:
            raise FormatError(
                f"{path}: damaged: {parent}, the hypernym of {synset}, is missing; is the file cut "
                "short? Install WordNet again"
            )
    return above


def _read_exceptions(path: Path) -> dict[str, tuple[str, ...]]:
    """Read ``form base ...`` lines."""
    exceptions = {}
    for where, _, line in _lines(path):
        form, *bases = map(bytes.decode, line.split())  # str.split knows more separators than `_lines`
        if not bases:
            raise _damaged(where, line)
        exceptions[form] = tuple(bases)
    return exceptions


def _lines(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield where a line stands, its first byte, and the line, without blank ones and those of the licence."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {unreadable(path, error)}") from error
    position = 0
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip() and not line.startswith(b"  "):
            where = f"{path}: line {number}"
            if not line.isascii():
                raise _damaged(where, line)
            yield where, position, line
        position += len(line) + 1


def _synset(part: bytes, offset: bytes) -> str:
    if part not in (b"n", b"v") or len(offset) != 8 or not offset.isdigit():
        raise ValueError
    return (part + offset).decode()


def _damaged(where: str, line: bytes) -> FormatError:
    return FormatError(
        f"{where}: damaged: {line[:60].decode(errors='replace')!r} is no line of such a file; install WordNet again"
    )


def _without_circles(hypernyms: dict[str, str]) -> dict[str, str]:
    """Drop the link of the first synset of each circle."""
    settled: set[str] = set()
    for first in list(hypernyms):
        climbed: dict[str, None] = {}
        synset = first
        while synset in hypernyms and synset not in settled and synset not in climbed:
            climbed[synset] = None
            synset = hypernyms[synset]
        if synset in climbed:
            way = list(climbed)
            del hypernyms[min(way[way.index(synset) :])]
        settled.update(climbed)
    return hypernyms
