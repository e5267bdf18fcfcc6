"""Ask: a recording, sentences and a model -> moments on the timeline, and files to take away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import streamlit as st

from apps.explorer import address, components
from apps.explorer.jobs import Job
from apps.explorer.place import the_place
from apps.explorer.player import examine, source, wait
from apps.explorer.text import plain, seconds
from grounding import isolated, uploads
from grounding.annotations.jsonl import prediction_from_row
from grounding.catalog import Catalog
from grounding.errors import BadInput, UnreadableMedia
from grounding.export import FORMATS, SUFFIXES, frame_rate, is_absent
from grounding.types import Prediction, Query, Sample
from grounding.views import timeline

ZERO_SHOT = "zero-shot"
MOST_SENTENCES = 20
LONGEST_SENTENCE = 500  # characters
LIMIT = 1800.0  # seconds that an answer may take
TOP = 5
SUGGESTIONS = 3
WORKSPACE, UPLOAD = "From the workspace", "Upload"
MIME = {"jsonl": "application/jsonl", "csv": "text/csv", "vtt": "text/vtt"}
MIME |= dict.fromkeys(("fiftyone", "label-studio"), "application/json")
NAMES = {"fiftyone": "FiftyOne", "label-studio": "Label Studio"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, as the address of the page has it.

    Attributes:
        recording: id of a recording of the workspace, or the name of an upload.
        model: id of a run, or "zero-shot:ENCODER".
        sentences: what to look for.
    """

    recording: str
    model: str
    sentences: tuple[str, ...]


def page() -> None:
    """Form on the left, answer on the right."""
    catalog = the_place().workspace.catalog()
    if address.has_led_here() or "asked" not in st.session_state:
        st.session_state["asked"] = _from_address()
        st.session_state["arrivals"] = st.session_state.get("arrivals", 0) + 1
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _form(catalog)
    with right:
        asked: Asked | None = st.session_state["asked"]
        if asked is None:
            st.info(
                "Choose a recording and a model, write what to look for, and the moments "
                "appear here, on a timeline under the recording."
            )
            return
        address.write(
            {"recording": asked.recording, "model": asked.model, "q": list(asked.sentences)}
        )
        try:
            _show(catalog, asked)
        except BadInput as error:
            st.error(plain(the_place().workspace.shown(str(error))))


def _from_address() -> Asked | None:
    """The question that the address holds: a permalink opens with its answer."""
    params = st.query_params
    sentences = tuple(s.strip() for s in params.get_all("q") if s.strip())
    if "recording" not in params or "model" not in params:
        return None
    if _problem(params["recording"], params["model"], sentences):
        return None
    return Asked(params["recording"], params["model"], sentences)


def _form(catalog: Catalog) -> None:
    before: Asked | None = st.session_state["asked"]
    recording = _recording(catalog, before)
    model = _model(catalog, before)
    text = st.text_area(
        "What to look for, one sentence a line",
        value="\n".join(before.sentences) if before else "",
        placeholder="a red circle bounces",
        max_chars=MOST_SENTENCES * LONGEST_SENTENCE,
        key=_key("sentences"),
    )
    pressed = st.button("Ask", type="primary", width="stretch")
    if not text and recording is not None:
        _suggest(catalog, recording)
    if not pressed:
        return
    sentences = tuple(line.strip() for line in (text or "").splitlines() if line.strip())
    problem = _problem(recording, model, sentences)
    if problem:
        st.error(plain(problem))
        return
    assert recording is not None and model is not None
    st.session_state["asked"] = Asked(recording, model, sentences)
    st.session_state["afresh"] = True


def _suggest(catalog: Catalog, recording: str) -> None:
    """Sentences that the workspace's own queries ask of the recording, to begin with."""
    path = catalog.recordings().get(recording)
    if path is None:
        return
    known = [q for q in catalog.questions if q.dataset in path.parents]
    asked = (s.query.text for q in known for s in catalog.samples(q) if s.vid == path.stem)
    sentences = list(islice(dict.fromkeys(asked), SUGGESTIONS))
    if not sentences:
        return

    def take(sentence: str) -> None:
        st.session_state[_key("sentences")] = sentence

    st.caption("Or begin with what the dataset asks of it:")
    for at, sentence in enumerate(sentences):
        st.button(
            plain(sentence),
            key=f"suggestion-{at}",
            on_click=take,
            args=(sentence,),
            width="stretch",
        )


