"""Encoders by name: the real loading code, on small weights that the tests make."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    CLIPConfig,
    CLIPModel,
    T5Config,
    T5Model,
)

from grounding.encoders import (
    NO_WEIGHTS,
    OPEN_CLIP_LISTED,
    find_weights,
    frame_encoder,
    known_encoders,
    sentence_encoder,
)
from grounding.encoders.hub import OPEN_CLIP_FILES
from grounding.encoders.open_clip_name import open_clip_models
from grounding.errors import BadInput
from grounding.features import FeatureStore
from grounding.features import frame_encoder as features_frame_encoder

SENTENCES = ["a dog runs", "the dog"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "the", "dog", "runs", "and"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty hub cache, and no network."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return folder


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """open_clip knows two small models; the second is the first with a wider image half."""
    for name, width in (("tiny", 64), ("tiny-wide", 96)):
        config = {
            "embed_dim": 16,
            "vision_cfg": {
                "image_size": 32,
                "layers": 2,
                "width": width,
                "patch_size": 8,
                "head_width": 32,
            },
            "text_cfg": {"context_length": 12, "width": 64, "heads": 2, "layers": 2},
        }
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, config)


@pytest.fixture
def model():
    return made("tiny")


def made(name, seed=0, **options):
    torch.manual_seed(seed)
    return open_clip.create_model(name, **options).eval()


def save(model, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.clone() for k, v in model.state_dict().items()}, path)
    return path


def in_cache(cache, repo):
    """The folder of a repository in the hub cache, as a download would leave it."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("c0ffee")
    return snapshot


@pytest.fixture
def tagged(monkeypatch):
    """open_clip lists a tag for the small model: other preparation of images, other GELU."""
    tag = {
        "url": "",
        "hf_hub": "here/tiny/",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bilinear",
        "resize_mode": "squash",
        "quick_gelu": True,
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", {"first_tag": tag})


@pytest.fixture
def bert(tmp_path):
    """The folder of a small BERT with its tokenizer."""
    return save_bert(tmp_path / "bert", BertModel)


def save_bert(folder, kind, **options):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    return save_with_tokenizer(folder, kind(config), **options)


def save_with_tokenizer(folder, model, **options):
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, **options)
    (folder.parent / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder.parent / "vocab.txt")).save_pretrained(folder)
    return folder


def frames(count=3, height=32, width=48):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def own_embeddings(model, batch):
    prepare = open_clip.image_transform(
        32,
        False,
        **{k: model.visual.preprocess_cfg[k] for k in ("mean", "std", "resize_mode")},
        interpolation=model.visual.preprocess_cfg["interpolation"],
    )
    with torch.no_grad():
        images = torch.stack([prepare(Image.fromarray(f)) for f in batch])
        return model.encode_image(images, normalize=True).numpy()


def refusal(call, *args, **options):
    """The one line of a BadInput."""
    with pytest.raises(BadInput) as caught:
        call(*args, **options)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 600
    return text


def test_weights_by_path_give_the_models_own_embeddings(model, tmp_path):
    path = save(model, tmp_path / "w.safetensors")
    encoder = frame_encoder(f"open_clip:tiny/{path}", batch=2)
    np.testing.assert_allclose(
        encoder.encode(frames(), None), own_embeddings(model, frames()), atol=1e-6
    )
    assert encoder.name == f"open_clip:tiny/{path}"
    assert encoder.weights == hashlib.sha256(path.read_bytes()).hexdigest()
    assert encoder.version == f"open_clip {open_clip.__version__}"
    assert (encoder.width, encoder.short_side) == (16, 32)
    text = sentence_encoder(f"open_clip:tiny/{path}")
    with torch.no_grad():
        wanted = model.encode_text(open_clip.tokenize(SENTENCES, context_length=12), normalize=True)
    torch.testing.assert_close(text.encode(SENTENCES), wanted)
    assert (text.name, text.weights, text.width) == (encoder.name, encoder.weights, 16)


