"""The explorer with 10 000 queries: the server's own time for a page and for the next query, and
what a visitor waits for in a real browser.

python -m tests.benchmarks.bench_explorer [--queries 10000] [--steps 20] [--no-browser]
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest, local_script_runner

from apps.explorer.jobs import Jobs
from apps.explorer.place import Place, set_place
from apps.explorer.recordings import Recordings
from apps.explorer.server import HERE
from grounding.annotations import read_samples, write_predictions, write_samples
from grounding.comparison import Group
from grounding.media.playable import obstacle
from grounding.sample import render_sample
from grounding.types import Moment, Prediction, Query, Sample
from grounding.workspace import Workspace
from tests.apps.explorer.driving import Server, chromium, chromium_path

PER_RECORDING = 5
CLIPS = 64
PAGE, NEXT = 2.0, 0.3  # seconds
Row = tuple[str, "Time", float | None]  # what, how long, target


class Time(NamedTuple):
    """Seconds by the clock, and of this process's processors: others' work is not in these."""

    clock: float
    cpu: float | None = None


class Visitor:
    """A visitor of one page, without a browser: Streamlit's test harness."""

    def __init__(self, script: str, **query: str) -> None:
        self.page = AppTest.from_file(str(HERE / script), default_timeout=300)
        self.place = 0
        for key, value in query.items():
            self.page.query_params[key] = value

    def run(self) -> None:
        """The whole page."""
        self.page.run()
        errors = [*self.page.exception, *self.page.error]
        assert not errors, errors

    def step(self, by: int = 1) -> None:
        """What the browser sends when "next" is clicked; only the fragment runs, as it does there.

        The harness knows neither custom views nor fragments, so both go in below it.
        """
        whole = self.page._tree  # what a fragment leaves out stays as it was
        player = next(e for e in whole if getattr(e, "key", None) == "player")
        widgets = whole.get_widget_states()
        self.place += by
        click = widgets.widgets.add(id=_make_trigger_id(player.proto.id, "events"))
        click.json_trigger_value = json.dumps([{"event": "place", "value": self.place}])
        (fragment,) = self.page._fragment_storage._fragments
        only = functools.partial(RerunData, fragment_id=fragment)
        before = self.page.query_params["q"]
        with mock.patch.object(local_script_runner, "RerunData", only):
            self.page._run(widgets)
        self.page._tree = whole
        assert self.page.query_params["q"] != before


def timed(work: Callable[[], object]) -> Time:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return Time(time.perf_counter() - start, time.process_time() - cpu)


