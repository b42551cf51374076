"""Sets the passwords of the roles that the migrations make: what the daemon works with, and what Grafana reads with."""

import base64
import hashlib
import hmac
import secrets

import asyncpg
import structlog
from pydantic import SecretStr

DAEMON = "collector_daemon"
GRAFANA = "grafana_reader"

_ITERATIONS = 4096  # PostgreSQL's own number
_SALT_BYTES = 16
_EXISTS = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"

log = structlog.get_logger(__name__)


async def set_password(connection: asyncpg.Connection, role: str, password: SecretStr) -> bool:
    """Set the password and return whether that was possible; an administrator has to where it was not."""
    if not await connection.fetchval(_EXISTS, role):
        log.warning("there is no such role; docs/deploy.md says how to make it", role=role)
        return False
    try:
        verifier = scram_verifier(password, secrets.token_bytes(_SALT_BYTES))
        await connection.execute(f"ALTER ROLE {role} PASSWORD '{verifier}'")
    except asyncpg.InsufficientPrivilegeError:
        log.warning("the password was not set: this user may not; an administrator has to", role=role)
        return False
    return True


def scram_verifier(password: SecretStr, salt: bytes) -> str:
    """Return what PostgreSQL stores of a password (RFC 5802), so that the server and its log never see the password."""
    salted = hashlib.pbkdf2_hmac("sha256", password.get_secret_value().encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
