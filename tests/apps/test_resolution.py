# SPDX-License-Identifier: Apache-2.0
"""An expression about a volume means lesions of the volume: on phantoms with truth, with an oracle as the network."""

from types import SimpleNamespace

import numpy as np
import pytest
from stub import BODY_HU, DARK_HU, config, write_bundle

from lsms_monai.components import find_components
from lsms_monai.data.expressions import sample_expressions
from lsms_monai.data.meaning import LesionAttributes, Meaning
from lsms_monai.data.parsing import parse
from lsms_monai.predictor import BundlePredictor
from lsms_monai.resolution import NOT_UNDERSTOOD, Plan, plan, resolve

AFFINE = np.array([[-2.0, 0, 0, 70], [0, -2.0, 0, 70], [0, 0, 4.0, -36], [0, 0, 0, 1]])
# Centre and radius in mm of four dark balls, the largest first.
BALLS = [((-25, 0, 0), 20), ((35, 5, 10), 13), ((0, 45, -15), 9), ((30, -40, 20), 6)]
DEPTHS = {"volumes": 19, "slices": 1}
HU = {"cyst": 5, "hypodense": 50, "hyperdense": 170}


def draw_balls(balls, depth=19):
    """Masks (N, W, H, D) of balls about `AFFINE`'s middle."""
    grid = np.stack(np.meshgrid(*map(np.arange, (71, 71, depth)), indexing="ij"), axis=-1)
    places = grid @ AFFINE[:3, :3].T + AFFINE[:3, 3] * (1, 1, depth > 1)
    return np.stack([np.linalg.norm(places - centre, axis=-1) < radius for centre, radius in balls])


def draw_lesions(generator, depth):
    """A body with up to four lesions that lie apart, with all that can be said about them."""
    lesions, balls = [], []
    for _ in range(4):
        centre = generator.uniform(-45, 45, 3) * (1, 1, depth > 1) * (1, 1, 0.4)
        radius = float(np.exp(generator.uniform(np.log(6), np.log(20))))
        if any(np.linalg.norm(centre - other) < radius + other_radius + 9 for other, other_radius in balls):
            continue
        balls.append((centre, radius))
        kind = str(generator.choice(list(HU)))
        side = ("right", "left")[int(centre[0] < 0)]
        place = (None, "anterior", "posterior")[int(generator.integers(3))]
        lesions.append(LesionAttributes(len(balls), side, kind, HU[kind], 2 * radius, tuple(centre), place))
    masks = draw_balls(balls, depth)
    image = np.select(masks, [np.int16(lesion.hu) for lesion in lesions], np.int16(BODY_HU))
    labels = np.select(masks, [lesion.value for lesion in lesions], 0)
    return SimpleNamespace(image=image, labels=labels, affine=AFFINE, lesions=lesions)


def values(components, labels):
    """Values of the label map that components lie on."""
    return tuple(sorted(int(np.bincount(labels[c.box][c.inside]).argmax()) for c in components))


def oracle(made, texts):
    """What a network without error answers to each text."""
    meant = {text: [lesion.value for lesion in parse(text).candidates(made.lesions)] for text in texts}
    maps = {text: np.isin(made.labels, known).astype(np.float32) for text, known in meant.items()}
    return {text: find_components(truth, made.image, made.affine, 0.5) for text, truth in maps.items()}


@pytest.mark.parametrize("depth", DEPTHS.values(), ids=DEPTHS)
@pytest.mark.parametrize("held_out", [False, True], ids=["known", "held out"])
def test_with_a_network_without_error_every_expression_means_what_it_says(depth, held_out):
    kinds, understood = set(), 0
    for seed in range(16):
        generator = np.random.default_rng((11, seed))
        made = draw_lesions(generator, depth)
        for expression in sample_expressions(made.lesions, generator, 8, held_out=held_out):
            asked = plan(expression.text)
            if asked.meaning is None:
                continue
            understood += 1
            kinds |= {name for name, said in vars(expression.meaning).items() if said}
            meant = resolve(asked, oracle(made, asked.texts), 0.2).components
            assert values(meant, made.labels) == expression.label_value, expression.text
    assert understood > 80
    assert kinds >= {"rank", "side", "attenuation", "plural", "near", "count", "size_mm"}