def median(times: list[Time]) -> Time:
    return sorted(times)[len(times) // 2]


def write(root: Path, queries: int) -> list[Sample]:
    """`root`/data, its recordings all links to a few rendered ones, and two runs that guess."""
    render_sample(root / "seeds", videos=12, workers=1)
    real = {}
    for path in (root / "seeds" / "annotations").iterdir():
        for sample in read_samples(path):
            if obstacle(root / "seeds" / "media" / f"{sample.vid}.mp4") is None:  # no proxies here
                real[sample.vid] = sample.duration
    assert real
    media = root / "data" / "media"
    media.mkdir(parents=True)
    rng = np.random.default_rng(0)
    samples = []
    for number in range(queries):
        at = number // PER_RECORDING
        vid, seed = f"v{at:05d}", sorted(real)[at % len(real)]
        if number % PER_RECORDING == 0:
            (media / f"{vid}.mp4").hardlink_to(root / "seeds" / "media" / f"{seed}.mp4")
        query = Query(f"person {number} opens the {rng.choice(['door', 'box'])}", number, vid)
        there = rng.random() > 0.1
        windows = (span(rng, real[seed]),) if there else ()
        samples.append(Sample(query, real[seed], windows))
    write_samples(root / "data" / "annotations" / "test.jsonl", samples)
    for run in ("one", "two"):
        answers = [Prediction(s.query, guesses(rng, s), rng.random(), curve(rng)) for s in samples]
        write_predictions(root / run / "predictions" / "test.jsonl", answers)
        (root / run / "config.yaml").write_text("dataset: ../data\n")
    return samples


def span(rng: np.random.Generator, duration: float, score: float = 1.0) -> Moment:
    start, end = np.sort(rng.random(2)) * duration
    return Moment(float(start), float(end), score)


def guesses(rng: np.random.Generator, sample: Sample) -> tuple[Moment, ...]:
    return tuple(span(rng, sample.duration, float(s)) for s in np.sort(rng.random(5))[::-1])


def curve(rng: np.random.Generator) -> tuple[float, ...]:
    return tuple(map(float, rng.random(CLIPS)))


def on_the_server(root: Path, steps: int) -> Iterator[Row]:
    """Our own time, with nothing between."""
    workspace = Workspace([root / "data", root / "one", root / "two"], root / ".grounding")
    set_place(Place(workspace, Recordings(workspace), Jobs(), "cpu", 100, 1000))
    visitor = Visitor("explore.py")
    yield "Explore, nothing read yet", timed(visitor.run), PAGE
    yield "Explore, another visitor", timed(Visitor("explore.py").run), PAGE
    same, other = [], []
    for place in range(1, steps + 1):
        (other if place % PER_RECORDING == 0 else same).append(timed(visitor.step))
    yield "next query, same recording", median(same), NEXT
    yield "next query, another recording", median(other), NEXT
    yield "next query, slowest", max(same + other), NEXT
    page = visitor.page
    page.text_input(key="text-data/test").set_value("door")
    page.segmented_control(key="outcome-data/test").set_value("wrong")
    page.selectbox(key="order-data/test").set_value("most disagreement")
    yield "Explore, filters and another order", timed(visitor.run), PAGE
    page.session_state["group"] = Group("length", 0)
    page.session_state["qid"] = None
    yield "Explore, a group of Compare", timed(visitor.run), PAGE
    compare = Visitor("compare.py")
    yield "Compare, first", timed(compare.run), PAGE
    yield "Compare, again", timed(compare.run), PAGE


def in_a_browser(root: Path, samples: list[Sample], steps: int, path: str) -> Iterator[Row]:
    """What a visitor waits for: page and server on this machine; no targets, it says how it is."""
    (root / "work").mkdir()
    server = Server(root / "work", root / "data", root / "one", root / "two").wait()
    try:
        with chromium(path) as browser:

            def heading(number: int) -> None:
                page.get_by_role("heading", name=samples[number].query.text, exact=True).wait_for()

            for name in ("nothing read yet", "another visitor"):
                page: Any = browser.new_context().new_page()
                page.set_default_timeout(120_000)
                start = time.perf_counter()
                page.goto(server.url)
                heading(0)
                yield f"browser: Explore, {name}", Time(time.perf_counter() - start), None
            took = []
            for number in range(1, steps + 1):
                start = time.perf_counter()
                page.keyboard.press("n")
                heading(number)
                took.append(Time(time.perf_counter() - start))
            yield "browser: key n -> heading, median", median(took), None
            yield "browser: key n -> heading, slowest", max(took), None
            page.locator("video[src]").wait_for()
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--no-browser", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        samples = write(Path(name), args.queries)
        print(f"{args.queries} queries, {len({s.vid for s in samples})} recordings, 2 runs")
        for row in on_the_server(Path(name), args.steps):
            report(row)
        path = None if args.no_browser else chromium_path()
        if path is None:
            print("no browser: nothing measured there")
            return
        for row in in_a_browser(Path(name), samples, args.steps, path):
            report(row)


def report(row: Row) -> None:
    what, (seconds, cpu), target = row
    own = "" if cpu is None else f"{cpu:.3f} CPU s"
    verdict = "" if target is None else f"(below {target:g} s): {_verdict(seconds, target)}"
    print(f"{what:<38}{seconds:8.3f} s  {own:>12}  {verdict}".rstrip(), flush=True)


def _verdict(seconds: float, target: float) -> str:
    return "ok" if seconds < target else "MISSED"


if __name__ == "__main__":
    main()
