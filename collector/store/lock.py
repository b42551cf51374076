"""Lets one process at a time do what two would undo or collide in. Held until the end of the transaction.

The locks are rows of a table that only the owner of the schema may touch: anybody who can log in may take an advisory
lock, and keep it.
"""

from enum import StrEnum

import asyncpg

from collector.telemetry import announced_wait

_LOCK = "SELECT FROM writer_lock WHERE name = $1 FOR UPDATE"


class Lock(StrEnum):
    REGISTRY = "registry"
    FLEET_DROP = "fleet_drop"


async def take(lock: Lock, connection: asyncpg.Connection) -> None:
    """Wait for a lock, in a transaction, and say so if that takes long."""
    with announced_wait(f"it gives back the lock {lock}", pid=connection.get_server_pid()):
        await connection.execute(_LOCK, lock)
