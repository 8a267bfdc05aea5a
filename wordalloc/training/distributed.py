"""Several processes that train one model: who they are, and everything that passes between them.

``torchrun`` starts them and tells each its rank. Every process holds the whole model and reads some rows of each batch,
the same rows of every one, so that a stream of text stays where its recurrent state is. Gradients are summed, and all
take the same step. The first process (rank 0) alone decides by the clock, and writes.

With one process, or none of torchrun's environment, whatever would pass between them is what this one gives. Numbers
travel as bytes and JSON, never pickled. With gloo, on CPUs, sums are made in an order that depends on the number of
processes only.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import platform
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import distributed_c10d

from wordalloc.allocations import Allocation, load, save
from wordalloc.errors import InputError, RunError, ToldElsewhere
from wordalloc.files import temporary_folder
from wordalloc.launched import GRACE, is_one_of_several
from wordalloc.vocabulary import Vocabulary

# That long a process waits for others that live: the first may cluster words for hours. With gloo one that ends is
# noticed at once, for its connections close; with NCCL it is torchrun that ends the others.
TIMEOUT = timedelta(hours=12)
MEETING_SECONDS = 1800
BUCKET_BYTES = 32 << 20  # of gradients that are summed at once

Addressed = TypeVar("Addressed", bound=Allocation | Vocabulary)


@contextlib.contextmanager
def joined() -> Iterator[bool]:
    """Join the processes that torchrun started until the block ends; yield whether this is the first of them.

    Nothing happens without torchrun's environment, or inside another such block. Where the block fails in several
    processes, as it does where one is lost or all were given the same bad input, one of them raises its error, and the
    others `ToldElsewhere`. One that fails alone should end: that is what the others notice. Those that never found each
    other cannot agree on who speaks: each raises its error.

    Raises
    ------
    RunError
        If the processes do not find each other, or lose one.
    """
    if not is_one_of_several() or is_joined():
        yield is_first()
        return
    store = _join()
    try:
        barrier()  # one that failed at once would leave others behind, still connecting
        yield is_first()
        barrier()
    except BaseException as error:
        speaks = _fails_first(store)
        _abort_nccl()
        if speaks:
            raise
        time.sleep(GRACE)
        raise ToldElsewhere(2 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_status", 1)) from error
    finally:
        if is_joined():
            dist.destroy_process_group()


def _abort_nccl() -> None:
    """Leave the group where NCCL is part of it: to end it in good order would wait for processes that are lost."""
    if "nccl" in str(dist.get_backend_config()) and hasattr(distributed_c10d, "_abort_process_group"):
        distributed_c10d._abort_process_group()


def _join() -> dist.Store:
    """Make the group of processes, and return the store that they share besides."""
    from torch.distributed.rendezvous import rendezvous

    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        store, rank, size = next(rendezvous("env://"))
        store = dist.PrefixStore(_meeting(dist.PrefixStore("wordalloc", store), rank, size), store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RunError(f"the processes do not find each other: {reason}; start them with torchrun") from error
    return store


def _meeting(store: dist.Store, rank: int, size: int) -> str:
    """Return a name that the first process gives to this meeting of all.

    The store may outlive processes that torchrun starts anew, and hold what they left. So each of the others waits for
    an answer to a word of its own, and the first one answers whatever word stands there until all have thanked it.
    """
    own = secrets.token_hex(8)
    if rank:
        store.set(f"word/{rank}", own)
        name = store.get(f"answer/{own}").decode()
        store.set(f"{name}/{rank}", "thanks")
        return name
    missing, began = set(range(1, size)), time.monotonic()
    while missing:
        if time.monotonic() - began > MEETING_SECONDS:
            raise RuntimeError(f"{len(missing)} of {size} have not come")
        for other in list(missing):
            if store.check([f"{own}/{other}"]):
                missing.remove(other)
            elif store.check([f"word/{other}"]):
                store.set(f"answer/{store.get(f'word/{other}').decode()}", own)
        time.sleep(0.02)
    return own


def _fails_first(store: dist.Store) -> bool:
    try:
        return store.add("failures", 1) == 1
    except RuntimeError:  # the store has ended too
        return is_first()


def is_joined() -> bool:
    """Tell whether this process is one of a group."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if is_joined() else 0


def size() -> int:
    """Return how many processes there are."""
    return dist.get_world_size() if is_joined() else 1


def is_first() -> bool:
    """Tell whether this process is the one that decides and writes."""
    return rank() == 0


