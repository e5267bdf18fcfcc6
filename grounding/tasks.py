"""The tasks that `grounding.isolated` runs in a process of their own.

A task gets ready first (libraries, models: what is ours) and returns the work, which the limits
hold for. Arguments and results are what JSON can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grounding.errors import BadInput

Progress = Callable[[float, float, str], None]  # done, total, what
Work = Callable[[Progress], Any]


def examine(path: str) -> Work:
    """What a recording is -> the facts of its `VideoInfo` and why a browser cannot play it.

    The work raises:
        UnreadableMedia: it is no video, or not one frame decodes.
    """
    from grounding.errors import UnreadableMedia
    from grounding.media.playable import obstacle
    from grounding.media.video import open_video

    def work(progress: Progress) -> dict[str, Any]:
        with open_video(path) as reader:
            if next(reader.iter_frames(batch=1), None) is None:
                raise UnreadableMedia(path, "not one frame decodes")
            info = reader.info
        return {
            "duration": info.duration,
            "frames": info.frames,
            "width": info.width,
            "height": info.height,
            "rotation": info.rotation,
            "rate": info.rate,
            "is_variable": info.is_variable,
            "codec": info.codec,
            "container": info.container,
            "start": info.start,
            "audio_streams": info.audio_streams,
            "warnings": list(info.warnings),
            "obstacle": obstacle(path),
        }

    return work


def proxy(path: str, out: str) -> Work:
    """A file that browsers play at the recording's own times -> its path; one that is there stays.

    The work raises:
        UnreadableMedia: it cannot be decoded.
        BadInput: the proxy cannot be written.
    """
    from grounding.media.playable import make_proxy

    def work(progress: Progress) -> dict[str, Any]:
        if not Path(out).exists():
            make_proxy(path, Path(out), progress)
        return {"path": out}

    return work


def ask(
    media: str,
    sentences: Sequence[str],
    model: str | None = None,
    encoder: str | None = None,
    *,
    store: str,
    vid: str | None = None,
    top: int = 5,
    device: str = "cpu",
) -> Work:
    """Moments of a recording for each sentence -> rows of a prediction file, notes, duration and
    frame rate.

    Features are kept in the folder `store`: asked again, the same recording is not decoded.
    `vid` names the recording in the rows; its file's name where there is none.

    Raises:
        BadInput: not exactly one of model and encoder is given, or it cannot be used.
    The work raises:
        UnreadableMedia: the recording cannot be decoded.
        BadInput: a sentence is empty.
    """
    if (model is None) == (encoder is None):
        raise BadInput("give a model (run folder) or an encoder (zero-shot), and not both")
    _one_thread()
    from grounding.annotations.jsonl import prediction_to_row
    from grounding.media.probe import probe
    from grounding.notes import of_recording, of_sentences
    from grounding.predict import Grounder
    from grounding.zero_shot import Encoder

    asked: Grounder | Encoder
    asked = Encoder(encoder, device) if encoder else Grounder.from_run(str(model), device)
    keep = asked.store(store)

    def work(progress: Progress) -> dict[str, Any]:
        features = keep.get(Path(media), progress)
        info = probe(media)
        name = Path(media).stem if vid is None else vid
        predictions = asked.ground_features(features, name, sentences, top=top)
        notes = of_recording(features)
        if isinstance(asked, Grounder):
            notes += of_sentences(asked.trained.words, sentences)
        return {
            "predictions": [prediction_to_row(prediction) for prediction in predictions],
            "notes": [note.text for note in notes],
            "duration": features.duration,
            "rate": info.rate,
            "is_variable": info.is_variable,
        }

    return work


def batch(model: str, device: str = "cpu", top: int = 5) -> Callable[..., Any]:
    """The model gets ready; each call then asks one recording -> `rows` of a prediction file
    without qid and vid, and `problem`, its kind and reason, None where there is none.

    A call of the work has `media`, `vid` and `sentences`; with `cut`, a folder, moments are also
    written there, and with `rows` (of an earlier call) that alone is done.

    Raises:
        BadInput: no recording could be asked.
    """
    _one_thread()
    from grounding.library.asking import Desk

    return Desk(model, device, top)


def demo(folder: str, videos: int = 96, device: str = "cpu") -> Work:
    """The sample rendered and a model trained on it -> folders of the data and of the run.

    The work raises:
        BadInput: the folder holds something else.
    """
    _one_thread()
    from grounding import demonstration

    def work(progress: Progress) -> dict[str, Any]:
        root = Path(folder)
        settings = demonstration.settings(root)
        demonstration.render(root, videos, _saying("rendering", progress))
        demonstration.learn(
            root,
            settings,
            device=device,
            extracting=_saying("extracting features", progress),
            epochs=_saying("training", progress),
        )
        return {
            "data": str(demonstration.data_folder(root)),
            "run": str(demonstration.run_folder(root)),
        }

    return work


def device(name: str) -> Work:
    """`auto`, `cpu` or `cuda` -> the device that models will run on: asked here, torch stays out
    of the caller.

    Raises:
        BadInput: cuda is asked for and not there.
    """
    from grounding.devices import resolve

    found = resolve(name)
    return lambda progress: found


def _saying(text: str, progress: Progress) -> Progress:
    return lambda done, total, what: progress(done, total, text)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


TASKS: dict[str, Callable[..., Work]] = {
    "examine": examine,
    "proxy": proxy,
    "ask": ask,
    "batch": batch,
    "demo": demo,
    "device": device,
}
