"""Sources by any URL that Spark reads, found and opened through Hadoop's file systems."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import unquote

from wordalloc.corpus.columns import NUMBERS, STRINGS, Columns
from wordalloc.corpus.parquet import not_utf8
from wordalloc.corpus.reading import STDIN, Input, Paths, names_of, read_blocks
from wordalloc.corpus.spark.session import root_cause
from wordalloc.corpus.tables import nul_in_row
from wordalloc.errors import InputError, RunError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

T = TypeVar("T")

_MAGIC = re.compile(r"[{}\[\]*?\\]")
_CODECS = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}
_AT_ONCE = 16  # files looked into
_READ_FAILED = re.compile(r"error while reading file (\S+?)\.? ")


@dataclass(frozen=True)
class HadoopFile(Input):
    """A file on a file system of Hadoop's, local ones included.

    Attributes
    ----------
    url : str
        As Hadoop writes it.
    jvm, system, hadoop_path : JavaObject
        The virtual machine, and the file in it.
    """

    url: str = ""
    jvm: Any = None
    system: Any = None
    hadoop_path: Any = None

    def open(self) -> IO[bytes]:
        """Open the file's bytes, read through the virtual machine."""
        return io.BufferedReader(_JavaStream(self.system.open(self.hadoop_path), self.size), 1 << 20)

    def columns(self) -> Columns:
        """Return the names and types of a Parquet file's columns, from its footer; other files of rows are refused."""
        if self.form != "parquet":
            raise InputError(
                f"{self.name}: is {self.form}, but Spark reads text and Parquet here: leave out --engine spark"
            )
        parquet = self.jvm.org.apache.parquet.hadoop
        given = parquet.util.HadoopInputFile.fromPath(self.hadoop_path, self.system.getConf())
        reader = parquet.ParquetFileReader.open(given)
        try:
            fields = list(reader.getFooter().getFileMetaData().getSchema().getFields())
            return [(field.getName(), _parquet_type(field)) for field in fields]
        finally:
            reader.close()


def find_files(session: SparkSession, sources: Paths, tell: Callable[[HadoopFile], T]) -> list[T]:
    """Expand patterns and folders, and tell what each file holds.

    Parameters
    ----------
    session : SparkSession
        Its configuration says which file systems there are.
    sources : path-like or iterable of path-like
        Names, patterns, folders or URLs.
    tell : callable
        Looks into a file, as `tell_kind` or `as_text` does.

    Returns
    -------
    list
        What is told of each file, in the order given; those of a pattern or a folder by name.

    Raises
    ------
    InputError
        If a source is missing or cannot be read by Spark, or as `tell` does.
    """
    files = [file for name in names_of(sources) for file in _find(session, name)]
    urls = [file.url for file in files]
    if len(set(urls)) < len(urls):
        twice = next(file for number, file in enumerate(files) if file.url in urls[:number])
        raise InputError(f"{twice.name}: is named twice, but Spark reads a file once; name it once")
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda file: _look_into(file, tell), files))


def escaped(url: str) -> str:
    """Return a URL with no pattern in it."""
    return _MAGIC.sub(r"\\\g<0>", url)


def places_of(paths: Iterable[str], files: Sequence[HadoopFile]) -> list[int]:
    """Return the places among the files of paths as rows have them, which are quoted as in a URL."""
    places = {file.url: place for place, file in enumerate(files)}
    return [places[unquote(path)] for path in paths]


def refuse_damaged(session: SparkSession, file: HadoopFile, errors: str) -> NoReturn:
    """Raise the error that says where a file is damaged, which reading it again finds."""
    if file.column is None:
        for _ in read_blocks(file, errors):
            pass
    else:
        _refuse_row(session, file, file.column, errors)
    raise RunError(
        f"{file.name}: Spark found damage that reading it again did not; was it changed meanwhile? Run "
        "the command again"
    )


