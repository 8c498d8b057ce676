# SPDX-License-Identifier: Apache-2.0
import functools
import math

import pytest
import torch

from lsms_monai.keys import MEANT, NOT_MEANT, UNKNOWN
from lsms_monai.losses import LSMSLoss, RegionSentenceContrastiveLoss, TextToPixelContrastiveLoss

ALIGNMENTS = [RegionSentenceContrastiveLoss, TextToPixelContrastiveLoss]


def training_output(batch=4, height=16, width=24, channels=5, ids=None):
    """What an LSMS returns in training for images of the given size."""
    generator = torch.Generator().manual_seed(2)
    draw = lambda *shape: torch.randn(shape, generator=generator).requires_grad_()  # noqa: E731
    ids = torch.arange(batch)[:, None].repeat(1, 3) if ids is None else torch.tensor(ids)
    return {
        "logits": draw(batch, 1, height, width),
        "lesion_logits": draw(batch, 1, height, width),
        "pixel_embedding": draw(batch, channels, math.ceil(height / 32) * 8, math.ceil(width / 32) * 8),
        "sentence_embedding": draw(batch, channels),
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
    }


@pytest.fixture
def label():
    """A lesion in every image, of another size and place in each, not aligned with the stride."""
    label = torch.zeros(4, 1, 16, 24)
    for i in range(4):
        label[i, 0, i : 7 + i, 3 * i : 5 + 2 * i + 3] = 1
    return label


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def shares(label, row, column):
    """Share of a pixel of the embedding map that the label covers, counted pixel by pixel."""
    height, width = label.shape[1:]
    inside = [(y, x) for y in range(4 * row, 4 * row + 4) for x in range(4 * column, 4 * column + 4)]
    return sum(float(label[0, y, x]) for y, x in inside if y < height and x < width) / 16


def region(output, label, i):
    """Mean embedding of the lesion in image i, summed pixel by pixel."""
    pixels = output["pixel_embedding"][i].tolist()
    places = [(y, x) for y in range(len(pixels[0])) for x in range(len(pixels[0][0]))]
    return [sum(channel[y][x] * shares(label[i], y, x) for y, x in places) for channel in pixels]


def info_nce(output, label, samples, temperature):
    """Symmetric InfoNCE over the given samples, pair by pair; equal expressions are one another's positives."""
    sentences, ids = output["sentence_embedding"].tolist(), output["input_ids"].tolist()
    score = {(i, j): cosine(region(output, label, i), sentences[j]) / temperature for i in samples for j in samples}
    losses = []
    for i in samples:
        equal = [j for j in samples if ids[i] == ids[j]]
        for pairs in ([(i, j) for j in samples], [(j, i) for j in samples]):
            total = math.log(sum(math.exp(score[pair]) for pair in pairs))
            positives = [pair for pair in pairs if pair[0] in equal and pair[1] in equal]
            losses.append(sum(total - score[pair] for pair in positives) / len(equal))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_region_sentence_loss_is_info_nce_over_all_pairs(label, temperature):
    output = training_output()
    expected = info_nce(output, label, range(4), temperature)
    assert RegionSentenceContrastiveLoss(temperature)(output, label).item() == pytest.approx(expected, rel=1e-4)


def test_equal_expressions_are_one_anothers_positives(label):
    output = training_output(ids=[[1, 7, 2], [1, 8, 2], [1, 7, 2], [1, 7, 3]])
    expected = info_nce(output, label, range(4), 0.07)
    assert RegionSentenceContrastiveLoss()(output, label).item() == pytest.approx(expected, rel=1e-4)
    assert abs(expected - info_nce(training_output(), label, range(4), 0.07)) > 0.1


def test_samples_without_a_target_take_no_part(label):
    output, label = training_output(), label.clone()
    label[2] = 0
    expected = info_nce(output, label, [0, 1, 3], 0.07)
    assert RegionSentenceContrastiveLoss()(output, label).item() == pytest.approx(expected, rel=1e-4)


