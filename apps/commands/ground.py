"""Ask WHEN: moments of one recording for each sentence."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from apps.parsing import positive
from apps.progress import bar, say
from apps.tables import text_table
from grounding.devices import resolve
from grounding.errors import BadInput
from grounding.export import COUNT_FRAMES, FORMATS, Format, frame_rate, is_absent
from grounding.files import require_writable
from grounding.types import Prediction

if TYPE_CHECKING:
    from grounding.feature_files import Features

ZERO_SHOT = "zero-shot"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding ground`."""
    media = parser.add_argument("media", metavar="MEDIA", help="a video file")
    sentences = parser.add_argument(
        "sentences", nargs="+", default=[], metavar="SENTENCE", help="what to look for"
    )
    # --features replaces MEDIA, so that the first word is a sentence; `_asked` checks both
    media.required = sentences.required = False
    parser.add_argument(
        "--model", required=True, metavar=f"RUN|{ZERO_SHOT}", help="run folder of a training"
    )
    parser.add_argument(
        "--encoder", metavar="NAME", help=f"of {ZERO_SHOT}, e.g. open_clip:ViT-B-32"
    )
    parser.add_argument(
        "--text-features", metavar="T", help=f"of {ZERO_SHOT}: stored vectors, one row per sentence"
    )
    parser.add_argument("--features", metavar="F", help="stored features instead of MEDIA")
    parser.add_argument(
        "--duration", type=_seconds, metavar="S", help="seconds, where the features do not say"
    )
    parser.add_argument(
        "--top-k", type=positive, default=3, help="moments per sentence (default 3)"
    )
    parser.add_argument("--format", choices=tuple(OUTPUTS), default="table")
    parser.add_argument(
        "--cut", metavar="DIR", type=Path, help="write each moment there as a playable MP4 file"
    )


def run(args: argparse.Namespace) -> int:
    """Answer on stdout."""
    media, sentences = _asked(args)
    if args.cut is not None:
        require_writable(args.cut, "--cut")
    features, vid = _stored(args) if media is None else (None, Path(media).stem)
    vid = os.fsencode(vid).decode("utf-8", "replace")
    ask = _ask_encoder if args.model == ZERO_SHOT else _ask_model
    predictions = ask(args, media, vid, features, sentences)
    rate = _frame_rate(media) if args.format in COUNT_FRAMES and media is not None else None
    print(OUTPUTS[args.format](predictions, rate), end="", flush=True)
    if args.cut is not None and media is not None:
        _cut(media, predictions, args.cut, args.quiet)
    return 0


def _stored(args: argparse.Namespace) -> tuple[Features, str]:
    """Stored features and the name of their recording."""
    from grounding.feature_files import read_features

    features = read_features(args.features)
    file, _, inside = args.features.partition("#")  # FILE.h5#vid
    if args.duration is not None:
        features = dataclasses.replace(features, duration=args.duration)
    return features, inside or Path(file).stem


def _tell(source: str, features: Features, quiet: bool) -> None:
    from grounding.notes import of_recording

    for note in of_recording(features):
        say(f"{source}: {note.text}", quiet)


def _ask_model(
    args: argparse.Namespace,
    media: str | None,
    vid: str,
    features: Features | None,
    sentences: Sequence[str],
) -> list[Prediction]:
    """Answers of a trained model."""
    from grounding.notes import of_sentences
    from grounding.predict import Grounder

    for option in ("encoder", "text_features"):
        if getattr(args, option) is not None:
            name = option.replace("_", "-")
            raise BadInput(f"--{name} goes with --model {ZERO_SHOT}; a run knows its own encoders")
    grounder = Grounder.from_run(args.model, resolve(args.device))
    if features is None:
        assert media is not None
        features = grounder.features(media)
    _tell(media or args.features, features, args.quiet)
    predictions = grounder.ground_features(features, vid, sentences, top=args.top_k)
    for note in of_sentences(grounder.trained.words, sentences):
        say(note.text, args.quiet and not note.is_grave)
    return predictions


def _ask_encoder(
    args: argparse.Namespace,
    media: str | None,
    vid: str,
    features: Features | None,
    sentences: Sequence[str],
) -> list[Prediction]:
    """Answers without any training: an encoder of frames and sentences, or stored vectors."""
    from grounding import zero_shot

    if args.text_features is not None:
        if features is None:
            raise BadInput("--text-features goes with --features: both must come from one encoder")
        _tell(args.features, features, args.quiet)
        return zero_shot.ground_stored(features, vid, sentences, args.text_features, top=args.top_k)
    if args.encoder is None:
        raise BadInput(f"--model {ZERO_SHOT} needs --encoder open_clip:MODEL or --text-features T")
    encoder = zero_shot.Encoder(args.encoder, resolve(args.device))
    if features is None:
        assert media is not None
        features = encoder.features(media)
    _tell(media or args.features, features, args.quiet)
    return encoder.ground_features(features, vid, sentences, top=args.top_k)


def table(predictions: Sequence[Prediction]) -> str:
    """Sentence, start, end and score of every moment, best first."""
    rows = []
    for prediction in predictions:
        for rank, moment in enumerate(prediction.moments):
            text = prediction.query.text if rank == 0 else ""
            note = "probably not there" if is_absent(prediction) and rank == 0 else ""
            rows.append(
                [text, f"{moment.start:.2f}", f"{moment.end:.2f}", f"{moment.score:.3f}", note]
            )
    return text_table(["sentence", "start s", "end s", "score", ""], rows)


OUTPUTS: dict[str, Format] = {"table": lambda some, _: table(some) + "\n", **FORMATS}


def _asked(args: argparse.Namespace) -> tuple[str | None, list[str]]:
    """The recording, None where its features stand in for it, and the sentences.

    Raises:
        BadInput: one is missing, or an option needs what is not given.
    """
    media, sentences = args.media, args.sentences
    if args.features is not None:
        media, sentences = None, [*filter(None, [media]), *sentences]
        if args.cut is not None:
            raise BadInput("--cut needs the recording; give MEDIA instead of --features")
        if args.format in COUNT_FRAMES:
            raise BadInput(
                f"--format {args.format} counts frames; give MEDIA instead of --features"
            )
    elif args.duration is not None:
        raise BadInput("--duration goes with --features; a recording knows its own")
    elif media is None:
        raise BadInput("nothing to look into; give MEDIA, or --features F")
    if not sentences:
        raise BadInput("nothing to look for; give a sentence behind the recording")
    for sentence in sentences:
        if any("\ud800" <= c <= "\udfff" for c in sentence):
            raise BadInput(f"sentence {sentence!r} is not UTF-8; type it in a UTF-8 terminal")
    return media, sentences


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is no positive number of seconds")
    return value


def _frame_rate(media: str) -> Fraction:
    from grounding.media.probe import probe

    info = probe(media)
    return frame_rate(info.rate, info.is_variable)


def _cut(media: str, predictions: Sequence[Prediction], folder: Path, quiet: bool) -> None:
    """Write the moments as files, but for those that are probably not there."""
    from grounding.media.cut import clip_names, cut

    for prediction in filter(is_absent, predictions):
        say(f"{prediction.query.text!r}: probably not there; nothing is cut", quiet)
    clips = clip_names(p for p in predictions if not is_absent(p))
    with bar("cutting", quiet) as progress:
        for done, (name, moment) in enumerate(clips, 1):
            cut(media, moment, folder / name)
            if progress:
                progress(done, len(clips), name)
    say(f"{folder}: {len(clips)} files written", quiet)
