# SPDX-License-Identifier: Apache-2.0
"""Volume and expressions in, answers out: on a stub bundle that knows two words, and on the real one."""

import threading

import nibabel as nib
import numpy as np
import pytest
import torch
from stub import AFFINE, BODY_HU, BRIGHT_HU, DARK_HU, CountImages, config, scene, write_bundle

from lsms_monai.predictor import BundlePredictor

DARK, BRIGHT = "the dark lesion", "the bright lesion"


def oblique_affine():
    c, s = np.cos(0.35), np.sin(0.35)
    affine = AFFINE.copy()
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ affine[:3, :3]
    return affine


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_each_expression_gets_its_own_lesion(stub_bundle):
    image, masks = scene()
    dark, bright = BundlePredictor(stub_bundle).predict(image, AFFINE, [DARK, BRIGHT])
    np.testing.assert_array_equal(dark.mask, masks["dark"])
    np.testing.assert_array_equal(bright.mask, masks["bright"])
    assert (dark.expression, bright.expression) == (DARK, BRIGHT)
    assert (dark.lesions[0].mean_hu, bright.lesions[0].mean_hu) == (DARK_HU, BRIGHT_HU)
    assert dark.mask.dtype == bool


@pytest.mark.parametrize("axcodes", ["LPS", "RAS", "SAL", "PIR", "RSA"])
@pytest.mark.parametrize("affine", [AFFINE, oblique_affine()], ids=["straight", "oblique"])
def test_the_mask_lies_on_the_input_whatever_its_orientation(stub_bundle, axcodes, affine):
    image, masks = scene()
    turned = [nib.Nifti1Image(a.astype(np.int16), affine) for a in (image, masks["bright"])]
    target = nib.orientations.axcodes2ornt(axcodes)
    moves = nib.orientations.ornt_transform(nib.io_orientation(affine), target)
    moved, truth = (t.as_reoriented(moves) for t in turned)
    (answer,) = BundlePredictor(stub_bundle).predict(moved.get_fdata(), moved.affine, [BRIGHT])
    np.testing.assert_array_equal(answer.mask, truth.get_fdata() > 0)


def test_resampling_is_undone(tmp_path):
    image, masks = scene()
    predictor = BundlePredictor(write_bundle(tmp_path, config(pixdim=(1.1, 1.9, 4.0))))
    (answer,) = predictor.predict(image, oblique_affine(), [BRIGHT])
    assert answer.mask.shape == image.shape
    assert dice(answer.mask, masks["bright"]) > 0.8


def test_a_single_slice_can_be_asked(stub_bundle):
    image, masks = scene()
    (answer,) = BundlePredictor(stub_bundle).predict(image[..., 2:3], AFFINE, [BRIGHT])
    np.testing.assert_array_equal(answer.mask, masks["bright"][..., 2:3])


def test_the_images_part_runs_once_for_all_expressions(stub_bundle):
    predictor = BundlePredictor(stub_bundle)
    CountImages.num_calls = 0
    assert len(predictor.predict(scene()[0], AFFINE, [DARK, BRIGHT, DARK])) == 3
    assert CountImages.num_calls == 1


def test_an_expression_is_never_executed(stub_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nasty = ["$open('executed', 'w')", "%configs/inference.json", "@network_def", "lesion #2::3", "囊肿 🩻"]
    with pytest.warns(UserWarning, match="no word that the model knows"):  # of the last one
        answers = BundlePredictor(stub_bundle).predict(scene()[0], AFFINE, nasty)
    assert [answer.expression for answer in answers] == nasty
    assert not (tmp_path / "executed").exists()


def test_probabilities_are_kept_only_on_request(stub_bundle):
    predictor = BundlePredictor(stub_bundle)
    assert predictor.predict(scene()[0], AFFINE, [DARK])[0].probability is None
    (answer,) = predictor.predict(scene()[0], AFFINE, [DARK], keep_probability=True)
    assert answer.probability.dtype == np.float32
    np.testing.assert_array_equal(answer.probability >= 0.5, answer.mask)
    assert answer.lesions[0].confidence == pytest.approx(answer.probability[answer.mask].mean())


def test_the_same_question_gets_the_same_answer(stub_bundle):
    predictor = BundlePredictor(stub_bundle)
    first, second = (predictor.predict(scene()[0], AFFINE, [DARK], keep_probability=True)[0] for _ in range(2))
    np.testing.assert_array_equal(first.probability, second.probability)
    assert not predictor.network.training


def test_the_image_is_not_changed_and_may_be_read_only(stub_bundle):
    image, _ = scene()
    image = image.astype(np.float32)
    image.flags.writeable = False
    BundlePredictor(stub_bundle).predict(image, AFFINE, [DARK])
    np.testing.assert_array_equal(image, scene()[0])


def test_progress_counts_the_slices_of_all_expressions(stub_bundle):
    seen = []
    predictor = BundlePredictor(stub_bundle)
    predictor.predict(scene()[0], AFFINE, [DARK, BRIGHT], progress=lambda *done: seen.append(done))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {14}
    assert (2, 14) in seen
    assert seen[-1] == (14, 14)
    assert not predictor.network._forward_hooks


def test_threads_take_turns_and_keep_their_answers_apart(stub_bundle):
    (image, masks), predictor, answers = scene(), BundlePredictor(stub_bundle), {}

    def ask(number, word):
        answers[number, word] = predictor.predict(image, AFFINE, [f"the {word} lesion"])[0]

    threads = [threading.Thread(target=ask, args=(n, w)) for n in range(4) for w in masks]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(answers) == 8
    assert all((answer.mask == masks[word]).all() for (_, word), answer in answers.items())


@pytest.mark.parametrize(
    ("expressions", "error", "message"),
    [
        ([], ValueError, "at least one expression is required, got none"),
        ("the cyst", TypeError, "expressions must be a list of strings, got the string 'the cyst'; put it in a list"),
        ([DARK, ""], ValueError, "expression 2 of 2 must not be empty; name the lesion in words"),
        ([" \t\n", DARK], ValueError, "expression 1 of 2 must not be empty"),
        (["L\udce4sion"], ValueError, r"expression 1 of 1 must be UTF-8 text, got 'L\\udce4sion'; type it in a UTF-8"),
        ([DARK, 7], TypeError, "expression 2 of 2 must be a string, got int: 7"),
        ([None], TypeError, "expression 1 of 1 must be a string, got NoneType: None"),
    ],
)
def test_expressions_are_checked_before_anything_is_computed(stub_bundle, expressions, error, message):
    predictor = BundlePredictor(stub_bundle)
    CountImages.num_calls = 0
    with pytest.raises(error, match=message):
        predictor.predict(scene()[0], AFFINE, expressions)
    assert CountImages.num_calls == 0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 9)),
        np.zeros((8, 9, 7, 2)),
        np.zeros((8, 9, 0)),
        np.zeros((8, 9, 7), complex),
        np.zeros((8, 9, 7), "u1,u1,u1"),
        np.full((8, 9, 7), "x"),
    ],
    ids=lambda image: f"{image.shape} {image.dtype}",
)
def test_what_is_no_volume_of_numbers_is_refused(stub_bundle, image):
    with pytest.raises(ValueError, match=r"image must be real numbers in HU of shape \(W, H, D\), got .* of shape \("):
        BundlePredictor(stub_bundle).predict(image, AFFINE, [DARK])


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.eye(3), "affine must be a finite 4x4 matrix, voxel -> RAS mm, got"),
        (np.diag([1, np.nan, 1, 1]), "affine must be a finite 4x4 matrix"),
        (np.diag([1, 0, 1, 1]), "affine must be invertible with the last row 0 0 0 1, got"),
        (np.diag([1, 1, 1, 2]), "affine must be invertible with the last row 0 0 0 1"),
    ],
)
def test_an_affine_that_places_no_voxel_is_refused(stub_bundle, affine, message):
    with pytest.raises(ValueError, match=message):
        BundlePredictor(stub_bundle).predict(scene()[0], affine, [DARK])


