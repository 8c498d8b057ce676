# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from lsms_monai.data import contradict, sample_expressions
from lsms_monai.data.canonical import canonical
from lsms_monai.data.meaning import LesionAttributes, Meaning
from lsms_monai.data.normalization import normalize, unknown_words
from lsms_monai.data.parsing import parse
from lsms_monai.data.rewording import mirror

LARGEST = Meaning(rank="largest")
PHRASES = {
    "": Meaning(),
    "liver lesion": Meaning(),
    "Tumour": Meaning(),
    "focal hepatic lesion": Meaning(),
    "all lesions": Meaning(plural=True),
    "lesions in both lobes": Meaning(plural=True),
    "multiple hypodense lesions": Meaning(attenuation="hypodense", plural=True),
    "every cyst in the left lobe": Meaning("left", "cyst", plural=True),
    "mets in RT lobe": Meaning("right", "solid", plural=True),
    "metastasis": Meaning(attenuation="solid"),
    "HCC in the left lobe": Meaning("left", "solid"),
    "hemangioma": Meaning(attenuation="solid"),
    "hypodense metastasis": Meaning(attenuation="solid hypodense"),
    "calcified HCC": Meaning(attenuation="calcified"),
    "Hypoattenuating focus under the dome of the right lobe": Meaning("right", "hypodense", level="upper"),
    "2.3 cm hypodensity in segment VII": Meaning("right", "hypodense", depth="posterior", level="upper", size_mm=23.0),
    "lesion in segments V/VIII": Meaning("right", depth="anterior"),
    "3 x 3 cm mass in the right posterior section": Meaning("right", depth="posterior", size_mm=30.0),
    "cystic lesion of 15mm in the left lobe of the liver": Meaning("left", "cyst", size_mm=15.0),
    "Arterially enhancing nodule in segment 8": Meaning("right", "hypervascular", depth="anterior", level="upper"),
    "hypodense lesion with peripheral enhancement": Meaning(attenuation="rim"),
    "ring enhancing abscess": Meaning(attenuation="rim"),
    "necrotic mass on the patient's right": Meaning("right", "rim"),
    "hypodense cyst": Meaning(attenuation="cyst"),
    "calcified granuloma, left lobe": Meaning("left", "calcified"),
    "low density lesion within the left hepatic lobe peripherally": Meaning("left", "hypodense", capsule="subcapsular"),
    "lesion adjacent to the capsule": Meaning(capsule="subcapsular"),
    "deep lesion": Meaning(capsule="central"),
    "lesion near the dome": Meaning(level="upper"),
    "ventral cyst": Meaning(attenuation="cyst", depth="anterior"),
    "the lesion at the back of the liver": Meaning(depth="posterior"),
    "subcapsular lesion of the posterior right lobe": Meaning("right", depth="posterior", capsule="subcapsular"),
    "dominant mass in right hepatic lobe": Meaning("right", rank="largest"),
    "the larger of the two dark spots": Meaning(attenuation="hypodense", rank="largest"),
    "smallest of the three cysts": Meaning(attenuation="cyst", rank="smallest"),
    "of the cysts in the left lobe, the biggest one": Meaning("left", "cyst", "largest"),
    "biggest one": LARGEST,
    "the darker one": Meaning(rank="darkest"),
    "the lesion with the lowest attenuation": Meaning(rank="darkest"),
    "small cyst": Meaning(attenuation="cyst", rank="smallest"),
    "please segment the big dark mass on the patient's left": Meaning("left", "hypodense", "largest"),
    "the second largest hypodensity in the right hepatic lobe": Meaning("right", "hypodense", "largest", order=2),
    "the two largest": Meaning(rank="largest", count=2),
    "the three smallest cysts": Meaning(attenuation="cyst", rank="smallest", count=3),
    "the two largest of the five lesions": Meaning(rank="largest", count=2),
    "in the right lobe of the liver, the 2 tumors": Meaning("right", plural=True, count=2),
    "both lesions in the right lobe": Meaning("right", plural=True, count=2),
    "the two cysts": Meaning(attenuation="cyst", plural=True, count=2),
    "the fourth largest cyst": Meaning(attenuation="cyst", rank="largest", order=4),
    "the 5th smallest lesion": Meaning(rank="smallest", order=5),
    "the only cyst": Meaning(attenuation="cyst", count=1),
    "solitary lesion in the left lobe": Meaning("left", count=1),
    "no focal lesion in the left lobe": Meaning("left", count=0),
    "the lesion of 5 mm": Meaning(size_mm=5.0),
    "lesions > 2 cm": Meaning(plural=True, size_mm=20.0, bound="over"),
    "subcentimeter hypodensity": Meaning(attenuation="hypodense", size_mm=10.0, bound="under"),
    "the lesion that is not in the left lobe": Meaning("left", negated="side"),
    "the lesion outside the left lobe": Meaning("left", negated="side"),
    "the lesion that is not a cyst": Meaning(attenuation="cyst", negated="attenuation"),
    "non-calcified lesion in the right lobe": Meaning("right", "calcified", negated="attenuation"),
    "cyst, not hemangioma": Meaning(attenuation="cyst"),
    "the lesion next to the largest one": Meaning(near=LARGEST),
    "cyst nearest to the calcification in the left lobe": Meaning(
        attenuation="cyst", near=Meaning("left", "calcified")
    ),
    "lesion in the spleen": Meaning(organ="spleen"),
    "left renal cyst": Meaning("left", "cyst", organ="kidney"),
    "hypodence lession in the rigth lobe": Meaning("right", "hypodense"),
}
REFUSED = [
    "coarse calcification",
    "left lobe",
    "liver",
    "gallbladder",
    "caudate lobe lesion",
    "lesion in segment IV/V",
    "spiculated mass in the left lobe",
    "the lesion above the cyst",
    "the lesion to the left of the cyst",
    "the lesion left of the midline",
    "the lesion in the right and left lobe",
    "the right lesion in the left lobe",
    "hyperdense cyst",
    "cyst or hemangioma",
    "the cyst and the largest lesion",
    "the other lesion",
    "one of the lesions",
    "two of the lesions",
    "all cysts but the largest",
    "largest lesions",
    "small cysts",
    "the smaller of the largest",
    "the second one",
    "the lesion not in the posterior left lobe",
    "the lesion that is not",
    "the lesions next to the largest one",
    "the lesion next to the cyst beside the mass",
    "the lesion next to the spleen",
    "larger than the cyst",
    "the lesion of 0 mm",
    "1-2 cm lesion",
    "new lesion since last scan",
    "tumor in the thigh",
    "[MASK]",
    "asdf",
    "die L\u00e4sion rechts",
]


