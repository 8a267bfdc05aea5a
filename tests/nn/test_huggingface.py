"""Heads in models of transformers: three families, all heads, ids in no order, more ids than words, tied embeddings."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import wordalloc
from wordalloc.errors import FormatError, InputError

transformers = pytest.importorskip("transformers", reason="the heads are for models of transformers")
pytest.importorskip("accelerate", reason="Trainer needs it")

from wordalloc.nn.huggingface import from_pretrained, replace_lm_head  # noqa: E402

V, N_IDS = 12, 16
IDS = [9, 3, 15, 0, 7, 12, 1, 14, 4, 10, 6, 2]  # of the ranks; 5, 8, 11, 13 are no words
VOCABULARY = wordalloc.Vocabulary([f"token {i}" for i in IDS], [40, 30, 20, 12, 9, 7, 5, 4, 3, 2, 1, 0], ids=IDS)
ALLOCATIONS = {
    "cutoffs": wordalloc.Cutoffs(VOCABULARY, [3, 7]),
    "classes": wordalloc.Classes(VOCABULARY, [0, 1, 1, 0, 2, 2, 2, 1, 0, 3, 1, 2]),
    "tree": wordalloc.huffman(VOCABULARY),
    "table": wordalloc.Table(VOCABULARY, np.arange(V)[::-1], shape=(3, 4)),
}


def gpt2() -> nn.Module:
    """Tied embeddings, dropout."""
    config = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32, "bos_token_id": 0, "eos_token_id": None}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=N_IDS, **config))


def llama() -> nn.Module:
    config = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    special = {"bos_token_id": 0, "eos_token_id": None}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=N_IDS, **config, **special))


def opt() -> nn.Module:
    """Tied embeddings that are narrower than the hidden states, and padding in the embedding."""
    config = {"hidden_size": 16, "word_embed_proj_dim": 8, "ffn_dim": 24, "num_hidden_layers": 1}
    more = {"num_attention_heads": 2, "max_position_embeddings": 32, "bos_token_id": 0, "eos_token_id": None}
    return transformers.OPTForCausalLM(transformers.OPTConfig(vocab_size=N_IDS, **config, **more))


FAMILIES: dict[str, Callable[[], nn.Module]] = {"gpt2": gpt2, "llama": llama, "opt": opt}


@pytest.fixture(autouse=True)
def quiet() -> None:
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)


def replaced(family: str, kind: str, **options: Any) -> nn.Module:
    """Return a model in eval mode; its input embedding is the allocation's where there is one."""
    model = FAMILIES[family]().eval()
    options.setdefault("embedding", kind in ("cutoffs", "table"))
    replace_lm_head(model, ALLOCATIONS[kind], verbose=False, **options)
    for parameter in model.parameters():  # so that no two logits are alike
        nn.init.normal_(parameter, std=0.3)
    return model


def tokens(*shape: int) -> Tensor:
    return torch.tensor(IDS)[torch.randint(V, shape)]


def nll_of_logits(logits: Tensor, labels: Tensor) -> list[float]:
    """Return the nll of each label that is not ignored, token by token."""
    return [
        (logits[b, t].logsumexp(0) - logits[b, t, labels[b, t + 1]]).item()
        for b in range(labels.shape[0])
        for t in range(labels.shape[1] - 1)
        if labels[b, t + 1] != -100
    ]


def head_of(model: nn.Module) -> Any:
    return model.get_output_embeddings()


@pytest.mark.parametrize("kind", ALLOCATIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_in_the_order_of_ids_and_the_loss_is_their_nll(family: str, kind: str):
    model, ids = replaced(family, kind), tokens(2, 6)
    states: list[Tensor] = []
    head_of(model).register_forward_pre_hook(lambda module, inputs: states.append(inputs[0]))
    logits = model(ids).logits
    by_rank = head_of(model).layer.log_prob(states[0].flatten(0, 1)).unflatten(0, (2, 6))
    assert logits.shape == (2, 6, N_IDS) and logits.exp().sum(-1).allclose(torch.ones(2, 6))
    for rank, number in enumerate(IDS):
        assert torch.equal(logits[..., number], by_rank[..., rank])
    assert (logits[..., [5, 8, 11, 13]] == -math.inf).all()

    labels = ids.clone()
    labels[0, 2:4] = -100
    each = nll_of_logits(logits, labels)
    output = model(ids, labels=labels)
    assert output.loss.item() == pytest.approx(np.mean(each), abs=1e-5) and torch.equal(output.logits, logits)
    assert model(ids, labels=labels, num_items_in_batch=3).loss.item() == pytest.approx(sum(each) / 3, abs=1e-5)


@pytest.mark.parametrize("kind", ALLOCATIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_training_has_the_gradients_of_the_logits_without_making_them(family: str, kind: str, monkeypatch):
    model, ids = replaced(family, kind), tokens(2, 6)
    logits = model(ids).logits[:, :-1]
    nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if family == "opt":
        model.model.decoder.dropout = model.model.decoder.layers[0].dropout = 0.0
    monkeypatch.setattr(type(head_of(model).layer), "log_prob", None)
    output = model.train()(ids, labels=ids)
    assert output.logits is None
    output.loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], atol=1e-5, rtol=1e-4, msg=name)


