"""Answers that cannot be read, and good ones of analytics with something in them that cannot be true.

No I/O.
"""

import msgspec

from collector.emulator.errors import Json
from collector.emulator.faults import Fault

UNTRUE = frozenset({"no_days", "no_numbers", "frozen_stamp", "bloated", "odd_numbers", "other_pin"})
_ODD_NUMBERS = {
    "impression": -1,
    "save": "12",
    "pinClick": -7,
    "outboundClick": 2**63 - 1,
    "saveRate": "many",
    "totalReactions": 1e305,
}


def bad_answer(fault: Fault, good: bytes) -> bytes:
    """Make of a good answer what the fault wants; one that failed already stays as it is."""
    match fault.fault:
        case "truncated":
            return good[: len(good) // 2]
        case "wrong_json":
            return b'{"data":[1,"two",null],"status":"success"}'
    answer = msgspec.json.decode(good)
    if "analytics" in answer.get("pinterest", {}):
        _make_untrue(answer["pinterest"], fault, len(good))
    return msgspec.json.encode(answer)


def _make_untrue(block: Json, fault: Fault, size_bytes: int) -> None:
    match fault.fault:
        case "no_days":
            block["analytics"]["daily"] = []
        case "no_numbers":
            for day in block["analytics"]["daily"]:
                day.update(dataStatus="BEFORE_BUSINESS_CREATED", metrics={})
        case "frozen_stamp":
            block["lastUpdated"] = fault.stamp
        case "odd_numbers":
            block["analytics"] = _ODD_NUMBERS
        case "other_pin":
            block["id"] = "1"
        case "bloated":
            block["analytics"]["daily"] += [0] * ((fault.size_bytes - size_bytes) // len(b"0,"))
