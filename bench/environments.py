"""Virtual environments of benchmarks, made from the package registry when missing or when their versions changed."""

import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).parent / ".environments"


def python_of(requirements: Path, *options: str) -> Path:
    """Return the interpreter of the environment with what a file requires; ``options`` are pip's."""
    wanted = requirements.read_text()
    folder = _FOLDER / requirements.stem
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {requirements.stem} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *options, "-r", requirements],
            check=True,
        )
        stamp.write_text(wanted)
    return python
