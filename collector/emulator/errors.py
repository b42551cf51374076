"""Defines Ayrshare's refusals and the five shapes of their bodies. Not for the emulator's own errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

Json = dict[str, Any]
Shape = Literal["flat", "network", "history", "errors", "posts"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One error as Ayrshare reports it; `extra` holds `resolution`, `retryAvailable` and the like."""

    http_status: int
    code: int
    message: str
    action: str = "request"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> Json:
        return {"action": self.action, "status": "error", "code": self.code, "message": self.message, **self.extra}

    def shaped(self, shape: Shape) -> Json:
        match shape:
            case "flat":
                return self.body()
            case "network":
                return {"pinterest": self.body(), "status": "error"}
            case "history":
                return {"history": self.body(), "count": 0}
            case "errors":
                return {"status": "error", "errors": [self.body()], "postIds": []}
            case "posts":
                return {"status": "error", "posts": [self.shaped("errors")]}
            case _:
                assert_never(shape)


class RefusalError(Exception):
    """A call that ends with an error answer."""

    def __init__(self, http_status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(http_status, body)
        self.http_status = http_status
        self.body = body
        self.headers = dict(headers or {})


def refuse(problem: Problem, shape: Shape = "flat", headers: Mapping[str, str] | None = None) -> RefusalError:
    return RefusalError(problem.http_status, problem.shaped(shape), headers)


# The codes of these four are not documented; only the HTTP status and the message are.
UNAUTHORIZED = Problem(401, 102, "API Key not valid. Please check your API Key in the dashboard.", "authorization")
KEY_UNKNOWN = Problem(403, 144, "The Profile Key is invalid. Please check the Profile Key.", "authorization")
KEY_EMPTY = Problem(400, 144, "The Profile Key is invalid. Please check the Profile Key.", "authorization")
SUSPENDED = Problem(403, 276, "The profile is suspended. Please contact support.", "authorization")
RATE_LIMITED = Problem(429, 429, "Rate limit exceeded. Please wait before making further requests.", "rate limit")

QUOTA_USED_UP = Problem(429, 106, "Monthly quota of posts reached. Please upgrade, or wait for the next month.", "post")

NOT_LINKED = Problem(
    400,
    156,
    "Pinterest is not linked. Please confirm the linkage on the Social Accounts page in the dashboard.",
    "get",
)
TITLE_IN_USE = Problem(400, 146, "The profile title is already in use. Please choose another title.", "create")
PIN_UNKNOWN = Problem(404, 186, "Post ID not found. Please verify the Post ID.", "get")
DELETE_UNKNOWN = Problem(404, 114, "Delete id not found. Please verify the Post ID.", "delete")
PIN_NOT_OUT = Problem(200, 187, "Analytics are not available for this post.", "get")


def parameters(message: str, action: str = "request") -> Problem:
    return Problem(400, 101, f"Missing or incorrect parameters. {message}", action)


def relink(code: int) -> Problem:
    resolution = {"relink": True, "platform": "pinterest"}
    return Problem(400, code, "Pinterest authorization error. Please relink.", "get", {"resolution": resolution})