@pytest.mark.parametrize(("text", "meaning"), PHRASES.items())
def test_a_phrase_is_understood(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_understood_to_the_last_word_is_not_guessed(text):
    assert parse(text) is None


def test_case_articles_and_stops_do_not_matter():
    for text, meaning in PHRASES.items():
        assert parse(text.upper() + ".") == meaning
        assert parse(text.replace("the ", "")) == meaning


def random_lesions(generator):
    for value in range(1, int(generator.integers(1, 7))):
        kind, hu = [("cyst", 5.0), ("hypodense", 50.0), ("hyperdense", 150.0), ("rim", 40.0), ("calcified", 300.0)][
            generator.integers(5)
        ]
        yield LesionAttributes(
            value,
            side=("right", "left", "right", "left", None)[generator.integers(5)],
            kind=kind,
            hu=hu + float(generator.uniform(-15, 15)),
            diameter_mm=float(np.exp(generator.uniform(np.log(5), np.log(90)))),
            centroid_mm=tuple(generator.uniform(-80, 80, 3)),
            depth=("anterior", "posterior", None)[generator.integers(3)],
            capsule=("subcapsular", "central", None)[generator.integers(3)],
            level=("upper", "lower", None)[generator.integers(3)],
        )


@pytest.mark.parametrize("held_out", [False, True])
def test_whatever_is_said_is_understood_to_mean_the_same_lesions(held_out):
    generator = np.random.default_rng(held_out)
    num_said = 0
    for _ in range(200):
        lesions = list(random_lesions(generator))
        for expression in sample_expressions(lesions, generator, 4, held_out=held_out):
            understood = parse(expression.text)
            assert understood is not None, expression.text
            assert understood.resolve(lesions) == expression.label_value, expression.text
            num_said += 1
    assert num_said > 700


def test_the_plain_wording_is_read_back_exactly():
    generator = np.random.default_rng(2)
    said = [
        expression.meaning
        for _ in range(200)
        for expression in sample_expressions(list(random_lesions(generator)), generator, 4)
    ]
    said += [meaning.slice_part() for meaning in said] + list(PHRASES.values())
    assert len(set(said)) > 250
    assert [canonical(meaning) for meaning in said if parse(canonical(meaning)) != meaning] == []


def test_two_meanings_never_share_the_plain_wording():
    generator = np.random.default_rng(3)
    said = {e.meaning for _ in range(150) for e in sample_expressions(list(random_lesions(generator)), generator, 4)}
    assert len({canonical(meaning) for meaning in said}) == len(said)


NASTY = ["mm", "1.2.3 mm cyst", "1e400 cm", "9" * 5000 + " mm", "1" * 5000 + " x", "x by x cm", "of of of", "not",
         "no no", "segment " * 500, "seg 1/2/3/4/5/6/7/8", "seg 8-1", "next to", "\u0663 cm cyst", "\ud800", "\0",
         "hypo", "% {} \\1", "> < >", "second", "lesion " * 2000,
         "all lesions but " * 500, "3-" * 500 + "4 cm"]  # fmt: skip


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_no_text_breaks_the_reader(text):
    assert isinstance(normalize(text), str)
    assert isinstance(mirror(contradict(text)), str)
    assert all(word in normalize(text).split() for word in unknown_words(text))
    understood = parse(text)
    assert understood is None or understood.resolve([]) == ()
