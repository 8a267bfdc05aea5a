"""The training loop itself: steps, reports, epochs, checkpoints.

All that the next step depends on is in a checkpoint, so a run broken off anywhere continues to the same figures. Of
several processes (`wordalloc.training.distributed`) each takes this road with its own rows of every batch; where they
part, at a clock or a file, the first one leads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from wordalloc.allocations import Allocation, Table
from wordalloc.corpus import EncodedText
from wordalloc.errors import RunError
from wordalloc.nn import SampledSoftmax
from wordalloc.nn.lightrnn import rows_of
from wordalloc.training.checkpoint import damage_reported, pack, save_checkpoint, shared_checkpoint, unpack
from wordalloc.training.config import TrainConfig
from wordalloc.training.data import Batch, Sentences, Streams, part_of, replace_singletons
from wordalloc.training.distributed import (
    agreed,
    allocation_from_first,
    is_first,
    rank,
    share_weights,
    size,
    sum_gradients,
)
from wordalloc.training.evaluation import initial_state, mean_log_normaliser, mean_nll, perplexity
from wordalloc.training.event_log import EventLog
from wordalloc.training.model import LanguageModel, State, detach, join, make_model
from wordalloc.training.optimisation import compiled, learning_rate, make_optimizer
from wordalloc.training.position import Position, TrainProgress, Window
from wordalloc.training.run_directory import RunDirectory
from wordalloc.vocabulary import Vocabulary

REPORT_STEPS = 20  # between figures; looking at the losses waits for the device
PART_TOKENS = 10_000  # of the validation text, for perplexities on the way
SHOW_SECONDS = 0.25  # between calls of `progress`
_OF_RANK, _OF_STEP = 1, 2  # so that seeds of a rank, of a step and of an epoch differ where their numbers do not


class Trainer:
    """One run, from wherever its directory stands to its end.

    Parameters
    ----------
    config : TrainConfig
        With its learning rate settled.
    allocation : Allocation or Vocabulary
        Picks the output layer.
    text, valid : EncodedText
        The training text, and the validation text or None.
    directory : RunDirectory
        Begun, and locked.
    device : torch.device
        Where to compute.
    progress : callable, optional
        Given a `TrainProgress` a few times a second.
    tensorboard : bool
        Whether to write event files, too.
    """

    def __init__(
        self,
        config: TrainConfig,
        allocation: Allocation | Vocabulary,
        text: EncodedText,
        valid: EncodedText | None,
        directory: RunDirectory,
        device: torch.device,
        progress: Callable[[TrainProgress], None] | None,
        tensorboard: bool = False,
    ) -> None:
        self.config, self.text, self.valid = config, text, valid
        self.part = None if valid is None else part_of(valid, PART_TOKENS)
        self.vocabulary = allocation if isinstance(allocation, Vocabulary) else allocation.vocabulary
        self.directory, self.device = directory, device
        self.progress = progress if is_first() else None
        torch.manual_seed(config.seed)
        self.model = make_model(allocation, config).to(device)
        share_weights(self.model)
        if rank():  # dropout, and negatives of each token, are each process's own, as they are each row's
            torch.manual_seed(_derived_seed(config.seed, rank(), _OF_RANK))
        self.draws: torch.Generator | None = None
        if size() > 1 and isinstance(self.model.output, SampledSoftmax):
            self.draws = self.model.output.generator = torch.Generator(device)
        self.loss = compiled(self.model.loss) if config.compile else self.model.loss
        self.optimizer = make_optimizer(self.model, config, device)
        self.at = Position()
        self.kept = False  # whether there is a checkpoint
        self.seconds = 0.0  # of training alone
        self.done = 0.0  # share of the budget
        self.state: State = None
        self.total_tokens = min(config.max_tokens or 2**62, config.epochs * int(text.ids.size))
        self.window = Window()
        self.shown = time.monotonic()
        self.events = EventLog(directory.path / "tensorboard") if tensorboard and is_first() else None

    def run(self) -> None:
        """Train from where the directory stands to the end."""
        if (found := shared_checkpoint(self.directory.latest)) is not None:
            tensors, content = found
            with damage_reported(self.directory.latest):
                self.at = Position.from_json(content)
                self.kept = True
                self._place_words()
                self.state = unpack(tensors, self.model, self.optimizer, self.device)
        self.directory.rewind(self.at.metrics_size)
        self.seconds = self.directory.seconds_at(self.at.step)
        self.model.train()
        if self.events is not None:
            self.events.begin(self.at.step)
        try:
            while not self.at.finished:
                self._epoch()
        finally:
            if self.events is not None:
                self.events.close()

    def _place_words(self) -> None:
        """Put the words where they stood at the checkpoint: where the allocation has them."""

    def standing_table(self) -> Table:
        """Return the table that the words stand in now; of a run over one."""
        return allocation_from_first(lambda: self.directory.read_table(self.at.table))

    def _epoch(self) -> None:
        config, at = self.config, self.at
        batches = self._batches(at.epoch)
        ranks = replace_singletons(self.vocabulary, config.seed, at.epoch)
        saved = time.monotonic()
        self.window = Window()
        self.done = self._agreed_done()
        for batch in batches.steps(at.step_in_epoch, ranks):
            if self.done >= 1:
                break
            self._step(batch)
            self.done = self._agreed_done()  # once a step: the one that ends the budget is also the last one validated
            self._show()
            if at.validations < config.validations and self.done * config.validations >= at.validations + 1:
                self._report()
                self._validate_part()
                self._start_window()
            if at.step % REPORT_STEPS == 0:
                self._report()
                if agreed(time.monotonic() - saved) > config.checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
                self._start_window()
        self._report()
        self._end_epoch()

    def _done(self) -> float:
        """Return the share of the budget behind this step, of tokens or of seconds, whichever is nearer its end."""
        done = self.at.tokens / self.total_tokens
        if self.config.max_seconds is not None:
            # A window without a step has not trained: what passes then is validation.
            unreported = self.window.seconds if self.window.tokens else 0.0
            done = max(done, (self.seconds + unreported) / self.config.max_seconds)
        return done

    def _agreed_done(self) -> float:
        """Return the same in all processes; seconds are those of the first one's clock."""
        return self._done() if self.config.max_seconds is None else agreed(self._done())

    def _start_window(self) -> None:
        self.window = Window()

    def _batches(self, epoch: int) -> Streams | Sentences:
        config, start = self.config, self.vocabulary.eos_rank or 0
        if config.by_sentence:
            shuffle = _derived_seed(config.seed, epoch)
            return Sentences(self.text, config.batch, config.bptt, start, shuffle)
        return Streams(self.text, config.batch, config.bptt, start)

    def _step(self, batch: Batch) -> None:
        """Take one optimiser step, with the gradients of all processes; the loss stays on the device."""
        config, at, own, n_tokens = self.config, self.at, batch.own(), batch.n_tokens
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, at.step, self.done)
        if self.draws is not None:  # all processes share negatives, as all rows of one do
            self.draws.manual_seed(_derived_seed(config.seed, at.step, _OF_STEP))
        self.optimizer.zero_grad(set_to_none=True)
        state = initial_state(self.state, batch.fresh)
        rows = max(1, -(-own.n_rows // config.accumulate))
        losses, states = [], []
        for first in range(0, own.n_rows, rows):
            chosen = slice(first, first + rows)
            part = own.rows(chosen)
            inputs, targets = part.inputs.to(self.device), part.targets.to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=config.amp and self.device.type == "cuda"):
                loss, after = self.loss(inputs, targets, rows_of(state, chosen))
            (loss / n_tokens).backward()
            losses.append(loss.detach())
            states.append(detach(after))
        self.state = join(states) if states else None
        sum_gradients(self.model.parameters())
        if config.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self.optimizer.step()
        at.step += 1
        at.step_in_epoch += 1
        at.tokens += n_tokens
        loss = sum(losses[1:], losses[0]) if losses else torch.zeros((), device=self.device)
        self.window.add(loss, own.n_tokens, n_tokens)

    def _show(self) -> None:
        """Tell whoever listens, a few times a second."""
        if self.progress is not None and self.window.tokens and time.monotonic() - self.shown > SHOW_SECONDS:
            self.shown = time.monotonic()
            self.progress(self._progress(self.window.own_nll()))

    def show_costs(self, done: int, total: int) -> None:
        """Tell whoever listens how far a pass for costs is, a few times a second."""
        if self.progress is not None and time.monotonic() - self.shown > SHOW_SECONDS:
            self.shown = time.monotonic()
            self.progress(TrainProgress(self.at.epoch + 1, done, total, math.nan, math.nan, "costs", done / total))

    def _progress(self, nll: float) -> TrainProgress:
        at, window = self.at, self.window
        return TrainProgress(
            at.epoch + 1,
            at.tokens,
            self.total_tokens,
            nll,
            window.tokens / window.seconds,
            done=self._done(),
        )

    def _report(self) -> None:
        """Write down the losses since the last report."""
        at, window = self.at, self.window
        if not window.tokens:
            return
        losses = window.losses()
        nll = math.fsum(losses)
        if not math.isfinite(perplexity(nll / window.tokens)):
            steps = range(at.step - len(losses) + 1, at.step + 1)
            step = next((step for step, loss in zip(steps, losses, strict=True) if not math.isfinite(loss)), at.step)
            raise self._diverged(f"the loss is no longer a number at step {step} (epoch {at.epoch + 1})")
        at.epoch_nll += nll
        at.epoch_tokens += window.tokens
        seconds = window.seconds
        self.seconds += seconds
        self._write(
            {"step": at.step, "tokens": at.tokens, "nll": nll / window.tokens},
            tokens_per_second=window.tokens / seconds,
        )
        self.directory.append(
            self.directory.timings, {"step": at.step, "tokens": window.tokens, "train_seconds": seconds}
        )
        if self.progress is not None and at.tokens >= self.total_tokens:
            self.progress(self._progress(nll / window.tokens))
        self._start_window()

    def _write(self, entry: dict[str, Any], **measured: float) -> None:
        """Add a line of metrics; what is measured goes to the event files alone."""
        self.directory.append(self.directory.metrics, entry)
        if self.events is not None:
            self.events.add(entry, **measured)

    def _validate_part(self) -> None:
        """Write down the perplexity of a part of the validation text, and when it was reached."""
        at = self.at
        at.validations += 1
        if self.part is None:
            return
        nll = self._mean_nll(self.part)
        self._write({"step": at.step, "tokens": at.tokens, "part_nll": nll, "part_perplexity": perplexity(nll)})
        self.directory.append(self.directory.timings, {"step": at.step, "seconds_so_far": self.seconds})

    def _end_epoch(self) -> None:
        config, at = self.config, self.at
        self._check_weights()
        at.epoch += 1
        entry: dict[str, Any] = {"step": at.step, "tokens": at.tokens, "epoch": at.epoch}
        entry["train_nll"] = at.epoch_nll / max(at.epoch_tokens, 1)
        better = self.valid is None
        if self.valid is not None:
            nll = self._validate(self.valid)
            entry |= {"valid_nll": nll, "valid_perplexity": perplexity(nll), **self._normaliser()}
            better = at.best_nll is None or nll < at.best_nll
            at.best_nll = nll if better else at.best_nll
        at.epochs_without_gain = 0 if better else at.epochs_without_gain + 1
        at.step_in_epoch, at.epoch_nll, at.epoch_tokens = 0, 0.0, 0
        out_of_patience = config.patience is not None and at.epochs_without_gain >= config.patience
        at.finished = at.epoch >= config.epochs or self._agreed_done() >= 1 or out_of_patience
        if better and is_first():
            content = {"epoch": at.epoch, "table": at.table}
            save_checkpoint(self.directory.best, self.model.state_dict(), content)
        self._write(entry)
        self._save()

    def _validate(self, valid: EncodedText) -> float:
        began = time.monotonic()
        nll = self._mean_nll(valid)
        seconds = time.monotonic() - began
        self.directory.append(self.directory.timings, {"step": self.at.step, "valid_seconds": seconds})
        return nll

    def _mean_nll(self, text: EncodedText) -> float:
        nll = mean_nll(self.model, text, self.config, self.vocabulary, self.device)
        if not math.isfinite(perplexity(nll)):
            raise self._diverged(f"the validation perplexity is no longer finite after step {self.at.step}")
        return nll

    def _normaliser(self) -> dict[str, float]:
        """Return what NCE takes log Z for, and what it is on a part of the validation text."""
        if self.config.loss != "nce" or self.part is None:
            return {}
        assert isinstance(self.model, LanguageModel) and isinstance(self.model.output, SampledSoftmax)
        found = mean_log_normaliser(self.model, self.part, self.config, self.vocabulary, self.device)
        return {"log_z": self.model.output.log_z or 0.0, "mean_log_normaliser": found}

    def _save(self) -> None:
        self._check_weights()
        self.directory.append(self.directory.timings, {"step": self.at.step, "seconds_at_checkpoint": self.seconds})
        self.at.metrics_size = self.directory.metrics_size()
        tensors = pack(self.model, self.optimizer, self.state, self.device)
        if is_first():
            save_checkpoint(self.directory.latest, tensors, dict(vars(self.at)))
        self.kept = True

    def _check_weights(self) -> None:
        """Refuse to keep weights that the last step ruined: its loss was taken before it."""
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            raise self._diverged(f"a weight is no longer a number after step {self.at.step}")

    def _diverged(self, what: str) -> RunError:
        kept = "the last checkpoint stands" if self.kept else "no checkpoint was taken yet"
        return RunError(f"{what}: lower --learning-rate or --clip; {kept}")


def _derived_seed(*numbers: int) -> int:
    return int(np.random.default_rng(numbers).integers(2**63))