@contextlib.contextmanager
def read_errors(files: Sequence[HadoopFile], errors: str) -> Iterator[None]:
    """Say more of an error of Spark's that names a file: what reading it again finds wrong in it."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        found = _READ_FAILED.search(str(error))
        path = unquote(found[1]).replace("file:///", "file:/") if found else None
        file = next((file for file in files if file.url == path), None)
        if file is None:
            raise
        if file.column is None:
            for _ in read_blocks(file, errors):
                pass
        raise RunError(f"{file.name}: Spark cannot read it: {root_cause(error)}; can every worker?") from error


class _JavaStream(io.RawIOBase):
    """A stream of the virtual machine's as Python knows them."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._size = stream, size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.readNBytes(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = (0, self._stream.getPos(), self._size)[whence]
        self._stream.seek(start + offset)
        return start + offset

    def tell(self) -> int:
        return self._stream.getPos()

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _refuse_row(session: SparkSession, file: HadoopFile, column: str, errors: str) -> None:
    """Raise the error of the first row that is not UTF-8 or, where that is one, holds NUL."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StringType, StructType

    rows = session.read.schema(StructType().add(column, StringType())).parquet(escaped(file.url))
    rows = rows.select(rows[0].alias("text"), "_metadata.row_index").withColumn("valid", F.is_valid_utf8("text"))
    binary = F.contains("text", F.lit("\0")) if errors == "strict" else F.lit(False)
    wrong = rows.filter(~F.col("valid") | binary).select("valid", "row_index")
    for valid, number in wrong.orderBy("row_index").limit(1).collect():
        raise nul_in_row(file, number) if valid else not_utf8(file)


def _find(session: SparkSession, name: str) -> list[HadoopFile]:
    """Return the files that a source names: itself, those of a pattern, or those in a folder."""
    from py4j.protocol import Py4JJavaError

    if name == STDIN:
        raise InputError("Spark cannot read standard input: name a file that every worker can read")
    jvm: Any = session.sparkContext._jvm
    try:
        path = jvm.org.apache.hadoop.fs.Path(name)
        system = path.getFileSystem(session.sparkContext._jsc.hadoopConfiguration())
        if system.exists(path):
            found = [system.getFileStatus(path)]
        else:
            if "**" in name:
                raise InputError(f"{name}: Spark's patterns have no **, which is many folders; write a * for each")
            found = list(system.globStatus(path) or []) if _MAGIC.search(name) else []
            if not found:
                reason = (
                    "no file matches this pattern"
                    if _MAGIC.search(name)
                    else "cannot be read: no such file; check its name"
                )
                raise InputError(f"{name}: {reason}")
        if found[0].isDirectory() and len(found) == 1:
            found = [status for status in system.listStatus(found[0].getPath()) if not _hidden(status)]
            if any(status.isDirectory() for status in found):
                raise InputError(f"{name}: holds folders, which would be left out; name what is in them, as with */*")
        found = sorted((status for status in found if status.isFile()), key=lambda status: status.getPath().toString())
    except Py4JJavaError as error:
        raise _unreachable(name, error, jvm) from error
    if not found:
        raise InputError(f"{name}: there is no file in this folder; name one that holds text")
    hidden = next((status for status in found if _hidden(status)), None)
    if hidden is not None:
        raise InputError(f"{name}: Spark leaves out files whose names begin with _ or a dot; give it another name")
    alone = len(found) == 1 and name.endswith(found[0].getPath().getName())
    return [_file(status, name if alone else status.getPath().toString(), jvm, system) for status in found]


def _file(status: Any, name: str, jvm: Any, system: Any) -> HadoopFile:
    path = status.getPath()
    local = Path(path.toString().removeprefix("file:"))  # of a file that is elsewhere, nothing is there
    return HadoopFile(local, name, status.getLen(), url=path.toString(), jvm=jvm, system=system, hadoop_path=path)


def _look_into(file: HadoopFile, tell: Callable[[HadoopFile], T]) -> T:
    from py4j.protocol import Py4JJavaError

    try:
        with file.open() as raw:
            start = raw.read(4)
        for magic, ending in _CODECS.items():
            if start.startswith(magic) != file.url.endswith(ending):
                problem = "does not hold" if file.url.endswith(ending) else "holds"
                raise InputError(
                    f"{file.name}: {problem} what {ending} stands for, and Spark goes by names; give it another name"
                )
            if ending == ".zst" and start.startswith(magic):
                raise InputError(f"{file.name}: Spark cannot read Zstandard; compress it as .gz or .bz2, or unpack it")
        return tell(file)
    except Py4JJavaError as error:
        raise InputError(f"{file.name}: cannot be read: {root_cause(error)}") from error


def _hidden(status: Any) -> bool:
    return status.getPath().getName().startswith(("_", "."))


def _unreachable(name: str, error: Exception, jvm: Any) -> InputError:
    reason = root_cause(error)
    if "S3AFileSystem not found" in reason:
        version = jvm.org.apache.hadoop.util.VersionInfo.getVersion()
        return InputError(
            f"{name}: Spark needs the jar hadoop-aws for s3a: set spark.jars.packages "
            f"org.apache.hadoop:hadoop-aws:{version} in spark-defaults.conf"
        )
    if 'scheme "s3"' in reason:
        return InputError(f"{name}: Spark reads S3 by the scheme s3a: s3a{name.removeprefix('s3')}")
    return InputError(f"{name}: cannot be read: {reason}")


def _parquet_type(field: Any) -> str:
    """Return the type of a column; whole numbers have no annotation, or one that says how many bits they have."""
    annotation = field.getLogicalTypeAnnotation()
    noted = "" if annotation is None else annotation.toString()
    kind = field.asPrimitiveType().getPrimitiveTypeName().toString() if field.isPrimitive() else "GROUP"
    repeated = field.getRepetition().toString() == "REPEATED"
    if noted == "STRING" and not repeated:
        return STRINGS
    if kind in ("INT32", "INT64") and (not noted or noted.startswith("INTEGER")) and not repeated:
        return NUMBERS
    return noted or kind