def test_the_ids_are_the_ranks_where_a_vocabulary_has_none_and_the_size_of_the_models():
    vocabulary = wordalloc.Vocabulary([f"{i:02d}" for i in range(N_IDS)], [1] * N_IDS)
    model = gpt2().eval()
    layer = replace_lm_head(model, wordalloc.Cutoffs(vocabulary, [4]), verbose=False).layer
    states: list[Tensor] = []
    head_of(model).register_forward_pre_hook(lambda module, inputs: states.append(inputs[0]))
    assert torch.equal(model(tokens(1, 3)).logits[0], layer.log_prob(states[0][0]))


@pytest.mark.parametrize("kind", ["cutoffs", "table"])
def test_the_input_embedding_is_looked_up_by_id(kind: str):
    module = replaced("llama", kind).get_input_embeddings()
    vectors = module(torch.arange(N_IDS))
    by_rank = module.embedding(torch.arange(V))
    for number in range(N_IDS):
        assert torch.equal(vectors[number], by_rank[IDS.index(number)] if number in IDS else module.unknown)
    vectors.sum().backward()
    assert torch.equal(module.unknown.grad, torch.full((16,), 4.0))


@pytest.mark.parametrize(("family", "kind"), [("gpt2", "cutoffs"), ("llama", "table"), ("opt", "tree")])
def test_generation_is_what_a_slow_loop_gives(family: str, kind: str):
    model, start = replaced(family, kind), torch.tensor([[9, 3]])
    ids = start
    for _ in range(4):
        ids = torch.cat([ids, model(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
    assert torch.equal(model.generate(start, max_new_tokens=4, do_sample=False), ids)

    torch.manual_seed(1)
    drawn = start.expand(3, -1)
    for _ in range(4):
        drawn = torch.cat([drawn, torch.multinomial(model(drawn).logits[:, -1].softmax(-1), 1)], 1)
    torch.manual_seed(1)
    assert torch.equal(model.generate(start.expand(3, -1), max_new_tokens=4, do_sample=True, top_k=0), drawn)

    # A beam as wide as the vocabulary leaves nothing out in two steps: it finds the best of all pairs.
    pairs = torch.tensor(list(itertools.product(IDS, repeat=2)))
    logits = model(torch.cat([start.expand(len(pairs), -1), pairs], 1)).logits[:, 1:3]
    score = logits.gather(2, pairs.unsqueeze(2)).sum((1, 2))
    assert torch.equal(model.generate(start, max_new_tokens=2, num_beams=V)[0, 2:], pairs[score.argmax()])


def trainer_for(model: nn.Module, folder: Path, batches: list[dict[str, Any]], **arguments: Any) -> Any:
    chosen = {"report_to": [], "use_cpu": True, "disable_tqdm": True, "save_strategy": "no", **arguments}
    settings = transformers.TrainingArguments(str(folder), **chosen)
    return transformers.Trainer(model, settings, train_dataset=batches, eval_dataset=batches[:4])


def examples(number: int) -> list[dict[str, Any]]:
    """Rows of tokens of which each is followed by the same one; some labels are ignored, in each row more."""
    rows = [torch.tensor(IDS)[(torch.arange(8) * 5 + i) % V] for i in range(number)]
    return [{"input_ids": row, "labels": torch.where(torch.arange(8) < i % 5, -100, row)} for i, row in enumerate(rows)]


def test_trainer_learns_evaluates_and_goes_on_from_a_checkpoint(tmp_path: Path):
    model, data = replaced("llama", "cutoffs"), examples(8)
    settings = {"max_steps": 20, "learning_rate": 0.03, "lr_scheduler_type": "constant", "logging_steps": 5}
    trainer = trainer_for(model, tmp_path, data, save_strategy="steps", save_steps=10, **settings)
    trainer.compute_metrics = lambda found: {"shape": found.predictions.shape}
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert before["eval_loss"] > losses[0] > 2 * losses[-1] and after["eval_loss"] < losses[-1]
    assert before["eval_shape"] == (4, 8, N_IDS)

    again = from_pretrained(tmp_path / "checkpoint-10")
    trainer_for(again, tmp_path, data, **settings).train(resume_from_checkpoint=str(tmp_path / "checkpoint-10"))
    for name, parameter in again.named_parameters():
        torch.testing.assert_close(parameter, model.get_parameter(name), atol=1e-4, rtol=1e-3)


def test_accumulated_gradients_count_every_token_once(tmp_path: Path):
    first = replaced("llama", "classes")
    second, data = copy.deepcopy(first), examples(4)
    each = [x for row in data for x in nll_of_logits(first(row["input_ids"][None]).logits, row["labels"][None])]
    settings = {"max_steps": 1, "learning_rate": 0.1, "optim": "sgd", "max_grad_norm": 0.0, "logging_steps": 1}
    for model, size in ((first, 4), (second, 1)):
        sizes = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 4 // size}
        trainer = trainer_for(model, tmp_path, data, **settings, **sizes)
        trainer.train()
        assert trainer.state.log_history[0]["loss"] == pytest.approx(np.mean(each), abs=1e-4)
    for name, parameter in second.named_parameters():
        torch.testing.assert_close(parameter, first.get_parameter(name), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "kind"), [("gpt2", "cutoffs"), ("gpt2", "tree"), ("llama", "classes"), ("opt", "table")]
)
def test_what_was_saved_is_loaded(family: str, kind: str, tmp_path: Path):
    options = {"div_value": 2.0} if kind == "cutoffs" else {}
    model, ids = replaced(family, kind, **options), tokens(2, 5)
    model.save_pretrained(tmp_path / "model", max_shard_size="4KB")
    ALLOCATIONS[kind].save(tmp_path / "own")
    assert (tmp_path / "model" / "allocation.safetensors").read_bytes() == (tmp_path / "own").read_bytes()
    assert len(list(tmp_path.glob("model/model-*.safetensors"))) > 1 and not list(tmp_path.glob("model/*.bin"))

    again = from_pretrained(tmp_path / "model")
    assert type(again) is type(model) and not again.training and again.config.architectures == [type(model).__name__]
    assert torch.equal(again(ids, labels=ids).loss, model(ids, labels=ids).loss)
    assert torch.equal(again(ids).logits, model(ids).logits)
    half = from_pretrained(tmp_path / "model", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    for (name, mine), (other, theirs) in zip(half.named_buffers(), model.named_buffers(), strict=True):
        assert name == other and torch.equal(mine, theirs.to(mine.dtype))
    torch.testing.assert_close(half(ids).logits.exp(), model(ids).logits.exp(), atol=0.05, rtol=0)


def test_embeddings_are_untied_and_stay_so(tmp_path: Path):
    model = replaced("gpt2", "classes")
    model.tie_weights()
    assert not model.config.tie_word_embeddings and isinstance(model.get_input_embeddings(), nn.Embedding)
    model.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path)
    assert torch.equal(again.transformer.wte.weight, model.transformer.wte.weight)


def test_parameters_are_counted(capsys):
    model = gpt2()
    body = sum(p.numel() for p in model.transformer.parameters()) - N_IDS * 16
    result = replace_lm_head(model, ALLOCATIONS["cutoffs"], embedding=True, div_value=2)
    tails = (4 * 8 + 8 * 16) + (5 * 4 + 4 * 16)
    head, embedding = 5 * 16 + 5 + tails, 3 * 16 + tails + 16  # biases, and the vector of ids without a word
    assert (result.parameters_before, result.parameters_after) == (body + N_IDS * 16, body + head + embedding)
    assert capsys.readouterr().out == f"{result}\n"
    assert f"{result.parameters_before:,} parameters before, {result.parameters_after:,} after" in str(result)


def test_biases_begin_at_the_counts():
    shares = (VOCABULARY.counts + 1) / (VOCABULARY.counts + 1).sum()
    for kind in ("cutoffs", "classes", "tree"):
        layer = replace_lm_head(llama(), ALLOCATIONS[kind], verbose=False).layer
        found = layer.log_prob(torch.zeros(1, 16)).exp()[0].detach().numpy()
        # In the tail of an adaptive softmax words have no biases.
        known = slice(0, 3) if kind == "cutoffs" else slice(None)
        np.testing.assert_allclose(found[known], shares[known], rtol=1e-4)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated")
def test_checkpointed_gradients_copies_and_autocast():
    model, ids = replaced("llama", "table"), tokens(2, 6)
    copied = copy.deepcopy(model).train()
    copied.gradient_checkpointing_enable()
    model.train()(ids, labels=ids).loss.backward()
    copied(ids, labels=ids).loss.backward()
    for name, parameter in copied.named_parameters():
        assert torch.equal(parameter.grad, model.get_parameter(name).grad)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(ids, labels=ids).loss
    assert loss.dtype == torch.float32 and loss.item() == pytest.approx(model(ids, labels=ids).loss.item(), rel=0.02)


@pytest.mark.parametrize("kind", ALLOCATIONS)
def test_new_modules_have_the_dtype_of_the_old(kind: str):
    model, ids = llama().bfloat16(), tokens(2, 6)
    replace_lm_head(model, ALLOCATIONS[kind], embedding=kind in ("cutoffs", "table"), verbose=False)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    loss = model.train()(ids, labels=ids).loss
    loss.backward()
    logits = model.eval()(ids).logits
    assert loss.dtype == logits.dtype == torch.float32
    assert loss.item() == pytest.approx(np.mean(nll_of_logits(logits, ids)), abs=0.05)


def test_outputs_are_tuples_on_request():
    model, ids = replaced("gpt2", "tree"), tokens(1, 4)
    loss, logits = model(ids, labels=ids, return_dict=False, use_cache=False)
    assert loss.ndim == 0 and torch.equal(logits, model(ids).logits)
    assert model.train()(ids, labels=ids, return_dict=False, use_cache=False)[1:] == ()


@pytest.mark.long
@pytest.mark.parametrize("kind", ALLOCATIONS)
def test_a_compiled_model_trains_in_one_graph(kind: str):
    model, ids = replaced("llama", kind).train(), tokens(2, 6)
    model(ids, labels=ids).loss.backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    compiled(ids, labels=ids).loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name])


