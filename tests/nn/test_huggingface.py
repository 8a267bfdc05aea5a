"""Heads in models of transformers: three families, all heads, ids in no order, more ids than words, tied embeddings."""

from __future__ import annotations

import copy
import itertools
import json
import math
import pickle
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
from wordalloc.nn.huggingface.causal_lm import digest  # noqa: E402

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


class OwnModel(transformers.GPT2LMHeadModel):
    """A user's own class, which transformers does not know."""


def test_the_class_loads_its_models_and_makes_none(tmp_path: Path):
    model, ids = replaced("gpt2", "cutoffs"), tokens(2, 5)
    model.save_pretrained(tmp_path / "gpt2")
    again = type(model).from_pretrained(tmp_path / "gpt2")
    assert type(again) is type(model) and torch.equal(again(ids, labels=ids).loss, model(ids, labels=ids).loss)
    with pytest.raises(InputError, match="make a GPT2LMHeadModel of transformers first, and call replace_lm_head"):
        type(model)(model.config)
    with pytest.raises(InputError, match="holds a model of the class 'GPT2LMHeadModel', not a LlamaForCausalLM"):
        type(replaced("llama", "cutoffs")).from_pretrained(tmp_path / "gpt2")

    own = OwnModel(gpt2().config).eval()
    replace_lm_head(own, ALLOCATIONS["tree"], verbose=False)
    own.save_pretrained(tmp_path / "own")
    with pytest.raises(InputError, match="the class 'OwnModel', which transformers does not have; pass it"):
        from_pretrained(tmp_path / "own")
    for loaded in (
        from_pretrained(tmp_path / "own", model_class=OwnModel),
        type(own).from_pretrained(tmp_path / "own"),
    ):
        assert type(loaded) is type(own) and torch.equal(loaded(ids).logits, own(ids).logits)


@pytest.mark.parametrize("kind", ALLOCATIONS)
def test_models_are_pickled_for_other_processes(kind: str):
    model, ids = replaced("gpt2", kind), tokens(2, 5)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert type(again) is type(model)
    assert torch.equal(again(ids, labels=ids).loss, model(ids, labels=ids).loss)


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


def test_accelerate_gives_back_the_model_it_wrapped():
    accelerate = pytest.importorskip("accelerate")
    model, ids = replaced("gpt2", "cutoffs"), tokens(2, 6)
    loss = model(ids, labels=ids).loss
    accelerate.state.AcceleratorState._reset_state()  # of the trainers above, which had another precision
    accelerator = accelerate.Accelerator(cpu=True, mixed_precision="bf16")
    again = accelerator.unwrap_model(accelerator.prepare(model), keep_fp32_wrapper=False)
    accelerate.state.AcceleratorState._reset_state()
    assert again is model and torch.equal(model(ids, labels=ids).loss, loss)


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


GEMMA: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
GEMMA |= {"vocab_size": N_IDS, "num_key_value_heads": 2, "head_dim": 8}


def gemma() -> nn.Module:
    return transformers.GemmaForCausalLM(transformers.GemmaConfig(**GEMMA))


def gemma2(**options: Any) -> nn.Module:
    """Its padding is the id 0, of a vector of zeros, which no cap and no scale changes."""
    return transformers.Gemma2ForCausalLM(transformers.Gemma2Config(**GEMMA, **options))


def cohere() -> nn.Module:
    """Its logits are scaled, by logit_scale; 0 is padding here, too."""
    config = {name: value for name, value in GEMMA.items() if name != "head_dim"}
    return transformers.CohereForCausalLM(transformers.CohereConfig(**config))


