"""A run folder that no training made."""

from grounding import config, model_file
from grounding.decode import Calibration
from grounding.encoders import frame_encoder
from grounding.features import FeatureStore
from models.encoders.text import WordTokenizer


def untrained_run(folder):
    """A run folder with an untrained model: whatever it answers has the right form."""
    settings = config.load(
        None, ["--video.width", "16", "--text.out", "16", "--features.clips", "16"]
    )
    words = WordTokenizer(["red", "circle"])
    store = FeatureStore(folder, frame_encoder("pixel-grid"), settings.features.rate)
    model = model_file.build_model(settings, store.encoder.width, 2)
    trained = model_file.Trained(model, words, store.recipe, settings, Calibration(), 1)
    model_file.save(folder / "model.safetensors", trained)
    return folder
