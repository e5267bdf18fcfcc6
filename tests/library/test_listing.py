"""URLs: one recording, the folders, pages and patterns that hold many, and what never shows."""

import os
from pathlib import Path

import pytest

from grounding.errors import BadInput, UnreachableMedia, UnreadableMedia
from grounding.library.addresses import is_url, parse, place_of, resolve, shown
from grounding.library.fetching import local, mark
from grounding.library.recordings import Recording, find_recordings
from grounding.library.remote import Limits
from tests.library.servers import Web, direct

pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")

QUICK = Limits(timeout=0.5, attempts=2, wait=0.01)
# As Apache writes it, with sorting links and the parent; and links that lead away or in circles.
PAGE = """<a href="?C=N;O=D">Name</a> <a href="/">Parent</a> <a href="/videos/">here</a>
<a href="./">self</a> <a href="../">up</a> <a href="../secret.mp4">beside</a>
<a href="a.mp4">a</a> <a href="my%20cat.MP4?download=1">b</a> <a href="salt&amp;pepper.mkv">c</a>
<a href="notes.txt">notes</a> <a href=".hidden.mp4">h</a> <a href="day1/">day1</a>
<a href="http://elsewhere.example/x.mp4">x</a> and http://127.0.0.1/videos/said.mp4"""


@pytest.fixture
def web():
    with Web().running() as server:
        server.pages["/videos/"] = PAGE
        server.pages["/videos/day1/"] = '<a href="a.mp4">a</a> <a href="/videos/day1/">x</a>'
        yield server


@pytest.fixture(scope="module")
def store():
    """An S3 server, found the way a user would have it found."""
    pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with direct(), pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="takes")
        yield client
    server.stop()


@pytest.fixture
def bucket(store):
    for name in (
        "v/a.mp4",
        "v/day1/a.mp4",
        "v/day2/b.MKV",
        "v/notes.txt",
        "v/.h/c.mp4",
        "w[1].mp4",
    ):
        store.put_object(Bucket="takes", Key=name, Body=name.encode())
    return store


def vids(*sources):
    return {each.vid: str(each.place) for each in find_recordings(sources, QUICK)}


def test_a_page_leads_to_the_recordings_below_it(web):
    top = f"{web.url}/videos"
    found = vids(f"{top}/")
    assert found == {
        "a": f"{top}/a.mp4",
        "day1/a": f"{top}/day1/a.mp4",
        "my cat": f"{top}/my%20cat.MP4",
        "salt&pepper": f"{top}/salt&pepper.mkv",
    }
    asked = [path for _, path, _ in web.seen]
    assert sorted(asked) == ["/videos/", "/videos/day1/"]
    assert vids(top) == found  # the server sends it to the page


def test_a_page_that_is_shut_costs_only_itself(web, tmp_path):
    web.troubles["/videos/day1/"] = [403] * 9
    found = find_recordings([f"{web.url}/videos/"], QUICK)
    assert [each.vid for each in found] == ["a", "day1", "my cat", "salt&pepper"]
    with pytest.raises(UnreadableMedia, match="day1/: access is denied"), local(found[1], tmp_path):
        pass
    web.troubles["/videos/day1/"] = [503]
    assert "day1/a" in vids(f"{web.url}/videos/")


def test_patterns_on_the_web(web):
    top = f"{web.url}/videos"
    assert set(vids(f"{top}/*.mp4").values()) == {f"{top}/a.mp4"}
    assert set(vids(f"{top}/**/a.mp4").values()) == {f"{top}/a.mp4", f"{top}/day1/a.mp4"}
    assert set(vids(f"{top}/day*").values()) == {f"{top}/day1/a.mp4"}
    assert set(vids(f"{top}/*.txt")) == {"notes"}


def test_one_recording_on_the_web_keeps_its_arguments(web):
    web.files["/v/a b.mp4"] = b"x"
    url = f"{web.url}/v/a%20b.mp4?token=s3cret"
    (found,) = find_recordings([url])
    assert (found.vid, found.place, found.is_remote) == ("a b", url, True)
    assert found.shown == f"{web.url}/v/a%20b.mp4" and "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "source,error,says",
    [
        ("/none.mp4", UnreadableMedia, "none.mp4: no such file"),
        ("/none/", UnreadableMedia, "none/: no such file"),
        ("/videos/*.avi", BadInput, "no recording in it"),
        ("/videos/day1/*.txt?k=s3cret", BadInput, r"day1/\*.txt: no recording in it"),
        ("/busy.mp4?k=s3cret", UnreachableMedia, r"busy.mp4: .*HTTP 503.*\(2 attempts\)"),
    ],
)
def test_a_source_on_the_web_that_is_not_there_is_one_line(web, source, error, says):
    web.troubles["/busy.mp4"] = [503] * 9
    with pytest.raises(error, match=says) as raised:
        find_recordings([web.url + source], QUICK)
    assert "s3cret" not in str(raised.value) and "\n" not in str(raised.value)


