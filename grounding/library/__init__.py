"""Many recordings: batch prediction that can be stopped and gone on with."""

from grounding.library.asking import Limits
from grounding.library.batch import BatchSummary, run_batch

__all__ = ["BatchSummary", "Limits", "run_batch"]
