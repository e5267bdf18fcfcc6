"""What several tests share: a small sample corpus, rendered once, and the command."""

import pytest
from hypothesis import settings

from apps.cli import main

# other jobs run beside the tests: how long one example takes says nothing
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A dataset folder with 12 sample videos."""
    from grounding.sample import render_sample

    folder = tmp_path_factory.mktemp("corpus") / "sample"
    render_sample(folder, videos=12, workers=1)
    return folder


@pytest.fixture
def command(capsys):
    """Run `grounding ...` in this process -> (exit code, stdout, stderr)."""

    def run(*words):
        capsys.readouterr()
        code = main([str(w) for w in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run
