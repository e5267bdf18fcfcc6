"""Recordings: decoding with true times, typed errors."""

# what counts as a recording when a folder is searched; any file can be named directly
RECORDINGS = (
    ".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".ts", ".mpg", ".mpeg", ".wmv", ".flv"
)  # fmt: skip
