# SPDX-License-Identifier: Apache-2.0
"""One spelling for what people write in many: abbreviations, units, liver segments, hyphens and slips of the pen."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import lsms_monai.data.vocabulary as say
from lsms_monai.data.vocabulary import Words

ABBREVIATIONS = {
    "hcc": "hepatocellular carcinoma", "hccs": "hepatocellular carcinomas",
    "met": "metastasis", "mets": "metastases", "mts": "metastasis",
    "rt": "right", "lt": "left", "ant": "anterior", "post": "posterior", "sup": "superior", "inf": "inferior",
    "rhl": "right hepatic lobe", "lhl": "left hepatic lobe", "enh": "enhancing", "calc": "calcification",
    "hypoatt": "hypoattenuating", "diam": "diameter", "approx": "approximately", "pt": "patient", "w": "with",
    "subcentimeter": "smaller than 10 mm", "subcentimetre": "smaller than 10 mm",
    "subcentimetric": "smaller than 10 mm", "hemangiomata": "hemangiomas", "haemangiomata": "haemangiomas",
}  # fmt: skip
# Couinaud's segments in the words of the vocabulary; the caudate lobe (I) has none.
SEGMENTS = {
    "2": "upper left", "3": "lower left", "4": "left", "4a": "upper left", "4b": "lower left",
    "5": "anterior lower right", "6": "posterior lower right",
    "7": "posterior upper right", "8": "anterior upper right",
}  # fmt: skip
FUNCTION_WORDS = frozenset(
    "a an the in of on at to with within inside from for by and or is are was that this these those which there it its "
    "me please one ones than as be mm cm".split()
)
# English words one or two letters away from ours.
_NOT_SLIPS = frozenset(
    "interior exterior smell legion mask passes messes region brighten solidly local vocal hematoma hematomas "
    "haematoma haematomas carcinoid loculated outlying positive sized excluding extending contacting connection "
    "besides among alone casts costs sediment arteries attention diabetes patent shall simply fifty darkness "
    "brightness centred carcinoids causal clarified interiors lowers loser".split()
)
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8}
_ONE = r"(?:viii|vii|vi|v|iv|iii|ii|i|[1-8])[ab]?"
_SEGMENT = re.compile(
    rf"\b(?:couinaud )?(?:(?:segment|seg|sg)s?\.?[ -]?|s(?=[1-8]))({_ONE})"
    rf"((?: ?(?:/|,|&|-|\+|and|to) ?(?:(?:segment|seg) |s)?{_ONE})*)\b(?! ?mm)"
)
_NEAR = "|".join(say.NEAR.all + say.EXTRA_NEAR.all)
# Segments are told by words that may say less of them; what is denied, left out or beside must be said exactly.
_DENIED = re.compile(
    r"\b(?:except|excluding|apart from|other than|all but|everything but)\b"
    rf"|(?:\bnot|n['\u2019]t|\b(?:outside|{_NEAR}))(?: in| of| within| the)*\s*$"
)
# "Please segment 2 cysts" counts.
_ASKED = re.compile(r"(?:^|\bplease|\byou|\bto)\s*$")
_RANKS = [word for ranks in (say.SUPERLATIVES, say.COMPARATIVES) for words in ranks.values() for word in words.all]
_RANKED = re.compile(rf"\s*(?:{'|'.join(_RANKS)})\b")
_NUMBER, _UNIT = r"(?:\d+(?:[.,]\d+)?|\.\d+)", r"(?:cms?|centimet(?:er|re)s?|mms?|millimet(?:er|re)s?)\b"
_START = r"(?<![\w.])(?<!\d,)"
_SIZE = rf"{_NUMBER}(?:(?: ?{_UNIT})? ?(?:x|by|\*) ?{_NUMBER}){{0,2}}[ -]?({_UNIT})"
_LENGTH = re.compile(_START + _SIZE)
_LONGEST = r"\b(?:largest|greatest|longest|maximum|maximal|max\.?) (?:axial )?(?:diameter|dimension)"
_TIMES = re.compile(rf"[2-9] ?x ?{_NUMBER}[ -]?{_UNIT}$")  # "2 x 1 cm cysts" are two
_NOUNS = [pair for nouns in (say.NOUNS, say.EXTRA_NOUNS) for each in nouns.values() for pair in each.all]
_MANY = re.compile(rf" ?(?:[a-z-]+ ){{0,3}}?(?:{'|'.join(pair.split('/')[1].lower() for pair in _NOUNS)})\b")
_RANGE = re.compile(rf"{_START}({_NUMBER}) ?(?:-|/|to|or) ?(?={_SIZE})")  # "2-" of "2-3 cm"


def normalize(text: str) -> str:
    """Write an expression in one way: the same words for abbreviations, units, segments, hyphens and likely slips.

    Left and right are only ever read where they are spelled out or abbreviated, never guessed.

    Example:
        >>> normalize("2.3 cm Hypo-attenuating HCC in seg. VII")
        '23 mm hypoattenuating hepatocellular carcinoma in posterior upper right lobe'
    """
    return " ".join(_correct(word) for word in _tidy(text).split())


def unknown_words(text: str) -> list[str]:
    """Words of an expression that no training has seen, each once, function words and numbers aside.

    Example:
        >>> unknown_words("the spiculated lesion in the left lobe")
        ['spiculated']
    """
    known = _words_of(held_out=False) | FUNCTION_WORDS
    found = [word for word in normalize(text).split() if word not in known and not word[0].isdigit()]
    return list(dict.fromkeys(found))


def _tidy(text: str) -> str:
    """Normalise all but spelling."""
    text = re.sub(r"(?<=\d)\u00b7(?=\d)", ".", text)  # a decimal point in mid-line
    text = "".join(
        letter for letter in unicodedata.normalize("NFKD", text).lower() if not unicodedata.combining(letter)
    )
    text = re.sub(r"[\u2010-\u2015\u2212_]", "-", " ".join(text.split())).replace("\u00d7", "x")
    text = re.sub(r"^(?:findings?|impression|conclusion): ?", "", text)  # of a report: a heading
    text = re.sub(r"[>\u2265]=?", " larger than ", text)
    text = re.sub(r"[<\u2264]=?", " smaller than ", text)
    text = re.sub(r"\bsub-?cm\b", "subcentimeter", re.sub(r"\bsub-?centi", "subcenti", text)).replace("w/o", "without")
    text = re.sub(r"\bthan or equal to\b", "than", re.sub(r"\((e?s)\)", r"\1", text))
    text = _LENGTH.sub(_length, _RANGE.sub(r"\1 \2 to ", text))
    text = re.sub(r"([\d.]+ mm)\s+(?:or|and) (?:larger|bigger|more|greater|above)\b", r" at least \1", text)
    text = re.sub(rf"{_LONGEST}(?= (?:of )?\s*[\d.]+ mm)|(?<=mm) +in (?:its )?{_LONGEST}", " ", text)
    text = re.sub(r"([\d.]+ mm)\s*\+", r" at least \1", text)
    text = re.sub(r"\b(?:ca?\.?|roughly|nearly|almost)\s+(?=[\d.]+ mm)", "about ", text)
    text = re.sub(r"\babove\s+(?=[\d.]+ mm)", "larger than ", re.sub(r"\bbelow\s+(?=[\d.]+ mm)", "smaller than ", text))
    text = re.sub(r"([\d.]+ mm)\s+(?:or|and) (?:smaller|less|below)\b", r" at most \1", text)
    text = re.sub(r"\b([rl])\.? (?=(?:hepatic )?lobe\b)", lambda m: {"r": "right ", "l": "left "}[m[1]], text)
    text = re.sub(r"\b(iv|4)a ?(?:/|-|,|&|and) ?(?:iv|4)?b\b", r"\1", text)
    text = _SEGMENT.sub(_segments, text)
    text = re.sub(r"\bnon[ -]?(?=[a-z]{4})", "not ", text)
    text = re.sub(r"\b(hypo|hyper|sub)[ -](?=[a-z])", r"\1", text)
    text = re.sub(r"n['\u2019]t\b", " not", text)
    text = re.sub(r"['\u2019]s\b", "", text)
    text = re.sub(r"[^a-z0-9.]+|\.(?!\d)|(?<!\d)\.", " ", text)
    return " ".join(ABBREVIATIONS.get(word, word) for word in text.split())


def _length(match: re.Match[str]) -> str:
    """Millimetres; of two or three diameters the mean that a circle or ball would have."""
    values = [float(number.replace(",", ".")) for number in re.findall(_NUMBER, match.group())]
    units = {unit[0] for unit in re.findall(_UNIT, match.group())}
    is_count = _TIMES.match(match.group()) is not None and _MANY.match(match.string, match.end()) is not None
    if len(units) > 1 or is_count:
        return match.group()
    length = math.prod(values) ** (1 / len(values)) * (10 if units == {"c"} else 1)
    return f" {round(length, 1):g} mm "


def _segments(match: re.Match[str]) -> str:
    """The words that all named segments share; their numbers if they share no side or are denied."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    is_asked = match.group(1) in "2345" and not match.group(2) and _ASKED.search(before)
    if is_asked and (before.strip() or _RANKED.match(after)):
        return match.group()
    names = [_arabic(name) for name in re.findall(_ONE, f"{match.group(1)} {match.group(2)}")]
    if re.search(r"-|\bto\b", match.group(2)) and len(names) == 2:
        first, last = sorted(int(name[0]) for name in names)
        names = [str(number) for number in range(first, last + 1)]
    places = [SEGMENTS.get(name, "").split() for name in names]
    shared = [word for word in (places or [[]])[0] if all(word in place for place in places)]
    if _DENIED.search(before):
        return f" segment number {' and '.join(names)} "  # which nothing reads again
    is_told = {"right", "left"} & set(shared)
    return f" {' '.join(shared)} lobe " if is_told else f" segment {' and '.join(names)} "


