# SPDX-License-Identifier: Apache-2.0
"""Ask one thing in many wordings and, the image mirrored, the other way round: does the system listen?

The wordings of an expression:

- `matched`: the words of the datalist.
- `shuffled`: the words of another entry, see `lsms_monai.data.reword`.
- `empty`: no words are refused by the system, so it is asked for "liver lesion", the default of the configurations.
- `contradicted`: right becomes left, largest becomes smallest, hypodense becomes hyperdense.
- `mirrored_words`: right becomes left alone; the named lesion should be left.
- `mirrored_image`: the same words about the mirrored image; the mirrored mask should come back.
- `paraphrase`: other words of the same meaning, in wordings that no training sees.

A wording that leaves the words as they are is not asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lsms_monai.answer import Answer
from lsms_monai.data import contradict, reword, rewording
from lsms_monai.data.parsing import parse
from lsms_monai.evaluation.cases import Case, Entry
from lsms_monai.evaluation.records import Record, make_record
from lsms_monai.keys import EXPRESSION
from lsms_monai.predictor import BundlePredictor

EMPTY_EXPRESSION = "liver lesion"
_ATTRIBUTES = ("side", "attenuation", "rank", "depth", "capsule", "level", "count", "size_mm", "near", "organ")


@dataclass(frozen=True)
class Wordings:
    """What to ask instead of one expression.

    Args:
        same_image: (wording, text) about the image as it is; the first is the expression itself.
        mirrored: text about the mirrored image; None where the expression names no side.
    """

    same_image: list[tuple[str, str]]
    mirrored: str | None


def make_wordings(
    text: str, foreign: str | None = None, *, num_paraphrases: int = 2, seed: int | Sequence[int] = 0
) -> Wordings:
    """Change one expression in every way.

    Args:
        text: the expression.
        foreign: words of another one; None to leave them out.
        num_paraphrases: how many wordings of the same meaning, fewer where there are not so many.
        seed: of the paraphrases.
    """
    asked = [("matched", text), ("empty", EMPTY_EXPRESSION)]
    if foreign is not None:
        asked.append(("shuffled", foreign))
    if (contrary := contradict(text)) != text:
        asked.append(("contradicted", contrary))
    mirrored = rewording.mirror(text)
    if mirrored != text:
        asked.append(("mirrored_words", mirrored))
    others = rewording.paraphrases(text, np.random.default_rng(seed), num_paraphrases, held_out=True)
    asked += [("paraphrase", other) for other in others if other != text]
    return Wordings(asked, mirrored if mirrored != text else None)


def foreign_words(entries: Sequence[Entry], seed: int = 0) -> list[str] | None:
    """Words of another entry for each one.

    Returns:
        The words, or None where too many entries share one expression.
    """
    try:
        return [entry[EXPRESSION] for entry in reword(entries, "shuffled", seed)]
    except ValueError:
        return None


def count_attributes(text: str) -> int | None:
    """Count what an expression says of a lesion: side, attenuation, rank, place, number, size, neighbour.

    Returns:
        The number, 0 for "liver lesion"; None where the expression is not understood.
    """
    meaning = parse(text)
    return None if meaning is None else sum(getattr(meaning, name) is not None for name in _ATTRIBUTES)


def listen(predictor: BundlePredictor, case: Case, wordings: Sequence[Wordings]) -> list[Record]:
    """Ask every wording of every entry about one image, each distinct text once.

    Args:
        predictor: the system as it is shipped.
        case: the image and its entries.
        wordings: of each entry of the case, in their order.
    """
    straight = _ask(predictor, case.image, case.affine, [text for w in wordings for _, text in w.same_image])
    mirror_image = np.ascontiguousarray(case.image[::-1])  # the first axis runs to the patient's left
    turned = _ask(predictor, mirror_image, case.affine, [w.mirrored for w in wordings if w.mirrored is not None])
    records = []
    for (number, entry), words in zip(case.entries, wordings, strict=True):
        num_attributes = count_attributes(entry[EXPRESSION])
        matched = straight[words.same_image[0][1]].mask
        answers = [(name, straight[text], straight[text].mask) for name, text in words.same_image]
        if words.mirrored is not None:
            answer = turned[words.mirrored]
            answers.append(("mirrored_image", answer, answer.mask[::-1]))
        for wording, answer, mask in answers:
            records.append(make_record(case, number, wording, answer, mask, matched, num_attributes))
    return records


def _ask(predictor: BundlePredictor, image: np.ndarray, affine: np.ndarray, texts: Sequence[str]) -> dict[str, Answer]:
    distinct = list(dict.fromkeys(texts))
    return dict(zip(distinct, predictor.predict(image, affine, distinct), strict=True)) if distinct else {}
