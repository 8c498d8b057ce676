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

# Words that may speak of a part of a lesion, in its own capsule or center, as well as of a place in the liver.
_PART = "capsule|surface|margin|edge|periphery|center|centre|middle"
_INSIDE = "calcifications?|enhancement|(?:low|high) (?:density|attenuation)|fluid"
PLACE = "lobe|liver|hepatic|right|left|anterior|posterior|upper|lower|dome|capsule"

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
    | \bbound\b(?!\ (?:up\ to\ )?size_mm)  # under the surface
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
    | ,\ ?right\ ?\?$ | ^(?:is|are)\ (?!there\b)  # questions
    | ^{_NOUN}\ A$  # a name of a lesion
    | \b{_NOUN}\b.*\ [&+]\ .*\b{_NOUN}\b  # two findings
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
    | \b(?:{_KIND})\ (?:(?:in|at|on|along)\ (?:the\ |its\ )?)?(?:{_PART})\b(?!\ (?:of|right|left|liver)\b)
    | \bwith\ (?:\w+\ )?(?:{_INSIDE})\ (?:in|at|on|along)\ (?:the\ |its\ )?(?:{_PART})\b(?!\ of)
    | \b{_NOUN}\ (?:central|peripheral)\ (?:calcifications?|necrotic$)
    | \b(?:with|without|no)\ (?:a\ |the\ |any\ )?(?:{_PART})\b | \b{_NOUN}\ (?:{_PART})$
    | \bnot\ (?:just|seen|found)\b
    | \bnot\ (?:the|that|this)\b(?=.*\b{_NOUN}\b)(?=.*\b(?:{PLACE})\b)  # whose place is it?
    | ^no\ (?:the|that|this)\b  # no, the left one
    | \btip\ of\ (?:the\ )?left\b | \binvolving\ both\b
    """,
    re.VERBOSE,
)
SENTENCE_ENDS = re.compile(r"[.;]\s+(?=\w)|(?<=[^:\s])\s*\n(?=\s*\w)")  # a heading goes on in the next line
_A_NOUN = re.compile(rf"\b{_NOUN}\b", re.IGNORECASE)
_DENIED_AND_NAMED = re.compile(  # "no mass, cyst in the left lobe"
    rf"\s*(?:there (?:is|are) )?no\b[^,]*,(?! (?:no|not)\b).*\b{_NOUN}\b", re.IGNORECASE | re.DOTALL
)


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


def has_another_finding(text: str, names: Sequence[str]) -> bool:
    """Tell whether sentences name a lesion each ("2 cm mass. Cyst, left lobe."), or one denies what is not the next's.

    Args:
        text: as a person wrote it.
        names: of the concepts in it.
    """
    sentences = SENTENCE_ENDS.split(text)
    is_denied = "none" in names and (len(sentences) > 1 or _DENIED_AND_NAMED.match(text) is not None)
    return is_denied or sum(_A_NOUN.search(sentence) is not None for sentence in sentences) > 1
