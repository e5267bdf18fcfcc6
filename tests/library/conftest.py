"""A model that was never trained, recordings of two seconds, queries."""

import pytest
import torch

from tests.library.making import SENTENCES, render, save_model


@pytest.fixture(autouse=True)
def one_thread():
    """The cores are shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """A run folder with a model."""
    return save_model(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """Six recordings, v0.mp4 to v5.mp4; not to be changed."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(6):
        render(folder / f"v{number}.mp4", number)
    return folder


@pytest.fixture
def sentences(tmp_path):
    """A query file with one sentence a line."""
    path = tmp_path / "queries.txt"
    path.write_text("\n".join(SENTENCES) + "\n")
    return path
