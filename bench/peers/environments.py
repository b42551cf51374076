"""The peers' own virtual environments, made from the package registry when missing or when their versions changed."""

import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_FOLDER = _HERE / ".environments"


def python_of(name: str) -> Path:
    """Return the interpreter of the environment of `NAME.txt`."""
    wanted = (_HERE / f"{name}.txt").read_text()
    folder = _FOLDER / name
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {name} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", _HERE / f"{name}.txt"],
            check=True,
        )
        stamp.write_text(wanted)
    return python
