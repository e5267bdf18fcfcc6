"""Two runs on the sample, the explorer's server, and visitors with a real browser."""

import subprocess
import sys

import pytest

from tests.apps.explorer.driving import ROOT, Server, chromium_path, environment
from tests.apps.explorer.driving import chromium as launched

CONFIG = ROOT / "configs" / "sample-frames.yaml"


@pytest.fixture(autouse=True)
def main_module():
    """Streamlit makes a page `__main__` and leaves it so; processes that later tests start would
    run that page.
    """
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="session")
def trained(corpus, tmp_path_factory):
    """A folder with two runs on the sample: two epochs and one."""
    folder = tmp_path_factory.mktemp("runs")
    for name, epochs in (("two", 2), ("one", 1)):
        words = ["train", CONFIG, "--data", corpus, "--run", folder / name, "--quiet"]
        words += ["--training.epochs", epochs, "--training.seed", epochs]
        subprocess.run(
            [sys.executable, "-m", "apps", *map(str, words)],
            cwd=ROOT,
            env=environment(),
            check=True,
            timeout=240,
        )
    return folder


@pytest.fixture
def serve(tmp_path_factory):
    """Start a server: serve(folder, *paths) -> Server."""
    servers = []

    def start(folder, *words):
        servers.append(Server(folder, *words))
        return servers[-1].wait()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def explorer(corpus, trained, tmp_path_factory):
    """One server for the sample and its two runs, shared by the tests that only look."""
    server = Server(tmp_path_factory.mktemp("workspace"), corpus, trained).wait()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium():
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium on this machine; apt-get install chromium")
    with launched(path) as browser:
        yield browser


@pytest.fixture
def visit(chromium):
    """Open an address as a new visitor: visit(url, width=1280, theme="light") -> page."""
    contexts = []

    def open_page(url, *, width=1280, height=900, theme="light"):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.errors == []
        context.close()
