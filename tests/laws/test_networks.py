# SPDX-License-Identifier: Apache-2.0
"""The laws that every public network obeys; ``conftest.py`` lists the networks."""

import inspect
import re

import torch

from lsms_monai import networks
from lsms_monai.losses import LSMSLoss, RegionSentenceContrastiveLoss
from lsms_monai.optimizers import parameter_groups


def spread(output):
    """Standard deviation over all places of a map (B, C, H, W) or tokens ([B,] N, D), of its liveliest channel."""
    if output.ndim == 4:
        output = output.flatten(2).transpose(1, 2)
    if output.ndim == 2:
        output = output[None]
    return output.std(dim=1).amax(dim=1).min()


def loss_of(output, sample):
    """The training loss for an ``LSMS``; for other networks, a random projection of all that they return."""
    if isinstance(output, dict):
        label = (sample["image"] > 0.5).float()
        return LSMSLoss(alignment=RegionSentenceContrastiveLoss())(output, label)
    outputs = output if isinstance(output, (list, tuple)) else [output]
    generator = torch.Generator().manual_seed(3)
    return sum((tensor * torch.randn(tensor.shape, generator=generator)).sum() for tensor in outputs)


def test_every_public_network_is_under_the_laws(all_cases):
    public = {name for name in networks.__all__ if inspect.isclass(getattr(networks, name))}
    assert public == {case.name.partition("-")[0] for case in all_cases}


def test_two_calls_give_the_same(case, network, sample, expected):
    torch.manual_seed(5)
    assert all(torch.equal(one, other) for one, other in zip(case(network, sample), expected, strict=True))


def test_outputs_are_finite_and_not_constant(expected):
    assert all(torch.isfinite(output).all() and spread(output) > 1e-5 for output in expected)


def test_no_map_inside_is_constant(case, network, sample):
    seen = {}
    hooks = [
        module.register_forward_hook(lambda module, inputs, output, name=name: seen.update({name: spread(output)}))
        for name, module in network.named_modules()
        # All words are tokens of one type, and positions start as zeros.
        if not list(module.children()) and "token_type" not in name and "position.project" not in name
    ]
    case(network, sample)
    for hook in hooks:
        hook.remove()
    assert len(seen) >= 2
    assert not {name: value for name, value in seen.items() if not value > 1e-6}


def test_every_input_matters(case, network, sample, expected, change, difference):
    for part in case.parts:
        other = change(sample, [part], lambda tensor: tensor.flip(0))
        assert difference(case(network, other), expected) > 1e-4, part


def test_permuting_the_batch_permutes_the_output(case, network, sample, expected, change, assert_same):
    swapped = change(sample, case.parts, lambda tensor: tensor.flip(0))
    assert_same(case(network, swapped), [output.flip(0) for output in expected])


def test_samples_do_not_hear_of_each_other(case, network, sample, expected, change, assert_same):
    alone = change(sample, case.parts, lambda tensor: tensor[:1])
    assert_same(case(network, alone), [output[:1] for output in expected])


def test_bfloat16_agrees_loosely(case, network, sample, expected):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = case(network, sample)
    for low, output in zip(outputs, expected, strict=True):
        assert (low.float() - output).norm() < 0.15 * output.norm()


def test_a_network_is_all_in_its_state_dict(case, bert, network, sample, expected, assert_same):
    torch.manual_seed(1)
    rebuilt = case.build(bert).eval()
    rebuilt.load_state_dict(network.state_dict())
    assert_same(case(rebuilt, sample), expected)


def test_every_parameter_receives_a_gradient(case, bert, sample, change):
    torch.manual_seed(7)
    network = case.build(bert).double().train()
    doubled = change(sample, {*case.parts} - {"input_ids", "attention_mask"}, lambda tensor: tensor.double())
    loss_of(network(*case.inputs(doubled)), doubled).backward()
    sizes = {name: float(parameter.grad.abs().max()) for name, parameter in network.named_parameters()}
    rounding_error = 1e-12 * max(sizes.values())
    assert 0 < rounding_error < float("inf")
    idle = {name for name, size in sizes.items() if not size > rounding_error}
    assert idle == {name for name in sizes if any(re.search(pattern, name) for pattern in case.no_gradient)}


def test_every_parameter_is_in_the_optimizer_once(network):
    groups = parameter_groups(network, learning_rate=1e-3, text_learning_rate=1e-4, weight_decay=0.01)
    given = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(given) == sorted(id(parameter) for parameter in network.parameters())
