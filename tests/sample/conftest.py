"""One small corpus for all tests of the sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from grounding.sample import render_sample
from grounding.sample.script import Script, draw_scripts

VIDEOS = 8


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "corpus"
    render_sample(folder, videos=VIDEOS, workers=2)
    return folder


@pytest.fixture(scope="session")
def scripts() -> list[Script]:
    return draw_scripts(VIDEOS, 0)
