"""Cursors: where the next page of a list begins, opaque to those who pass them back. Pure."""

import base64
import binascii

import msgspec

from collector.api.problem import FieldProblem, invalid


class _Place(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    order: str
    after: list[str]


def cursor(order: str, after: list[str] | None) -> str | None:
    """Return what asks for the page after the last row of this one; None when there is none."""
    if after is None:
        return None
    return base64.urlsafe_b64encode(msgspec.json.encode(_Place(order, after))).decode().rstrip("=")


def place(text: str | None, order: str) -> list[str] | None:
    """Return what a page begins after.

    Raises:
        ProblemError: the cursor is of a list in another order, or none of ours.

    """
    if text is None:
        return None
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Place)
    except (ValueError, binascii.Error):
        found = None
    if found is None or found.order != order:
        raise invalid([FieldProblem("cursor", "cursor: take the one that the page before gave, with the same order")])
    return found.after