def tokenizer_of(words: list[str]) -> Any:
    tokenizers = pytest.importorskip("tokenizers", reason="it comes with transformers")
    model = tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[0])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(model))


def test_a_tokenizer_vouches_for_the_words():
    words = [f"token {i}" for i in range(N_IDS)]
    replace_lm_head(gpt2(), ALLOCATIONS["tree"], tokenizer=tokenizer_of(words), verbose=False)
    words[7] = "seven"
    with pytest.raises(InputError, match="token 7 is 'token 7' in the allocation, but 'seven' to the tokenizer"):
        replace_lm_head(gpt2(), ALLOCATIONS["tree"], tokenizer=tokenizer_of(words))
    # A model with padding, and a vocabulary whose ranks are the tokenizer's ids: it is the tokenizer that tells.
    ranks = wordalloc.Vocabulary(["a", "b", "c"], [3, 2, 1])
    replace_lm_head(gpt2(), wordalloc.Cutoffs(ranks, [1]), tokenizer=tokenizer_of(["a", "b", "c"]), verbose=False)
    with pytest.raises(InputError, match="the allocation has no token ids, and its 3 words are not the model's 16"):
        replace_lm_head(gpt2(), wordalloc.Cutoffs(ranks, [1]))


def granite() -> nn.Module:
    config = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    return transformers.GraniteForCausalLM(transformers.GraniteConfig(vocab_size=N_IDS, logits_scaling=4.0, **config))


