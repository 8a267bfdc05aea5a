"""Encoding text to ids on Spark: every task writes the part of a file that it reads, in the order of its lines."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wordalloc.corpus.counting import describe
from wordalloc.corpus.encode_to_folder import refuse_taken
from wordalloc.corpus.encoded_folder import META, is_meta, meta_json
from wordalloc.corpus.encoding import no_word_error, text_options_of
from wordalloc.corpus.spark import parts
from wordalloc.corpus.spark.files import HadoopFile, read_errors
from wordalloc.corpus.spark.part_jobs import on_parts, parts_of
from wordalloc.corpus.spark.parts import Part
from wordalloc.corpus.spark.session import root_cause
from wordalloc.errors import OutputError
from wordalloc.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MOST_ROWS = 1_000_000  # lines in a Parquet file, so that a reader can hold one


def encode_files(
    session: SparkSession,
    files: Sequence[HadoopFile],
    vocabulary: Vocabulary,
    folder: str | os.PathLike[str],
) -> dict[str, int]:
    """Write the ids of files to a folder; see `encode_to_folder`.

    Parameters
    ----------
    session : SparkSession
        Where the work is done.
    files : sequence of HadoopFile
        Texts.
    vocabulary : Vocabulary
        Gives the ids.
    folder : path-like
        A name or URL on a file system that all workers write to.
    """
    text = text_options_of(vocabulary)
    with _new_folder(session, os.fspath(folder)) as target:
        with read_errors(files, text.errors):
            with on_parts(session, files, vocabulary, parts.encode_part) as (lines, reports):
                frame = session.createDataFrame(lines.map(lambda ids: (ids,)), "ids ARRAY<INT>", verifySchema=False)
                frame.write.option("maxRecordsPerFile", _MOST_ROWS).parquet(target.new)
            by_file = parts_of(session, files, text, reports)
        names = names_by_file(by_file, target.names(), os.fspath(folder))
        numbers = {
            key: sum(getattr(part, key) for listed in by_file for _, part in listed)
            for key in ("lines", "tokens", "unknown")
        }
        if not numbers["tokens"]:
            raise no_word_error(", ".join(file.name for file in files))
        target.finish(names, meta_json(names, numbers, describe(files, numbers["tokens"]), vocabulary))
        return numbers


def names_by_file(by_file: list[list[tuple[int, Part]]], written: list[str], folder: str) -> list[list[str]]:
    """Return for each file of the text the names of what was written of it, in order.

    Parameters
    ----------
    by_file : list of list of (int, Part)
        Each file's parts in the order of the text, with their tasks' numbers.
    written : list of str
        What is there. A name begins with the task's number, and ends in that of the file among the task's own.
    folder : str
        Where that is, for the message.

    Raises
    ------
    OutputError
        If nothing is there of a part that a task reported.
    """
    by_task: dict[int, list[str]] = {}
    # By length first, for Spark counts to c999 in three digits, and goes on to c1000.
    for name in sorted(written, key=lambda name: (len(name), name)):
        if name.startswith("part-"):
            by_task.setdefault(int(name.split("-")[1]), []).append(name)
    if any(task not in by_task for listed in by_file for task, _ in listed):
        raise OutputError(
            f"cannot write {folder}: not all workers write to the same place; name a folder that all of them share"
        )
    return [[name for task, _ in listed for name in by_task[task]] for listed in by_file]


@contextlib.contextmanager
def _new_folder(session: SparkSession, name: str) -> Iterator[_Target]:
    target = _Target(session, name)
    try:
        yield target
    finally:
        target.clean()


class _Target:
    """A folder that gets its name when it is whole, on any file system of Hadoop's."""

    def __init__(self, session: SparkSession, name: str) -> None:
        jvm: Any = session.sparkContext._jvm
        self._jvm = jvm
        self._name = name
        with self._errors():
            given = jvm.org.apache.hadoop.fs.Path(name)
            self._system: Any = given.getFileSystem(session.sparkContext._jsc.hadoopConfiguration())
            self._path: Any = self._system.makeQualified(given)
            exists = self._system.exists(self._path)
            refuse_taken(name, exists=exists, ours=exists and self._is_ours())
            parent = self._path.getParent()
            # Elsewhere folders come to be by what is written in them.
            if self._system.getUri().getScheme() == "file" and not self._system.exists(parent):
                raise OutputError(f"cannot write {name}: no such file or directory; name another folder with -o")
        self._work = self._in(parent, f".{self._path.getName()[:32]}.{uuid.uuid4().hex}.tmp")
        self._new = self._in(self._work, "new")

    @property
    def new(self) -> str:
        """Where Spark writes."""
        return self._new.toString()

    def names(self) -> list[str]:
        """Return the names of what was written."""
        with self._errors():
            return [status.getPath().getName() for status in self._system.listStatus(self._new)]

    def finish(self, names: list[list[str]], meta: str) -> None:
        """Drop all but the files named, write the last one, and give the folder its name."""
        with self._errors():
            for name in set(self.names()).difference(*names):
                self._system.delete(self._in(self._new, name), False)
            stream = self._system.create(self._in(self._new, META))
            stream.write(meta.encode())
            stream.close()
            self._give_name()

    def clean(self) -> None:
        """Remove what is left over, if it can be; why it cannot is not what the user must hear of."""
        with contextlib.suppress(Exception):
            self._system.delete(self._work, True)

    def _give_name(self) -> None:
        """Rename the folder; an earlier result is put aside, and back where the renaming fails."""
        old = self._in(self._work, "old")
        replaced = self._system.exists(self._path)
        if replaced and not self._system.rename(self._path, old):
            raise OutputError(
                f"cannot write {self._name}: the earlier result could not be put aside; name another folder with -o"
            )
        named = False
        try:
            named = self._system.rename(self._new, self._path)
        finally:
            if replaced and not named:
                self._system.rename(old, self._path)
        if not named:
            raise OutputError(
                f"cannot write {self._name}: the finished folder could not be given its name; name "
                "another folder with -o"
            )

    def _is_ours(self) -> bool:
        meta = self._in(self._path, META)
        if not self._system.exists(meta):
            return False
        stream = self._system.open(meta)
        try:
            return is_meta(bytes(stream.readAllBytes()))
        finally:
            stream.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        from py4j.protocol import Py4JJavaError

        try:
            yield
        except Py4JJavaError as error:
            raise OutputError(
                f"cannot write {self._name}: {root_cause(error)}; name another folder with -o, or make room"
            ) from error

    def _in(self, folder: Any, name: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(folder, name)
