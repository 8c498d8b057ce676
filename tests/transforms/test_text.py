# SPDX-License-Identifier: Apache-2.0
import warnings

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate
from transformers import AutoTokenizer

from lsms_monai.data import sample_expressions
from lsms_monai.transforms import SelectExpressiond, TokenizeExpressiond
from lsms_monai.transforms.text import PACKAGED_TOKENIZER


@pytest.fixture(scope="module")
def tokenize():
    return TokenizeExpressiond(max_length=24)


def test_the_prompt_comes_before_the_expression_and_both_before_the_default():
    select = SelectExpressiond(default="liver lesion")
    assert select({"prompt": "cyst", "expression": "metastasis"})["expression"] == "cyst"
    assert select({"expression": "metastasis"})["expression"] == "metastasis"
    assert select({"prompt": None, "expression": "metastasis"})["expression"] == "metastasis"
    assert select({})["expression"] == "liver lesion"


def test_white_space_around_an_expression_is_stripped():
    assert SelectExpressiond()({"expression": "\t the  cyst \n"})["expression"] == "the  cyst"


def test_a_missing_expression_without_a_default_is_refused():
    message = r"an expression is required under one of \('prompt', 'expression'\), got none; name the lesion in words"
    with pytest.raises(ValueError, match=message):
        SelectExpressiond()({"image": 0, "expression": None})


@pytest.mark.parametrize(("value", "kind"), [(7, "int"), (["cyst"], "list"), (b"cyst", "bytes"), ({}, "dict")])
def test_an_expression_that_is_not_a_string_is_refused(value, kind):
    with pytest.raises(TypeError, match=f"expression must be a string, got {kind}: "):
        SelectExpressiond(default="liver lesion")({"expression": value})


def test_the_message_about_a_huge_non_string_is_short():
    with pytest.raises(TypeError) as error:
        SelectExpressiond()({"expression": list(range(100_000))})
    assert len(str(error.value)) < 150


@pytest.mark.parametrize("value", ["", "  ", "\n\t"])
def test_an_empty_expression_is_refused_even_where_there_is_a_default(value):
    with pytest.raises(ValueError, match="expression must not be empty; name the lesion in words"):
        SelectExpressiond(default="liver lesion")({"prompt": value, "expression": "cyst"})


def test_an_empty_expression_may_be_allowed():
    assert SelectExpressiond(allow_empty=True)({"expression": " "})["expression"] == ""


def as_bytes(text):
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def test_bytes_that_are_no_utf8_are_refused():
    with pytest.raises(ValueError, match=r"expression must be UTF-8, got b'\\xff'; encode the words by str\.encode"):
        SelectExpressiond()({"expression": torch.tensor([255], dtype=torch.uint8)})
    with pytest.raises(TypeError, match="expression must be a string, got Tensor: "):
        SelectExpressiond()({"expression": torch.tensor([99, 121, 115, 116])})
    with pytest.raises(ValueError, match="expression must not be empty"):
        SelectExpressiond()({"expression": as_bytes("")})


def test_tokens_are_padded_to_one_length(tokenize):
    sample = tokenize({"expression": "Liver lesion"})
    assert sample["input_ids"].tolist() == [101, 11290, 4649, 3258, 102] + [0] * 19
    assert sample["attention_mask"].tolist() == [1] * 5 + [0] * 19
    assert sample["input_ids"].dtype == sample["attention_mask"].dtype == torch.int64


def test_a_long_expression_is_cut_with_a_warning_that_says_what_is_read():
    message = "expression has 12 tokens, max_length is 6: only 'the large cyst' is read; shorten it"
    with pytest.warns(UserWarning, match=message):
        sample = TokenizeExpressiond(max_length=6)({"expression": "the large cyst in the left lobe of it"})
    assert sample["input_ids"].shape == (6,)
    assert sample["input_ids"][-1] == 102
    assert sample["attention_mask"].all()


def test_an_expression_that_just_fits_is_not_cut():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sample = TokenizeExpressiond(max_length=5)({"expression": "liver lesion"})
    assert sample["input_ids"].tolist() == [101, 11290, 4649, 3258, 102]


HOSTILE = [
    "$import os",
    "$__import__('os').abort()",
    "@network",
    "%train#dataset",
    "#",
    "{{ lesion }}",
    "the cyst 🫀 or 🫁",
    "a\\nb",
    "../../etc/passwd",
    "'; DROP TABLE patients; --",
]