def _key(name: str) -> str:
    """A widget's key: Back, Forward and links fill in the form anew."""
    return f"{name}-{st.session_state['arrivals']}"


def _problem(recording: str | None, model: str | None, sentences: tuple[str, ...]) -> str | None:
    if recording is None:
        return "There is no recording to look into; choose or upload one."
    if model is None:
        return "There is no model to ask; train one, or take zero-shot with an encoder."
    if not sentences:
        return "There is nothing to look for; write a sentence."
    if len(sentences) > MOST_SENTENCES:
        return f"{len(sentences)} sentences are too many at once; ask {MOST_SENTENCES} at most."
    long = max(map(len, sentences))
    if long > LONGEST_SENTENCE:
        return f"A sentence has {long} letters; {LONGEST_SENTENCE} is the most."
    return None


def _recording(catalog: Catalog, before: Asked | None) -> str | None:
    """Id of what to look into, or the name an upload got from us."""
    files = catalog.recordings()
    uploaded = before is not None and before.recording not in files
    start = UPLOAD if uploaded or not files else WORKSPACE
    where = st.segmented_control(
        "Recording", (WORKSPACE, UPLOAD), default=start, key=_key("where"), required=True
    )
    if where == WORKSPACE:
        if not files:
            st.info("The workspace holds no recording; upload one.")
            return None
        names = list(files)
        at = names.index(before.recording) if before and before.recording in files else 0
        return st.selectbox("Recording of the workspace", names, index=at, key=_key("recording"))
    return _upload() or (before.recording if before and uploaded else None)


def _upload() -> str | None:
    """Take a visitor's file under a name of ours and look at it in a process of its own."""
    place = the_place()
    file = st.file_uploader(
        f"A video of up to {place.upload_limit} MB",
        key="upload",
        max_upload_size=place.upload_limit,
    )
    if file is None:
        return None
    taken = st.session_state.setdefault("uploads", {})
    if file.file_id not in taken:
        try:
            limit = place.upload_limit << 20
            store = place.workspace.store / "uploads"
            room = max((place.store_limit << 20) - file.size, 0)
            uploads.clean(store, uploads.KEPT, room)
            path = uploads.receive(file, store, limit=limit, name=file.name)
            try:
                with st.spinner("looking at the recording"):
                    examine(path)
            except BadInput:
                path.unlink(missing_ok=True)
                raise
        except UnreadableMedia as error:  # its path is ours and says nothing to the visitor
            taken[file.file_id] = BadInput(f"the file cannot be read: {error.reason}")
        except BadInput as error:
            taken[file.file_id] = error
        else:
            taken[file.file_id] = path.stem
    found = taken[file.file_id]
    if isinstance(found, BadInput):
        st.error(plain(str(found)))
        return None
    return str(found)


def _model(catalog: Catalog, before: Asked | None) -> str | None:
    """Id of a run, or zero-shot with the name of an encoder."""
    ids = [*(m.id for m in catalog.models), ZERO_SHOT]
    old = before.model.partition(":") if before else ("", "", "")
    at = ids.index(old[0]) if old[0] in ids else 0
    if before and before.model in ids:
        at = ids.index(before.model)
    model = st.selectbox(
        "Model", ids, index=at, key=_key("model"), help="a run, or an encoder as it is"
    )
    if model != ZERO_SHOT:
        return model
    encoder = st.text_input(
        "Encoder",
        value=old[2] if old[0] == ZERO_SHOT else "open_clip:ViT-B-32",
        help="its weights must be on this machine; see grounding weights list",
        key=_key("encoder"),
    )
    return f"{ZERO_SHOT}:{encoder.strip()}" if encoder.strip() else None


