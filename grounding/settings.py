"""What a training is configured by: typed dataclasses that a YAML file and dotted overrides
fill.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Supervision = Literal["glance", "full", "saliency", "none", "best"]

# what every one of these numbers must be, wherever it occurs
_POSITIVE = {
    "rate",
    "clips",
    "width",
    "out",
    "least",
    "kernel",
    "heads",
    "epochs",
    "batch",
    "threads",
}
_POSITIVE |= {"learning_rate", "clip"}
_SHARES = {"dropout"}


@dataclass(frozen=True)
class _Checked:
    """Numbers are checked when a config is read, not when a training fails on them."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in _POSITIVE and not value > 0:
                raise ValueError(f"{name} is {value}; it must be greater than 0")
            if name in _SHARES and not 0 <= value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 0 and less than 1")


@dataclass(frozen=True)
class FeatureSettings(_Checked):
    """How recordings become clips.

    Attributes:
        encoder: name of the frame encoder.
        rate: frames looked at per second.
        clips: equal parts a recording is cut into.
        precision: fp32, bf16 or fp16, of an encoder with weights.
        batch: frames it sees at once.
    """

    encoder: str = "pixel-grid"
    rate: float = 4.0
    clips: int = 64
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    batch: int = 32


@dataclass(frozen=True)
class TextSettings(_Checked):
    """How sentences become vectors.

    Attributes:
        encoder: `words` = word vectors learned from the training sentences; `open_clip:...`, or a
            Hugging Face encoder by name or path, stay as they are.
        width: size of a word vector.
        out: size of a sentence vector.
        least: words that occur less often than this in training count as unknown.
        dropout: share of words left out in training.
    """

    encoder: str = "words"
    width: int = 300
    out: int = 128
    least: int = 1
    dropout: float = 0.0


@dataclass(frozen=True)
class VideoSettings(_Checked):
    """The trainable temporal encoder over clip features.

    Attributes:
        kind: linear, convolution or transformer.
        width: size of an encoded clip.
        layers: how many blocks.
        kernel: clips a convolution sees, odd.
        heads: attention heads of a transformer.
        dropout: in training.
        noise: added to the scaled features in training.
        grid: side of the layout that the features are (8 for pixel-grid); 0 = they are none.
        places: numbers seen at each place of it.
    """

    kind: Literal["linear", "convolution", "transformer"] = "convolution"
    width: int = 128
    layers: int = 2
    kernel: int = 3
    heads: int = 4
    dropout: float = 0.1
    noise: float = 0.0
    grid: int = 0
    places: int = 32


@dataclass(frozen=True)
class TrainingSettings(_Checked):
    """The loop.

    Attributes:
        supervision: what training knows of a query: glance, full (its moments), saliency (scores
            of its clips), none (only that it belongs to its recording), or best (the strongest of
            full, saliency, glance, none that it has).
        epochs: passes over the training queries.
        batch: queries a step.
        learning_rate: of AdamW, after a short warm-up, falling to zero along a cosine.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        choose: metric on `val` that chooses the epoch.
        seed: of everything random.
        threads: CPU threads of a process; results are the same for the same number.
        gathered: processes that train together contrast with what all of them have, so that the
            result does not depend on how many they are; otherwise each contrasts alone, as
            published.
    """

    supervision: Supervision = "glance"
    epochs: int = 40
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    clip: float = 5.0
    choose: Literal["R1@0.3", "R1@0.5", "R1@0.7", "R5@0.5", "mIoU"] = "mIoU"
    seed: int = 0
    threads: int = 1
    gathered: bool = True


@dataclass(frozen=True)
class RunSettings:
    """All of one experiment.

    Attributes:
        dataset: dataset folder; `--data` sets it.
        head: name of the method.
        method: the settings of that head.
    """

    dataset: str | None = None
    features: FeatureSettings = field(default_factory=FeatureSettings)
    text: TextSettings = field(default_factory=TextSettings)
    video: VideoSettings = field(default_factory=VideoSettings)
    head: str = "frames"
    method: Any = None
    training: TrainingSettings = field(default_factory=TrainingSettings)
