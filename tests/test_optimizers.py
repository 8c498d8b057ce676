# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from lsms_monai.networks import LSMS
from lsms_monai.optimizers import parameter_groups

RATES = {"learning_rate": 0.1, "text_learning_rate": 0.01, "weight_decay": 0.5}


@pytest.fixture(scope="module")
def network(bert):
    bert = {**bert, "num_hidden_layers": 3}
    return LSMS(text_encoder=bert, default_input_ids=(1, 2), trainable_text_layers=2, zero_init_gate=True)


def settings(network):
    """Learning rate and weight decay of each parameter, by name."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in parameter_groups(network, **RATES)
        for parameter in group["params"]
    }


def test_frozen_parameters_are_left_out_and_all_others_are_in(network):
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert {*settings(network)} == trained
    assert not any(name.startswith("text_encoder.model.embeddings") for name in trained)
    assert sum(len(group["params"]) for group in parameter_groups(network, **RATES)) == len(trained)


def test_the_text_encoder_learns_at_its_own_rate(network):
    rates = {name: rate for name, (rate, _) in settings(network).items()}
    assert {rate for name, rate in rates.items() if name.startswith("text_encoder.")} == {0.01}
    assert {rate for name, rate in rates.items() if not name.startswith("text_encoder.")} == {0.1}


def test_norms_biases_scales_and_position_embeddings_do_not_decay(network):
    decays = {name: decay for name, (_, decay) in settings(network).items()}
    free = ("bias", "gate_scale", "scale1", "scale2", "position_embedding", "norm1.weight", "LayerNorm.weight")
    for ending in free:
        assert {decay for name, decay in decays.items() if name.endswith(ending)} == {0.0}, ending


def test_the_weights_of_all_convolutions_and_linear_layers_decay(network):
    decays = {name: decay for name, (_, decay) in settings(network).items()}
    layers = [name for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    weights = [f"{name}.weight" for name in layers if f"{name}.weight" in decays]
    assert len(weights) > 100
    assert not [name for name in weights if decays[name] != 0.5]


def test_word_embeddings_do_not_decay():
    encoder = nn.ModuleDict({"text_encoder": nn.ModuleDict({"word_embeddings": nn.Embedding(5, 3)})})
    assert settings(encoder) == {"text_encoder.word_embeddings.weight": (0.01, 0.0)}


def test_a_wrapped_network_has_the_same_groups(network):
    class Wrapped(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

    assert settings(Wrapped(network)) == {f"module.{name}": values for name, values in settings(network).items()}


def test_the_groups_make_an_optimizer(network):
    optimizer = torch.optim.AdamW(parameter_groups(network, **RATES), lr=0.1)
    assert len(optimizer.param_groups) == 4
