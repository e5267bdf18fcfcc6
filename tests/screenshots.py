"""Pictures of every page, and of one explained query: `make screenshots`, after `make demo`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from grounding.annotations import read_samples
from grounding.explaining import draw, explain
from grounding.media.probe import probe
from tests.apps.explorer.driving import ROOT, Server, chromium, chromium_path

LARGEST = 300_000  # bytes of a picture
SIZES = {"wide": (1280, 900), "narrow": (390, 1500)}
THEMES = ("light", "dark")


def main() -> None:
    """Serve the demo, visit each page in both themes and widths, keep the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path("demo"), help="what `make demo` made")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("paths", nargs="*", type=Path, help="further runs to compare")
    args = parser.parse_args()
    browser_path = chromium_path()
    if browser_path is None:
        sys.exit("no Chromium on this machine; apt-get install chromium")
    samples = read_samples(args.dir / "sample" / "annotations" / "test.jsonl")
    shown = next(s for s in samples if "bounces" in s.query.text and is_wide(args.dir, s.vid))
    ask = f"ask?recording={shown.vid}&model=run&q={shown.query.text.replace(' ', '+')}"
    pages = {
        "explore": (f"?set=sample%2Ftest&q={shown.qid}", "video", "(v) => v.readyState >= 2"),
        "ask": (ask, "video", "(v) => v.readyState >= 2"),
        "compare": ("compare?set=sample%2Ftest", "[data-testid=stVegaLiteChart]", None),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    explained(args.dir, args.out / "explain.png")
    with tempfile.TemporaryDirectory() as workspace, chromium(browser_path) as browser:
        server = Server(Path(workspace), args.dir.resolve(), *args.paths).wait()
        try:
            for theme in THEMES:
                for size, (width, height) in SIZES.items():
                    context = browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=theme
                    )
                    for name, (address, selector, ready) in pages.items():
                        page = context.new_page()
                        page.goto(f"{server.url}/{address}")
                        take(page, selector, ready, args.out / f"{name}-{size}-{theme}.png")
                        page.close()
                    context.close()
        finally:
            server.stop()


def explained(folder: Path, out: Path) -> None:
    """What the demo's model saw for a training query that happens more than once."""
    samples = read_samples(folder / "sample" / "annotations" / "train.jsonl")
    several = next(s for s in samples if len(s.windows) > 1 and s.glance is not None)
    seen = explain(folder / "run", str(several.qid), dataset=folder / "sample")
    draw(seen, out)
    shrink(out)


def is_wide(folder: Path, vid: str) -> bool:
    """Whether a recording fits a page better than a phone."""
    info = probe(folder / "sample" / "media" / f"{vid}.mp4")
    return info.width > info.height


def take(page: Any, selector: str, ready: str | None, out: Path) -> None:
    """Wait until the page shows what it is about, then keep a picture."""
    found = page.locator(selector).first
    found.wait_for(timeout=120_000)
    if ready:
        page.wait_for_function(ready, arg=found.element_handle(), timeout=60_000)
        found.evaluate("(v) => { v.controls = false; v.currentTime += 1.5; }")
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    page.screenshot(path=out)
    shrink(out)


def shrink(out: Path) -> None:
    """Leave a picture 256 colours; stop where it is still large."""
    from PIL import Image

    with Image.open(out) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)
    size = out.stat().st_size
    print(f"{out.name}: {size / 1000:.0f} kB")
    if size > LARGEST:
        sys.exit(f"{out}: larger than {LARGEST // 1000} kB")


if __name__ == "__main__":
    main()
