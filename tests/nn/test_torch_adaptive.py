"""Between AdaptiveSoftmax and torch.nn.AdaptiveLogSoftmaxWithLoss nothing is lost, either way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import AdaptiveLogSoftmaxWithLoss

import wordalloc
from wordalloc.errors import InputError
from wordalloc.nn import AdaptiveSoftmax

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@st.composite
def arguments(draw: st.DrawFn) -> dict:
    """Of torch's module; its narrowest tail is at least 1 wide, and often just that."""
    size, dim = draw(st.integers(2, 40)), draw(st.integers(1, 12))
    cutoffs = sorted(draw(st.sets(st.integers(1, size - 1), min_size=1, max_size=4)))
    widest = dim ** (1 / len(cutoffs))
    div_value = draw(st.one_of(st.sampled_from([1, 1.5, 2, 3.7, 4, widest]), st.floats(1, 8)))
    head_bias, dtype = draw(st.booleans()), draw(st.sampled_from(DTYPES))
    sizes = {"in_features": dim, "n_classes": size, "cutoffs": cutoffs}
    return sizes | {"div_value": div_value, "head_bias": head_bias, "dtype": dtype}


def has_a_tail_of_width_zero(module: AdaptiveLogSoftmaxWithLoss) -> bool:
    return any(projection.out_features == 0 for projection, _ in module.tail)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@settings(max_examples=60)
@given(arguments(), st.integers(0, 2**31), st.booleans(), st.integers(0, 9))
def test_torchs_module_comes_back_as_it_was(made, seed, training, frozen):
    torch.manual_seed(seed)
    theirs = AdaptiveLogSoftmaxWithLoss(**made).train(training)
    for number, parameter in enumerate(theirs.parameters()):
        parameter.requires_grad_(number != frozen)
    if has_a_tail_of_width_zero(theirs):
        with pytest.raises(InputError, match=r"tail\.\d\.0\.weight is \(0, \d+\), expected \(1, \d+\)"):
            AdaptiveSoftmax.from_torch(theirs)
        return
    ours = AdaptiveSoftmax.from_torch(theirs)
    assert ours.training == training and ours.div_value == made["div_value"] and ours.cutoffs == made["cutoffs"]
    back = ours.to_torch()
    assert type(back) is AdaptiveLogSoftmaxWithLoss and back.training == training
    for name in ("in_features", "n_classes", "cutoffs", "div_value", "head_bias", "shortlist_size", "head_size"):
        assert getattr(back, name) == getattr(theirs, name), name
    compare(dict(theirs.named_parameters()), dict(back.named_parameters()))
    assert list(ours.torch_state_dict()) == list(theirs.state_dict())
    hidden, target = torch.randn(5, theirs.in_features).to(made["dtype"]), torch.randint(theirs.n_classes, (5,))
    assert all(torch.equal(a, b) for a, b in zip(theirs(hidden, target), back(hidden, target), strict=True))


