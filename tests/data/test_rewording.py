# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from lsms_monai.data import contradict, reword
from lsms_monai.data.parsing import parse
from lsms_monai.data.rewording import mirror, paraphrases

TEXTS = ["the right lesion", "The right lesion.", "left cyst", "all lesions", "largest mass", "the dark spot"]
ENTRIES = [{"image": f"{number}.nii", "expression": text, "label_value": [number]} for number, text in enumerate(TEXTS)]


def expressions(entries):
    return [entry["expression"] for entry in entries]


def test_matched_changes_nothing():
    assert reword(ENTRIES, "matched") == ENTRIES


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_gives_every_entry_the_words_of_another(seed):
    texts = expressions(reword(ENTRIES, "shuffled", seed))
    assert sorted(texts) == sorted(TEXTS)
    assert all(a.lower().strip(".") != b.lower().strip(".") for a, b in zip(texts, TEXTS, strict=True))


def test_shuffled_depends_on_the_seed_alone():
    assert reword(ENTRIES, "shuffled", 3) == reword(ENTRIES, "shuffled", 3)
    assert len({tuple(expressions(reword(ENTRIES, "shuffled", seed))) for seed in range(10)}) > 1


def test_shuffling_what_is_mostly_one_expression_is_refused():
    with pytest.raises(ValueError, match="none fills more than half of the entries, got one in 3 of 4"):
        reword([ENTRIES[0], ENTRIES[0], ENTRIES[1], ENTRIES[2]], "shuffled")


def test_empty_takes_the_words_and_leaves_the_truth():
    reworded = reword(ENTRIES, "empty")
    assert set(expressions(reworded)) == {""}
    assert [entry["label_value"] for entry in reworded] == [entry["label_value"] for entry in ENTRIES]


def test_contradicted_leaves_out_what_has_no_opposite():
    reworded = reword(ENTRIES, "contradicted")
    assert [entry["image"] for entry in reworded] == ["0.nii", "1.nii", "2.nii", "4.nii", "5.nii"]
    assert expressions(reworded)[:2] == ["the left lesion", "The left lesion."]


def test_the_entries_given_are_not_changed():
    reword(ENTRIES, "empty")
    assert expressions(ENTRIES) == TEXTS


@pytest.mark.parametrize(
    ("text", "opposite"),
    [
        ("Right hepatic lobe cyst", "Left hepatic lobe hyperdensity"),
        ("the larger of the two hypodensities", "the smaller of the two hyperdensities"),
        ("smallest hypo-dense nodule", "largest hyper-dense nodule"),
        ("low attenuation focus", "high attenuation focus"),
        ("lowest-density lesion, left lobe", "highest-density lesion, right lobe"),
        ("the less dense lesion", "the denser lesion"),
        ("lesion darker than the liver", "lesion brighter than the liver"),
        ("hyperenhancing mass", "hypoenhancing mass"),
        ("enhancing mass", "hypodense mass"),
        ("the dominant mass", "the smallest mass"),
        ("every lesion", "every lesion"),
        ("Anterior lesion in the upper part of the liver", "Posterior lesion in the lower liver"),
        ("subcapsular lesion in the lower posterior right lobe", "central lesion in the upper anterior left lobe"),
        ("the lower-density nodule under the dome", "the brighter nodule in the lower liver"),
        ("lesion deep in the liver", "lesion under the capsule"),
        ("rim-enhancing lesion", "high-density area"),
        ("the ring-enhancing mass", "the hyperattenuating mass"),
        ("the calcified lesion not in the left lobe", "the hypodense lesion not in the right lobe"),
        ("the second largest lesion", "the second largest lesion"),
        ("the second largest cyst on the right", "the second largest hyperdensity on the left"),
        ("the two largest HCCs", "the two smallest simple cysts"),
    ],
)
def test_each_attribute_turns_into_its_opposite(text, opposite):
    assert contradict(text) == opposite


def test_nothing_to_contradict_is_refused():
    with pytest.raises(ValueError, match="at least one expression must have an opposite"):
        reword(ENTRIES[3:4], "contradicted")


def test_unknown_wording_is_refused():
    with pytest.raises(ValueError, match=r'wording must be one of .*, got "scrambled"'):
        reword(ENTRIES, "scrambled")


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("The right-sided cyst", "The left-sided cyst"),
        (
            "the largest dark lesion under the dome of the left lobe",
            "the largest dark lesion under the dome of the right lobe",
        ),
        ("lesion on the RIGHT, not in the left lobe", "lesion on the LEFT, not in the right lobe"),
        ("Rt lobe mass", "Lt lobe mass"),
        ("cyst in segment VI", "cyst in posterior lower left lobe"),
        ("the leftmost bright lesion", "the rightmost bright lesion"),
        ("the smallest anterior cyst", "the smallest anterior cyst"),
        ("cyst in the rigth lobe", "cyst in the left lobe"),
        ("Lesion right next to the cyst", "Lesion right next to the cyst"),
        ("lesion next to the Right cyst", "lesion next to the Left cyst"),
    ],
)
def test_the_mirror_exchanges_right_and_left_alone(text, mirrored):
    assert mirror(text) == mirrored


@pytest.mark.parametrize("text", TEXTS)
def test_mirrored_twice_is_as_before(text):
    assert mirror(mirror(text)) == text


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("text", ["the largest dark spot in the right lobe", "both cysts", "liver lesion", "2 cm HCC"])
def test_paraphrases_mean_the_same_in_other_words(text, held_out):
    found = paraphrases(text, np.random.default_rng(0), 5, held_out=held_out)
    assert len(found) == len(set(found)) == 5
    assert text not in found
    assert {parse(other) for other in found} == {parse(text)}


def test_what_is_not_understood_is_not_paraphrased():
    assert paraphrases("the spiculated one above the cyst", np.random.default_rng(0), 3) == []
