"""What the browser shows at a time is what the original has on screen then, whatever the file."""

import json

import numpy as np
import pytest

from tests.apps.explorer.test_explore import SHADOW
from tests.media.recordings import read_number, render

pytestmark = pytest.mark.browser

SECONDS = 8.0
PIXELS = f"""async (time) => {{
  const v = {SHADOW % "video"};
  if (Math.abs(v.currentTime - time) > 1e-3) {{
    const there = new Promise((done) => v.addEventListener("seeked", done, {{once: true}}));
    v.currentTime = time;
    await there;
  }}
  await new Promise((done) => setTimeout(done, 150));
  const canvas = new OffscreenCanvas(v.videoWidth, v.videoHeight);
  const pen = canvas.getContext("2d");
  pen.drawImage(v, 0, 0);
  const all = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  return [canvas.height, canvas.width, Array.from(all)];
}}"""


@pytest.mark.parametrize(
    "name,codec", [("plain.mp4", "libx264"), ("old.avi", "mpeg4"), ("new.mkv", "libx265")]
)
def test_the_frame_on_screen_is_the_originals(visit, serve, tmp_path, name, codec):
    stem = name.partition(".")[0]
    media = tmp_path / "data" / "media" / name
    media.parent.mkdir(parents=True)
    recording = render(media, codec)
    (tmp_path / "data" / "annotations").mkdir()
    row = {"qid": 1, "vid": stem, "query": "the block", "duration": SECONDS}
    row["relevant_windows"] = [[2.0, 4.0]]
    (tmp_path / "data" / "annotations" / "test.jsonl").write_text(json.dumps(row) + "\n")
    page = visit(serve(tmp_path, tmp_path / "data").url)
    page.wait_for_function(f"() => {SHADOW % 'video'}?.readyState >= 2", timeout=90_000)
    # times inside frames: 40 ms each
    for time in (0.02, 2.5, 3.98, 6.1, 7.9):
        height, width, pixels = page.evaluate(PIXELS, time)
        shown = read_number(np.array(pixels, np.uint8).reshape(height, width, 4)[..., :3])
        assert shown == recording.shown([time])[0], time
    proxies = list((tmp_path / ".grounding").rglob("*.mp4"))
    assert len(proxies) == (name != "plain.mp4")