@pytest.mark.parametrize("prompt", HOSTILE)
def test_any_prompt_is_plain_text(prompt):
    sample = TokenizeExpressiond(normalize=False)(SelectExpressiond()({"prompt": prompt}))
    assert sample["expression"] == prompt
    words = AutoTokenizer.from_pretrained(PACKAGED_TOKENIZER)(prompt)["input_ids"]
    assert sample["input_ids"][: len(words)].tolist() == words
    assert sample["attention_mask"].sum() == len(words) >= 3


OTHERS = ["größte Läsion – 肝右叶", "2,3 cm Hypo-attenuating HCC in seg. VII", "\x00", "x" * 2000, "[SEP] cyst"]  # noqa: RUF001


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bytes_of_utf8_are_read_as_the_words_they_spell(tokenize):
    generator = np.random.default_rng(0)
    spoken = [e.text for _ in range(40) for e in sample_expressions([], generator, 8, held_out=True)]
    texts = [*HOSTILE, *OTHERS, *spoken]
    assert len(set(texts)) > 100
    for text in texts:
        one, other = (tokenize(SelectExpressiond()({"expression": given})) for given in (text, as_bytes(text)))
        assert one["expression"] == other["expression"]
        assert torch.equal(one["input_ids"], other["input_ids"])
        assert torch.equal(one["attention_mask"], other["attention_mask"])


def test_names_of_special_tokens_are_plain_text_too(tokenize):
    sample = tokenize({"expression": "[PAD] [MASK] [SEP]"})
    assert not {0, 103} & {*sample["input_ids"][sample["attention_mask"] == 1].tolist()}


@pytest.mark.parametrize("prompt", ["肝病变", "🫀 🫁", "\x00"])
def test_an_expression_without_a_known_word_is_told(tokenize, prompt):
    with pytest.warns(
        UserWarning, match=r"expression '.*' has no word that the model knows; name the lesion in English"
    ):
        tokenize({"expression": prompt})


def test_an_empty_expression_that_was_allowed_is_not_told(tokenize):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tokenize({"expression": ""})["attention_mask"].sum() == 2


def test_case_and_accents_do_not_matter(tokenize):
    assert torch.equal(*(tokenize({"expression": text})["input_ids"] for text in ("LÉSION", "lesion")))


def test_words_are_written_in_one_way_first(tokenize):
    texts = ("2.3 cm Hypo-attenuating lesoin in seg. VII", "23 mm hypoattenuating lesion in posterior upper right lobe")
    assert torch.equal(*(tokenize({"expression": text})["input_ids"] for text in texts))
    assert tokenize({"expression": texts[0]})["expression"] == texts[0]


def test_another_tokenizer_may_be_given(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ncyst\nliver\n")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    sample = TokenizeExpressiond(tmp_path, max_length=5)({"expression": "Liver cyst"})
    assert sample["input_ids"].tolist() == [2, 6, 5, 3, 0]


def test_the_image_carries_the_expression_in_its_meta_data(tokenize, affine):
    image = MetaTensor(torch.zeros(1, 4, 5, 3), affine=affine, meta={"filename_or_obj": "ct.nii.gz"})
    sample = tokenize({"image": image, "expression": "cyst"})
    for key in ("expression", "input_ids", "attention_mask"):
        assert sample["image"].meta[key] is sample[key]
    assert sample["image"].meta["filename_or_obj"] == "ct.nii.gz"
    assert torch.equal(sample["image"].affine, affine)


def test_two_expressions_on_one_image_do_not_meet(tokenize, image):
    one, other = (tokenize({"image": image, "expression": text})["image"] for text in ("the cyst", "liver lesion"))
    assert one.meta["expression"] == "the cyst"
    assert not torch.equal(one.meta["input_ids"], other.meta["input_ids"])
    assert "expression" not in image.meta
    assert one.data_ptr() == other.data_ptr() == image.data_ptr()


def test_an_image_without_meta_data_stays_as_it_is(tokenize):
    image = torch.zeros(1, 4, 5, 3)
    assert tokenize({"image": image, "expression": "cyst"})["image"] is image


def test_batches_keep_each_expression_with_its_image(tokenize, image):
    samples = [tokenize({"image": image, "expression": text}) for text in ("the cyst", "liver lesion", "tumour")]
    batch = list_data_collate(samples)
    assert torch.equal(batch["image"].meta["input_ids"], batch["input_ids"])
    assert torch.equal(batch["image"].meta["attention_mask"], batch["attention_mask"])
    for sample, again in zip(samples, decollate_batch(batch), strict=True):
        assert again["image"].meta["expression"] == again["expression"] == sample["expression"]
        assert torch.equal(again["image"].meta["input_ids"], sample["input_ids"])
