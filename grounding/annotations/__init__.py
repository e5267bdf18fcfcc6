"""Annotation and prediction files -> our types, and back."""

from grounding.annotations.jsonl import (
    read_predictions,
    read_samples,
    write_predictions,
    write_samples,
)

__all__ = ["read_predictions", "read_samples", "write_predictions", "write_samples"]
