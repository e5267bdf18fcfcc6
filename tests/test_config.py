from pathlib import Path

import pytest
import yaml

from grounding import config
from grounding.errors import ConfigError

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_reads_and_is_complete_when_dumped(path, tmp_path):
    settings = config.load(path)
    (tmp_path / "c.yaml").write_text(config.dump(settings))
    assert config.load(tmp_path / "c.yaml") == settings


def test_overrides_win(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("training: {epochs: 3}\nmethod: {sigma: 0.1}\n")
    settings = config.load(path, ["--training.epochs", "7", "--video.kind=linear"])
    assert (settings.training.epochs, settings.method.sigma) == (7, 0.1)
    assert settings.video.kind == "linear"


@pytest.mark.parametrize(
    "given,says",
    [
        (
            {"training": {"epoch": 3}},
            "unknown key 'training.epoch'; did you mean 'training.epochs'?",
        ),
        ({"trainning": {"epochs": 3}}, "did you mean"),
        ({"method": {"sigmas": 3}}, "did you mean 'method.sigma'?"),
        ({"training": {"epochs": "ten"}}, "training.epochs is 'ten'; it must be int"),
        ({"video": {"kind": "conv"}}, "video.kind is 'conv'"),
        ({"training": 3}, "training is 3"),
        ({"head": "frame"}, "did you mean frames?"),
        ({"features": {"clips": 0}}, "clips is 0; it must be greater than 0"),
        ({"video": {"dropout": 1.0}}, "dropout is 1.0"),
        ({"method": {"temperature": 0}}, "temperature is 0"),
        ({"head": "glance", "method": {"positives": -1}}, "positives is -1"),
        ({"head": "glance", "method": {"evidence": 0}}, "map and evidence are both 0"),
        (
            {"head": "glance", "method": {"map": 1, "evidence": 0, "refine": True}},
            "refine needs the clips' evidence; evidence is 0",
        ),
        (
            {"head": "glance", "method": {"map": 1, "evidence": 0, "follow": "text"}},
            "follow needs the clips' evidence",
        ),
        (
            {"head": "glance", "method": {"follow": "sentence"}},
            "method.follow is 'sentence'; it must be",
        ),
        ({"head": "glance", "method": {"queue": -3}}, "queue is -3; it must be at least 0"),
        ({"head": "glance", "method": {"windows": 0.3}}, "did you mean 'method.window'?"),
    ],
)
def test_a_wrong_key_or_value_names_file_and_remedy(tmp_path, given, says):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(given))
    with pytest.raises(ConfigError) as error:
        config.load(path)
    assert str(path) in str(error.value) and says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_wrong_override_names_the_nearest_key():
    with pytest.raises(
        ConfigError, match="the command: unknown key 'training.epoch'; did you mean"
    ):
        config.load(CONFIGS[0], ["--training.epoch", "3"])


@pytest.mark.parametrize("content", [b"a: [", b"- 1\n- 2\n", b"\xff\xfe\x00\x01", b"\x00"])
def test_a_file_that_is_no_config(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=str(path)):
        config.load(path)


def test_no_file():
    with pytest.raises(ConfigError, match="no such config file"):
        config.load("nowhere.yaml")