def test_an_address_that_cannot_be_spoken_to_is_told():
    with pytest.raises(BadInput, match="takes no IPv6 address"):
        find_recordings(["http://[::1]:80/a.mp4"])


def test_a_bucket_is_a_folder(bucket):
    wanted = {
        "a": "s3://takes/v/a.mp4",
        "day1/a": "s3://takes/v/day1/a.mp4",
        "b": "s3://takes/v/day2/b.MKV",
    }
    assert vids("s3://takes/v") == vids("s3://takes/v/") == wanted
    assert set(vids("s3://takes")) >= {"b", "w[1]"}
    assert vids("s3://takes/v/a.mp4") == {"a": "s3://takes/v/a.mp4"}


def test_patterns_in_a_bucket(bucket):
    assert vids("s3://takes/v/*/a.mp4") == {"a": "s3://takes/v/day1/a.mp4"}
    assert set(vids("s3://takes/v/**/*.mp4").values()) == {
        "s3://takes/v/a.mp4", "s3://takes/v/day1/a.mp4"
    }  # fmt: skip
    assert set(vids("s3://takes/v/day?")) == {"a", "b"}
    assert vids("s3://takes/w[1].mp4") == {"w[1]": "s3://takes/w[1].mp4"}
    with pytest.raises(BadInput, match="no recording in it"):
        find_recordings(["s3://takes/v/x*.mp4"])


@pytest.mark.parametrize("url", ["s3://takes/none.mp4", "s3://takes/none/", "s3://nobucket/a.mp4"])
def test_what_is_not_in_the_store_is_one_line(bucket, url):
    with pytest.raises(UnreadableMedia, match=f"{url}: no such file"):
        find_recordings([url], QUICK)


def test_a_listing_says_what_asking_would(bucket, monkeypatch, tmp_path):
    (listed,) = find_recordings(["s3://takes/v/day2/"])
    (named,) = find_recordings(["s3://takes/v/day2/b.MKV"])
    first = mark(listed)
    assert first == mark(named) and first.startswith("'s3://takes/v/day2/b.MKV'|12|")
    bucket.put_object(Bucket="takes", Key="v/day2/b.MKV", Body=b"another take")
    (after,) = find_recordings(["s3://takes/v/day2/"])
    assert mark(after) != first and after == listed
    with local(listed, tmp_path) as (path, _):
        assert path.read_bytes() == b"another take"
    bucket.delete_object(Bucket="takes", Key="v/day2/b.MKV")
    with pytest.raises(UnreadableMedia, match="no such file"), local(listed, tmp_path):
        pass