def test_text_to_pixel_loss_is_cross_entropy_of_every_pixel(label):
    output = training_output()
    losses = []
    for i in range(4):
        for y in range(8):
            for x in range(8):
                pixel = output["pixel_embedding"][i, :, y, x].tolist()
                score = cosine(pixel, output["sentence_embedding"][i].tolist()) / 0.07
                share = shares(label[i], y, x)
                losses.append(math.log1p(math.exp(-abs(score))) + max(score, 0) - score * share)
    expected = sum(losses) / len(losses)
    assert TextToPixelContrastiveLoss()(output, label).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_batch_without_any_target_has_a_finite_loss_and_gradient(alignment):
    output = training_output()
    loss = alignment()(output, torch.zeros(4, 1, 16, 24))
    loss.backward()
    for key in ("pixel_embedding", "sentence_embedding"):
        assert torch.isfinite(output[key].grad).all()


def test_without_any_target_the_region_sentence_loss_is_zero():
    output = training_output()
    loss = RegionSentenceContrastiveLoss()(output, torch.zeros(4, 1, 16, 24))
    loss.backward()
    assert loss == 0
    assert not output["pixel_embedding"].grad.any()


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_agreement_of_words_and_pixels_lowers_the_loss(alignment, label):
    output = training_output()
    losses = []
    for _ in range(20):
        loss = alignment()(output, label)
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, [output["pixel_embedding"], output["sentence_embedding"]])
        for key, gradient in zip(("pixel_embedding", "sentence_embedding"), gradients, strict=True):
            output[key] = (output[key] - 0.5 * gradient).detach().requires_grad_()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("size", [(31, 33), (5, 64)])
def test_labels_of_any_size_fit_the_padded_embeddings(alignment, size):
    output = training_output(2, *size)
    label = torch.zeros(2, 1, *size)
    label[:, :, -1, -1] = 1
    assert torch.isfinite(alignment()(output, label))


def test_only_the_pixels_under_the_lesion_make_its_region(label):
    output = training_output()
    other = {**output, "pixel_embedding": output["pixel_embedding"].clone()}
    other["pixel_embedding"][:, :, 5:, :] = 100.0  # no lesion reaches below row 20
    loss = RegionSentenceContrastiveLoss()
    assert torch.equal(loss(output, label), loss(other, label))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int64])
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_labels_may_be_integers(alignment, dtype, label):
    output = training_output()
    loss = LSMSLoss(alignment=alignment())
    torch.testing.assert_close(loss(output, label.to(dtype)), loss(output, label))


def test_half_precision_outputs_are_compared_in_float32(label):
    output = training_output()
    low = {key: value.bfloat16() if value.is_floating_point() else value for key, value in output.items()}
    loss = LSMSLoss(alignment=RegionSentenceContrastiveLoss())(low, label)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss, LSMSLoss(alignment=RegionSentenceContrastiveLoss())(output, label), rtol=0.05, atol=0
    )


def segmentation_loss(logits, target, axes, foreground_weight=3):
    """Dice over the axes, smoothed by one pixel, plus cross-entropy in which lesion pixels count several times."""
    probability, target = logits.sigmoid(), target.float()
    overlap, total = (probability * target).sum(axes), (probability + target).sum(axes)
    cross_entropy = -(foreground_weight * target * probability.log() + (1 - target) * (1 - probability).log())
    return (1 - (2 * overlap + 1) / (total + 1)).mean() + cross_entropy.mean()


