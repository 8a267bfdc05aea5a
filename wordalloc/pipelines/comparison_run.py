"""One training of a comparison, in a process of its own, so that its peak of memory is its own.

The process reads one JSON object from standard input, trains or goes on training, measures, and writes JSON objects,
one a line: ``progress``, then ``row`` or ``error``. It ends when standard input is closed, that is, also when the
comparison is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

from wordalloc.corpus import encode
from wordalloc.errors import FormatError, InputError, OutputError, RunError, WordallocError
from wordalloc.interrupts import heard_once
from wordalloc.nn import LightRNN, Noise
from wordalloc.nn.lightrnn import rows_of
from wordalloc.training import TrainConfig, TrainProgress, train
from wordalloc.training.data import Streams
from wordalloc.training.evaluation import load_model
from wordalloc.training.model import LanguageModel, LightRNNModel
from wordalloc.training.run_directory import RunDirectory
from wordalloc.training.timing import Place
from wordalloc.vocabulary import Vocabulary

K = 10  # of the queries that are timed
SEQUENCES, LENGTHS = 16, (5, 10, 20, 30)  # positions of the validation text where they are
STOP_SECONDS = 10.0  # for a training to end when it is asked to
ERRORS: dict[str, type[WordallocError]] = {
    kind.__name__: kind for kind in (InputError, FormatError, OutputError, RunError)
}


def in_own_process(job: dict[str, Any], progress: Callable[[TrainProgress], None]) -> dict[str, Any]:
    """Have another process do a job, and return its row.

    Parameters
    ----------
    job : dict
        ``paths``, ``valid``, ``column``, ``allocation`` and ``run`` of `wordalloc.training.train`, and the ``config``,
        as JSON.
    progress : callable
        Told how far the training is.

    Raises
    ------
    InputError, OutputError, RunError
        As the training did; a RunError, too, where the process came to an unexpected end.
    """
    command = [sys.executable, "-m", "wordalloc.pipelines.comparison_run"]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, encoding="utf-8"
        ) as process,
    ):
        assert process.stdin and process.stdout
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended already: the log says why
                process.stdin.write(json.dumps(job) + "\n")
                process.stdin.flush()
            for line in process.stdout:
                answer = json.loads(line)
                if "progress" in answer:
                    progress(TrainProgress(**answer["progress"]))
                elif "row" in answer:
                    return answer["row"]
                else:
                    raise ERRORS[answer["error"]["kind"]](answer["error"]["message"])
            status = process.wait()
            log.seek(0)
            last = (log.read().strip().splitlines() or [f"exit status {status}"])[-1]
            raise RunError(f"the training in {job['run']} came to an unexpected end: {last}; --resume tries it again")
        finally:
            _stop(process)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def _stop(process: subprocess.Popen[str]) -> None:
    """End a process: asked first, so that it puts away what it has begun to write."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def main() -> None:
    """Do the job that standard input names."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    try:
        with heard_once():
            job = json.loads(sys.stdin.readline())
            threading.Thread(target=_end_with_parent, daemon=True).start()
            _answer(answers, "row", train_and_measure(job, lambda at: _answer(answers, "progress", vars(at))))
    except WordallocError as error:
        _answer(answers, "error", {"message": str(error), "kind": type(error).__name__})
    except KeyboardInterrupt:
        _end(2)  # the comparison says it


def train_and_measure(job: dict[str, Any], progress: Callable[[TrainProgress], None]) -> dict[str, Any]:
    """Train, and return what came of it: reproducible figures, and under ``measured`` those of this machine."""
    config = TrainConfig.from_json(job["config"])
    result = train(
        job["paths"],
        valid=job["valid"],
        column=job["column"],
        allocation=job["allocation"],
        run=job["run"],
        config=config,
        resume=True,
        progress=progress,
    )
    place = Place.of(config.device, "float32")
    peak = _peak_memory(place.device)
    model, allocation, _ = load_model(job["run"])
    vocabulary = allocation if isinstance(allocation, Vocabulary) else allocation.vocabulary
    valid = encode(job["valid"], vocabulary, column=job["column"])
    parameters, n_bytes = _size(model)
    directory = RunDirectory(job["run"])
    metrics, timings = directory.read_lines(directory.metrics), directory.read_lines(directory.timings)
    try:
        curve, seconds = _curve(metrics, timings)
        scored = [entry["valid_seconds"] for entry in timings if "valid_seconds" in entry][-1]
    except LookupError as error:
        raise FormatError(f"{directory.timings}: damaged: lines are missing; remove {directory.path}") from error
    batch = next(Streams(valid, SEQUENCES, config.bptt, vocabulary.eos_rank or 0).steps())
    return {
        "perplexity": result.best_perplexity,
        "tokens": result.epochs[-1]["tokens"],
        "unknown_share": result.unknown_share,
        "parameters": parameters,
        "bytes": n_bytes,
        "curve": curve,
        "measured": {
            "training_tokens_per_second": result.tokens_per_second,
            "scoring_tokens_per_second": valid.ids.size / scored,
            "query_seconds": query_seconds(model.to(place.device).eval(), batch.inputs, batch.targets, place),
            "peak_memory_bytes": peak,
            "curve_seconds": seconds,
        },
    }


def _curve(metrics: list[Any], timings: list[Any]) -> tuple[list[dict[str, float]], list[float]]:
    """Return the perplexities on the way, and the seconds of training before each."""
    seconds = {entry["step"]: entry["seconds_so_far"] for entry in timings if "seconds_so_far" in entry}
    points = [entry for entry in metrics if "part_perplexity" in entry]
    curve = [{"tokens": entry["tokens"], "perplexity": entry["part_perplexity"]} for entry in points]
    return curve, [seconds[entry["step"]] for entry in points]


def _size(model: LanguageModel | LightRNNModel) -> tuple[int, int]:
    """Return weights, and bytes with the addresses, of all but the recurrent layers; what is shared counts once."""
    recurrent = model.recurrent if isinstance(model, LanguageModel) else model.output.recurrent
    left_out = {id(tensor) for tensor in recurrent.state_dict(keep_vars=True).values()}
    for module in model.modules():
        if isinstance(module, Noise):  # of training alone
            left_out |= {id(tensor) for tensor in module.buffers()}
    weights = {id(tensor): tensor for tensor in model.parameters() if id(tensor) not in left_out}
    buffers = {id(tensor): tensor for tensor in model.buffers() if id(tensor) not in left_out}
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in (*weights.values(), *buffers.values()))
    return sum(tensor.numel() for tensor in weights.values()), n_bytes


@torch.no_grad()
def query_seconds(
    model: LanguageModel | LightRNNModel, inputs: torch.Tensor, targets: torch.Tensor, place: Place
) -> float:
    """Return the median time of the ten best words at one position, given the state that predicts it."""
    inputs, targets = inputs.to(place.device), targets.to(place.device).clamp(min=0)
    k = min(K, model.output.vocab_size)
    taken = []
    for length in sorted({min(length, inputs.shape[1]) for length in LENGTHS}):
        asked: Any
        if isinstance(model.output, LightRNN):
            _, state = model.output(inputs[:, :length], targets[:, :length])
            _, asked = model.output.read(targets[:, length - 1], state)
        else:
            asked = model.hidden(inputs[:, :length], None)[0][:, -1]
        for sequence in range(len(inputs)):
            chosen = slice(sequence, sequence + 1)
            one = rows_of(asked, chosen) if isinstance(model.output, LightRNN) else asked[chosen]
            place.wait()
            began = time.perf_counter()
            model.output.topk(one, k)
            place.wait()
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _peak_memory(device: torch.device) -> int:
    """Return the most bytes that this process has held: on the device, or of the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # not Linux
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _answer(answers: IO[str], kind: str, content: Any) -> None:
    answers.write(json.dumps({kind: content}) + "\n")
    answers.flush()


def _end_with_parent() -> None:
    """End this process when standard input is closed: whoever wanted the result is gone."""
    while os.read(0, 1):
        pass
    _end(1)


def _end(status: int) -> None:
    """End this process at once, whatever it does; what is temporary is put away."""
    atexit._run_exitfuncs()
    os._exit(status)


if __name__ == "__main__":
    main()