@pytest.mark.parametrize("written", ["./sub/w.pt", "sub/w.pt", "w.bin", "plain"])
def test_a_relative_path_is_a_path_and_is_remembered_whole(model, tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    torch.save({"state_dict": model.state_dict()}, tmp_path / written)
    encoder = features_frame_encoder(f"open_clip:tiny/{written}")
    assert encoder.name == f"open_clip:tiny/{tmp_path / written}"
    assert frame_encoder(encoder.name).weights == encoder.weights


def test_other_weights_give_another_recipe(tmp_path):
    recipes = set()
    for seed in (0, 1):
        path = save(made("tiny", seed), tmp_path / "w.safetensors")
        for precision in ("fp32", "bf16"):
            encoder = frame_encoder(f"open_clip:tiny/{path}", precision=precision)
            recipes.add(FeatureStore(tmp_path / "features", encoder, 2.0).recipe)
    assert len(recipes) == 4


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_close(model, tmp_path, precision):
    path = save(model, tmp_path / "w.safetensors")
    halved = frame_encoder(f"open_clip:tiny/{path}", precision=precision).encode(frames(), None)
    assert halved.dtype == np.float32
    np.testing.assert_allclose(halved, own_embeddings(model, frames()), atol=0.03)


def test_a_precision_that_is_unknown_or_does_not_run_is_one_line(model, tmp_path, monkeypatch):
    assert "take fp32, bf16, fp16" in refusal(frame_encoder, "open_clip:tiny", precision="int8")
    config = open_clip.get_model_config("tiny")
    config["multimodal_cfg"] = {"context_length": 12, "width": 64, "heads": 2, "layers": 1}
    config["vision_cfg"] |= {"attentional_pool": True, "attn_pooler_heads": 2}
    config["vision_cfg"]["output_tokens"] = config["text_cfg"]["output_tokens"] = True
    config |= {"custom_text": True}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-coca", config)
    name = f"open_clip:tiny-coca/{save(made('tiny-coca'), tmp_path / 'w.safetensors')}"
    assert frame_encoder(name).encode(frames(), None).shape == (3, 16)
    assert "does not run in bf16" in refusal(frame_encoder, name, precision="bf16")


def test_a_cached_tag_is_used_with_its_preparation_and_gelu(cache, tagged):
    save(made("tiny"), in_cache(cache, "here/tiny") / OPEN_CLIP_FILES[0])
    encoder = frame_encoder("open_clip:tiny")
    assert encoder.name == "open_clip:tiny/first_tag" and encoder.size == "32 squashed"
    assert frame_encoder("open_clip:tiny/First-Tag").name == encoder.name
    assert find_weights("open_clip:tiny").sha256() == encoder.weights
    own = made("tiny", force_quick_gelu=True)
    own.visual.preprocess_cfg |= open_clip.get_pretrained_cfg("tiny", "first_tag")
    wanted = own_embeddings(own, frames(3, 32, 32))
    np.testing.assert_allclose(encoder.encode(frames(3, 32, 32), None), wanted, atol=1e-6)
    assert np.abs(wanted - own_embeddings(made("tiny"), frames(3, 32, 32))).max() > 1e-3


def test_a_path_is_prepared_as_the_models_first_tag(model, tagged, tmp_path):
    path = save(model, tmp_path / "w.safetensors")
    assert frame_encoder(f"open_clip:tiny/{path}").size == "32 squashed"


def test_frames_and_sentences_share_one_model_in_memory(model, tmp_path):
    name = f"open_clip:tiny/{save(model, tmp_path / 'w.safetensors')}"
    frame, sentence = frame_encoder(name), sentence_encoder(name)
    assert frame._model is sentence._model


@pytest.mark.parametrize(
    "name, says",
    [
        ("open_clip:ViT-B32", "no model 'ViT-B32'; did you mean 'ViT-B-32'?"),
        ("open_clip:vit-b-32/openai", "did you mean 'ViT-B-32'?"),
        ("open_clip:", "grounding weights list names some"),
        ("open_clip:RN50/opnai", "RN50 has no weights 'opnai'; did you mean 'openai'?"),
        ("open_clip:RN50/zzz", "it has openai, yfcc15m, cc12m"),
        ("open_clip:ViT-S-32", "give a file: open_clip:ViT-S-32/PATH"),
        ("open_clip:tiny/gone.pt", "there is no file gone.pt"),
        ("open_clip:tiny//no/where", "there is no file /no/where"),
        ("pixelgrid", "did you mean 'pixel-grid'?"),
        ("words", "take pixel-grid or open_clip:MODEL"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_nearest(name, says):
    assert says in refusal(frame_encoder, name)


def test_what_knows_no_sentences_says_so():
    assert "knows frames only" in refusal(sentence_encoder, "pixel-grid")
    assert "learned in training" in refusal(sentence_encoder, "words")
    assert "did you mean 'open_clip'?" in refusal(sentence_encoder, "openclip:RN50")
    assert "neither a folder" in refusal(sentence_encoder, "./not/there")


def test_another_models_weights_are_one_line(tmp_path):
    path = save(made("tiny-wide"), tmp_path / "w.safetensors")
    text = refusal(frame_encoder, f"open_clip:tiny/{path}")
    assert text.startswith(f"{path}: cannot be loaded as weights of tiny (") and "size" in text


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"this is text", b"\x80\x04N."])
def test_what_holds_no_weights_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert name in refusal(frame_encoder, f"open_clip:tiny/{tmp_path / name}")


def test_code_in_a_pickle_never_runs(tmp_path):
    class Code:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"state_dict": {"x": Code()}}, tmp_path / "w.pt")
    text = refusal(frame_encoder, f"open_clip:tiny/{tmp_path / 'w.pt'}")
    assert "holds more than tensors" in text and not (tmp_path / "ran").exists()


