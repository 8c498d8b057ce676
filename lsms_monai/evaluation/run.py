# SPDX-License-Identifier: Apache-2.0
"""Ask the shipped system everything about every image of a datalist."""

from collections.abc import Callable, Sequence

from lsms_monai.evaluation.cases import Group, load_case
from lsms_monai.evaluation.listening import foreign_words, listen, make_wordings
from lsms_monai.evaluation.records import Record
from lsms_monai.keys import EXPRESSION
from lsms_monai.predictor import BundlePredictor


def evaluate(
    predictor: BundlePredictor,
    groups: Sequence[Group],
    *,
    num_paraphrases: int = 2,
    seed: int = 0,
    skip_broken: bool = False,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[Record], list[str]]:
    """Answer every expression in every wording.

    Args:
        predictor: the system as it is shipped.
        groups: entries of a datalist by image, see `group_entries`.
        num_paraphrases: held-out wordings for each expression.
        seed: of the shuffling and the paraphrases.
        skip_broken: leave out images that cannot be used, instead of raising.
        progress: called with the number of images done.

    Returns:
        The records, and a line for each image that was left out.

    Raises:
        ValueError: if an image or its label cannot be used, or none can.
    """
    pairs = [pair for group in groups for pair in group]
    foreign: Sequence[str | None] = foreign_words([entry for _, entry in pairs], seed) or [None] * len(pairs)
    words = {
        number: make_wordings(entry[EXPRESSION], other, num_paraphrases=num_paraphrases, seed=(seed, number))
        for (number, entry), other in zip(pairs, foreign, strict=True)
    }
    records: list[Record] = []
    skipped: list[str] = []
    for done, group in enumerate(groups, start=1):
        try:
            case = load_case(group)
        except ValueError as error:
            if not skip_broken:
                raise ValueError(f"{error}; repair it, or leave such images out by --skip-broken") from error
            skipped.append(str(error))
        else:
            records += listen(predictor, case, [words[number] for number, _ in group])
        if progress is not None:
            progress(done)
    if not records:
        raise ValueError(f"at least one image must be usable, got none of {len(groups)}; first: {skipped[:1]}")
    return records, skipped
