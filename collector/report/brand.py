"""Reads how reports look, and what they say beside the numbers, from a TOML file: of the agency, and of each client."""

import re
import tomllib
from base64 import b64encode
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from collector.errors import ConfigurationError
from collector.report.language import Locale
from collector.wrong_place import wrong_places

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
# Of WCAG, for large text and for lines.
_LEAST_CONTRAST = 3.0
_LARGEST_FILE: Final = 1_000_000
_LARGEST_LOGO: Final = 300_000
_KINDS: Final = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))
_DEFAULT_ACCENT: Final = "#1f5c5a"


def _colour(text: str) -> str:
    if not _COLOUR.fullmatch(text):
        raise ValueError("is no colour; write one like #1f5c5a")
    if _contrast(text) < _LEAST_CONTRAST:
        raise ValueError(f"{text} is too pale to be read on white")
    return text


def _contrast(colour: str) -> float:
    """Return the contrast of a colour with white, as WCAG 2 defines it."""
    red, green, blue = (_linear(int(colour[place : place + 2], 16) / 255) for place in (1, 3, 5))
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 -- of sRGB


Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Looks(BaseModel):
    """What the agency or a client may choose; ``logo`` is a file beside the TOML file.

    Without ``pictures = false``, best pins are shown with theirs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, Field(min_length=1, max_length=120)] | None = None
    introduction: Text | None = None
    closing: Text | None = None
    accent: Annotated[str, AfterValidator(_colour)] | None = None
    locale: Locale | None = None
    logo: str | None = None
    pictures: bool | None = None


class Brand(Looks):
    """The file: what holds for all clients, and under ``client`` what some have of their own."""

    agency: Annotated[str, Field(min_length=1, max_length=120)] | None = None
    client: dict[str, Looks] = {}

    def of(self, client: str) -> "Brand":
        """Return what holds for a client."""
        own = self.client.get(client, Looks()).model_dump(exclude_none=True)
        return self.model_copy(update={**own, "client": {}})

    @property
    def colour(self) -> str:
        return self.accent or _DEFAULT_ACCENT


def load_brand(path: Path | None) -> Brand:
    """Read the file; without one nothing is chosen. Logos come as addresses that hold them.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    if path is None:
        return Brand()
    try:
        brand = Brand.model_validate(tomllib.loads(_text(path)))
    except OSError as error:
        raise ConfigurationError([f"COLLECTOR_REPORT_FILE: {path} cannot be read: {error.strerror}"]) from None
    except ValidationError as error:
        wrong = [f"{path}: {'.'.join(map(str, place))}: {why}" for place, why in wrong_places(error)]
        raise ConfigurationError(wrong) from None
    except RecursionError:
        raise ConfigurationError([f"{path}: it is nested too deeply"]) from None
    except ValueError as error:
        raise ConfigurationError([f"{path}: {error}"]) from None
    return _with_logos(brand, path)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"it is larger than {_LARGEST_FILE // 1_000_000} MB")
    return content.decode()


def _with_logos(brand: Brand, path: Path) -> Brand:
    problems: list[str] = []

    def read(name: str | None, place: str) -> dict[str, Any]:
        try:
            return {} if name is None else {"logo": _address(path.parent / name)}
        except OSError as error:
            problems.append(f"{path}: {place}: {name} cannot be read: {error.strerror}")
        except ValueError as error:
            problems.append(f"{path}: {place}: {name} {error}")
        return {}

    clients = {
        name: looks.model_copy(update=read(looks.logo, f"client.{name}.logo")) for name, looks in brand.client.items()
    }
    found = brand.model_copy(update={"client": clients, **read(brand.logo, "logo")})
    if problems:
        raise ConfigurationError(problems)
    return found


def _address(path: Path) -> str:
    """Return a picture as an address that holds it, so that nothing is asked for."""
    with path.open("rb") as file:
        content = file.read(_LARGEST_LOGO + 1)
    if len(content) > _LARGEST_LOGO:
        raise ValueError(f"is larger than {_LARGEST_LOGO // 1000} kB")
    kind = next((kind for start, kind in _KINDS if content.startswith(start)), None)
    if kind is None and b"<svg" in content[:1000]:
        kind = "svg+xml"
    if kind is None:
        raise ValueError("is neither PNG, JPEG nor SVG")
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