def test_offline_one_line_says_which_weights_where_and_how_else(cache):
    text = refusal(frame_encoder, "open_clip:ViT-B-32/laion2b_s34b_b79k")
    assert text.startswith("open_clip:ViT-B-32/laion2b_s34b_b79k: the weights (hf hub laion/CLIP-")
    assert "open_clip_model.safetensors" in text and "about 605 MB" in text
    assert f"are not in {cache} and cannot be downloaded (HF_HUB_OFFLINE is set)" in text
    assert text.endswith("download them elsewhere and pass open_clip:ViT-B-32/PATH")
    # a path does not carry the GELU of these weights, so the name must
    assert "pass open_clip:ViT-B-32-quickgelu/PATH" in refusal(frame_encoder, "open_clip:ViT-B-32")
    text = refusal(sentence_encoder, "sentence-transformers/all-MiniLM-L6-v2")
    assert f"are not in {cache} and cannot be downloaded" in text and "folder" in text
    assert not cache.exists()


def test_without_a_network_nothing_is_tried_again_and_again(monkeypatch, capfd):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)  # what a retry would call
    for load, name in ((frame_encoder, "open_clip:RN50"), (sentence_encoder, "some/encoder")):
        assert "cannot be downloaded ([Errno 111] Connection refused)" in refusal(load, name)
    assert waits == [] and capfd.readouterr() == ("", "")


def test_a_missing_tokenizer_or_text_config_is_one_line(cache, monkeypatch, tmp_path):
    config = open_clip.get_model_config("tiny")
    config["text_cfg"] |= {"hf_tokenizer_name": "here/words", "vocab_size": len(WORDS)}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-hub", config)
    path = save(made("tiny-hub"), tmp_path / "w.safetensors")
    name = f"open_clip:tiny-hub/{path}"
    assert "here/words" in find_weights(name).lacking
    assert frame_encoder(name).encode(frames(), None).shape == (3, 16)
    assert "its text configs and tokenizer (hf hub here/words)" in refusal(sentence_encoder, name)
    save_bert(in_cache(cache, "here/words"), BertModel)
    assert find_weights(name).lacking is None
    assert sentence_encoder(name).encode(SENTENCES).shape == (2, 16)


def test_a_text_half_from_the_hub_is_built_from_the_cache(cache, monkeypatch, tmp_path):
    folder = in_cache(cache, "here/bert")
    config = open_clip.get_model_config("tiny")
    text = {
        "hf_tokenizer_name": "here/bert",
        "hf_proj_type": "linear",
        "hf_pooler_type": "mean_pooler",
        "context_length": 12,
    }
    save_bert(folder, BertModel)
    config["text_cfg"] = {**text, "hf_model_name": str(folder), "hf_model_pretrained": False}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-bert", config)
    name = f"open_clip:tiny-bert/{save(made('tiny-bert'), tmp_path / 'w.safetensors')}"
    config["text_cfg"]["hf_model_name"] = "here/bert"
    assert frame_encoder(name).encode(frames(), None).shape == (3, 16)
    assert sentence_encoder(name).encode(SENTENCES).shape == (2, 16)
    config["text_cfg"]["hf_model_name"] = "here/gone"
    for call in (find_weights, frame_encoder):
        assert "configs and tokenizer (hf hub here/gone)" in refusal(
            call, name.replace("w.s", "./w.s")
        )


