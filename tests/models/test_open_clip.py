"""Frames become exactly what open_clip itself would make of them."""

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from models.encoders.open_clip import OpenClipFrames, Preprocess

MEAN, STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
VISION = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32}
TEXT = {"context_length": 12, "width": 64, "heads": 2, "layers": 2}


@pytest.fixture(scope="module")
def model():
    """A small CLIP with random weights, in evaluation mode."""
    torch.manual_seed(0)
    return open_clip.CLIP(16, dict(VISION), dict(TEXT)).eval()


def frames(count, height, width):
    """Smooth colours with edges, as films have them."""
    rng = np.random.default_rng(height * width)
    coarse = rng.integers(0, 256, (count, height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((width, height), 2)) for c in coarse])


def own_transform(size, resize="shortest", interpolation="bicubic", mean=MEAN, std=STD):
    return open_clip.image_transform(
        size, False, mean=mean, std=std, resize_mode=resize, interpolation=interpolation
    )


def encoder(model, **options):
    named = {"name": "open_clip:tiny/made", "weights": "0" * 64, "version": "1", "width": 16}
    return OpenClipFrames(model, Preprocess(32, MEAN, STD), **named, **options)


@pytest.mark.parametrize("size", [(224, 398), (360, 640), (300, 224), (225, 399), (100, 177)])
@pytest.mark.parametrize("resize", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_preprocessing_is_open_clips_own(size, resize, interpolation):
    batch = frames(2, *size)
    plain = own_transform(224, resize, interpolation, (0, 0, 0), (1, 1, 1))
    wanted = torch.stack([plain(Image.fromarray(f)) for f in batch])
    seen = Preprocess(224, MEAN, STD, interpolation, resize).crop(batch)
    assert seen.dtype == torch.uint8 and seen.shape == (2, 3, 224, 224)
    off = (seen.float() / 255 - wanted).abs()
    assert off.max() < 1e-2 and (off > 1e-3).float().mean() < 1e-2


def test_frames_that_already_have_the_size_are_prepared_exactly():
    batch = frames(2, 224, 398)
    own = own_transform(224)
    wanted = torch.stack([own(Image.fromarray(f)) for f in batch])
    prepare = Preprocess(224, MEAN, STD)
    torch.testing.assert_close(prepare.normalise(prepare.crop(batch)), wanted)


@pytest.mark.parametrize("size", [(32, 57), (48, 64)])
def test_embeddings_are_the_models_own(model, size):
    batch = frames(5, *size)
    own = own_transform(32)
    with torch.no_grad():
        images = torch.stack([own(Image.fromarray(f)) for f in batch])
        wanted = model.encode_image(images, normalize=True).numpy()
    made = encoder(model, batch=2).encode(batch, None)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, wanted, atol=5e-3 if size[0] != 32 else 1e-6)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)


def test_batches_and_the_frame_before_do_not_matter(model):
    batch = frames(7, 32, 48)
    whole = encoder(model, batch=32).encode(batch, None)
    parts = encoder(model, batch=3).encode(batch, batch[0])
    np.testing.assert_allclose(parts, whole, atol=1e-6)
    assert encoder(model).encode(batch[:0], None).shape == (0, 16)


def test_frames_of_a_decoder_that_may_not_be_written_are_no_problem(model, recwarn):
    batch = frames(2, 32, 40)
    batch.flags.writeable = False
    encoder(model).encode(batch, None)
    assert not recwarn.list


def test_the_encoder_says_what_it_sees(model):
    made = encoder(model)
    assert (made.size, made.short_side, made.width) == ("32 shortest, centre crop", 32, 16)
    assert str(Preprocess(224, MEAN, STD, resize="squash")) == "224 squashed"
    assert encoder(model, precision="bf16").version == "1, bf16"


def test_what_cannot_be_followed_is_refused(model):
    for wrong in ({"interpolation": "nearest"}, {"resize": "longest"}):
        with pytest.raises(ValueError, match=next(iter(wrong.values()))):
            Preprocess(32, MEAN, STD, **wrong)
    with pytest.raises(ValueError, match="batch 0"):
        encoder(model, batch=0)
