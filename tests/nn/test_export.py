"""The layers under torch.export and torch.compile: one graph for every batch, and the eager answers."""

from __future__ import annotations

import io
import shutil

import pytest
import torch
from torch import Tensor, nn

from tests.nn.exported_layers import DIM, MAKERS, make
from wordalloc.nn import AdaptiveEmbedding, ClassEmbedding, TableEmbedding

EVERY_KIND = ["adaptive-2", "classes", "tree", "table"]
QUICK = EVERY_KIND[:2]
OTHERS = [pytest.param(kind, marks=pytest.mark.long) for kind in MAKERS if kind not in QUICK]
NEEDS_COMPILER = pytest.mark.skipif(
    shutil.which("c++") is None, reason="inductor needs a C++ compiler: apt install g++"
)
Outputs = tuple[Tensor, Tensor, Tensor, Tensor]


class Everything(nn.Module):
    """All that a layer says of a batch."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layer = make(kind)

    def forward(self, hidden: Tensor, target: Tensor) -> Outputs:
        return self.layer(hidden, target), self.layer.log_prob(hidden), *self.layer.topk(hidden, 5)


def batch(model: Everything, n: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(n)
    return torch.randn(n, DIM), torch.randint(model.layer.vocab_size, (n,))


def program_of(model: Everything) -> torch.export.ExportedProgram:
    n = torch.export.Dim("n")
    return torch.export.export(model, batch(model, 3), dynamic_shapes=({0: n}, {0: n}))


@pytest.mark.parametrize("kind", [*QUICK, *OTHERS])
def test_an_exported_programme_takes_any_batch(kind):
    model = Everything(kind)
    run = program_of(model).module()
    for n in (0, 1, 2, 40):
        torch.testing.assert_close(run(*batch(model, n)), model(*batch(model, n)))


@pytest.mark.long
def test_a_saved_programme_says_the_same():
    model = Everything("classes")
    file = io.BytesIO()
    torch.export.save(program_of(model), file)
    file.seek(0)
    run = torch.export.load(file).module()
    torch.testing.assert_close(run(*batch(model, 9)), model(*batch(model, 9)))


@pytest.mark.long
@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=NEEDS_COMPILER)])
def test_compiles_whole_what_it_says_of_every_word(kind, backend):
    torch.compiler.reset()  # one code for all kinds, of which torch compiles eight
    model = Everything(kind)
    run = torch.compile(model, fullgraph=True, backend=backend, dynamic=True)
    for n in (3, 40):
        torch.testing.assert_close(run(*batch(model, n)), model(*batch(model, n)))


@pytest.mark.parametrize("kind", ["classes", pytest.param("adaptive-2", marks=pytest.mark.long)])
def test_the_dense_form_gives_ties_to_the_lower_rank(kind):
    model = Everything(kind)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    hidden, _ = batch(model, 3)
    values, ranks = torch.compile(model.layer.topk, fullgraph=True, backend="eager")(hidden, 9)
    first = {
        "adaptive-2": [*range(9)],  # three of 1/5, then clusters of 5 and 6 words
        "classes": [0, 1, 2, 3, 4, *range(5, 9)],  # classes of 1, 2 and 2 words, then of 4
    }[kind]
    assert ranks.tolist() == [first] * 3 == model.layer.topk(hidden, 9)[1].tolist()
    torch.testing.assert_close(values, model.layer.log_prob(hidden)[:, first])


@pytest.mark.parametrize(
    "embedding",
    [
        lambda: AdaptiveEmbedding(14, DIM, [3, 8], div_value=2),
        lambda: ClassEmbedding(14, DIM, [0, 1, 2, 2, 1, 3, 3, 3, 3, 4, 4, 4, 4, 4]),
        lambda: TableEmbedding(14, DIM, range(14), (4, 4)),
    ],
    ids=["adaptive", "class", "table"],
)
def test_embeddings_export_for_any_number_of_words(embedding):
    layer = embedding()
    n = torch.export.Dim("n")
    run = torch.export.export(layer, (torch.arange(12).reshape(3, 4),), dynamic_shapes=({0: n},)).module()
    for rows in (1, 5):
        ids = torch.randint(14, (rows, 4))
        torch.testing.assert_close(run(ids), layer(ids))