def t5(**options: Any) -> nn.Module:
    config = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, **options}
    return transformers.T5ForConditionalGeneration(transformers.T5Config(vocab_size=N_IDS, **config))


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
        (gpt2, ALLOCATIONS["cutoffs"], {"div_value": "a"}, "div_value must be a number of at least 1, not 'a'"),
        (
            gpt2,
            ALLOCATIONS["cutoffs"],
            {"div_valeu": 2},
            "AdaptiveSoftmax has no option 'div_valeu'; did you mean div",
        ),
        (gpt2, ALLOCATIONS["cutoffs"], {"cutoffs": [1]}, "AdaptiveSoftmax has no option 'cutoffs'"),
        (gpt2, ALLOCATIONS["tree"], {"unk": 3}, "TreeSoftmax has no option 'unk'"),
        (lambda: nn.Linear(2, 2), ALLOCATIONS["tree"], {}, "expected a causal language model of transformers"),
        (lambda: gpt2().transformer, ALLOCATIONS["tree"], {}, "GPT2Model has no linear head of its own"),
        (granite, ALLOCATIONS["tree"], {}, "GraniteForCausalLM changes its logits after the head"),
        (gemma2, ALLOCATIONS["tree"], {}, "Gemma2ForCausalLM changes its logits after the head"),
        (cohere, ALLOCATIONS["tree"], {}, "CohereForCausalLM changes its logits after the head"),
        (t5, ALLOCATIONS["tree"], {}, "T5ForConditionalGeneration could not be tried with input_ids and labels alone"),
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
    ids=range(19),
)
def test_what_cannot_be_replaced_is_left_as_it_was(make: Any, allocation: Any, options: dict[str, Any], message: str):
    model = make()
    before, names = type(model), list(model.state_dict())
    with pytest.raises(InputError, match=message) as caught:
        replace_lm_head(model, allocation, **options)
    assert "\n" not in str(caught.value)
    assert type(model) is before and list(model.state_dict()) == names


def test_gemma_2_without_its_cap_is_accepted():
    model, ids = gemma2(final_logit_softcapping=None).eval(), tokens(2, 6)
    replace_lm_head(model, ALLOCATIONS["cutoffs"], verbose=False)
    logits = model(ids).logits
    assert logits.exp().sum(-1).allclose(torch.ones(2, 6))
    assert model(ids, labels=ids).loss.item() == pytest.approx(np.mean(nll_of_logits(logits, ids)), abs=1e-5)


def replica_of(model: nn.Module) -> Any:
    """Return what nn.DataParallel makes of a model for another device: weights are attributes, and no parameters."""
    replicas = {module: module._replicate_for_data_parallel() for module in model.modules()}
    for module, replica in replicas.items():
        replica._former_parameters = {}
        for name, child in module._modules.items():
            replica._modules[name] = None if child is None else replicas[child]
        for name, parameter in module._parameters.items():
            replica._former_parameters[name] = None if parameter is None else parameter * 1.0
            setattr(replica, name, replica._former_parameters[name])
    return replicas[model]


@pytest.mark.parametrize("kind", ALLOCATIONS)
def test_replicas_of_data_parallel_have_the_loss_and_gradients_of_the_model(kind: str):
    model, ids = replaced("llama", kind).train(), tokens(2, 6)
    model(ids, labels=ids).loss.backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    replica = replica_of(model)
    assert not list(replica.parameters())
    replica(ids, labels=ids).loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name])


def test_another_model_of_the_same_config_is_not_changed():
    model = gpt2()
    config, second = model.config, transformers.GPT2LMHeadModel(model.config)
    replace_lm_head(model, ALLOCATIONS["tree"], verbose=False)
    assert config.tie_word_embeddings and not hasattr(config, "wordalloc") and second.config is config
    third = transformers.GPT2LMHeadModel(config)
    assert third.lm_head.weight is third.transformer.wte.weight
    assert model.config is model.transformer.config and not model.config.tie_word_embeddings


def test_new_modules_are_in_the_mode_of_the_model():
    for training in (True, False):
        model = gpt2().train(training)
        replace_lm_head(model, ALLOCATIONS["table"], embedding=True, verbose=False)
        assert {module.training for module in model.modules()} == {training}


def complete() -> wordalloc.Cutoffs:
    vocabulary = wordalloc.Vocabulary([f"{i:02d}" for i in range(N_IDS)], range(N_IDS, 0, -1), ids=range(N_IDS))
    return wordalloc.Cutoffs(vocabulary, [3, 7])


def test_no_loss_is_made_of_logits_that_are_infinite(tmp_path: Path):
    """Trainer's label_smoothing_factor keeps the labels to itself, and its logs leave out losses that are infinite."""
    settings = {"max_steps": 1, "label_smoothing_factor": 0.1, "logging_steps": 1}
    model, data = replaced("llama", "cutoffs").train(), examples(4)
    with pytest.raises(InputError, match="4 of 16 token ids have no word in the allocation"):
        trainer_for(model, tmp_path, data, **settings).train()
    with torch.no_grad():
        assert (model.train()(tokens(1, 3)).logits[..., 5] == -math.inf).all()
    assert model.generate(torch.tensor([[9, 3]]), max_new_tokens=2).shape == (1, 4)

    model = llama()
    replace_lm_head(model, complete(), verbose=False)
    ids = torch.stack([row["input_ids"] for row in data])
    labels = torch.stack([row["labels"] for row in data])
    expected = nn.functional.cross_entropy(
        model(ids).logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), label_smoothing=0.1
    )
    trainer = trainer_for(model, tmp_path, data, **settings)
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(expected.item(), abs=1e-4)


