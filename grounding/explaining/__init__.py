"""What a trained model saw for one query: the numbers (`explain`) and their picture (`draw`)."""

from grounding.explaining.drawing import draw
from grounding.explaining.seeing import Seen, explain

__all__ = ["Seen", "draw", "explain"]
