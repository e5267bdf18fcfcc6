"""Tasks in a process of their own, with limits of time and memory.

Recordings come from strangers, and decoders are written in C: one that hangs, eats the memory or
crashes costs its own process alone. Everything that crosses over is JSON: a child that a recording
has taken over can send nothing that would run here.
"""

from grounding.isolated.calling import Worker, call

__all__ = ["Worker", "call"]
