"""Tasks that misbehave, for the tests of `grounding.isolated` alone."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from grounding.errors import AnnotationError, RecipeMismatch, UnreadableMedia


def echo(value):
    return lambda progress: value


def noisy():
    """Prints where the messages would go."""
    print("not a message")
    os.write(1, b'{"result": "forged"}\n')
    return lambda progress: os.write(1, b"\x00\xff") and "true"


def count(steps, pause):
    def work(progress):
        for step in range(steps):
            progress(step, steps, f"step {step}")
            time.sleep(pause)
        return steps

    return work


def hang():
    return lambda progress: time.sleep(600)


def spin():
    def work(progress):
        while True:
            pass

    return work


def chatter():
    def work(progress):
        while True:
            progress(1, 1, "x")

    return work


def eat():
    """Two gigabytes, touched."""
    ready = bytearray(300 << 20)  # what a model takes beforehand does not count

    def work(progress):
        held = [bytearray(b"x" * (32 << 20)) for _ in range(64)]
        return len(held) + len(ready)

    return work


def write(path):
    def work(progress):
        Path(path).write_bytes(bytes(4 << 20))

    return work


def crash():
    return lambda progress: ctypes.string_at(0)


def bug():
    return lambda progress: {}["a secret"]


def refuse(kind):
    raised = {
        "media": UnreadableMedia("a b.mp4", "is\nno video"),
        "recipe": RecipeMismatch("another recipe"),
        "annotation": AnnotationError("line 3\nis wrong"),
        "disk": OSError(28, "No space left on device", "out.mp4"),
    }[kind]

    def work(progress):
        raise raised

    return work


def leave(code):
    return lambda progress: os._exit(code)


def shout(size):
    return lambda progress: "x" * size


def breed(note):
    """A child that outlives everybody who does not kill it."""
    program = f"import os,time; open({note!r}, 'w').write(str(os.getpid())); time.sleep(600)"

    def work(progress):
        subprocess.Popen([sys.executable, "-c", program])
        while not (Path(note).exists() and Path(note).read_text()):
            time.sleep(0.01)
        progress(1, 1, str(os.getpid()))
        time.sleep(600)

    return work


def remember(note):
    """Gets ready with a note of it, and keeps what it is told."""
    with Path(note).open("a") as file:
        file.write("x")
    words = []

    def work(progress, word):
        if not word:
            raise UnreadableMedia("a.mp4", "no video")
        words.append(word)
        return {"words": "".join(words)}

    return work


def slow():
    def work(progress, seconds, talks=False):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.05)
            if talks:
                progress(0, 1, "still here")
        return "done"

    return work


def suicide():
    return lambda progress: os.kill(os.getpid(), signal.SIGKILL)


def unfit():
    raise RecipeMismatch("no such model")


TASKS = {
    task.__name__: task
    for task in (
        echo, noisy, count, hang, spin, chatter, eat, write, crash, bug, refuse, leave, shout,
        breed, remember, slow, suicide, unfit
    )
}  # fmt: skip
