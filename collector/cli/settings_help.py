"""The settings as text: for ``collector run --help`` and for ``docs/configuration.md``."""

from collector.config import PREFIX, Role, Settings

_DURATIONS = frozenset({"poll_interval", "request_timeout", "lease_time", "pin_lane_gap", "pin_spam_cooldown"})
_UNITS = ((3600, "h"), (60, "m"), (1, "s"))

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
    rows = [
        (f"{PREFIX}{name.upper()}", _default(name, field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return [*rows, (f"{PREFIX}SECRETS_DIR", "", "Folder with a file a setting, for example of mounted secrets.")]


def markdown() -> str:
    """Return ``docs/configuration.md``."""
    rows = (f"| `{name}` | {f'`{default}`' if default else ''} | {text} |\n" for name, default, text in settings())
    return _HEAD + "".join(rows)


def _default(name: str, value: object) -> str:
    if name == "roles":
        return ",".join(Role)
    if name in _DURATIONS and isinstance(value, float):
        return _duration(value)
    if name == "pin_reconcile_after" and isinstance(value, tuple):
        return ",".join(map(_duration, value))
    if isinstance(value, bool):
        return str(value).lower()
    if value in (None, (), frozenset()):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds / size:g}{unit}"
