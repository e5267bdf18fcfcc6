"""The main job, from nothing, twice."""

import json

import pytest

SIZE = ["--videos", 16, "--no-app"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demo_gives_the_same_table_twice(command, tmp_path):
    tables = []
    for name in ("a", "b"):
        code, out, err = command("demo", "--dir", tmp_path / name, *SIZE)
        assert code == 0, err
        tables.append(out)
    assert tables[0] == tables[1]
    first, second = (tmp_path / n / "run" / "predictions" / "test.jsonl" for n in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demo_learns(command, tmp_path):
    """96 videos are the promise (R1@0.5 at least 45); 40 must beat guessing clearly."""
    code, _, err = command("demo", "--dir", tmp_path, "--videos", 40, "--no-app")
    assert code == 0, err
    report = json.loads((tmp_path / "run" / "report" / "test.json").read_text())
    seen = report["groups"]["sight or both"]
    floors = [seen["baselines"][b]["R1@0.5"] for b in ("random", "centre-prior")]
    assert seen["metrics"]["R1@0.5"] >= 2 * max(floors)


def test_a_wrong_config_stops_before_anything_is_rendered(command, tmp_path):
    code, out, err = command("demo", "--dir", tmp_path / "d", "--config", "nowhere.yaml")
    assert (code, out) == (2, "") and "nowhere.yaml" in err
    assert not (tmp_path / "d").exists()