def _path(catalog: Catalog, recording: str) -> Path:
    """The file behind a recording's id or an upload's name.

    Raises:
        BadInput: there is none.
    """
    files = catalog.recordings()
    if recording in files:
        return files[recording]
    return uploads.find(recording, the_place().workspace.store / "uploads")


def _show(catalog: Catalog, asked: Asked) -> None:
    """The answer, or the progress towards it."""
    path = _path(catalog, asked.recording)
    is_ours = asked.recording in catalog.recordings()
    name = asked.recording if is_ours else uploads.name_of(path)
    job = _ask(catalog, asked, path, name)
    if not job.finished.is_set():
        wait(job, f"Looking into {name}")
        return
    if job.error is not None:
        if job.stop.is_set():
            st.info("Stopped. Press Ask to begin again.")
        else:
            st.error(plain(the_place().workspace.shown(job.error)))
            st.caption("Press Ask to try again.")
        return
    answer: dict[str, Any] = job.result
    predictions = [prediction_from_row(row) for row in answer["predictions"]]
    for note in answer["notes"]:
        st.warning(plain(note))
    playing = source(path)
    nothing = Sample(Query(asked.sentences[0], 0, asked.recording), answer["duration"])
    lanes = {f"{i}. {p.query.text}": p for i, p in enumerate(predictions, 1)}
    components.timeline(
        {
            **playing,
            "id": f"ask:{asked}:{playing['src']}",
            "title": "",
            "facts": f"{name} · {seconds(answer['duration'])}",
            "start": None,
            "steps": None,
            "timeline": timeline(nothing, lanes, has_truth=False),
        },
        key="answer",
    )
    _downloads(name, predictions, answer)
    st.dataframe(
        [
            {
                "sentence": p.query.text if rank == 1 else "",
                "start": seconds(m.start),
                "end": seconds(m.end),
                "score": round(m.score, 3),
                "": "probably not there" if is_absent(p) and rank == 1 else "",
            }
            for p in predictions
            for rank, m in enumerate(p.moments, 1)
        ],
        hide_index=True,
        width="stretch",
    )
    st.caption("The address of this page leads back to this answer.")


def _ask(catalog: Catalog, asked: Asked, path: Path, name: str) -> Job:
    """The job that answers; the same question about the same file is answered once."""
    place = the_place()
    kind, _, encoder = asked.model.partition(":")
    which: dict[str, str] = {}
    if kind == ZERO_SHOT:
        which["encoder"] = encoder
        changed = 0
    else:
        run = catalog.model(asked.model).path
        which["model"] = str(run)
        changed = (run / "model.safetensors").stat().st_mtime_ns
    arguments = {
        "media": str(path),
        "vid": name,
        "sentences": list(asked.sentences),
        "store": str(place.workspace.store / "features"),
        "top": TOP,
        **which,
    }

    def work(tell: Callable[[float, float, str], None], stop: threading.Event) -> Any:
        device, memory = place.limits()
        return isolated.call(
            "ask",
            {**arguments, "device": device},
            seconds=LIMIT,
            memory=memory,
            progress=tell,
            stop=stop,
        )

    key = ("ask", asked, path.stat().st_mtime_ns, changed)
    job = place.jobs.start(key, work)
    if st.session_state.pop("afresh", False) and job.error is not None:
        place.jobs.forget(key)
        job = place.jobs.start(key, work)
    return job


def _downloads(name: str, predictions: list[Prediction], answer: dict[str, Any]) -> None:
    rate = frame_rate(answer["rate"], answer["is_variable"])
    stem = Path(name).stem or "moments"
    with st.container(horizontal=True):
        for kind, write in FORMATS.items():
            called = NAMES.get(kind, kind.upper())
            st.download_button(
                called,
                write(predictions, rate),
                file_name=f"{stem}.{SUFFIXES.get(kind, kind)}",
                mime=MIME.get(kind, "text/plain"),
                key=f"download-{kind}",
                help=f"these moments as {called}",
                on_click="ignore",
            )


page()