def launch() -> str:
    """Return a name of the torchrun that started this process, the same where it starts one anew; empty without it.

    Another torchrun may have the same name (``--rdzv-id``): see `is_restart`.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "")
    return f"{platform.node()} {os.getppid()}" if name == "none" else name  # none: where no --rdzv-id is given


def is_restart() -> bool:
    """Tell whether torchrun has started these processes anew; all of them must ask.

    Each machine's torchrun counts its own: the one where a process was lost.
    """
    return sums([float(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0)])[0] > 0


def own_device(device: torch.device) -> torch.device:
    """Return the device of this process: on CUDA, each of a machine has one of its own.

    Raises
    ------
    InputError
        If the machine has fewer of them than processes.
    """
    if size() == 1 or device.type == "cpu":
        return device
    if device.type != "cuda":
        raise InputError(f"several processes cannot share a device of kind {device.type}; give --device cpu")
    processes, there = int(os.environ.get("LOCAL_WORLD_SIZE", size())), torch.cuda.device_count()
    if processes > there:
        raise InputError(f"{processes} processes need a GPU each, and here are {there}; lower --nproc-per-node")
    own = torch.device("cuda", _local_rank())
    torch.cuda.set_device(own)
    return own


def own_rows(n: int) -> slice:
    """Return which of n rows are this process's: equal shares, the first processes having one more.

    Examples
    --------
    >>> own_rows(32)
    slice(0, 32, None)
    """
    each, more = divmod(n, size())
    first = rank() * each + min(rank(), more)
    return slice(first, first + each + (rank() < more))


def share_weights(model: nn.Module) -> None:
    """Put the first process's weights in place of each's own."""
    if size() > 1:
        for tensor in model.state_dict().values():
            _broadcast(tensor, 0)


def _broadcast(tensor: Tensor, source: int) -> None:
    """Put one process's tensor in place of each's own, as bytes, for not every dtype can travel."""
    if tensor.numel():
        content = tensor.view(-1).view(torch.uint8)
        with _answered():
            dist.broadcast(content, source)


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Put the sum of all processes' gradients in place of each's own.

    A process that has no gradient of a parameter adds zeros; where none has one, there is none after it either, so that
    the optimiser leaves the same parameters alone as it would in one process. Gradients are dense.

    Parameters
    ----------
    parameters : iterable of Parameter
        The same ones in each process.
    """
    if size() == 1:
        return
    given = list(parameters)
    present = sums([float(parameter.grad is not None) for parameter in given])
    gradients = []
    for parameter, n in zip(given, present, strict=True):
        if n and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if parameter.grad is not None:
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        if len(bucket) == 1 and bucket[0].is_contiguous():  # perhaps as large as the vocabulary: no copy
            sum_tensor(bucket[0])
            continue
        flat = torch.cat([gradient.flatten() for gradient in bucket])
        sum_tensor(flat)
        parts = flat.split([gradient.numel() for gradient in bucket])
        for gradient, part in zip(bucket, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def _buckets(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    """Yield the tensors in groups of one dtype and at most `BUCKET_BYTES`, a larger one by itself."""
    for _, alike in itertools.groupby(sorted(tensors, key=_dtype_name), _dtype_name):
        bucket: list[Tensor] = []
        for tensor in alike:
            if bucket and sum(part.nbytes for part in bucket) + tensor.nbytes > BUCKET_BYTES:
                yield bucket
                bucket = []
            bucket.append(tensor)
        yield bucket


def _dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype)


def sum_tensor(tensor: Tensor) -> None:
    """Put the sum over all processes in its place."""
    if size() > 1:
        with _answered():
            dist.all_reduce(tensor)


def sums(values: Sequence[float]) -> list[float]:
    """Return the sum over all processes of each value, in double precision."""
    if size() == 1:
        return list(values)
    total = torch.tensor(values, dtype=torch.float64)
    sum_tensor(total)
    return cast("list[float]", total.tolist())


def agreed(value: float) -> float:
    """Return what the first process gives: for what a clock decides."""
    return sums([value if is_first() else 0.0])[0]


def barrier() -> None:
    """Wait until every process is here."""
    sums([0.0])


@contextlib.contextmanager
def first_of_machine() -> Iterator[None]:
    """Let one process of each machine do the block before the others: what it leaves in the cache they need not."""
    if _local_rank():
        barrier()
    yield
    if not _local_rank():
        barrier()


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", rank())) if size() > 1 else 0


def json_from_first(make: Callable[[], Any]) -> Any:
    """Return what `make` returns in the first process, plain JSON; the others do not call it."""
    if size() == 1:
        return make()
    return json.loads(_spread_bytes(0, json.dumps(make()).encode() if is_first() else b""))


def allocation_from_first(make: Callable[[], Addressed]) -> Addressed:
    """Return the allocation or vocabulary that `make` returns in the first process; the others do not call it."""
    if size() == 1:
        return make()
    with temporary_folder("wordalloc-shared-") as folder:
        file = folder / "allocation.safetensors"
        made = make() if is_first() else None
        if made is not None:
            save(made, file)
        content = _spread_bytes(0, file.read_bytes() if made is not None else b"")
        if made is not None:
            return made
        file.write_bytes(content)
        return cast(Addressed, load(file))


def tensors_from_first(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the first process's tensors; what others give is left aside."""
    return tensors if size() == 1 else _spread(0, tensors)


def tensors_of_all(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return the tensors of every process, by rank."""
    return [tensors] if size() == 1 else [_spread(source, tensors) for source in range(size())]


def _spread(source: int, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of one process, on the CPU, in all of them."""
    shapes = [[name, str(tensor.dtype).partition(".")[2], tensor.shape] for name, tensor in tensors.items()]
    spread = {}
    for name, dtype, shape in json.loads(_spread_bytes(source, json.dumps(shapes).encode())):
        if source == rank():
            tensor = tensors[name].detach().cpu().contiguous()
        else:
            tensor = torch.empty(shape, dtype=getattr(torch, dtype))
        _broadcast(tensor, source)
        spread[name] = tensor
    return spread


def _spread_bytes(source: int, content: bytes) -> bytes:
    length = torch.tensor([len(content)])
    _broadcast(length, source)
    data = torch.empty(int(length), dtype=torch.uint8)
    if source == rank():
        data.numpy()[:] = np.frombuffer(content, np.uint8)
    _broadcast(data, source)
    return data.numpy().tobytes()


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Turn a lost connection or a time-out into one sentence."""
    try:
        yield
    except RuntimeError as error:
        # Gloo's errors have no class of their own, but name its source. Any other is this process's own.
        if not (isinstance(error, dist.DistError) or "gloo" in str(error).lower()):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise RunError(
            f"process {rank()} of {size()} waited for another that has ended or does not answer; what that one said "
            f"tells why; continue with --resume ({reason})"
        ) from error
