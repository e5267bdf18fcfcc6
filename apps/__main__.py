"""`python -m apps` is the `grounding` command."""

from apps.cli import entry

if __name__ == "__main__":
    entry()
