# SPDX-License-Identifier: Apache-2.0
"""Two lesions, one on each side of the patient, and readers that listen to the side or do not."""

import numpy as np

from lsms_monai.answer import Answer, measure_lesions
from lsms_monai.evaluation import Case

SHAPE = (31, 23, 1)
AFFINE = np.array([[-2.0, 0, 0, 30], [0, -2.0, 0, 20], [0, 0, 5.0, -7], [0, 0, 0, 1]])  # LPS
RIGHT, LEFT = np.s_[4:10, 8:14], np.s_[20:24, 8:14]  # low indices lie on the patient's right
EXPRESSIONS = ["the lesion in the right lobe", "the lesion in the left lobe", "all lesions"]
VALUES = [[1], [2], [1, 2]]


class Listener:
    """Finds what is bright, on the side that the words name; nothing for a "cyst"."""

    def __init__(self):
        self.asked = []

    def predict(self, image, affine, expressions):
        self.asked.append(list(expressions))
        return [self.answer(image, affine, text) for text in expressions]

    def answer(self, image, affine, text):
        mask = image > 50
        middle = image.shape[0] // 2
        if self.hears(text, "right"):
            mask[middle:] = False
        if self.hears(text, "left"):
            mask[:middle] = False
        if "cyst" in text:
            mask[:] = False
        lesions = measure_lesions(mask, image, np.full(mask.shape, 0.8, np.float32), affine)
        return Answer(text, mask, lesions, existence=0.9 if mask.any() else 0.1)

    def hears(self, text, word):
        return word in text


class Deaf(Listener):
    """Finds what is bright, whatever the words."""

    def hears(self, text, word):
        return False


def make_case(values=VALUES, expressions=EXPRESSIONS, unknown=None):
    image, label = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.int32)
    for value, place in ((1, RIGHT), (2, LEFT)):
        image[place] = 100
        label[place] = value
    entries = [
        {"image": "a.nii.gz", "label": "b.nii.gz", "expression": text, "label_value": meant, "patient_id": "p"}
        for text, meant in zip(expressions, values, strict=True)
    ]
    known = np.ones(SHAPE, bool) if unknown is None else ~unknown
    return Case("a.nii.gz", image, AFFINE, label, known, list(enumerate(entries, start=5)))
