"""Which weights an encoder needs, where they are looked for, and whether they are there."""

from __future__ import annotations

import argparse

from grounding.errors import BadInput


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding weights`."""
    parser.add_argument("what", choices=("list", "check"), help="a choice of encoders, or one")
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the encoder to check")


def run(args: argparse.Namespace) -> int:
    """Print a table, or path and hash; nothing is downloaded.

    Raises:
        BadInput: the weights of NAME are not there.
    """
    if args.what == "list":
        if args.name is not None:
            raise BadInput(f"list takes no name; grounding weights check {args.name} looks for one")
        _list()
    elif args.name is None:
        raise BadInput("check needs the name of an encoder; grounding weights list names some")
    else:
        _check(args.name)
    return 0


def _list() -> None:
    from grounding.encoders import known_encoders
    from grounding.encoders.hub import hub_cache
    from grounding.encoders.open_clip_name import open_clip_models

    rows = [["encoder", "kind", "weights", "there"]]
    rows += [[n, k, s, "yes" if there else "no"] for n, k, s, there in known_encoders()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
    print(
        f"\nFrames and text: any open_clip model ({open_clip_models()} known), as "
        "open_clip:MODEL[/TAG or PATH]."
        "\nText: any Hugging Face encoder, by name or folder."
        f"\nDownloaded weights lie in {hub_cache()}."
    )


def _check(name: str) -> None:
    from grounding.encoders import find_weights

    weights = find_weights(name)
    if weights is None:
        print(f"{name}: needs no weights")
        return
    print(weights.name)
    for file in weights.files:
        print(f"  weights  {file}")
    print(f"  sha256   {weights.sha256()}")
    if weights.lacking:
        print(f"  {weights.lacking}")