def _arabic(name: str) -> str:
    """Write "iva" as "4a"."""
    number = name.rstrip("ab")
    return str(_ROMAN.get(number, number)) + name[len(number) :]


def _entries() -> Iterator[Words]:
    for table in say.TABLES:
        yield from (table,) if isinstance(table, Words) else table.values()


@lru_cache(maxsize=2)
def _words_of(held_out: bool) -> frozenset[str]:
    """Every word that training hears, or with those kept for testing."""
    texts = [text for entry in _entries() for text in (entry.all if held_out else entry.known)]
    return frozenset(word for text in texts for word in _tidy(re.sub(r"\{\w+\}", "", text)).split())


@lru_cache(maxsize=4096)
def _correct(word: str) -> str:
    """The one word of the vocabulary that a long word is a slip of, or the word itself."""
    known = _words_of(held_out=True)
    if len(word) < 5 or not word.isalpha() or word in known | FUNCTION_WORDS | _NOT_SLIPS:
        return word
    reach = 1 if len(word) < 8 else 2
    prefix = next((prefix for prefix in ("hypo", "hyper") if word.startswith(prefix)), word[0])
    near: dict[int, list[str]] = {}
    for other in sorted(known):
        if len(other) >= 5 and abs(len(other) - len(word)) <= reach and other.startswith(prefix):
            near.setdefault(_distance(word, other), []).append(other)
    best = near.get(min(near, default=0), [])
    return best[0] if len(best) == 1 and min(near) <= reach else word


def _distance(first: str, second: str) -> int:
    """Letters to insert, delete, replace or exchange with the next one."""
    rows = [list(range(len(second) + 1))]
    for i, a in enumerate(first, 1):
        row = [i]
        for j, b in enumerate(second, 1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and b == first[i - 2]:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
