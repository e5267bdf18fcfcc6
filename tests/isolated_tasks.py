"""Tasks that misbehave, for the tests of `grounding.isolated` alone."""

import ctypes
import os
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


TASKS = {
    task.__name__: task
    for task in (
        echo, noisy, count, hang, spin, chatter, eat, write, crash, bug, refuse, leave, shout, breed
    )
}  # fmt: skip
