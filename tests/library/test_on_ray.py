"""Actors of a Ray cluster give what this machine's processes give, whoever dies meanwhile."""

import hashlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from grounding.errors import BadInput
from grounding.library import Limits, on_ray, run_batch
from grounding.library.asking import Here
from grounding.library.parts import Job
from grounding.library.ray_actor import Actor, Pool
from tests.library.making import contents, lines, render
from tests.library.servers import Web

ROOT = Path(__file__).parent.parent.parent


def box(number):
    """A part of MP4 that says nothing."""
    return struct.pack(">I4sI", 12, b"free", number)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Twelve short recordings, four that take a second or more, and one that is none."""
    folder = tmp_path_factory.mktemp("inputs")
    short = render(folder / "m.mp4", 1).read_bytes()
    long = render(folder / "a-long.mp4", 3, frames=1500, scale=4).read_bytes()
    for number in range(1, 12):  # other content, same pictures
        (folder / f"m{number:02}.mp4").write_bytes(short + box(number))
    for number, name in enumerate("myz"):
        (folder / f"{name}-long.mp4").write_bytes(long + box(number))
    (folder / "broken.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def expected(inputs, run_folder, tmp_path_factory):
    """Query file, and what the engine `local` writes."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "queries.txt").write_text("the red square moves\nthe circle stops\n")
    run_batch([inputs], folder / "queries.txt", run_folder, folder / "out", workers=0)
    return folder / "queries.txt", contents(folder / "out")


@pytest.fixture
def no_cluster(monkeypatch):
    """The engine without Ray: the orders are done in this process, but for the lost ones."""
    lost = {}  # vid -> how often its actor is lost yet
    rounds = []

    @contextmanager
    def cluster(workers):
        yield

    def answers(pool, parts, known, orders, cut):
        actor = Actor(pool, parts.job, known, cut, str(Path.cwd()))
        actor._asker = Here(pool.model, pool.device, pool.top)
        rounds.append([order["vid"] for order in orders])
        for order in orders:
            lost[order["vid"]] = lost.get(order["vid"], 0) - 1
            if lost[order["vid"]] < 0:
                yield actor._answer(order)
                yield actor._answer(order)  # a block that was made twice

    monkeypatch.setattr(on_ray, "cluster", cluster)
    monkeypatch.setattr(on_ray, "_answers", answers)
    monkeypatch.setattr("grounding.library.batch.require_ray", lambda: None)
    return lost, rounds