def test_large_objects_arrive_in_chunks(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("grounding.library.fetching.CHUNK", 1 << 16)
    data = os.urandom(300_000)
    bucket.put_object(Bucket="takes", Key="large.mp4", Body=data)
    (found,) = find_recordings(["s3://takes/large.mp4"])
    with local(found, tmp_path) as (path, _):
        assert path.read_bytes() == data


@pytest.mark.parametrize(
    "status,error,says",
    [
        (403, UnreadableMedia, r"access is denied \(HTTP 403\); check the credentials$"),
        (503, UnreachableMedia, r"HTTP 503 Service Unavailable \(2 attempts\)$"),
    ],
)
def test_a_store_that_refuses_is_asked_as_often_as_said(
    store, web, monkeypatch, tmp_path, status, error, says
):
    from fsspec.config import conf

    monkeypatch.setitem(conf, "s3", {"endpoint_url": web.url})
    web.files["/takes/a.mp4"] = b"123"
    web.troubles["/takes/a.mp4"] = [status] * 9
    place = Recording("a", "s3://takes/a.mp4")
    with pytest.raises(error, match=says), local(place, tmp_path, QUICK):
        pass
    assert len(web.seen) == (2 if error is UnreachableMedia else 1)
    web.troubles.clear()
    with local(place, tmp_path, QUICK) as (path, _):
        assert path.read_bytes() == b"123"


def test_a_manifest_may_lie_elsewhere_and_name_both(web, bucket, tmp_path):
    here = tmp_path / "here.mp4"
    web.files["/lists/m.csv"] = (
        f"url,vid\nday1/a%20b.mp4,\n../up.mp4?k=1,up\ns3://takes/v/a.mp4,stored\n{here},\n"
    ).encode()
    assert vids(f"{web.url}/lists/m.csv?token=s3cret") == {
        "a b": f"{web.url}/lists/day1/a%20b.mp4",
        "up": f"{web.url}/up.mp4?k=1",
        "stored": "s3://takes/v/a.mp4",
        "here": str(here),
    }
    bucket.put_object(Bucket="takes", Key="v/m.jsonl", Body=b'{"path": "day1/a.mp4"}\n{}\n')
    with pytest.raises(BadInput, match="s3://takes/v/m.jsonl:2: names no recording"):
        find_recordings(["s3://takes/v/m.jsonl"])


def test_urls_that_differ_in_what_may_be_secret_need_names(web, tmp_path):
    manifest = tmp_path / "m.jsonl"
    line = '{{"url": "https://host.example/get?id={}"{}}}\n'
    manifest.write_text(line.format(1, "") + line.format(2, ""))
    with pytest.raises(BadInput, match="give each its own in a manifest") as error:
        find_recordings([manifest])
    assert "id=" not in str(error.value)
    manifest.write_text(line.format(1, ', "vid": "x"') + line.format(2, ', "vid": "y"'))
    assert set(vids(manifest)) == {"x", "y"}


def test_names_that_are_shared_hold_no_password(tmp_path):
    urls = [f"https://me:s3cret@{host}.example/a.mp4?k=s3cret" for host in "xy"]
    (tmp_path / "m.txt").write_text("\n".join(urls))
    assert list(vids(tmp_path / "m.txt")) == ["x.example/a.mp4", "y.example/a.mp4"]


@pytest.mark.parametrize(
    "url,wanted",
    [
        ("https://me:p@ss@h.example:8/a.mp4?X-Amz-Signature=1#t", "https://h.example:8/a.mp4"),
        ("https://h.example/a.mp4?t=1::2&sig=SECRET", "https://h.example/a.mp4"),
        ("HTTPS://token@h.example/a", "HTTPS://h.example/a"),
        ("s3://bucket/what?.mp4", "s3://bucket/what?.mp4"),
        ("s3://bucket/a.mp4?versionId=abc", "s3://bucket/a.mp4"),
        ("sftp://me:pw@h/a.mp4", "sftp://h/a.mp4"),
        ("abfs://takes@account/a.mp4", "abfs://takes@account/a.mp4"),
        ("zip://a.mp4::https://me:pw@h/x.zip?k=1", "zip://a.mp4::https://h/x.zip"),
        ("simplecache::https://me:pw@h/x?k=1", "simplecache::https://h/x"),
        ("/data/a@b?c=d.mp4", "/data/a@b?c=d.mp4"),
    ],
)
def test_what_of_a_url_is_shown(url, wanted):
    assert shown(url) == wanted
    assert is_url(url) == (wanted[0] != "/") and (not is_url(url) or str(parse(url)) == url)


def test_a_path_is_no_url_and_a_local_url_is_a_path():
    assert place_of("c:/a::b") == Path("c:/a::b") and not is_url(str(Path("s3://b/a.mp4")))
    assert place_of("file:///a%20b.mp4") == Path("/a b.mp4")
    base = parse("https://me:pw@h/lists/m.csv?k=1")
    assert resolve(base, "./x/../a.mp4") == "https://me:pw@h/lists/a.mp4"
    assert resolve(base, "../../../a.mp4") == "https://me:pw@h/a.mp4"
    assert resolve(base, "/a.mp4") == Path("/a.mp4")


def test_other_protocols_and_chains(web, tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("in/a.mp4", b"123")
        archive.writestr("in/b.txt", b"123")
    (found,) = find_recordings([f"zip://in::{tmp_path / 'x.zip'}"])
    assert (found.vid, found.place) == ("a", f"zip://in/a.mp4::{tmp_path / 'x.zip'}")
    assert find_recordings([f"zip://*/?.mp4::{tmp_path / 'x.zip'}"]) == [found]
    with local(found, tmp_path / "fetched") as (path, _):
        assert path.read_bytes() == b"123"
    web.files["/x.zip"] = (tmp_path / "x.zip").read_bytes()
    for url in (f"zip://in/a.mp4::{web.url}/x.zip", f"simplecache::{web.url}/x.zip"):
        (found,) = find_recordings([url])
        with local(found, tmp_path / "fetched") as (path, _):
            assert path.read_bytes() in (b"123", web.files["/x.zip"])