def gemma() -> nn.Module:
    config = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    more = {"num_key_value_heads": 2, "head_dim": 8}
    return transformers.GemmaForCausalLM(transformers.GemmaConfig(vocab_size=N_IDS, **config, **more))


def own_loss() -> nn.Module:
    model = gpt2()
    model.loss_function = lambda *args, **kwargs: None
    return model


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return gpt2()


FAR = wordalloc.Cutoffs(wordalloc.Vocabulary(["a", "b"], [2, 1], ids=[1, 16]), [1])


@pytest.mark.parametrize(
    ("make", "allocation", "options", "message"),
    [
        (gpt2, FAR, {}, "the allocation has the token id 16, but the model's end at 15"),
        (gpt2, VOCABULARY, {}, "a head needs cutoffs, classes, a tree or a table, not Vocabulary"),
        (gpt2, ALLOCATIONS["tree"], {"embedding": True}, "an input embedding needs cutoffs or a table, not Tree"),
        (gpt2, ALLOCATIONS["cutoffs"], {"div_value": 0.5}, "div_value must be a number of at least 1, not 0.5"),
        (gpt2, ALLOCATIONS["tree"], {"bias": {1, 2}}, "options"),
        (lambda: nn.Linear(2, 2), ALLOCATIONS["tree"], {}, "expected a causal language model of transformers"),
        (lambda: gpt2().transformer, ALLOCATIONS["tree"], {}, "GPT2Model has no linear head of its own"),
        (granite, ALLOCATIONS["tree"], {}, "GraniteForCausalLM changes its logits after the head"),
        (gemma, ALLOCATIONS["table"], {"embedding": True}, "GemmaTextScaledWordEmbedding, does more than look up"),
        (own_loss, ALLOCATIONS["tree"], {}, "GPT2LMHeadModel has a loss of its own"),
        (on_meta, ALLOCATIONS["tree"], {}, "the weights of this GPT2LMHeadModel are not loaded"),
        (
            lambda: replaced("gpt2", "tree"),
            ALLOCATIONS["tree"],
            {},
            "the head of this GPT2LMHeadModel is an allocation's",
        ),
    ],
    ids=range(12),
)
def test_what_cannot_be_replaced_is_left_as_it_was(make: Any, allocation: Any, options: dict[str, Any], message: str):
    model = make()
    before, names = type(model), list(model.state_dict())
    with pytest.raises(InputError, match=message) as caught:
        replace_lm_head(model, allocation, **options)
    assert "\n" not in str(caught.value)
    assert type(model) is before and list(model.state_dict()) == names


