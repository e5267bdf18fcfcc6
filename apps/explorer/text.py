"""Text from files and people, where Streamlit would read Markdown."""

from __future__ import annotations

import re

_MARKED = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")

# What Streamlit would still change after unescaping: bare addresses, icons by name, arrows, dashes.
_LATER = re.compile(
    r"https?\\:|www(?=\\\.)|@(?=\w)|\\:(?=material/|streamlit\\:)"
    r"|\\-(?=\\[->])|\\<(?=\\-|=)|\\[>~](?==)",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    r"""The text with everything escaped that Markdown, TeX or an emoji code would change.

    >>> plain("a *b* <i>")
    'a \\*b\\* \\<i\\>'
    """
    # an invisible space parts what would be read as one
    words = _MARKED.sub(r"\\\1", " ".join(text.split()))
    return _LATER.sub(lambda found: found[0] + "\u200b", words)


def seconds(value: float) -> str:
    """Seconds for people: 7.2 -> "7.20 s", 754 -> "12:34.00".

    >>> seconds(754.5)
    '12:34.50'
    """
    if value < 60:
        return f"{value:.2f} s"
    minutes, rest = divmod(value, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"
