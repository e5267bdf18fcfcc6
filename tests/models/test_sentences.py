"""Sentences become what their model makes of them, one by one or together."""

import open_clip
import pytest
import torch
import torch.nn.functional as F
from transformers import BertConfig, BertModel, BertTokenizer

from models.encoders.sentences import HuggingFaceSentences, OpenClipSentences

SENTENCES = ["a dog runs", "the dog", "a dog runs and the dog runs", ""]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "the", "dog", "runs", "and"]
NAMED = {"name": "made", "weights": "0" * 64, "version": "1"}


@pytest.fixture(scope="module")
def clip():
    """A small CLIP and open_clip's own tokenizer, which comes with the package."""
    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8, "head_width": 32}
    text = {"context_length": 12, "width": 64, "heads": 2, "layers": 2}
    tokenizer = open_clip.get_tokenizer("ViT-B-32", context_length=12)
    return open_clip.CLIP(16, vision, text).eval(), tokenizer


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A small BERT that knows five words."""
    torch.manual_seed(0)
    vocabulary = tmp_path_factory.mktemp("bert") / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS))
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    return BertModel(config).eval(), BertTokenizer(str(vocabulary))


@pytest.fixture(params=["open_clip", "hugging face"])
def make(request, clip, bert):
    """Either encoder, with options."""
    if request.param == "open_clip":
        return lambda **options: OpenClipSentences(*clip, width=16, **NAMED, **options)
    return lambda **options: HuggingFaceSentences(*bert, **NAMED, **options)


def test_open_clip_sentences_are_the_models_own(clip):
    model, tokenizer = clip
    with torch.no_grad():
        wanted = model.encode_text(tokenizer(SENTENCES), normalize=True)
    torch.testing.assert_close(
        OpenClipSentences(*clip, width=16, **NAMED).encode(SENTENCES), wanted
    )


def test_hugging_face_sentences_are_the_mean_over_real_tokens(bert):
    model, tokenizer = bert
    rows = HuggingFaceSentences(*bert, **NAMED).encode(SENTENCES)
    for row, sentence in zip(rows, SENTENCES, strict=True):
        with torch.no_grad():  # alone, nothing is padded
            states = model(**tokenizer([sentence], return_tensors="pt")).last_hidden_state[0]
        torch.testing.assert_close(row, F.normalize(states.mean(0), dim=0), atol=1e-5, rtol=0)


def test_rows_have_length_1_and_batches_do_not_matter(make):
    rows = make().encode(SENTENCES)
    assert rows.shape == (4, make().width) and rows.dtype == torch.float32
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(make(batch=1).encode(SENTENCES), rows, atol=1e-5, rtol=0)
    assert make().encode([]).shape == (0, make().width)
    with pytest.raises(ValueError, match="batch 0"):
        make(batch=0)


def test_a_sentence_longer_than_the_model_reads_is_cut(make):
    assert make().encode(["dog " * 600]).isfinite().all()


def test_a_head_can_learn_on_frozen_sentences(make):
    rows = make().encode(SENTENCES)
    assert not rows.requires_grad
    head = torch.nn.Linear(rows.shape[1], 1)
    head(rows).sum().backward()
    assert head.weight.grad is not None