@pytest.mark.parametrize("label", [5, 16, -1], ids=["no word", "no id", "negative"])
def test_a_label_without_a_word_is_refused(label: int):
    model, ids = replaced("gpt2", "cutoffs"), tokens(1, 4)
    labels = ids.clone()
    labels[0, 2] = label
    with pytest.raises(InputError, match=f"the label {label} is a token that the allocation does not have"):
        model(ids, labels=labels)
    assert model(ids).logits.exp().sum(-1).allclose(torch.ones(1, 4))  # not left waiting for a loss


def test_tokens_cannot_be_added_and_the_loss_cannot_be_set():
    model = replaced("gpt2", "cutoffs")
    with pytest.raises(InputError, match="the tokens of an allocation are fixed"):
        model.resize_token_embeddings(20)
    with pytest.raises(AttributeError):
        model.loss_function = nn.functional.cross_entropy


def test_folders_that_hold_something_else_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"holds no allocation\.safetensors"):
        from_pretrained(tmp_path / "absent")
    gpt2().save_pretrained(tmp_path / "plain")
    ALLOCATIONS["tree"].save(tmp_path / "plain" / "allocation.safetensors")
    with pytest.raises(FormatError, match="is not what save_pretrained wrote after replace_lm_head"):
        from_pretrained(tmp_path / "plain")
    replaced("gpt2", "tree").save_pretrained(tmp_path / "other")
    ALLOCATIONS["classes"].save(tmp_path / "other" / "allocation.safetensors")
    with pytest.raises(FormatError, match="are not those of its config and allocation"):
        from_pretrained(tmp_path / "other")
    for name in ("model.safetensors", "config.json"):
        replaced("gpt2", "tree").save_pretrained(tmp_path / name)
        (tmp_path / name / name).write_bytes(b"{}")
        with pytest.raises(FormatError, match=f"cannot load the model in {tmp_path / name}: ") as caught:
            from_pretrained(tmp_path / name)
        assert "\n" not in str(caught.value)
    replaced("gpt2", "cutoffs").save_pretrained(tmp_path / "wider")
    wordalloc.Cutoffs(VOCABULARY, [4, 7]).save(tmp_path / "wider" / "allocation.safetensors")
    with pytest.raises(FormatError, match=r"cannot load the model in .*wider: "):
        from_pretrained(tmp_path / "wider")
