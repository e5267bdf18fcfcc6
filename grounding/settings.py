"""What a training is configured by: typed dataclasses that a YAML file and dotted overrides
fill.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
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
_POSITIVE |= {"learning_rate", "clip", "pool", "factor"}
_SHARES = {"dropout", "warm_up"}
_NOT_NEGATIVE = {"frozen", "text_rate", "hold_out"}

BatchOf = Literal["queries", "videos"]
StrategyName = Literal["ddp", "fsdp"]


@dataclass(frozen=True)
class _Checked:
    """Numbers are checked when a config is read, not when a training fails on them."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in _POSITIVE and not value > 0:
                raise ValueError(f"{name} is {value}; it must be greater than 0")
            if name in _SHARES and not 0 <= value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 0 and less than 1")
            if name in _NOT_NEGATIVE and value is not None and value < 0:
                raise ValueError(f"{name} is {value}; it must be at least 0")


@dataclass(frozen=True)
class FeatureSettings(_Checked):
    """How recordings become clips.

    Attributes:
        encoder: name of the frame encoder.
        rate: frames looked at per second.
        clips: equal parts a recording is cut into.
        precision: fp32, bf16 or fp16, of an encoder with weights; of a `file`, how its clips wait
            in memory.
        batch: frames it sees at once.
        file: features that are there already, instead of an encoder: an HDF5 file or a folder of
            `<vid>.npy`, relative to the dataset folder or absolute; a folder at an address
            (`s3://bucket/features/`); or shards, here or there (`shards-{000..007}.tar`).
            Recordings are not needed then.
        layout: the public file that it is; its rows become clips as published, and another width is
            refused. None = rows of any width, averaged as our own.
        last_row: False leaves a recording's last row out, as the published code does.
    """

    encoder: str = "pixel-grid"
    rate: float = 4.0
    clips: int = 64
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    batch: int = 32
    file: str | None = None
    layout: Literal["charades-vgg", "activitynet-c3d", "tacos-c3d"] | None = None
    last_row: bool = True


@dataclass(frozen=True)
class TextSettings(_Checked):
    """How sentences become vectors.

    Attributes:
        encoder: `words` = word vectors learned from the training sentences; `open_clip:...`, or a
            Hugging Face encoder by name or path, stay as they are unless `frozen` says when not.
        width: size of a word vector.
        out: size of a sentence vector.
        least: words that occur less often than this in training count as unknown.
        dropout: share of words left out in training.
        layer_norm: normalise a pretrained encoder's vectors before the linear layer.
        frozen: epochs after which a Hugging Face encoder is trained too, at
            `training.text_rate`; None = never. Frozen, it has no dropout and reads each sentence
            once.
    """

    encoder: str = "words"
    width: int = 300
    out: int = 128
    least: int = 1
    dropout: float = 0.0
    layer_norm: bool = False
    frozen: int | None = None


@dataclass(frozen=True)
class VideoSettings(_Checked):
    """The trainable temporal encoder over clip features.

    Attributes:
        kind: linear, convolution or transformer, over centred and scaled features; or pooled, the
            path of D3G's paper: features as they are, linear, ReLU, mean of each `pool`.
        width: size of an encoded clip.
        layers: how many blocks.
        kernel: clips a convolution sees, odd.
        heads: attention heads of a transformer.
        dropout: in training.
        noise: added to the scaled features in training.
        grid: side of the layout that the features are (8 for pixel-grid); 0 = they are none.
        places: numbers seen at each place of it.
        pool: of `pooled`, clips that are averaged; the model then has features.clips / pool.
    """

    kind: Literal["linear", "convolution", "transformer", "pooled"] = "convolution"
    width: int = 128
    layers: int = 2
    kernel: int = 3
    heads: int = 4
    dropout: float = 0.1
    noise: float = 0.0
    grid: int = 0
    places: int = 32
    pool: int = 1


@dataclass(frozen=True)
class TrainingSettings(_Checked):
    """The loop.

    Attributes:
        supervision: what training knows of a query: glance, full (its moments), saliency (scores
            of its clips), none (only that it belongs to its recording), or best (the strongest of
            full, saliency, glance, none that it has).
        epochs: passes over the training queries.
        batch: queries a step, or videos.
        batch_of: what `batch` counts; `videos` come with all their queries.
        learning_rate: of AdamW, at its highest.
        text_rate: share of it for a text encoder that is trained.
        weight_decay, betas: of AdamW.
        schedule: `cosine` falls to zero; `steps` multiplies by `factor` after each of the
            `milestones` (finished epochs).
        warm_up: share of all steps over which the rate rises from zero.
        clip: largest norm of the gradient.
        choose: metric on `val` that chooses the epoch.
        hold_out: training recordings that become `val` where the dataset has no val.jsonl; chosen
            by the seed and their names.
        seed: of everything random.
        threads: CPU threads of a process; results are the same for the same number.
        gathered: processes that train together contrast with what all of them have, so that the
            result does not depend on how many they are; otherwise each contrasts alone, as
            published.
        strategy: of processes that train together, each has all weights (ddp) or a piece of
            them and of what the optimizer remembers (fsdp); results are the same.
    """

    supervision: Supervision = "glance"
    epochs: int = 40
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    batch_of: BatchOf = "queries"
    text_rate: float = 0.1
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["cosine", "steps"] = "cosine"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    warm_up: float = 0.05
    clip: float = 5.0
    choose: Literal["R1@0.3", "R1@0.5", "R1@0.7", "R5@0.5", "mIoU"] = "mIoU"
    hold_out: int = 0
    seed: int = 0
    threads: int = 1
    gathered: bool = True
    strategy: StrategyName = "ddp"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas are {list(self.betas)}; each must be in [0, 1)")
        if not all(a < b for a, b in pairwise((0, *self.milestones))):
            raise ValueError(f"milestones are {list(self.milestones)}; they must be rising epochs")


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

    @property
    def grid(self) -> int:
        """Clips that the head sees of a recording."""
        return self.features.clips // self.video.pool