@pytest.fixture(scope="module")
def volume():
    """What the stub's network can see, and the mask of each ball."""
    masks = draw_balls(BALLS)
    image = np.where(masks.any(axis=0), DARK_HU, BODY_HU).astype(np.int16)
    image[[0, -1]] = -1000
    return image, masks


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("the largest lesion", [0]),
        ("second largest lesion", [1]),
        ("the smallest hypodense lesion", [3]),
        ("the two largest lesions", [0, 1]),
        ("all lesions", [0, 1, 2, 3]),
        ("all four lesions", [0, 1, 2, 3]),
        ("both lesions", [0, 1]),
        ("the lesion next to the largest one", [2]),
        ("the lesion closest to the smallest lesion", [1]),
        ("all but the largest", [1, 2, 3]),
        ("all lesions except the two largest", [2, 3]),
        ("every dark spot apart from the smallest one", [0, 1, 2]),
        ("the largest lesion other than the largest one", [1]),
        ("the second largest lesion except the largest one", [2]),
        ("the two largest lesions apart from the largest", [1, 2]),
        ("both lesions other than the two largest", [2, 3]),
        ("all lesions excluding the largest", [1, 2, 3]),
        ("all lesions except all lesions larger than 1 mm", []),
        ("the lesion in the dome", [3]),
        ("lesions larger than 2 cm", [0, 1]),
        ("the 18 mm lesion", [2]),
        ("a 9 cm mass", []),
        ("the third largest hyperdense lesion", []),
        ("the hyperdense lesion", []),
        ("no lesion", []),
    ],
)
def test_the_network_sees_every_lesion_and_the_words_choose(stub_bundle, volume, expression, meant):
    image, masks = volume
    (answer,) = BundlePredictor(stub_bundle).predict(image, AFFINE, [expression])
    np.testing.assert_array_equal(answer.mask, masks[meant].any(axis=0))
    assert answer.found == bool(meant)
    assert len(answer.lesions) == len(meant)
    assert (answer.existence > 0.9) == bool(meant)
    assert answer.resolution.endswith(".")


@pytest.mark.parametrize(
    ("text", "meant"), [("all cysts except the largest", (3,)), ("lesions in the right lobe except the smallest", (1,))]
)
def test_an_exception_is_taken_from_the_lesions_that_it_belongs_to(text, meant):
    balls = [((40, 0, 0), 20), ((0, 40, 0), 12), ((-40, 0, 0), 8)]
    told = (("right", "hypodense"), ("right", "cyst"), ("left", "cyst"))
    lesions = [
        LesionAttributes(value, *said, HU[said[1]], 2 * radius, centre)
        for value, (said, (centre, radius)) in enumerate(zip(told, balls, strict=True), start=1)
    ]
    labels = np.select(draw_balls(balls), [1, 2, 3], 0)
    made = SimpleNamespace(image=np.zeros(labels.shape, np.int16), labels=labels, affine=AFFINE, lesions=lesions)
    asked = plan(text)
    assert values(resolve(asked, oracle(made, asked.texts), 0.2).components, labels) == meant


def test_the_reason_names_what_was_left_out():
    made = draw_lesions(np.random.default_rng(0), 19)
    asked = plan("all lesions but the largest")
    assert asked == Plan(("all lesions",), Meaning(plural=True), Meaning(rank="largest"))
    reason = resolve(asked, oracle(made, asked.texts), 0.2).explanation
    assert reason.startswith("Left out: the largest of 4 found for “all lesions” (")
    assert reason.endswith("). Of the rest: all 3 found for “all lesions”.")


@pytest.mark.parametrize(
    ("text", "meaning", "exception"),
    [
        ("the largest lesion other than the cyst", Meaning(rank="largest"), Meaning(attenuation="cyst")),
        ("both lesions but the cyst", None, None),
        ("everything but the cyst", Meaning(plural=True), Meaning(attenuation="cyst")),
        ("All lesions but cysts", Meaning(plural=True), Meaning(attenuation="cyst", plural=True)),
        ("each cyst but the largest", Meaning(attenuation="cyst", plural=True), Meaning(rank="largest")),
        ("lesions except in the left lobe", Meaning(plural=True), Meaning("left", plural=True)),
        ("all lesions but not the cyst", Meaning(attenuation="cyst", plural=True, negated="attenuation"), None),
        ("lesions larger than 15 mm but smaller than 30 mm", None, None),
        ("all lesions larger than 15 mm but smaller than 30 mm", None, None),
        ("hypodense but solid lesion", None, None),
        ("all hypodense but solid lesions", None, None),
        ("all lesions that are hypodense but solid", None, None),
        ("lesion in the right lobe but near the capsule", None, None),
        ("the large but hypodense lesion", None, None),
        ("all but one", None, None),
        ("lesions except two", None, None),
        ("the lesion next to the mass other than the cyst", None, None),
        ("other than the cyst, the largest lesion", None, None),
    ],
)
def test_an_exception_is_one_only_where_it_names_what_is_left_out_of_what(text, meaning, exception):
    assert (plan(text).meaning, plan(text).exception) == (meaning, exception)


