"""What visitors send is a recording, kept under our names, or it is refused in one line."""

import io
import os
import stat
import zipfile

import pytest

from grounding.errors import BadInput, UnreadableMedia
from grounding.media.probe import probe
from grounding.uploads import clean, find, name_of, receive
from tests.media import recordings as make


class Endless:
    """Ten gigabytes that begin like an MP4; counts what is read."""

    def __init__(self, size=10 << 30):
        self.left, self.given = size, 0

    def read(self, size=-1):
        assert size > 0, "everything at once"
        data = bytes(min(size, self.left))
        if self.given == 0:
            data = b"\0\0\0\x18ftypisom" + data[12:]
        self.left -= len(data)
        self.given += len(data)
        return data


class Dripping(io.BytesIO):
    """Gives seven bytes at a time."""

    def read(self, size=-1):
        return super().read(min(size, 7) if size > 0 else size)


def kept(folder):
    return sorted(folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize(
    "suffix,codec",
    [
        (".mp4", "libx264"), (".mov", "libx264"), (".mkv", "libx264"), (".webm", "libvpx"),
        (".avi", "mpeg4"), (".ts", "libx264"), (".mpg", "mpeg2video"), (".flv", "libx264"),
        (".wmv", "mpeg4"),
    ],
)  # fmt: skip
def test_recordings_are_kept_whole_under_a_name_of_ours(tmp_path, suffix, codec):
    source = make.render(tmp_path / f"in{suffix}", codec, frames=30, b_frames=0).path
    found = receive(Dripping(source.read_bytes()), tmp_path / "store")
    assert found.read_bytes() == source.read_bytes()
    assert found.suffix == suffix and "in" not in found.stem
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    assert kept(tmp_path / "store") == [found]
    assert find(found.stem, tmp_path / "store") == found
    assert probe(found).frames == 30


def test_ten_gigabytes_stop_at_the_limit_and_leave_nothing(tmp_path):
    stream = Endless()
    with pytest.raises(BadInput, match="more than 3 MB, the most that is taken"):
        receive(stream, tmp_path / "store", limit=3 << 20)
    assert stream.given == (3 << 20) + 1 and kept(tmp_path / "store") == []


def test_exactly_the_limit_is_taken(tmp_path):
    assert receive(Endless(3 << 20), tmp_path, limit=3 << 20).stat().st_size == 3 << 20


def _zip():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.mp4", "x" * 100)
    return data.getvalue()


REFUSED = {
    "a web page": b"\n <!DOCTYPE html><html><script>alert(1)</script></html>",
    "a ZIP archive": _zip(),
    "a playlist": b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n",
    "a playlist,": b"\xef\xbb\xbfffconcat version 1.0\nfile /etc/passwd\n",
    "a playlist, which": b"v=0\no=- 0 0 IN IP4 1.2.3.4\nc=IN IP4 1.2.3.4\nm=video 5 RTP/AVP 96\n",
    "a playlist, which names": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash"></MPD>',
    "a text with tags": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "text": "file 'other.mp4'\nä\n".encode(),
    "text;": b"GGGG" * 40 + b"\n",
    "nothing known": bytes(range(128, 256)) * 20,
    r"nothing \(0 bytes\)": b"",
    r"a picture \(PNG\)": b"\x89PNG\r\n\x1a\n" + bytes(100),
    r"a picture \(HEIF\)": b"\0\0\0\x18ftypheic" + bytes(100),
    r"sound alone \(WAV\)": b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
    "a program": b"\x7fELF" + bytes(100),
}


@pytest.mark.parametrize("looks", REFUSED)
def test_everything_else_is_refused_by_what_it_looks_like(tmp_path, looks):
    with pytest.raises(
        BadInput, match=rf"^the file looks like {looks}.*send a video: MP4"
    ) as found:
        receive(io.BytesIO(REFUSED[looks]), tmp_path / "store")
    assert "\n" not in str(found.value) and kept(tmp_path / "store") == []


@pytest.mark.parametrize("magic", [b"\0\0\0\x18ftypisom", b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0AVI "])
def test_noise_behind_a_right_beginning_is_one_line_when_it_is_opened(tmp_path, magic):
    path = receive(io.BytesIO(magic + os.urandom(20000)), tmp_path)
    with pytest.raises(UnreadableMedia) as found:
        probe(path)
    assert "\n" not in str(found.value)


def test_a_stream_that_breaks_leaves_nothing(tmp_path):
    class Breaking(Endless):
        def read(self, size=-1):
            if self.given > 2 << 20:
                raise ConnectionResetError(104, "Connection reset by peer")
            return super().read(size)

    with pytest.raises(BadInput, match="cannot be kept"):
        receive(Breaking(), tmp_path / "store")
    assert kept(tmp_path / "store") == []


HOSTILE = [
    "", "../x", "/etc/passwd", "a" * 31, "a" * 33, "A" * 32, "a" * 32 + "\n", "a" * 31 + "\0",
    "٣" * 32, "\uff41" * 32, "a" * 32 + ".mp4", "../" + "a" * 32, "*" * 32, ".", None, 7,
]  # fmt: skip


@pytest.mark.parametrize("token", HOSTILE)
def test_tokens_lead_nowhere_else(tmp_path, token):
    store = tmp_path / "store"
    store.mkdir()
    for name in ("a" * 31, "a" * 33, "A" * 32, "x"):
        (store / f"{name}.mp4").touch()
        (tmp_path / f"{name}.mp4").touch()
    with pytest.raises(BadInput, match="no such recording") as found:
        find(token, store)
    assert "\n" not in str(found.value)


def test_links_are_not_followed(tmp_path):
    (tmp_path / "secret.mp4").touch()
    (tmp_path / f"{'a' * 32}.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(BadInput):
        find("a" * 32, tmp_path)


def test_old_recordings_go_and_nothing_else(tmp_path):
    old, new = (receive(Endless(1000), tmp_path) for _ in range(2))
    part, other = tmp_path / f".{'b' * 32}.part", tmp_path / "mine.mp4"
    for path in (part, other):
        path.touch()
    for path in (old, part, other):
        os.utime(path, (0, 0))
    assert clean(tmp_path, 3600) == 2
    assert kept(tmp_path) == sorted([new, other])
    assert clean(tmp_path / "nowhere", 1) == 0


@pytest.mark.parametrize(
    "given,shown",
    [
        ("Holiday 2024.final.mp4", "Holiday 2024.final"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a.b.mov", "a.b"),
        ("a\n\x1b[31mb\u202e.mp4", "a [31mb"),
        ("x" * 500 + ".mp4", "x" * 120),
        (".mp4", "mp4"),
        ("", "upload"),
    ],
)
def test_a_recording_keeps_the_name_its_owner_gave_it(tmp_path, given, shown):
    found = receive(Endless(1000), tmp_path, name=given)
    assert name_of(found) == shown
    assert all(path.parent == tmp_path for path in kept(tmp_path))
    os.utime(found, (0, 0))
    os.utime(found.with_name(f"{found.stem}.name"), (0, 0)) if given else None
    clean(tmp_path, 3600)
    assert kept(tmp_path) == []


def test_the_oldest_go_when_all_take_too_much(tmp_path):
    one, two, three = (receive(Endless(1000), tmp_path) for _ in range(3))
    for age, path in enumerate((two, three, one)):
        os.utime(path, (1e9 + age, 1e9 + age))
    assert clean(tmp_path, 1e10, most=2000) == 1
    assert kept(tmp_path) == sorted([one, three])
    assert clean(tmp_path, 1e10, most=2000) == 0
    assert clean(tmp_path, 1e10, most=0) == 2
