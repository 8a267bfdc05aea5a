"""Drive a parser with atheris, guided by what code its inputs reach: ``python -m tests.fuzz PARSER --seconds N``.

atheris is no dependency of the tests. Install it beside wordalloc, into an environment of its own::

    python3.11 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install -c constraints.txt -e '.[dev]' atheris==3.0.0
    /tmp/fuzz/bin/python -m tests.fuzz tokenizer --seconds 120

Without a name every parser has its turn. An input that raises anything but a `WordallocError` ends the run and is kept
in ``tests/fuzz/findings/PARSER/``, from where the tests replay it for ever after.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FINDINGS = Path(__file__).parent / "findings"
LONGEST = 4096  # bytes of an input


def main() -> None:
    """Run one parser in this process, or all of them, each in a process of its own."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz")
    options.add_argument("parser", nargs="?")
    options.add_argument("--seconds", type=int, default=60)
    chosen = options.parse_args()
    if chosen.parser:
        fuzz(chosen.parser, chosen.seconds)
        return
    from tests.fuzz.parsers import PARSERS

    command = [sys.executable, "-m", "tests.fuzz", "--seconds", str(chosen.seconds)]
    failed = [name for name in PARSERS if subprocess.run([*command, name], check=False).returncode]
    sys.exit(f"something was found in: {', '.join(failed)}" if failed else 0)


def fuzz(name: str, seconds: int) -> None:
    """Drive one parser for so many seconds."""
    import atheris

    # Not what numba is to compile.
    with atheris.instrument_imports(include=["wordalloc"], exclude=["wordalloc.algorithms"]):
        from tests.fuzz.parsers import parse, seeds

    def one(content: bytes) -> None:
        try:
            parse(name, content)
        except Exception:
            folder = FINDINGS / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
            raise

    corpus = tempfile.mkdtemp(prefix="fuzz-corpus-")  # of no use afterwards; libFuzzer ends the process itself
    for number, content in enumerate(seeds(name)):
        (Path(corpus) / str(number)).write_bytes(content)
    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=4096", "-verbosity=0"]
    crash = f"-artifact_prefix={corpus}{os.sep}"
    atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", crash, corpus], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
