"""Answers that cannot be read, and good ones of `POST /analytics/social` with something in them that cannot be true.

No I/O.
"""

import msgspec

from collector.emulator.faults import Fault

UNTRUE = frozenset({"no_days", "no_numbers", "frozen_stamp", "bloated"})


def bad_answer(fault: Fault, good: bytes) -> bytes:
    """Make of a good answer what the fault wants; one that failed already stays as it is."""
    match fault.fault:
        case "truncated":
            return good[: len(good) // 2]
        case "wrong_json":
            return b'{"data":[1,"two",null],"status":"success"}'
    answer = msgspec.json.decode(good)
    block = answer.get("pinterest", {})
    if "analytics" not in block:
        return good
    match fault.fault:
        case "no_days":
            block["analytics"]["daily"] = []
        case "no_numbers":
            for day in block["analytics"]["daily"]:
                day.update(dataStatus="BEFORE_BUSINESS_CREATED", metrics={})
        case "frozen_stamp":
            block["lastUpdated"] = fault.stamp
        case "bloated":
            block["analytics"]["daily"] += [0] * ((fault.size_bytes - len(good)) // len(b"0,"))
    return msgspec.json.encode(answer)