def compare(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    """Bit for bit, in the same order, and in memory of their own."""
    assert list(first) == list(second)
    for name, weight in first.items():
        other = second[name]
        assert torch.equal(weight, other) and weight.data_ptr() != other.data_ptr(), name
        assert (weight.dtype, weight.device, weight.requires_grad, type(weight)) == (
            other.dtype,
            other.device,
            other.requires_grad,
            type(other),
        ), name


@settings(max_examples=30)
@given(arguments(), st.integers(0, 2**31), st.booleans())
def test_our_layer_comes_back_as_it_was(made, seed, training):
    torch.manual_seed(seed)
    size, dim, dtype = made["n_classes"], made["in_features"], made["dtype"]
    options = {"div_value": made["div_value"], "head_bias": made["head_bias"], "unk": 0}
    ours = AdaptiveSoftmax(size, dim, made["cutoffs"], **options).to(dtype).train(training)
    ours.head.requires_grad_(False)
    if any(int(dim // made["div_value"] ** (i + 1)) == 0 for i in range(len(made["cutoffs"]))):
        with pytest.raises(InputError, match="tail of width 0"):
            ours.to_torch()
        return
    back = AdaptiveSoftmax.from_torch(ours.to_torch(), unk=0)
    assert repr(back) == repr(ours) and back.training == training and back.unk == 0
    compare(dict(ours.named_parameters()), dict(back.named_parameters()))
    hidden, target = torch.randn(5, dim).to(dtype), torch.randint(size, (5,))
    assert torch.equal(ours(hidden, target), back(hidden, target))
    assert torch.equal(ours.log_prob(hidden), back.log_prob(hidden))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_say_the_same_of_every_word(dtype):
    torch.manual_seed(0)
    theirs = AdaptiveLogSoftmaxWithLoss(12, 90, [10, 30, 60], div_value=2.2, head_bias=True, dtype=dtype)
    ours = AdaptiveSoftmax.from_torch(theirs)
    hidden, target = torch.randn(200, 12, dtype=dtype), torch.randint(90, (200,))
    torch.testing.assert_close(ours.log_prob(hidden), theirs.log_prob(hidden))
    torch.testing.assert_close(ours(hidden, target), -theirs(hidden, target).output)
    assert torch.equal(ours.topk(hidden, 1)[1].squeeze(1), theirs.predict(hidden))


def test_tails_keep_dtypes_of_their_own():
    theirs = AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2)
    theirs.tail.to(torch.bfloat16)
    back = AdaptiveSoftmax.from_torch(theirs).to_torch()
    compare(dict(theirs.named_parameters()), dict(back.named_parameters()))


def test_moving_draws_no_random_numbers():
    theirs = AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2)
    before = torch.get_rng_state()
    AdaptiveSoftmax.from_torch(theirs).to_torch()
    assert torch.equal(torch.get_rng_state(), before)


def test_torchs_own_checkpoints_load_and_keep_the_layers_dtype():
    torch.manual_seed(0)
    theirs = AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2, dtype=torch.float64)
    ours = AdaptiveSoftmax(20, 8, [5, 10], div_value=2)
    ours.load_torch_state_dict(theirs.state_dict())
    assert ours.head.dtype == torch.float32 and torch.equal(ours.head, theirs.head.weight.float())
    theirs.float().load_state_dict(ours.torch_state_dict())
    compare(dict(theirs.named_parameters()), dict(ours.to_torch().named_parameters()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head_bias": True}, r"head\.bias is \(7,\), expected absent"),
        ({"cutoffs": [5]}, r"head\.weight is \(6, 8\), expected \(7, 8\)"),
        ({"cutoffs": [5, 11]}, r"tail\.0\.1\.weight is \(6, 4\), expected \(5, 4\)"),
        ({"div_value": 2.7}, r"tail\.0\.0\.weight is \(2, 8\), expected \(4, 8\)"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
def test_weights_of_another_layer_are_refused_by_name(change, message):
    sizes = {"in_features": 8, "n_classes": 20, "cutoffs": [5, 10], "div_value": 2}
    state = AdaptiveLogSoftmaxWithLoss(**{**sizes, **change}).state_dict()
    with pytest.raises(InputError, match=message):
        AdaptiveSoftmax(20, 8, [5, 10], div_value=2).load_torch_state_dict(state)


def test_the_vocabulary_size_is_left_out_of_cutoffs_as_torchs_constructor_has_it():
    theirs = AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2)
    assert theirs.cutoffs == [5, 10, 20]  # there torch keeps it
    with pytest.raises(InputError, match="from 1 to 19"):
        AdaptiveSoftmax(20, 8, theirs.cutoffs)
    assert AdaptiveSoftmax.from_torch(theirs).cutoffs == [5, 10]


def test_another_module_is_refused_and_tails_may_share_weights():
    with pytest.raises(InputError, match=r"expected a torch\.nn\.AdaptiveLogSoftmaxWithLoss, not Linear"):
        AdaptiveSoftmax.from_torch(torch.nn.Linear(2, 2))
    theirs = AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=1)
    theirs.tail[1][0].weight = theirs.tail[0][0].weight
    layer, hidden = AdaptiveSoftmax.from_torch(theirs), torch.randn(3, 8)
    torch.testing.assert_close(layer.log_prob(hidden), theirs.log_prob(hidden))


def test_sizes_may_be_numpys_and_growing_tails_are_refused():
    theirs = AdaptiveLogSoftmaxWithLoss(8, np.int64(20), [np.int64(5)], div_value=2)
    assert AdaptiveSoftmax.from_torch(theirs).vocab_size == 20
    with pytest.raises(InputError, match=r"at least 1, not 0\.5"):
        AdaptiveSoftmax.from_torch(AdaptiveLogSoftmaxWithLoss(8, 20, [5], div_value=0.5))


@pytest.mark.parametrize(
    "counts",
    [[9, 7, 7, 2, 1, 1], [6, 5, 4, 3, 2, 1]],
    ids=["counted", "order-alone"],
)
def test_a_trained_module_and_its_words_become_an_allocation_file(counts, tmp_path):
    torch.manual_seed(0)
    words = ["the", "a", "of", "in", "on", "to"]  # the module's class i is words[i]
    theirs = AdaptiveLogSoftmaxWithLoss(9, 6, [2, 4], div_value=1.7, head_bias=True).eval()
    layer = AdaptiveSoftmax.from_torch(theirs)
    vocabulary = wordalloc.Vocabulary(words, counts)  # refuses another order than that of the counts
    wordalloc.Cutoffs(vocabulary, layer.cutoffs, {"div_value": layer.div_value}).save(tmp_path / "a.safetensors")

    loaded = wordalloc.load(tmp_path / "a.safetensors")
    again = AdaptiveSoftmax.from_allocation(loaded, dim=9, head_bias=True)
    again.load_torch_state_dict(theirs.state_dict())
    compare(dict(theirs.named_parameters()), dict(again.to_torch().named_parameters()))
    hidden = torch.randn(4, 9)
    found = [loaded.vocabulary.words[rank] for rank in again.topk(hidden, 1)[1].flatten()]
    assert found == [words[number] for number in theirs.predict(hidden)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no second device")
def test_the_device_is_kept():
    theirs = AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2, device="cuda")
    ours = AdaptiveSoftmax.from_torch(theirs)
    assert {weight.device.type for weight in ours.parameters()} == {"cuda"}
    compare(dict(theirs.named_parameters()), dict(ours.to_torch().named_parameters()))
