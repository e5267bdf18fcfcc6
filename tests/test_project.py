"""Promises about the project itself."""

import subprocess
import sys
from pathlib import Path

from tests.environment import problems

ROOT = Path(__file__).parent.parent


def test_environment_names_what_the_project_names():
    assert problems(ROOT / "environment.yml", ROOT / "pyproject.toml") == []


def test_environment_check_finds_a_missing_package(tmp_path):
    text = (ROOT / "environment.yml").read_text()
    (tmp_path / "e.yml").write_text(text.replace("      - decord\n", ""))
    assert problems(tmp_path / "e.yml", ROOT / "pyproject.toml") == [
        f"decord is not in {tmp_path / 'e.yml'}"
    ]


def test_constraints_carry_versions_and_no_addresses():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert all("==" in pin and "://" not in pin and "@" not in pin for pin in pins)


def test_no_file_names_a_machine_or_a_registry():
    words = ["/work" + "/", "pypi" + ".org", "python" + "hosted"]
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in listed:
        data = (ROOT / name).read_bytes()
        assert not [w for w in words if w.encode() in data], name


def test_light_command_module_imports_no_torch():
    code = "import sys, apps.cli, grounding.report, grounding.sample, grounding.media.video; "
    code += "import grounding.annotations; "
    code += "sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_importing_grounding_says_when_another_models_shadows_ours(tmp_path):
    (tmp_path / "models.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import grounding"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert str(tmp_path / "models.py") in done.stderr.splitlines()[-1]


def test_help_imports_nothing_heavy():
    code = "import sys; from apps.cli import main; main(['--help']); "
    code += "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'av', 'jsonargparse')))"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
    )
