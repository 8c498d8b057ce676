# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SliceInferer
from torch import nn

from lsms_monai.inferers import ExpressionSliceInferer, multiplies_bfloat16
from lsms_monai.networks import LSMS

IDS = torch.tensor([[5, 6, 7], [8, 9, 0]])
MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


class Stub(nn.Module):
    """Answers image + sum of the ids it is asked for, or 0 without any, and records what it was given."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, image, input_ids=None, attention_mask=None):
        self.calls.append((image, input_ids, attention_mask))
        if input_ids is None:
            return image * 0
        return image.mean(dim=1, keepdim=True) + (input_ids * attention_mask).sum(dim=1)[:, None, None, None]


@pytest.fixture
def stub():
    return Stub()


@pytest.fixture(scope="module")
def lsms(bert):
    torch.manual_seed(0)
    return LSMS(text_encoder=bert, default_input_ids=(1, 2)).eval().requires_grad_(False)


def with_meta(image, ids=IDS, mask=MASK):
    return MetaTensor(image, meta={"input_ids": ids, "attention_mask": mask})


def test_images_are_asked_for_the_given_expressions(stub):
    image = torch.rand(2, 1, 5, 7)
    answer = ExpressionSliceInferer()(image, stub, input_ids=IDS, attention_mask=MASK)
    torch.testing.assert_close(answer, image + torch.tensor([18.0, 17.0])[:, None, None, None])
    assert len(stub.calls) == 1


def test_volumes_are_asked_for_the_expression_of_each_in_every_slice(stub):
    volumes = torch.rand(2, 3, 5, 7, 4)
    answer = ExpressionSliceInferer(sw_batch_size=3)(volumes, stub, input_ids=IDS, attention_mask=MASK)
    assert answer.shape == (2, 1, 5, 7, 4)
    expected = volumes.mean(dim=1, keepdim=True) + torch.tensor([18.0, 17.0])[:, None, None, None, None]
    torch.testing.assert_close(answer, expected)


@pytest.mark.parametrize("shape", [(2, 1, 5, 7), (2, 1, 5, 7, 4)])
def test_the_meta_data_of_the_image_carries_the_expressions_too(stub, shape):
    image, inferer = torch.rand(shape), ExpressionSliceInferer()
    expected = inferer(image, stub, input_ids=IDS, attention_mask=MASK)
    assert torch.equal(inferer(with_meta(image), stub), expected)
    assert not any(isinstance(given, MetaTensor) for call in stub.calls for given in call)


def test_arguments_come_before_meta_data(stub):
    image = with_meta(torch.zeros(2, 1, 5, 7))
    answer = ExpressionSliceInferer()(image, stub, input_ids=IDS.flip(0), attention_mask=MASK.flip(0))
    assert answer[:, 0, 0, 0].tolist() == [17, 18]


@pytest.mark.parametrize("ids", [IDS[0], IDS[:1]])
@pytest.mark.parametrize("shape", [(2, 1, 5, 7), (2, 1, 5, 7, 4)])
def test_one_expression_serves_all_images(stub, ids, shape):
    answer = ExpressionSliceInferer()(torch.zeros(shape), stub, input_ids=ids, attention_mask=torch.ones_like(ids))
    assert answer.unique().tolist() == [18]


@pytest.mark.parametrize(("sw_batch_size", "calls"), [(1, 12), (2, 8), (3, 4), (8, 4)])
def test_one_volume_may_be_asked_for_several_expressions_slice_by_slice(stub, sw_batch_size, calls):
    volume, ids = torch.rand(1, 1, 5, 7, 4), torch.tensor([[1, 2], [3, 4], [5, 0]])
    given = {"input_ids": ids, "attention_mask": (ids > 0).long()}
    answer = ExpressionSliceInferer(sw_batch_size)(volume, stub, **given)
    torch.testing.assert_close(answer, volume + torch.tensor([3.0, 7.0, 5.0])[:, None, None, None, None])
    assert len(stub.calls) == calls
    assert {len(image) for image, *_ in stub.calls} == {1}


@pytest.mark.parametrize("shape", [(1, 1, 33, 32, 3), (2, 1, 33, 32, 3)])
def test_words_are_read_once_for_a_volume(lsms, shape):
    volume, read = torch.rand(shape), []
    handle = lsms.text_encoder.register_forward_hook(lambda module, inputs, output: read.append(len(output)))
    answer = ExpressionSliceInferer(sw_batch_size=1, bfloat16=False)(volume, lsms, input_ids=IDS, attention_mask=MASK)
    handle.remove()
    assert read == ([2] if len(volume) == 1 else [1, 1])
    for i in range(2):
        alone = lsms(volume[i % len(volume), ..., 1][None], IDS[i : i + 1], MASK[i : i + 1])
        torch.testing.assert_close(answer[i, ..., 1][None], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 1, 5, 7), (2, 1, 5, 7, 4)])
@pytest.mark.parametrize("make", [torch.zeros, lambda shape: MetaTensor(torch.zeros(shape))])
def test_without_an_expression_nothing_is_answered(stub, shape, make):
    with pytest.raises(ValueError, match="an expression is required: input_ids and attention_mask as arguments or in"):
        ExpressionSliceInferer()(make(shape), stub)
    assert not stub.calls


def test_ids_without_a_mask_are_no_expression(stub):
    with pytest.raises(ValueError, match="an expression is required"):
        ExpressionSliceInferer()(torch.zeros(2, 1, 5, 7), stub, input_ids=IDS)


@pytest.mark.parametrize("shape", [(3, 1, 5, 7), (3, 1, 5, 7, 4)])
def test_expressions_that_do_not_fit_the_batch_are_refused(stub, shape):
    message = "one expression per image or one for all is required, got 2 for 3 images"
    with pytest.raises(ValueError, match=message):
        ExpressionSliceInferer()(torch.zeros(shape), stub, input_ids=IDS, attention_mask=MASK)


@pytest.mark.parametrize("shape", [(2, 5, 7), (2, 1, 5, 7, 4, 1)])
def test_what_is_neither_image_nor_volume_is_refused(stub, shape):
    message = r"inputs must be \(B, C, H, W\) or \(B, C, H, W, D\), got \(2, "
    with pytest.raises(ValueError, match=message):
        ExpressionSliceInferer()(torch.zeros(shape), stub, input_ids=IDS, attention_mask=MASK)


@pytest.mark.parametrize(("sw_batch_size", "chunks"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (8, [7])])
def test_slices_go_through_the_network_in_chunks(stub, sw_batch_size, chunks):
    volume = torch.rand(1, 2, 5, 3, 7)
    ExpressionSliceInferer(sw_batch_size)(volume, stub, input_ids=IDS[0], attention_mask=MASK[0])
    assert [tuple(image.shape) for image, *_ in stub.calls] == [(chunk, 2, 5, 3) for chunk in chunks]
    slices = torch.cat([image for image, *_ in stub.calls])
    assert torch.equal(slices, volume[0].movedim(-1, 0))


def test_a_volume_is_answered_slice_by_slice(lsms):
    volume = torch.rand(1, 1, 37, 29, 3)
    given = {"input_ids": IDS[:1], "attention_mask": MASK[:1]}
    answer = ExpressionSliceInferer(sw_batch_size=2, bfloat16=False)(volume, lsms, **given)
    for k in range(3):
        torch.testing.assert_close(answer[..., k], lsms(volume[..., k], **given), rtol=1e-4, atol=1e-5)


def test_another_expression_changes_the_answer_for_a_volume(lsms):
    volume, inferer = torch.rand(1, 1, 32, 32, 2), ExpressionSliceInferer()
    one, other = (inferer(with_meta(volume, IDS[i], MASK[i]), lsms) for i in (0, 1))
    assert (one - other).abs().amax(dim=(0, 1, 2, 3)).min() > 1e-4


def test_monai_own_slice_inferer_still_loses_the_expression(stub):
    # The reason for our inferer. Where this fails, MONAI has mended it: see whether ours is still needed.
    volume = torch.rand(1, 1, 5, 7, 4)
    inferer = SliceInferer(roi_size=(5, 7), spatial_dim=2)
    inferer(volume, stub, input_ids=IDS[:1], attention_mask=MASK[:1])
    assert stub.calls
    assert all(input_ids is None for _, input_ids, _ in stub.calls)


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 1, 32, 32, 2)])
def test_bfloat16_answers_in_float32_and_agrees_loosely(lsms, shape):
    image = with_meta(torch.rand(shape))
    expected, answer = (ExpressionSliceInferer(bfloat16=value)(image, lsms) for value in (False, True))
    assert answer.dtype == torch.float32
    assert 0 < (answer - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"amx_bf16": True}, True), ({"avx512_bf16": True, "amx_bf16": False}, True), ({"avx512_f": True}, False)],
)
def test_bfloat16_is_chosen_where_the_cpu_multiplies_it(lsms, monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    image = with_meta(torch.rand(2, 1, 32, 32))
    chosen, as_told = ExpressionSliceInferer()(image, lsms), ExpressionSliceInferer(bfloat16=expected)(image, lsms)
    assert torch.equal(chosen, as_told)


def test_on_a_gpu_mixed_precision_is_left_to_the_engine(monkeypatch):
    monkeypatch.setattr("lsms_monai.inferers._trimmed", lambda *words: words)  # counts, what the device below cannot
    seen = []

    def network(image, input_ids, attention_mask):
        seen.append(torch.is_autocast_enabled("cpu"))
        return image

    image = torch.rand(2, 1, 5, 7, device="meta")  # any device but the CPU
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ExpressionSliceInferer()(image, network, input_ids=IDS, attention_mask=MASK)
    ExpressionSliceInferer()(image, network, input_ids=IDS, attention_mask=MASK)
    assert seen == [True, False]


def test_a_pytorch_that_cannot_tell_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not multiplies_bfloat16()


@pytest.mark.parametrize("bfloat16", [False, True])
def test_all_that_a_network_returns_in_training_is_kept_in_float32(bfloat16):
    def network(image, input_ids, attention_mask):
        return {"logits": image.bfloat16(), "input_ids": input_ids}

    output = ExpressionSliceInferer(bfloat16=bfloat16)(with_meta(torch.rand(2, 1, 5, 7)), network)
    assert {key: value.dtype for key, value in output.items()} == {"logits": torch.float32, "input_ids": torch.int64}


def test_gradients_pass_through(stub):
    image = torch.rand(2, 1, 5, 7, requires_grad=True)
    ExpressionSliceInferer()(image, stub, input_ids=IDS, attention_mask=MASK).sum().backward()
    assert image.grad.all()


@pytest.mark.parametrize("bfloat16", [False, True])
def test_weights_rounded_once_give_the_same_to_the_bit(lsms, bfloat16):
    image, inferer = with_meta(torch.rand(2, 1, 32, 32)), ExpressionSliceInferer(bfloat16=bfloat16)
    prepared = copy.deepcopy(lsms)
    inferer.prepare(prepared, torch.device("cpu"))
    assert prepared.head[0].weight.dtype == (torch.bfloat16 if bfloat16 else torch.float32)
    torch.testing.assert_close(inferer(image, prepared), inferer(image, lsms), rtol=0, atol=0)
