"""What a visitor or a file could try: none of it reads, writes or runs anything of ours."""

import http.client
import json
import socket

import pytest

from grounding.annotations import read_samples, write_samples
from tests.apps.explorer.test_explore import at_rest

HTML = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
MARKDOWN = "![p](http://127.0.0.1:9/pixel.png) [link](http://127.0.0.1:9/) :red[red] $x^2$"


def get(explorer, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", explorer.port, timeout=20)
    connection.request("GET", path, headers=headers)  # as it is: no client tidies the path
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_it_listens_on_this_machine_alone(explorer):
    others = {i[4][0] for i in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((address, explorer.port), timeout=2):
            pass


def test_another_sites_name_is_refused(explorer):
    assert get(explorer, "/", Host="evil.example")[0] == 400
    assert get(explorer, "/", Host=f"localhost:{explorer.port}")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/recordings/../../../etc/passwd",
        "/recordings/..%2f..%2f..%2fetc%2fpasswd",
        "/recordings/%2e%2e/%2e%2e/etc/passwd",
        "/recordings//etc/passwd",
        "/recordings/x%00y",
        "/recordings/unknown",
        "/app/static/../../pyproject.toml",
        "/media/../../pyproject.toml",
    ],
)
def test_no_path_leads_out(explorer, path):
    status, body = get(explorer, path)
    assert b"root:" not in body and b"[project]" not in body
    assert status >= 400 or b"<title>streamlit</title>" in body.lower()  # the page itself


@pytest.mark.browser
def test_a_claimed_10_gb_upload_is_refused_before_a_byte_is_read(explorer, visit):
    """The request of a real upload, sent again with another length."""
    page = visit(f"{explorer.url}/ask")
    sent = []
    page.on("request", lambda r: sent.append(r) if "upload_file" in r.url else None)
    page.get_by_text("Upload", exact=True).click()
    page.locator("input[type=file]").set_input_files(
        {"name": "a.mp4", "mimeType": "video/mp4", "buffer": b"no video"}
    )
    page.locator("[data-testid=stAlert]").filter(has_text="looks like").wait_for()
    put = next(r for r in sent if r.method == "PUT")
    headers = {k: v for k, v in put.all_headers().items() if not k.startswith(":")}
    headers |= {"content-length": str(10 << 30), "host": f"127.0.0.1:{explorer.port}"}
    path = put.url.partition(str(explorer.port))[2]
    with socket.create_connection(("127.0.0.1", explorer.port), timeout=20) as wire:
        lines = [f"PUT {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        wire.sendall("\r\n".join(lines).encode())
        assert wire.recv(4096).split()[1] == b"413"


@pytest.mark.browser
def test_text_of_files_stays_text(visit, serve, corpus, tmp_path):
    samples = read_samples(corpus / "annotations" / "test.jsonl")[:4]
    data = tmp_path / "data"
    rows = []
    for sample, text in zip(samples, (HTML, MARKDOWN, "plain", "plain"), strict=True):
        import dataclasses

        query = dataclasses.replace(sample.query, text=text)
        rows.append(dataclasses.replace(sample, query=query))
    write_samples(data / "annotations" / "test.jsonl", rows)
    (data / "media").mkdir()
    for vid in {s.vid for s in samples}:
        (data / "media" / f"{vid}.mp4").hardlink_to(corpus / "media" / f"{vid}.mp4")
    answers = tmp_path / f"{HTML[:12].replace('/', '')}.jsonl"
    answers.write_text(
        "".join(
            json.dumps(
                {
                    "qid": s.qid,
                    "vid": s.vid,
                    "query": s.query.text,
                    "pred_relevant_windows": [[1, 2, 0.5]],
                }
            )
            + "\n"
            for s in rows
        )
    )
    server = serve(tmp_path, data, answers)
    for sample, text in zip(rows[:2], (HTML, MARKDOWN), strict=True):
        page = visit(f"{server.url}/?q={sample.qid}")
        asked = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.reload()
        page.get_by_role("heading", name=text, exact=True).wait_for()
        at_rest(page)
        page.wait_for_timeout(500)
        assert page.evaluate("window.hacked") is None
        assert not [url for url in asked if ":9/" in url]
        assert page.locator("a[href*=':9/']").count() == 0


def test_a_dataset_that_links_outside_is_not_served(visit, serve, corpus, tmp_path):
    secret = tmp_path / "secret" / "clip.mp4"
    secret.parent.mkdir()
    sample = read_samples(corpus / "annotations" / "test.jsonl")[0]
    secret.write_bytes((corpus / "media" / f"{sample.vid}.mp4").read_bytes())
    data = tmp_path / "work" / "data"
    write_samples(data / "annotations" / "test.jsonl", [sample])
    (data / "media").mkdir()
    (data / "media" / f"{sample.vid}.mp4").symlink_to(secret)
    page = visit(serve(tmp_path / "work", data).url)
    page.get_by_text("outside").first.wait_for()
    assert page.locator("video[src]").count() == 0


def test_a_bug_shows_one_sentence_and_its_traceback_stays_here(visit, serve, corpus, tmp_path):
    """A workspace that is taken away while the server runs."""
    import shutil

    data = tmp_path / "data"
    shutil.copytree(corpus / "annotations", data / "annotations")
    (tmp_path / "work").mkdir()
    server = serve(tmp_path / "work", data)
    shutil.rmtree(data)
    page = visit(server.url)
    page.locator("[data-testid=stAlert], h1").first.wait_for()
    text = page.inner_text("body")
    assert "Traceback" not in text and 'File "' not in text