@pytest.mark.parametrize(("batch_dice", "axes"), [(True, (0, 2, 3)), (False, (2, 3))])
def test_the_loss_is_that_of_the_meant_lesions_of_every_lesion_and_of_the_alignment(label, batch_dice, axes):
    output, codes = training_output(), label.clone()
    codes[:, :, 12:, 20:] = NOT_MEANT
    meant, lesion = codes == MEANT, codes > 0
    expected = segmentation_loss(output["logits"], meant, axes)
    loss = functools.partial(LSMSLoss, batch_dice=batch_dice, selection_weight=0, background_weight=0)
    torch.testing.assert_close(loss(lesion_weight=0)(output, codes), expected)
    expected = expected + 0.5 * segmentation_loss(output["lesion_logits"], lesion, axes)
    torch.testing.assert_close(loss()(output, codes), expected)
    alignment = TextToPixelContrastiveLoss()
    weighted = loss(alignment=alignment, alignment_weight=0.3)
    torch.testing.assert_close(weighted(output, codes), expected + 0.3 * alignment(output, meant))


@pytest.mark.parametrize("foreground_weight", [1.0, 2.5])
def test_pixels_of_a_target_weigh_as_much_as_told(label, foreground_weight):
    output = training_output()
    loss = LSMSLoss(foreground_weight=foreground_weight, lesion_weight=0, selection_weight=0, background_weight=0)
    expected = segmentation_loss(output["logits"], label, (0, 2, 3), foreground_weight)
    torch.testing.assert_close(loss(output, label), expected)


def test_the_choice_among_lesions_weighs_what_is_meant_in_an_image_like_what_is_not(label):
    output, codes = training_output(), label.clone()
    codes[:, :, 12:, 20:] = NOT_MEANT
    probability = output["logits"].sigmoid()
    expected = 0.0
    for image, code in zip(probability, codes, strict=True):
        for right in (image[code == MEANT], 1 - image[code == NOT_MEANT]):
            expected -= right.log().mean() if right.numel() else 0.0
    chosen = LSMSLoss(selection_weight=0.7)(output, codes) - LSMSLoss(selection_weight=0)(output, codes)
    torch.testing.assert_close(chosen, 0.7 * expected / (2 * len(codes)))
    none = torch.zeros_like(label)
    assert LSMSLoss(selection_weight=0.7)(output, none) == LSMSLoss(selection_weight=0)(output, none)


def test_the_hardest_background_pixels_away_from_lesions_count(label):
    output, codes = training_output(), torch.zeros_like(label)
    codes[0, :, :, 12:], codes[1, :, :, 12:], codes[2] = MEANT, NOT_MEANT, UNKNOWN
    far = [slice(10), slice(10), slice(0), slice(None)]  # columns two pixels from any lesion
    hardest = [image[..., columns].flatten() for image, columns in zip(output["logits"], far, strict=True)]
    hardest = [logits.sort(descending=True).values[:64] for logits in hardest]
    expected = sum((1 + logits.exp()).log().sum() / 64 for logits in hardest) / len(codes)
    spared = LSMSLoss(background_weight=0.7)(output, codes) - LSMSLoss(background_weight=0)(output, codes)
    torch.testing.assert_close(spared, 0.7 * expected)


def test_unknown_pixels_count_nowhere(label):
    output, codes = training_output(), label.clone()
    codes[:, :, :, 10:] = UNKNOWN
    LSMSLoss()(output, codes).backward()
    for key in ("logits", "lesion_logits"):
        assert not output[key].grad[..., 10:].any()
        assert output[key].grad[..., :10].all()


@pytest.mark.parametrize("alignment", [None, TextToPixelContrastiveLoss()])
def test_the_loss_runs_where_the_logits_are(alignment, label):
    output = {key: value.to("meta") for key, value in training_output().items()}
    assert LSMSLoss(alignment=alignment)(output, label.to("meta")).device.type == "meta"


def test_samples_without_a_target_teach_to_answer_nothing():
    output = training_output()
    output["logits"] = torch.full((4, 1, 16, 24), -3.0, requires_grad=True)
    LSMSLoss()(output, torch.zeros(4, 1, 16, 24)).backward()
    assert (output["logits"].grad > 0).all()
