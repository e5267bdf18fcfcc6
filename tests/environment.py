"""Check environment.yml offline: every conda line parses and everything pip needs is named in
pyproject.toml.

python -m tests.environment environment.yml pyproject.toml
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import yaml
from rattler import MatchSpec

REQUIRED = {"torch", "decord", "open-clip-torch", "einops", "streamlit", "pytest"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9_.-]+", name)[0]).lower()


def problems(environment: Path, project: Path) -> list[str]:
    """What is wrong with the two files, in words."""
    lines = yaml.safe_load(environment.read_text())["dependencies"]
    pip = next(line["pip"] for line in lines if isinstance(line, dict))
    found = []
    for line in lines:
        if isinstance(line, str):
            try:
                MatchSpec(line)
            except Exception as error:
                found.append(f"conda cannot read {line!r}: {error}")
    declared = {normal(d) for d in tomllib.loads(project.read_text())["project"]["dependencies"]}
    named = {normal(line) for line in pip if not line.startswith("-")}
    found += [f"{name} is not in {environment}" for name in sorted(REQUIRED - named)]
    found += [
        f"{name} is in {environment} but not in {project}" for name in sorted(named - declared)
    ]
    if not any(line.startswith("-e .") for line in pip):
        found.append(f"{environment} does not install the project")
    return found


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(wrong) or "environment.yml names what pyproject.toml names")
    sys.exit(bool(wrong))
