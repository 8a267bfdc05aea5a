"""Class recurrence: a recurrent layer whose step depends on the class of the word that it reads."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordalloc.errors import InputError
from wordalloc.nn.lightrnn import CELLS, State

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # of a layer, in torch's names


class ClassRecurrent(nn.Module):
    """An LSTM, GRU or RNN that reads its last state unit by unit as strongly as the class of the word says.

    Where the plain cell multiplies its recurrent matrix by hₜ₋₁, this one multiplies it by hₜ₋₁ ⊙ (1 + S[class]). So
    each class has a recurrent matrix of its own, W diag(1 + S[class]), for d weights instead of d². S begins at 0, and
    the cell as the plain one. What carries the memory from step to step is left alone: the LSTM's c, and the hₜ₋₁ that
    the GRU's update gate keeps.

    Parameters
    ----------
    cell : {"lstm", "gru", "rnn"}
    dim : int
        d, of inputs and states.
    n_classes : int
        K.
    layers : int
    dropout : float
        Between the layers.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l1, … : Parameter
        The plain cell's, as torch names and draws them.
    scale : Parameter, shape (layers, K, d)
        S of each layer.

    Notes
    -----
    The multiplicative RNN of Sutskever, Martens & Hinton ("Generating text with recurrent neural networks", ICML 2011,
    section 3) and the multiplicative LSTM of Krause, Lu, Murray & Renals (2016) scale states by a product of the input;
    here the class stands in the input's place, and the factors are as many as the units. A state of zeros stays zeros
    whatever scales it, so the first word after one is read without its class.

    One step at a time in Python: an LSTM of 256 units takes 1.4 times as long to train as torch's, on a CPU.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> layer, plain = ClassRecurrent("lstm", dim=4, n_classes=3), nn.LSTM(4, 4, batch_first=True)
    >>> layer.load_state_dict(plain.state_dict(), strict=False).missing_keys
    ['scale']
    >>> embedded, classes = torch.randn(2, 5, 4), torch.randint(3, (2, 5))  # (B, T, d), (B, T)
    >>> output, (h, c) = layer(embedded, classes)
    >>> output.shape, h.shape, bool(output.allclose(plain(embedded)[0], atol=1e-6))
    (torch.Size([2, 5, 4]), torch.Size([1, 2, 4]), True)
    >>> _ = nn.init.ones_(layer.scale[0, 1])  # what is read in class 1 is now twice as strong
    >>> bool(layer(embedded, classes)[0].allclose(output, atol=1e-6))
    False
    """

    def __init__(self, cell: str, dim: int, n_classes: int, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        if cell not in CELLS:
            raise InputError(f"cell must be one of {', '.join(CELLS)}, not {cell!r}")
        for name, value in (("dim", dim), ("n_classes", n_classes), ("layers", layers)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a positive whole number, not {value!r}")
        self.cell, self.dim, self.n_classes, self.layers = cell, dim, n_classes, layers
        self.dropout = nn.Dropout(dropout)
        for name, parameter in CELLS[cell](dim, dim, layers).named_parameters():
            self.register_parameter(name, parameter)
        self.scale = nn.Parameter(torch.zeros(layers, n_classes, dim))

    def forward(self, embedded: Tensor, classes: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Return the last layer's states, and the state after the last step.

        Parameters
        ----------
        embedded : Tensor, shape (B, T, d)
            What is read.
        classes : Tensor of int64, shape (B, T)
            The class of the word at each step.
        state : optional
            As torch's layers have it: (layers, B, d), for the LSTM two of these, h and c; default: zeros.

        Returns
        -------
        output : Tensor, shape (B, T, d)
        state
        """
        before = self._before(embedded, classes, state)
        states, after = embedded.transpose(0, 1), []  # (T, B, d)
        for layer in range(self.layers):
            if layer:
                states = self.dropout(states)
            scales = F.embedding(classes.t(), 1 + self.scale[layer])  # (T, B, d)
            states, last = self._run(layer, states, scales, tuple(part[layer] for part in before))
            after.append(last)
        stacked = tuple(torch.stack(part) for part in zip(*after, strict=True))
        return states.transpose(0, 1), stacked if self.cell == "lstm" else stacked[0]

    def _run(
        self, layer: int, inputs: Tensor, scales: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return a layer's states, (T, B, d), and the last of them: (h, c), or (h,)."""
        weight_ih, weight_hh, bias_ih, bias_hh = (getattr(self, f"{name}_l{layer}") for name in WEIGHTS)
        outputs = []
        for given, scale in zip(F.linear(inputs, weight_ih, bias_ih).unbind(), scales.unbind(), strict=True):
            recalled = F.linear(state[0] * scale, weight_hh, bias_hh)
            state = _STEPS[self.cell](given, recalled, *state)
            outputs.append(state[0])
        return torch.stack(outputs), state

    def _before(self, embedded: Tensor, classes: Tensor, state: State) -> tuple[Tensor, ...]:
        """Return the state to begin with, (h, c) or (h,), refusing wrong shapes."""
        if embedded.shape != (*classes.shape, self.dim) or classes.ndim != 2 or not classes.shape[1]:
            raise InputError(
                f"expected embedded (B, T, {self.dim}) and classes (B, T) with at least one step, "
                f"got {tuple(embedded.shape)} and {tuple(classes.shape)}"
            )
        n_parts, shape = 2 if self.cell == "lstm" else 1, (self.layers, len(embedded), self.dim)
        if state is None:
            return (embedded.new_zeros(shape),) * n_parts
        parts = tuple(state) if isinstance(state, (tuple, list)) else (state,)
        if [part.shape for part in parts] != [shape] * n_parts:
            raise InputError(
                f"the state of this {self.cell} must be {n_parts} of shape {shape}, not "
                + ", ".join(str(tuple(part.shape)) for part in parts)
            )
        return parts

    def extra_repr(self) -> str:
        return f"{self.cell!r}, dim={self.dim}, n_classes={self.n_classes}, layers={self.layers}"


# One step of each cell, from what the input gives and what the state recalls, each (B, gates · d), to its new state.


def _lstm(given: Tensor, recalled: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    enter, keep, new, leave = (given + recalled).chunk(4, 1)
    c = torch.addcmul(keep.sigmoid() * c, enter.sigmoid(), new.tanh())
    return leave.sigmoid() * c.tanh(), c


def _gru(given: Tensor, recalled: Tensor, h: Tensor) -> tuple[Tensor]:
    given_reset, given_keep, given_new = given.chunk(3, 1)
    recalled_reset, recalled_keep, recalled_new = recalled.chunk(3, 1)
    reset = (given_reset + recalled_reset).sigmoid()
    keep = (given_keep + recalled_keep).sigmoid()
    new = torch.addcmul(given_new, reset, recalled_new).tanh()
    return (new + keep * (h - new),)


def _rnn(given: Tensor, recalled: Tensor, h: Tensor) -> tuple[Tensor]:
    return ((given + recalled).tanh(),)


_STEPS: dict[str, Callable[..., tuple[Tensor, ...]]] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}
