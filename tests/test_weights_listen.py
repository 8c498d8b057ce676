# SPDX-License-Identifier: Apache-2.0
"""The shipped weights follow the words: on phantoms that no training has seen, by the whole path from HU to mask."""

import numpy as np
import pytest

from lsms_monai.data import contradict, phantom, sample_expressions
from lsms_monai.predictor import BundlePredictor

NUM_PHANTOMS = 10
FIRST_SEED = 90_000  # training uses pairs of numbers as seeds
EXPRESSIONS_EACH = 4


def dice(mask, truth):
    return 2 * np.count_nonzero(mask & truth) / max(np.count_nonzero(mask) + np.count_nonzero(truth), 1)


def cases():
    """(phantom, expression, truth, others) with one or several lesions meant and at least one that is not."""
    for seed in range(FIRST_SEED, FIRST_SEED + NUM_PHANTOMS):
        generator = np.random.default_rng(seed)
        made = phantom(generator, num_lesions=3)
        for expression in sample_expressions(made.lesions, generator, EXPRESSIONS_EACH):
            truth = np.isin(made.labels, expression.label_value) & (made.labels > 0)
            others = (made.labels > 0) & ~truth
            if truth.any() and others.any():
                yield made, expression.text, truth, others


@pytest.fixture(scope="module")
def answered(repository):
    predictor = BundlePredictor(repository / "bundle", device="cpu")
    found = list(cases())
    texts = [text for _, text, _, _ in found]
    rows = []
    foreign_texts = texts[EXPRESSIONS_EACH:] + texts[:EXPRESSIONS_EACH]  # those of the next phantom or a later one
    for (made, text, truth, others), foreign in zip(found, foreign_texts, strict=True):
        answers = predictor.predict(made.image, made.affine, [text, foreign, contradict(text)])
        rows.append([dice(answers[0].mask, truth), dice(answers[0].mask, others)])
        rows[-1] += [dice(answer.mask, truth) for answer in answers[1:]]
    assert len(rows) > 2 * NUM_PHANTOMS
    return dict(zip(("named", "others", "foreign", "contradicted"), np.mean(rows, axis=0), strict=True))


def test_the_named_lesion_is_found(answered):
    assert answered["named"] >= 0.70


def test_the_other_lesions_are_left_out(answered):
    assert answered["others"] <= 0.15


def test_words_of_another_image_do_worse(answered):
    assert answered["named"] - answered["foreign"] >= 0.30


def test_contrary_words_do_worse(answered):
    assert answered["named"] - answered["contradicted"] >= 0.40
