"""Extract features once: of a dataset folder's recordings, or of media files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from apps.parsing import positive
from apps.progress import bar, say
from grounding.devices import resolve


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding features`."""
    parser.add_argument("sources", nargs="+", metavar="DATASET|MEDIA", help="folders or files")
    parser.add_argument("--encoder", default="pixel-grid", metavar="NAME")
    parser.add_argument("--out", metavar="DIR", help="default: DATASET/features")
    parser.add_argument("--rate", type=float, default=4.0, help="frames per second (default 4)")
    parser.add_argument(
        "--workers", type=positive, default=2, help="recordings at once (default 2)"
    )
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), default="fp32")
    parser.add_argument("--batch", type=positive, default=32, help="frames an encoder sees at once")


def run(args: argparse.Namespace) -> int:
    """Extract what is not there yet; print each recording and its feature file."""
    from grounding.encoders import frame_encoder
    from grounding.errors import BadInput, UnreadableMedia
    from grounding.features import FeatureStore
    from grounding.library.recordings import find_recordings

    if not args.rate > 0:
        raise BadInput(f"--rate {args.rate:g}: must be greater than 0")
    out, sources = Path(args.out) if args.out else None, list[str | Path]()
    for given in args.sources:
        source = Path(given)
        dataset = (source / "media").is_dir()
        sources.append(source / "media" if dataset else given)
        if dataset and out is None:
            out = source / "features"
    media = []
    for recording in find_recordings(sources):
        if not isinstance(recording.place, Path):
            raise BadInput(f"{recording.shown}: is on another machine; copy it here first")
        media.append(recording.place)
    if out is None:
        raise BadInput("--out: say where the features go; only a dataset folder has its own place")
    encoder = frame_encoder(
        args.encoder, precision=args.precision, batch=args.batch, device=resolve(args.device)
    )
    store = FeatureStore(out, encoder, args.rate)
    with bar("features", args.quiet) as progress:
        found = store.extract(media, workers=args.workers, progress=progress)
    bad = 0
    for path, features in found.items():
        if isinstance(features, UnreadableMedia):
            bad += 1
            print(f"grounding: {features}", file=sys.stderr)
            continue
        for problem in features.problems:
            say(f"{path}: {problem}", args.quiet)
        print(f"{path}\t{store.path(path)}")
    say(f"{store.recipe}: {len(found) - bad} of {len(found)} recordings", args.quiet)
    return 2 if bad else 0