def test_an_error_of_a_transform_arrives_as_it_is(stub_bundle):
    with pytest.raises(ValueError, match="image must have finite intensities, got none"):
        BundlePredictor(stub_bundle).predict(np.full((8, 9, 7), np.nan), AFFINE, [DARK])


def test_intensities_that_are_no_ct_are_warned_of(stub_bundle):
    with pytest.warns(UserWarning, match="intensities lie in 100..100, a CT in Hounsfield units reaches below -200"):
        BundlePredictor(stub_bundle).predict(np.full((8, 9, 7), BODY_HU), AFFINE, [DARK])


def test_an_expression_that_is_too_long_is_cut_with_a_warning(stub_bundle):
    with pytest.warns(UserWarning, match="expression has 42 tokens, max_length is 16"):
        BundlePredictor(stub_bundle).predict(scene()[0], AFFINE, ["glow " * 40])


def test_a_bundle_that_does_not_return_to_the_input_is_refused(tmp_path):
    content = config(pixdim=(3.0, 3.0, 4.0))
    content["postprocessing"]["transforms"].pop(1)
    predictor = BundlePredictor(write_bundle(tmp_path, content))
    with pytest.raises(RuntimeError, match=r"the mask must have the image's shape \(41, 37, 7\), got .*Invertd"):
        predictor.predict(scene()[0], AFFINE, [DARK])


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device must be cpu, cuda or cuda:N, got 'gpu'"),
        ("cuda:99", r"device cuda:99 does not exist here \(\d+ CUDA devices\); take cpu"),
    ],
)
def test_a_device_that_does_not_exist_is_refused(stub_bundle, device, message):
    with pytest.raises(ValueError, match=message):
        BundlePredictor(stub_bundle, device)


@pytest.fixture(scope="module")
def untrained_bundle(tmp_path_factory, repository):
    """The real configuration with random weights, which are sure of no lesion."""
    import json

    from monai.bundle import ConfigParser

    content = json.loads((repository / "bundle" / "configs" / "inference.json").read_text())
    content["search_probability"] = 1e-6
    torch.manual_seed(0)
    parser = ConfigParser(content)
    network = parser.get_parsed_content("network_def")
    return write_bundle(tmp_path_factory.mktemp("untrained"), content, network.state_dict())


def test_the_real_configuration_answers_in_the_inputs_geometry_and_reads_the_words(untrained_bundle):
    image = scene()[0][..., 2:4]
    affine = oblique_affine()[:, [2, 0, 1, 3]]
    predictor = BundlePredictor(untrained_bundle, device="cpu")
    first, second = predictor.predict(image.transpose(2, 0, 1), affine, [DARK, BRIGHT], keep_probability=True)
    assert first.mask.shape == second.mask.shape == (2, 41, 37)
    assert not np.array_equal(first.probability, second.probability)


def test_progress_counts_a_search_where_there_is_one(untrained_bundle):
    predictor = BundlePredictor(untrained_bundle, "cpu")

    def total(num_slices, expressions=(DARK,)):
        seen = set()
        predictor.predict(scene()[0][..., :num_slices], AFFINE, expressions, progress=lambda *done: seen.add(done[1]))
        return seen

    assert total(1) == {1}  # a slice is not searched
    assert total(2) == {4}
    many = [f"{DARK} {letter}" for letter in "abcdefghijklmnopq"]
    assert total(2, many) == {2 * (len(many) + 2)}  # each group of texts searches