def test_ranks_that_are_taken_for_ids_are_said_to_be(capsys):
    vocabulary = wordalloc.Vocabulary([f"{i:02d}" for i in range(N_IDS)], [1] * N_IDS)
    replace_lm_head(gpt2(), wordalloc.Cutoffs(vocabulary, [4]))
    assert capsys.readouterr().out.splitlines()[1].startswith("the allocation has no token ids: its ranks are taken")
    tokenizer = tokenizer_of(list(vocabulary.words))
    replace_lm_head(gpt2(), wordalloc.Cutoffs(vocabulary, [4]), tokenizer=tokenizer)
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize("number", [-1, N_IDS])
def test_what_is_no_id_has_no_vector(number: int):
    vectors = replaced("gpt2", "cutoffs").get_input_embeddings()
    with pytest.raises(IndexError):
        vectors(torch.tensor([[0, number]]))


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


def change_config(folder: Path, **values: Any) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | values))


def put_allocation(folder: Path, allocation: wordalloc.Allocation) -> None:
    """Put another allocation where the model's was, and say in the config that it is the model's."""
    allocation.save(folder / "allocation.safetensors")
    note = json.loads((folder / "config.json").read_text())["wordalloc"]
    change_config(folder, wordalloc={**note, "sha256": digest(folder / "allocation.safetensors")})


def test_configs_that_say_something_else_are_one_line(tmp_path: Path):
    replaced("gpt2", "cutoffs").save_pretrained(tmp_path)
    note = json.loads((tmp_path / "config.json").read_text())["wordalloc"]
    for names in (["PreTrainedModel"], ["GPT2Model"], ["T5ForConditionalGeneration"], [1], {"a": 1}, [], "x", None):
        change_config(tmp_path, architectures=names)
        with pytest.raises((FormatError, InputError)) as caught:
            from_pretrained(tmp_path)
        assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
    change_config(tmp_path, architectures=["GPT2LMHeadModel"])
    for options in ({"foo": 1}, {"div_value": "a"}, {"unk": 3}, [1], "x", None):
        change_config(tmp_path, wordalloc={**note, "options": options})
        with pytest.raises((FormatError, InputError)) as caught:
            from_pretrained(tmp_path)
        assert "\n" not in str(caught.value)
    change_config(tmp_path, wordalloc=note)
    for name in ("output_loading_info", "use_safetensors"):
        with pytest.raises(InputError, match=f"leave {name} out"):
            from_pretrained(tmp_path, **{name: True})
    assert from_pretrained(tmp_path).config.wordalloc["options"] == {}


def test_folders_that_hold_something_else_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"holds no allocation\.safetensors"):
        from_pretrained(tmp_path / "absent")
    gpt2().save_pretrained(tmp_path / "plain")
    ALLOCATIONS["tree"].save(tmp_path / "plain" / "allocation.safetensors")
    with pytest.raises(FormatError, match="is not what save_pretrained wrote after replace_lm_head"):
        from_pretrained(tmp_path / "plain")
    replaced("gpt2", "tree").save_pretrained(tmp_path / "other")
    put_allocation(tmp_path / "other", ALLOCATIONS["classes"])
    with pytest.raises(FormatError, match="are not those of its config and allocation"):
        from_pretrained(tmp_path / "other")
    replaced("gpt2", "classes").save_pretrained(tmp_path / "same shapes")
    wordalloc.Classes(VOCABULARY, [0, 1, 1, 0, 2, 2, 2, 1, 0, 3, 2, 1]).save(
        tmp_path / "same shapes" / "allocation.safetensors"
    )
    with pytest.raises(FormatError, match=r"allocation\.safetensors is not the file that was saved with the model"):
        from_pretrained(tmp_path / "same shapes")
    for name in ("model.safetensors", "config.json"):
        replaced("gpt2", "tree").save_pretrained(tmp_path / name)
        (tmp_path / name / name).write_bytes(b"{}")
        with pytest.raises(FormatError, match=f"cannot load the model in {tmp_path / name}: ") as caught:
            from_pretrained(tmp_path / name)
        assert "\n" not in str(caught.value)
    replaced("gpt2", "cutoffs").save_pretrained(tmp_path / "wider")
    put_allocation(tmp_path / "wider", wordalloc.Cutoffs(VOCABULARY, [4, 7]))
    with pytest.raises(FormatError, match=r"cannot load the model in .*wider: "):
        from_pretrained(tmp_path / "wider")
