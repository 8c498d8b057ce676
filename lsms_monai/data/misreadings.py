# SPDX-License-Identifier: Apache-2.0
"""Expressions whose words are all known and yet say something else than their sum."""

from __future__ import annotations

import re
from collections.abc import Sequence

import lsms_monai.data.vocabulary as say
from lsms_monai.data.meaning import ATTENUATIONS

_NOUN = rf"(?:{say.ANY_NOUN})"
_KINDS = [word for kind in ATTENUATIONS if kind in say.ADJECTIVES for word in say.ADJECTIVES[kind].all]
_KIND = "|".join(word.replace("-", " ") for word in _KINDS)

# Names of concepts in a row that speak of something else than the lesion.
_ASTRAY = re.compile(
    r"""\bin\ (?:noun|attenuation|rank|order|number|all|size_mm)\b  # a nodule in a cyst, within 2 cm of it
    | noun\b.*\ with\ (?:(?:capsule|attenuation|number)\ )*noun\b  # a mass with peripheral calcification
    | with\ (?:attenuation\ capsule|capsule\ attenuation)\b  # a mass with a dark center
    | \b(?:side|depth|capsule|level)\ of\ (?:(?:attenuation|rank|order|number|all)\ )*noun\b  # the edge of the cyst
    | ^(?!.*\brank\b).*\bnoun\ (?:attenuation\ )?of\ (?:attenuation\ )?noun\b  # the lesions among the cysts
    | \bnoun\b.*\ number\b | \bview\ number\b  # lesion 2, slice 3
    | \bview\b.*\ (?:side|depth|capsule|level)\b | \b(?:side|depth|capsule|level)\b.*\ view\b  # left in the image
    | (?<!noun)(?<!attenuation)(?:^|\ )just\b  # the posterior right next to
    | \bbound\b(?!\ size_mm)  # under the surface
    | \bnoun\b.*\bbound\ size_mm\ (?:attenuation\ )*noun\b  # a lesion larger than the 2 cm cyst
    | \bliver\b.*\borgan\b | \borgan\b.*\bliver\b  # liver metastasis of colon cancer
    | \borgan\b.*\bnoun\b.*\bnoun\b | \bnoun\b.*\borgan\b.*\bnoun\b  # lung cancer metastases
    | \bnumber\b.*\bnoun\b.*\brank\b  # two cysts, the larger one
    | \border\b(?!\ (?:number\ |of\ total\ )?rank)(?<!rank\ order)  # the upper third
    """,
    re.VERBOSE,
)
# In what a person wrote, where signs still part what belongs to different things.
_AS_WRITTEN = re.compile(
    rf"""\b{_NOUN}\ (?:(?:which|that|is|lies|are|located|lying|situated|seen|found|just|about|less\ than)\ )*
        [\d.,]+[ -]?[a-z]+\ (?:just\ )?(?:deep|under|beneath|below)\b  # a lesion 2 cm under the dome; not "2 cm, deep"
    | ^\s*\d+[.)]\s  # the number of an item in a list
    | ^(?!.*\b(?:liver|hepatic)\b).*\b(?:upper|middle|lower)\ lobes?\b  # of the lung
    """,
    re.VERBOSE | re.IGNORECASE,
)
# In the normalised text.
_NORMALISED = re.compile(
    rf"""\bthere\ (?:is|are|was|were)\ not\b | \b(?:liver|lobe)\ without\b  # denies a lesion, and names none
    | \b(?:centrally|peripherally)\ (?!enhancing\b)(?:{_KIND})\b  # dark in its center, not in that of the liver
    | \b(?!enhancing\b)(?:{_KIND})\ (?:centrally|peripherally)\b(?!\ located)
    | \b(?:part|portion|aspect|end|section)\ of\ (?:(?!liver|lobe|hepatic|right|left|patient)\w+\ )*{_NOUN}\b
    | \btip\ of\ (?:the\ )?left\b | \binvolving\ both\b
    """,
    re.VERBOSE,
)
_SENTENCES = re.compile(r"[.;]\s+\w")


def speaks_of_something_else(text: str, normalised: str) -> bool:
    """Tell whether a phrase of a text means something else than its words.

    Args:
        text: as a person wrote it.
        normalised: the same, normalised.
    """
    return bool(_AS_WRITTEN.search(" ".join(text.split())) or _NORMALISED.search(normalised))


def is_astray(names: Sequence[str]) -> bool:
    """Tell whether concepts in this order speak of something else than the lesion.

    Args:
        names: of the concepts, see `lexicon`.
    """
    return bool(_ASTRAY.search(" ".join(names)))


def denies_in_another_sentence(text: str, names: Sequence[str]) -> bool:
    """Tell whether a "no" might be read on into the next sentence ("No mass. Cyst, left lobe.").

    Args:
        text: as a person wrote it.
        names: of the concepts in it.
    """
    return "none" in names and _SENTENCES.search(text) is not None