def test_a_text_encoder_loads_by_folder_and_by_cached_name(bert, cache, capfd):
    by_folder = sentence_encoder(str(bert))
    assert by_folder.name == str(bert) and by_folder.width == 32
    weights = bert / "model.safetensors"
    assert by_folder.weights == hashlib.sha256(weights.read_bytes()).hexdigest()
    save_bert(in_cache(cache, "here/bert"), BertModel)
    capfd.readouterr()
    by_name = sentence_encoder("here/bert")
    assert capfd.readouterr() == ("", "")
    assert (by_name.name, by_name.weights) == ("here/bert", by_folder.weights)
    assert find_weights("here/bert").sha256() == by_name.weights
    torch.testing.assert_close(by_name.encode(SENTENCES), by_folder.encode(SENTENCES))


def test_a_half_downloaded_encoder_is_not_there(cache):
    folder = save_bert(in_cache(cache, "here/bert"), BertModel, max_shard_size="20KB")
    assert len(find_weights("here/bert").files) > 1
    assert sentence_encoder("here/bert").encode(SENTENCES).shape == (2, 32)
    next(folder.glob("model-*")).unlink()
    assert "are not in" in refusal(find_weights, "here/bert")


def test_an_encoder_of_an_encoder_decoder_reads(tmp_path):
    config = T5Config(vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    folder = save_with_tokenizer(tmp_path / "t5", T5Model(config))
    assert sentence_encoder(str(folder)).encode(SENTENCES).shape == (2, 16)


def test_a_missing_pooler_does_not_matter(tmp_path):
    with_pooler = save_bert(tmp_path / "whole", BertModel)
    tensors = load_file(with_pooler / "model.safetensors")
    whole = sentence_encoder(str(with_pooler)).encode(SENTENCES)
    kept = {k: v for k, v in tensors.items() if "pooler" not in k}
    save_file(kept, with_pooler / "model.safetensors", {"format": "pt"})
    assert len(kept) < len(tensors)
    torch.testing.assert_close(sentence_encoder(str(with_pooler)).encode(SENTENCES), whole)


def test_random_numbers_never_fill_what_the_weights_lack(bert):
    path = bert / "model.safetensors"
    tensors = load_file(path)
    save_file({k: v for k, v in tensors.items() if "layer.1." not in k}, path, {"format": "pt"})
    assert "lack 16 of the model's tensors" in refusal(sentence_encoder, str(bert))


def test_what_is_no_text_encoder_is_one_line(bert, tmp_path):
    text = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 16}
    small = {"num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {"hidden_size": 16, "intermediate_size": 16, "image_size": 16, "patch_size": 8}
    config = CLIPConfig(text_config={**text, **small}, vision_config={**vision, **small})
    folder = save_with_tokenizer(tmp_path / "clip", CLIPModel(config))
    assert "no readable text encoder" in refusal(sentence_encoder, str(folder))
    (bert / "config.json").write_text(json.dumps({"model_type": "never-heard-of"}))
    assert "no readable text encoder" in refusal(sentence_encoder, str(bert))
    (bert / "model.safetensors").unlink()
    assert "no config.json with weights" in refusal(sentence_encoder, str(bert))


def test_what_is_listed_is_what_open_clip_says():
    for name, repo in OPEN_CLIP_LISTED.items():
        model, _, tag = name.partition("/")
        assert open_clip.get_pretrained_cfg(model, tag)["hf_hub"] == f"{repo}/"
    constants = open_clip.constants
    assert OPEN_CLIP_FILES == (constants.HF_SAFE_WEIGHTS_NAME, constants.HF_WEIGHTS_NAME)
    assert open_clip_models() == len(
        [m for m in open_clip.list_models() if not m.startswith("tiny")]
    )
    there = {row.name for row in known_encoders() if row.there}
    assert there == set(NO_WEIGHTS)


def test_listing_imports_no_torch():
    code = (
        "import sys; from grounding.encoders import known_encoders, find_weights;"
        "from grounding.encoders.open_clip_name import open_clip_models;"
        "known_encoders(); open_clip_models(); find_weights('pixel-grid');"
        "sys.exit('torch' in sys.modules or 'open_clip' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_same_weights_elsewhere_are_the_same_recipe(model, tmp_path):
    recipes = []
    for folder in ("here", "there"):
        path = save(model, tmp_path / folder / "w.safetensors")
        encoder = frame_encoder(f"open_clip:tiny/{path}")
        recipes.append(FeatureStore(tmp_path, encoder, 2.0).recipe)
    assert recipes[0] == recipes[1]
