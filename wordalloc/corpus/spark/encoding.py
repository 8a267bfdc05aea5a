"""Encoding text to ids on Spark: every task writes the part of a file that it reads, in the order of its lines."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wordalloc.corpus.counting import describe
from wordalloc.corpus.encode_to_folder import refuse_taken
from wordalloc.corpus.encoded_folder import META, meta_json
from wordalloc.corpus.encoding import no_word_error
from wordalloc.corpus.spark import parts
from wordalloc.corpus.spark.files import HadoopFile, read_errors
from wordalloc.corpus.spark.part_jobs import on_parts, parts_of
from wordalloc.corpus.spark.session import root_cause
from wordalloc.errors import OutputError
from wordalloc.vocabulary import TextOptions, Vocabulary

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
    text = vocabulary.text or TextOptions()
    with _new_folder(session, os.fspath(folder)) as target:
        with read_errors(files, text.errors):
            lines, reports = on_parts(session, files, vocabulary, parts.encode_part)
            frame = session.createDataFrame(lines.map(lambda ids: (ids,)), "ids ARRAY<INT>", verifySchema=False)
            frame.write.option("maxRecordsPerFile", _MOST_ROWS).parquet(target.new)
            by_file = parts_of(session, files, text, reports)
        written = target.parts()
        names = [[name for task, _ in listed for name in written.get(task, [])] for listed in by_file]
        numbers = {
            key: sum(getattr(part, key) for listed in by_file for _, part in listed)
            for key in ("lines", "tokens", "unknown")
        }
        if not numbers["tokens"]:
            raise no_word_error(", ".join(file.name for file in files))
        target.finish(meta_json(names, numbers, describe(files, numbers["tokens"]), vocabulary))
        return numbers


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
        self._path: Any = jvm.org.apache.hadoop.fs.Path(name)
        self._system = self._path.getFileSystem(session.sparkContext._jsc.hadoopConfiguration())
        self._path = self._system.makeQualified(self._path)
        refuse_taken(name, exists=self._system.exists(self._path), ours=self._system.exists(self._in(self._path, META)))
        if not self._system.exists(self._path.getParent()):
            raise OutputError(f"cannot write {name}: no such file or directory")
        self._work = self._in(self._path.getParent(), f".{self._path.getName()[:32]}.{uuid.uuid4().hex}.tmp")
        self._new = self._in(self._work, "new")

    @property
    def new(self) -> str:
        """Where Spark writes."""
        return self._new.toString()

    def parts(self) -> dict[int, list[str]]:
        """Return the names of the files that each task wrote, which begin with its number; drop what is none."""
        found: dict[int, list[str]] = {}
        for status in self._system.listStatus(self._new):
            name = status.getPath().getName()
            if name.startswith("part-"):
                found.setdefault(int(name.split("-")[1]), []).append(name)
            else:
                self._system.delete(status.getPath(), False)
        return {task: sorted(names) for task, names in found.items()}

    def finish(self, meta: str) -> None:
        """Write the last file, and give the folder its name."""
        from py4j.protocol import Py4JJavaError

        try:
            stream = self._system.create(self._in(self._new, META))
            stream.write(meta.encode())
            stream.close()
            if self._system.exists(self._path):
                self._system.rename(self._path, self._in(self._work, "old"))
            if not self._system.rename(self._new, self._path):
                raise OutputError(f"cannot write {self._name}: the finished folder could not be given its name")
        except Py4JJavaError as error:
            raise OutputError(f"cannot write {self._name}: {root_cause(error)}") from error

    def clean(self) -> None:
        """Remove what is left over."""
        self._system.delete(self._work, True)

    def _in(self, folder: Any, name: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(folder, name)
