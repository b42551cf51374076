"""Fetches what others wrote for browsers into the console, by npm, with its licence and version beside it.

``python -m tools.vendor`` after a version was changed here; the files are committed, so that nothing else needs npm.
"""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tools.preview import ROOT

TARGET = ROOT / "collector/console/static/vendor"
# Package, version, and for each file the name that it gets.
_WANTED = (("htmx.org", "2.0.11", {"package/dist/htmx.min.js": "htmx.min.js", "package/LICENSE": "htmx.LICENSE.txt"}),)


def main() -> None:
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    lines = []
    for package, version, files in _WANTED:
        with tempfile.TemporaryDirectory() as folder:
            command = ("npm", "pack", "--silent", "--pack-destination", folder, f"{package}@{version}")
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            [archive] = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as packed:
                for name, target in files.items():
                    content = packed.extractfile(name)
                    if content is None:
                        raise SystemExit(f"{package} {version} has no {name}")
                    (TARGET / target).write_bytes(content.read())
        lines.append(f"{package} {version}\n")
        print(f"{package} {version}")
    (TARGET / "VERSIONS.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
