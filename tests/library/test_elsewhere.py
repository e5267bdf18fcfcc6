"""A batch over recordings on a server ends as it would over the same files."""

import pytest

from grounding.library import run_batch
from grounding.library.remote import Limits
from tests.library.making import contents, lines
from tests.library.servers import Web

pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")


@pytest.fixture
def web(videos, monkeypatch):
    monkeypatch.setattr("grounding.library.remote.time.sleep", lambda seconds: None)
    with Web().running() as server:
        for number in range(3):
            server.files[f"/v/v{number}.mp4"] = (videos / f"v{number}.mp4").read_bytes()
        server.pages["/v/"] = "".join(f'<a href="v{number}.mp4">' for number in range(3))
        yield server


def test_where_recordings_lie_changes_no_byte(web, videos, sentences, run_folder, tmp_path):
    here = [videos / f"v{number}.mp4" for number in range(3)]
    run_batch(here, sentences, run_folder, tmp_path / "here")
    web.troubles["/v/v1.mp4"] = [503, "half"]
    out = tmp_path / "out"
    done = run_batch([f"{web.url}/v/"], sentences, run_folder, out)
    assert contents(out) == contents(tmp_path / "here") and done.predictions == 9
    assert not list((out / "fetched").iterdir())
    web.seen.clear()
    assert run_batch([f"{web.url}/v/"], sentences, run_folder, out).resumed == 3
    assert [path for method, path, _ in web.seen if method == "GET"] == ["/v/"]  # none was fetched


def test_a_disk_that_is_full_while_fetching_stops_the_batch(
    web, sentences, run_folder, tmp_path, monkeypatch
):
    def full(self, chunk):
        self._write(lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    monkeypatch.setattr("grounding.library.fetching._Fetch._keep", full)
    with pytest.raises(OSError, match="No space left"):
        run_batch([f"{web.url}/v/"], sentences, run_folder, tmp_path / "out")
    assert not list((tmp_path / "out" / "fetched").iterdir())


def test_what_cannot_be_got_costs_only_itself(web, sentences, run_folder, tmp_path):
    manifest = tmp_path / "m.csv"
    secret = web.url.replace("://", "://me:s3cret@")
    names = ["v0.mp4", "v1.mp4?key=s3cret", "gone.mp4?key=s3cret"]
    manifest.write_text("url\n" + "".join(f"{secret}/v/{name}\n" for name in names) + "no.mp4\n")
    web.troubles["/v/v1.mp4"] = [503] * Limits().attempts
    web.troubles["/v/v1.mp4"] *= 2  # those who ask what it is meet it too
    out = tmp_path / "out"
    done = run_batch([manifest], sentences, run_folder, out)
    assert done.predictions == 3
    reasons = {line["recording"]: line["reason"] for line in lines(out / "failures.jsonl")}
    assert reasons.keys() == {"gone", "no", "v1"}
    assert "no such file" in reasons["gone"] and "HTTP 503" in reasons["v1"]
    assert "no such file" in reasons["no"]
    for path in out.rglob("*"):
        assert path.is_dir() or b"s3cret" not in path.read_bytes()
    web.troubles.clear()
    done = run_batch([manifest], sentences, run_folder, out)
    assert done.predictions == 6 and done.resumed == 1
    assert {failure.recording: failure.attempts for failure in done.failures} == {
        "gone": 2, "no": 2
    }  # fmt: skip
