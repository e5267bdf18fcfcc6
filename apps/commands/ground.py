"""Ask WHEN: moments of one recording for each sentence."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from apps.devices import resolve
from apps.parsing import positive
from apps.progress import say
from apps.tables import text_table
from grounding.types import Prediction


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding ground`."""
    parser.add_argument("media", metavar="MEDIA", help="a video file")
    parser.add_argument("sentences", nargs="+", metavar="SENTENCE", help="what to look for")
    parser.add_argument("--model", required=True, metavar="RUN", help="run folder of a training")
    parser.add_argument(
        "--top-k", type=positive, default=3, help="moments per sentence (default 3)"
    )
    parser.add_argument("--format", choices=("table", "jsonl"), default="table")


def run(args: argparse.Namespace) -> int:
    """Answer on stdout."""
    from grounding.predict import Grounder

    grounder = Grounder.from_run(args.model, resolve(args.device))
    features = grounder.features(args.media)
    for problem in features.problems:
        say(f"{args.media}: {problem}", args.quiet)
    for sentence in args.sentences:
        if strange := grounder.trained.words.unknown(sentence):
            words = ", ".join(strange)
            say(
                f"{sentence!r}: the model never saw {words}; it goes by the other words", args.quiet
            )
    vid = Path(args.media).stem
    predictions = grounder.ground_features(features, vid, args.sentences, top=args.top_k)
    if args.format == "jsonl":
        from grounding.annotations.jsonl import prediction_to_row

        for prediction in predictions:
            print(json.dumps(prediction_to_row(prediction), ensure_ascii=False))
    else:
        print(table(predictions))
    return 0


def table(predictions: list[Prediction]) -> str:
    """Sentence, start, end and score of every moment, best first."""
    rows = []
    for prediction in predictions:
        absent = prediction.absent is not None and prediction.absent >= 0.5
        for rank, moment in enumerate(prediction.moments):
            text = prediction.query.text if rank == 0 else ""
            note = "probably not there" if absent and rank == 0 else ""
            rows.append(
                [text, f"{moment.start:.2f}", f"{moment.end:.2f}", f"{moment.score:.3f}", note]
            )
    return text_table(["sentence", "start s", "end s", "score", ""], rows)
