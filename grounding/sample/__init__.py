"""The embedded sample corpus: videos with known moments, rendered on the spot."""

from grounding.sample.folder import render_sample

__all__ = ["render_sample"]