def test_without_ray_one_line_names_the_extra(videos, sentences, run_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(BadInput, match=r"needs ray.*pip install -e '.\[ray\]'"):
        run_batch([videos], sentences, run_folder, tmp_path / "out", engine="ray")
    assert not (tmp_path / "out").exists()


def test_no_workers_is_no_pool(videos, sentences, run_folder, tmp_path):
    with pytest.raises(BadInput, match="at least one worker"):
        run_batch([videos], sentences, run_folder, tmp_path / "out", engine="ray", workers=0)


def test_a_cluster_that_is_not_there_is_one_line(
    videos, sentences, run_folder, tmp_path, monkeypatch
):
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(BadInput, match="no cluster answers there"):
        run_batch([videos], sentences, run_folder, tmp_path / "out", engine="ray")


def test_what_was_lost_is_asked_again_and_nothing_counts_twice(
    videos, sentences, run_folder, tmp_path, no_cluster, caplog
):
    lost, rounds = no_cluster
    lost.update(v1=2, v4=1)
    out, told = tmp_path / "out", []
    run_batch([videos], sentences, run_folder, tmp_path / "local", workers=0)
    done = run_batch(
        [videos], sentences, run_folder, out, engine="ray", progress=lambda *what: told.append(what)
    )
    assert (done.recordings, done.resumed, done.predictions) == (6, 0, 18)
    assert rounds == [[f"v{n}" for n in range(6)], ["v1", "v4"], ["v1"]]
    assert [count for count, _, _ in told] == list(range(7))
    assert contents(out) == contents(tmp_path / "local")
    assert "asked again: 2" in caplog.text


def test_a_recording_that_always_costs_its_actor_is_listed_and_costs_itself_alone(
    videos, sentences, run_folder, tmp_path, no_cluster
):
    no_cluster[0].update(v2=99)
    done = run_batch([videos], sentences, run_folder, tmp_path / "out", engine="ray")
    (failure,) = done.failures
    assert (failure.recording, failure.kind, failure.attempts) == ("v2", "killed", 3)
    assert done.predictions == 15
    no_cluster[0].clear()
    again = run_batch([videos], sentences, run_folder, tmp_path / "out", engine="ray")
    assert (again.resumed, again.predictions, again.failures) == (5, 18, ())


def test_what_lies_elsewhere_since_is_not_asked_again(
    videos, sentences, run_folder, tmp_path, no_cluster
):
    folder, cut = tmp_path / "in", tmp_path / "cut"
    shutil.copytree(videos, folder)
    run_batch([folder], sentences, run_folder, tmp_path / "out", workers=0, top=1)
    for path in folder.iterdir():
        os.utime(path, ns=(1, 1))  # so that only its content tells
    before = contents(tmp_path / "out")
    ask = {"engine": "ray", "top": 1}
    assert run_batch([folder], sentences, run_folder, tmp_path / "out", **ask).resumed == 6
    assert len(no_cluster[1]) == 1
    done = run_batch([folder], sentences, run_folder, tmp_path / "out", cut=cut, **ask)
    assert (done.resumed, contents(tmp_path / "out")) == (6, before)
    there = [
        row for row in lines(tmp_path / "out" / "predictions.jsonl") if row["pred_absent"] < 0.5
    ]
    assert len(list(cut.iterdir())) == len(there) > 0


def test_a_node_that_lacks_the_recording_says_so(videos, run_folder, tmp_path):
    pool = Pool(str(run_folder), "cpu", 5, Limits(), 1)
    actor = Actor(pool, None, frozenset(), None, str(Path.cwd()))
    order = {"number": 7, "place": str(tmp_path / "v0.mp4"), "there": True, "content": None}
    answer = actor._answer(order)
    assert (answer["number"], answer["content"], answer["rows"]) == (7, None, ())
    assert answer["problem"][0] == "unreachable" and "not at this path" in answer["problem"][1]


def test_an_actor_fetches_what_lies_elsewhere(videos, run_folder, tmp_path, monkeypatch):
    pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    data = (videos / "v0.mp4").read_bytes()
    content, job = hashlib.sha256(data).hexdigest(), Job("model", "recipe", "queries", 5)
    pool = Pool(str(run_folder), "cpu", 5, Limits(), 1)
    actor = Actor(pool, job, frozenset([job.key(content, ["a"])]), None, str(Path.cwd()))
    with Web().running() as server:
        server.files["/v0.mp4"] = data
        order = {"number": 1, "vid": "v", "there": False, "content": None, "sentences": ["a"]}
        order["rows"] = None
        found = actor._answer({**order, "place": f"{server.url}/v0.mp4"})
        gone = actor._answer({**order, "place": f"{server.url}/v1.mp4"})
    assert found == {"number": 1, "content": content, "seen": True}
    assert gone["problem"][0] == "unreadable" and not list(tmp_path.iterdir())


def start(inputs, queries, run_folder, out, *more, **environment):
    """`grounding batch --engine ray` in a process of its own."""
    words = ["-m", "apps", "batch", inputs, "--queries", queries, "--model", run_folder]
    words += ["--out", out, "--engine", "ray", "--workers", 2, *more]
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def parent_of(status):
    return int(status.read_text().rpartition(")")[2].split()[1])


def below(root):
    """Process ids of all that a process started, and what that started."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = parent_of(status)
        except (OSError, ValueError):
            continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {root}


def is_decoding(pid, name):
    try:
        links = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(link.endswith(name) for link in links)


@pytest.mark.slow
def test_a_local_cluster_gives_the_same_bytes_and_goes_on_where_it_was_stopped(
    inputs, expected, run_folder, tmp_path
):
    queries, wanted = expected
    out = tmp_path / "out"
    process = start(inputs, queries, run_folder, out)
    while len(list(out.glob("parts/[!.]*.jsonl"))) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    actors = below(process.pid)
    process.send_signal(signal.SIGINT)
    said, complaint = process.communicate(timeout=60)
    assert process.returncode == 130 and said == ""
    assert complaint.startswith("grounding: interrupted: ") and complaint.count("\n") == 1
    kept = len(list(out.glob("parts/[!.]*.jsonl")))
    time.sleep(2)
    assert not [pid for pid in actors if Path(f"/proc/{pid}").exists()]
    process = start(inputs, queries, run_folder, out)
    said, complaint = process.communicate(timeout=240)
    assert process.returncode == 0 and said == ""
    first, second = complaint.splitlines()
    assert first == f"{out}: recordings: 17 ({kept} finished before), predictions: 32"
    assert second.startswith("warning: failures: 1 unreadable")
    assert contents(out) == wanted


@pytest.mark.slow
def test_of_two_nodes_one_dies_and_nothing_is_lost_or_doubled(
    inputs, expected, run_folder, tmp_path, monkeypatch, caplog
):
    queries, wanted = expected
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    settings = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=settings)
    folder, killed = cluster.head_node.get_session_dir_path(), []
    try:
        settings.pop("include_dashboard")
        node = cluster.add_node(**settings)
        cluster.wait_for_nodes()
        raylet = node.all_processes["raylet"][0].process.pid
        over = threading.Event()

        def kill():
            """The node at work on a recording: raylet, actors and their workers."""
            while not over.wait(0.02):
                pids = below(raylet)
                if any(is_decoding(pid, ".mp4") for pid in pids):
                    for pid in (raylet, *pids):
                        os.kill(pid, signal.SIGKILL)
                    killed.append(len(pids))
                    return

        watcher = threading.Thread(target=kill)
        watcher.start()
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        told = []
        done = run_batch(
            [inputs],
            queries,
            run_folder,
            tmp_path / "out",
            engine="ray",
            progress=lambda *what: told.append(what),
        )
        over.set()
        watcher.join()
    finally:
        over.set()
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
    assert killed and "asked again" in caplog.text
    assert (done.recordings, done.resumed, done.predictions) == (17, 0, 32)
    assert contents(tmp_path / "out") == wanted
    assert [count for count, _, _ in told] == list(range(18))
    assert len(list((tmp_path / "out" / "parts").glob("[!.]*.jsonl"))) == 17
