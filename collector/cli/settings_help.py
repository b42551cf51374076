"""The settings as text: for ``collector run --help`` and for ``docs/configuration.md``."""

from collector.config import Role, Settings
from collector.setting_file import PREFIX
from collector.setting_kind import Duration, ListOf, as_duration, kind_of

_HEAD = f"""# Configuration

<!-- Generated from the settings by `collector run --help-markdown`; a test keeps it so. Do not edit. -->

Settings are read from the environment, from a file `.env` in the working directory, and from a folder of secrets that
`{PREFIX}SECRETS_DIR` names (one file a setting, named like the variable in lower case, for example
`{PREFIX.lower()}ayrshare_api_key`). The environment wins over `.env`, and `.env` over the folder. Durations take `30s`,
`15m`, `6h`, `1d` or a number of seconds. All problems are reported at once, with exit code 2, and without the values of
secrets.

| variable | default | meaning |
|---|---|---|
"""


def settings() -> list[tuple[str, str, str]]:
    """Return every setting as (variable, default as one would write it, description)."""
    rows = [(f"{PREFIX}{name.upper()}", _default(name), _meaning(name)) for name in Settings.model_fields]
    return [*rows, (f"{PREFIX}SECRETS_DIR", "", "Folder with a file a setting, for example of mounted secrets.")]


def markdown() -> str:
    """Return ``docs/configuration.md``."""
    rows = (f"| `{name}` | {f'`{default}`' if default else ''} | {text} |\n" for name, default, text in settings())
    return _HEAD + "".join(rows)


def _meaning(name: str) -> str:
    field = Settings.model_fields[name]
    kind = kind_of(field.metadata)
    if kind is None:
        return field.description or ""
    return f"{field.description} It is {kind}."


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    value, kind = field.default, kind_of(field.metadata)
    if name == "roles":
        return ",".join(Role)
    if isinstance(kind, Duration):
        return as_duration(value)
    if isinstance(kind, ListOf) and isinstance(kind.each, Duration):
        return ",".join(map(as_duration, value))
    if isinstance(value, bool):
        return str(value).lower()
    if value in (None, (), frozenset()):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
