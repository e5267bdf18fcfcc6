"""Processes that work together answer as one: one result, one line, one end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grounding.errors import BadInput
from grounding.processes import _telling, check_devices, together
from tests import rank_tasks

ROOT = Path(__file__).parent.parent


def test_the_first_is_heard_and_its_result_is_the_result(caplog):
    told = []
    listeners = {"heard": lambda *words: told.append(words), "unheard": None}
    assert together(2, "cpu", rank_tasks.spoken, listeners) == (0, True)
    assert told == [(0, "told")]
    assert [record.getMessage() for record in caplog.records] == ["damaged: 0"]


@pytest.mark.slow
def test_a_mistake_that_all_find_is_one_mistake():
    with pytest.raises(BadInput, match=r"^clip.mp4: is no video \(process 0\)$"):
        together(2, "cpu", rank_tasks.wrong, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "work,error,says",
    [
        (rank_tasks.wrong_in_the_first, BadInput, "clip.mp4: is no video"),
        (rank_tasks.killed, BadInput, "process 2 was killed"),
        (rank_tasks.broken, RuntimeError, "KeyError: 'a bug'"),
    ],
)
def test_nobody_waits_for_one_that_failed(work, error, says):
    with pytest.raises(error, match=says):
        together(2, "cpu", work, {})


def test_the_cause_is_told_and_not_that_a_partner_is_gone():
    complaint, bug = RuntimeError("connection closed by peer"), RuntimeError("KeyError: 'a bug'")
    wrong = BadInput("clip.mp4: is no video")
    assert _telling({0: complaint, 1: bug}, {0: 2.0, 1: 1.0}) is bug
    assert _telling({1: bug, 0: complaint}, {1: 1.0, 0: 2.0}) is bug
    assert _telling({0: complaint, 1: wrong}, {0: 1.0, 1: 2.0}) is wrong


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(stop):
    code = (
        "from grounding.processes import together; from tests import rank_tasks\n"
        "if __name__ == '__main__':\n"
        "    told = lambda pid: print(pid, flush=True)\n"
        "    together(2, 'cpu', rank_tasks.waiting, {'heard': told})"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    child = int(starter.stdout.readline())
    os.kill(child, 0)
    starter.send_signal(stop)
    starter.wait(60)
    for _ in range(600):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        if " Z " in Path(f"/proc/{child}/stat").read_text():
            return  # dead; nobody has asked for its exit code yet
        time.sleep(0.1)
    pytest.fail(f"process {child} is still there")


def test_started_by_another_program_is_one_line(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadInput, match="WORLD_SIZE is set.*--devices 2"):
        check_devices(2, "cpu")
