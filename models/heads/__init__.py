"""Heads: each turns encoded clips and sentences into moments. Importing this package registers all
of them.
"""

from models.heads import frames, glance, soft_label
from models.heads.registry import HEADS, Head, register

__all__ = ["HEADS", "Head", "frames", "glance", "register", "soft_label"]
