"""The errors of the program, cut by what the caller does next.

::

    CollectorError                 one clear line for the operator, exit code 1
    ├── ConfigurationError         wrong usage or settings, every problem listed at once: exit code 2
    ├── MigrationsPendingError     the schema is older than the program: exit code 3
    ├── DatabaseUnavailableError   nothing can be read or written now; try again later: exit code 4
    │   └── EmbeddedError          the private server could not be started
    ├── DataRefusedError           the database cannot take what it was given; the same will fail again
    │   └── DuplicateError         another row has its key
    ├── MomentError                a time that cannot be read
    ├── MigrationError             an applied migration was changed or lost: a human must look
    ├── RegistryError              a profile cannot be added, found or changed as asked
    ├── PinError                   a pin cannot be queued, found or changed as asked
    │   └── PinConflictError       it is not, or not any more, in the state in which it could be
    ├── BadLinesError              a table has lines that cannot be taken, every one listed
    ├── KeyDecryptionError         none of the encryption keys opens a stored profile key
    └── AyrshareError              a call failed; its ``failure`` says what becomes of the profile
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from collector.models.outcome import Failure
from collector.models.pin import PinProblem


class CollectorError(Exception):
    """Root of all errors that the program raises on purpose; the message is written for the operator."""

    exit_code: ClassVar[int] = 1


class ConfigurationError(CollectorError):
    """Wrong usage or settings; ``problems`` holds every one of them."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class MigrationsPendingError(CollectorError):
    """The database's schema is older than this program."""

    exit_code = 3


class DatabaseUnavailableError(CollectorError):
    """The database cannot be reached, or refuses connections."""

    exit_code = 4


class EmbeddedError(DatabaseUnavailableError):
    """The embedded PostgreSQL could not be started; the message says what to do."""


class DataRefusedError(CollectorError):
    """The database, or its driver, cannot take what it was given; the message is the database's own.

    ``hint`` is its advice, which is for those who write SQL.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} HINT: {hint}" if hint else message)
        self.message = message


class DuplicateError(DataRefusedError):
    """A row of this key is there already."""


class MomentError(CollectorError):
    """A time cannot be read. ``wrong`` says why, to follow its name; ``remedy`` is for whoever wrote it as text."""

    def __init__(self, wrong: str, remedy: str = "") -> None:
        super().__init__(f"{wrong}; {remedy}" if remedy else wrong)
        self.wrong = wrong


class MigrationError(CollectorError):
    """The migrations on disk and those applied contradict each other."""


class RegistryError(CollectorError):
    """A profile cannot be added, found or changed as asked; nothing was changed.

    ``fields`` are the reasons by what is wrong, where that is known.
    """

    def __init__(self, message: str, *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = fields or {}


class PinError(CollectorError):
    """A pin cannot be queued, found or changed as asked; nothing was changed.

    ``problems`` are what is wrong with what was asked, where that is known.
    """

    def __init__(self, message: str, *, problems: Iterable[PinProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class PinConflictError(PinError):
    """A pin is not in the state in which it could be changed as asked, or not as its reader saw it."""


class BadLinesError(CollectorError):
    """A table cannot be imported; ``lines`` are (line number, reason), the header being line 1."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        super().__init__("\n".join(f"line {number}: {reason}" for number, reason in lines))
        self.lines = lines


class KeyDecryptionError(CollectorError):
    """None of the encryption keys opens a stored profile key."""


class AyrshareError(CollectorError):
    """A call to Ayrshare failed.

    ``failure`` decides what becomes of the profile; ``http_status`` and ``code`` are those of the answer, when there
    was one, and ``from_ayrshare`` tells that its shape or its code is Ayrshare's own: else it may be a gateway's.
    ``retry_after_seconds`` is what it asked for; ``excerpt`` is its beginning, where it could not be read or may be a
    gateway's. ``unsent`` is certain: Ayrshare never saw the call. ``retry_available`` are Ayrshare's words: it may be
    sent again.
    """

    def __init__(
        self,
        failure: Failure,
        message: str,
        *,
        http_status: int | None = None,
        code: int | None = None,
        retry_after_seconds: float | None = None,
        excerpt: str | None = None,
        unsent: bool = False,
        retry_available: bool = False,
        from_ayrshare: bool = False,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.http_status = http_status
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        self.excerpt = excerpt
        self.unsent = unsent
        self.retry_available = retry_available
        self.from_ayrshare = from_ayrshare
