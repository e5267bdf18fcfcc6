import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media.recordings import render

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
CHARADES = SHARED / "annotations" / "charades-sta"


@pytest.fixture
def files(tmp_path):
    """Charades-STA's text lines, durations, and predictions that are right once."""
    (tmp_path / "truth.txt").write_text("AB1CD 0.0 10.0##a door opens.\nAB1CD 5 20##a dog barks.\n")
    (tmp_path / "durations.csv").write_text("vid,duration\nAB1CD,30\n")
    rows = [
        {"qid": 0, "vid": "AB1CD", "pred_relevant_windows": [[0, 10, 0.8]]},
        {"qid": 1, "vid": "AB1CD", "pred_relevant_windows": [[25, 30, 0.3]]},
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def words(files, *more):
    given = ["--predictions", files / "p.jsonl", "--annotations", files / "truth.txt"]
    return [
        "evaluate",
        *map(str, given),
        "--durations",
        str(files / "durations.csv"),
        *map(str, more),
    ]


def width(out):
    """Of the tables; a warning is one line, however long."""
    return max(len(line) for line in out.splitlines() if not line.startswith("warning"))


def test_any_format_is_scored_with_durations_from_a_sheet(command, files):
    code, out, err = command(*words(files, "--json", "-"))
    report = json.loads(out)
    assert code == 0 and err == ""
    assert report["n"] == 2 and report["metrics"]["R1@0.5"] == 50
    assert report["metrics"]["ECE"] == pytest.approx(100 * (0.2 + 0.3) / 2)
    code, named, _ = command(*words(files, "--format", "charades-sta", "--json", "-"))
    assert code == 0 and json.loads(named) == report


def test_durations_are_measured_where_nobody_says_them(command, files):
    (files / "media").mkdir()
    render(files / "media" / "AB1CD.mp4", frames=300, rate=10)
    given = words(files, "--json", "-")
    with_media = [*given[:5], "--media", str(files / "media"), *given[7:]]
    code, out, _ = command(*with_media)
    assert code == 0 and json.loads(out) == json.loads(command(*given)[1])


def test_the_table_says_what_people_reach_and_what_is_odd(command, files):
    code, out, err = command(*words(files))
    assert code == 0 and err == ""
    assert "truth, 2 queries" in out and "R1@0.5" in out and "mAP" in out and "ECE 25.0" in out
    assert "wrong place" in out and "no train split found" in out
    assert "Charades-STA" in out and "R1@0.5 44.0" in out
    assert width(out) <= 80


def test_a_long_name_keeps_the_table_narrow(command, files):
    long = files / f"{'a-very-long-name-of-a-split' * 3}.txt"
    (files / "truth.txt").rename(long)
    given = ["--predictions", files / "p.jsonl", "--annotations", long]
    given += ["--durations", files / "durations.csv"]
    code, out, _ = command("evaluate", *map(str, given))
    assert code == 0 and width(out) <= 80


def test_baselines_are_fitted_on_the_split_that_is_named(command, files):
    (files / "train.txt").write_text("AB1CD 20.0 30.0##a door closes.\n")
    code, out, _ = command(*words(files, "--train", files / "train.txt", "--json", "-"))
    report = json.loads(out)
    assert code == 0 and report["baselines"]["best-fixed-span"]["R1@0.3"] == 0
    assert "text-prior" in report["baselines"]
    assert not any("train split" in w["kind"] for w in report["warnings"])


def test_the_report_goes_to_a_file_too(command, files):
    code, out, _ = command(*words(files, "--json", files / "deep" / "report.json"))
    assert code == 0 and "truth, 2 queries" in out
    assert json.loads((files / "deep" / "report.json").read_text())["n"] == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--format", "charade-sta"], "charades-sta"),
        (["--train", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["--annotators", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--duration", "x"], "--durations"),
        (["--media", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_wrong_words_are_one_line(command, files, change, says):
    code, out, err = command(*words(files, *change))
    assert code == 2 and out == "" and err.count("\n") == 1 and says in err


def test_the_remedy_that_an_unknown_format_names_is_taken(command, files):
    odd = files / "truth.odd"
    odd.write_text('{"no": "format"}')
    given = ["--predictions", files / "p.jsonl", "--annotations", odd]
    code, _, err = command("evaluate", *map(str, given))
    assert code == 2 and err.count("\n") == 1 and "say which it is with --from" in err
    odd.write_text((files / "truth.txt").read_text())
    given += ["--from", "charades-sta", "--durations", files / "durations.csv", "--json", "-"]
    code, out, _ = command("evaluate", *map(str, given))
    assert code == 0 and json.loads(out)["n"] == 2


def test_a_reversed_moment_is_a_warning_not_an_error(command, files):
    line = {"qid": 0, "vid": "AB1CD", "pred_relevant_windows": [[9, 5, 0.8]]}
    (files / "p.jsonl").write_text(json.dumps(line))
    code, out, err = command(*words(files))
    assert code == 0 and err == ""
    assert "warning: predicted moment ends before it starts (1, first: 0)" in out


def test_answers_to_other_queries_are_refused_in_one_line(command, files):
    row = {"qid": "other", "vid": "AB1CD", "pred_relevant_windows": [[0, 10, 0.8]]}
    (files / "p.jsonl").write_text(json.dumps(row))
    code, out, err = command(*words(files, "--json", "-"))
    assert code == 2 and out == "" and err.count("\n") == 1 and "none of its qids" in err


def test_nothing_to_score_is_one_line(command, files):
    (files / "p.jsonl").write_text("")
    code, _, err = command(*words(files))
    assert code == 2 and "holds no line" in err


def test_people_are_set_beside_the_model(command, tmp_path):
    sheets = sorted((SHARED / "charades-reannotated").glob("*.csv"))
    truth = CHARADES / "charades_test_release.jsonl"
    if not sheets or not truth.exists():
        pytest.skip("the shared Charades-STA files are not beside this checkout")
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    guesses = [{**r, "pred_relevant_windows": [[0, r["duration"] / 2, 0.5]]} for r in rows]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, guesses)))
    given = ["--predictions", tmp_path / "p.jsonl", "--annotations", truth, "--annotators", *sheets]
    code, out, _ = command("evaluate", *map(str, given))
    assert code == 0
    assert "1000 queries, 5 people" in out
    assert "two people overlap by IoU 52.1 on average" in out
    assert "people, as a model is scored    72.2" in out


def test_scoring_imports_neither_torch_nor_pages(files):
    script = (
        "import sys\nfrom apps.cli import main\n"
        f"code = main({words(files)!r})\n"
        "assert code == 0 and not {'torch', 'streamlit', 'av'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