def test_a_plan_hears_the_commas():
    assert plan("lesion, 2 cm, deep").meaning == Meaning(capsule="central", size_mm=20.0)
    assert plan("lesion 2 cm deep").meaning is None


@pytest.mark.parametrize("text", ["the spiculated lesion", "lesion but spiculated", "囊肿"])
def test_what_is_not_understood_goes_to_the_network_as_it_is_and_is_said(text):
    assert plan(text) == Plan((text,), None)
    found = find_components(np.ones((4, 4, 1), np.float32), np.zeros((4, 4, 1)), np.eye(4), 0.5)
    resolution = resolve(plan(text), {text: found}, 0.5)
    assert resolution.components == found.items
    assert resolution.explanation == NOT_UNDERSTOOD


def test_one_meaning_in_many_words_asks_the_network_one_thing():
    texts = ["The biggest lesion, right lobe", "largest mass in the right hepatic lobe.", "second smallest RHL lesion"]
    assert {plan(text).texts for text in texts} == {("all lesions in the right lobe",)}


def test_what_is_too_unsure_is_not_marked_and_its_score_is_said():
    probability = np.zeros((30, 30, 1), np.float32)
    probability[10:20, 10:20] = 0.6
    found = {"all lesions": find_components(probability, probability, np.eye(4), 0.5)}
    unsure = resolve(plan("the largest lesion"), found, 0.7)
    assert unsure.components == []
    assert unsure.existence == pytest.approx(0.6, abs=0.01)
    assert unsure.explanation == "The best match scores 0.60, below 0.70: too unsure to mark."
    assert len(resolve(plan("the largest lesion"), found, 0.5).components) == 1


def test_existence_is_graded_below_the_threshold_and_zero_where_the_words_rule_it_out():
    probability = np.zeros((30, 30, 1), np.float32)
    probability[10:20, 10:20] = 0.4
    found = {"all lesions": find_components(probability, probability, np.eye(4), 0.5)}
    assert resolve(plan("the largest lesion"), found, 0.5).existence == pytest.approx(0.4, abs=0.01)
    found = {"all lesions": find_components(2 * probability, probability, np.eye(4), 0.5)}
    assert resolve(plan("the second largest lesion"), found, 0.5).existence == 0.0


def test_the_network_reads_each_distinct_text_once(stub_bundle, volume):
    predictor, seen = BundlePredictor(stub_bundle), []
    texts = ["the largest lesion", "The smallest lesion.", "the lesion next to the dark lesion", "the dark lesion"]
    answers = predictor.predict(
        volume[0], AFFINE, texts, keep_probability=True, progress=lambda *done: seen.append(done)
    )
    assert seen[-1] == (2 * 19, 2 * 19)
    assert answers[0].probability is answers[1].probability is answers[2].probability
    assert [answer.expression for answer in answers] == texts
    assert answers[2].duration_s > answers[0].duration_s > 0


def test_the_bundle_says_from_which_existence_on_something_is_found(tmp_path, volume):
    predictor = BundlePredictor(write_bundle(tmp_path, {**config(), "existence_threshold": 1.01}))
    (answer,) = predictor.predict(volume[0], AFFINE, ["the largest lesion"])
    assert not answer.found
    assert not answer.mask.any()
    assert answer.existence == pytest.approx(1.0, abs=0.01)
    assert answer.resolution == "The best match scores 1.00, below 1.01: too unsure to mark."


def test_an_answer_names_the_words_that_no_training_has_seen(stub_bundle, volume):
    asked = ["the spiculated lesion", "the largst lesion", "all lesions except the cyst"]
    answers = BundlePredictor(stub_bundle).predict(volume[0], AFFINE, asked)
    assert [answer.unknown_words for answer in answers] == [["spiculated"], [], []]
    assert [answer.resolution == NOT_UNDERSTOOD for answer in answers] == [True, False, False]
