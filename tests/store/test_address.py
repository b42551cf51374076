"""What the driver is told about TLS, and what a server that has none, or a strange certificate, is sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from collector.errors import DatabaseUnavailableError
from collector.store.address import tls
from collector.store.pool import connected, open_database
from tests.support.program import Program

# Resolves to this machine without being one of its names.
ELSEWHERE = "127.1"
SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"


class Server(msgspec.Struct):
    """Speaks as much of PostgreSQL's protocol as comes before the password, and keeps what it was sent."""

    port: int = 0
    requests: int = 0
    received: bytes = b""


@asynccontextmanager
async def server(certificate: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    seen = Server()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(8)
            if first != SSL_REQUEST:
                seen.received += first
                return
            seen.requests += 1
            writer.write(b"S" if certificate else b"N")
            if certificate:
                await writer.start_tls(certificate)
            seen.received += await reader.read(1000)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listener:
        seen.port = listener.sockets[0].getsockname()[1]
        yield seen


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a key and a certificate that only it vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ELSEWHERE)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("db.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


def context(path: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(path)
    return made


async def refused(dsn: str) -> str:
    with pytest.raises(DatabaseUnavailableError) as pooled:
        async with open_database(dsn):
            pass
    with pytest.raises(DatabaseUnavailableError) as single:
        async with connected(dsn):
            pass
    assert str(pooled.value) == str(single.value)
    return str(single.value)


async def test_a_server_without_tls_elsewhere_is_sent_nothing(tmp_path: Path) -> None:
    async with server() as seen:
        message = await refused(f"postgresql://user:hunter2@{ELSEWHERE}:{seen.port}/x")
        told = await Program(tmp_path, DATABASE_URL=f"postgresql://user:hunter2@{ELSEWHERE}:{seen.port}/x")("status")
    assert "the server offers no TLS" in message
    assert "sslmode=disable" in message
    assert seen.received == b""
    assert seen.requests == 3
    assert told.code == 4
    assert told.err == f"error: {message}\n"
    assert "hunter2" not in told.err


async def test_a_weaker_choice_is_respected(certificate: Path) -> None:
    async with server() as plain:
        await refused(f"postgresql://user@{ELSEWHERE}:{plain.port}/x?sslmode=disable")
    assert plain.requests == 0
    assert plain.received
    async with server(context(certificate)) as encrypted:
        await refused(f"postgresql://user@{ELSEWHERE}:{encrypted.port}/x?sslmode=require")
    assert b"user" in encrypted.received


async def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(certificate: Path) -> None:
    async with server(context(certificate)) as seen:
        message = await refused(f"postgresql://user:hunter2@{ELSEWHERE}:{seen.port}/x")
    assert "the server's certificate is not trusted (self-signed certificate)" in message
    assert "sslrootcert=FILE" in message
    assert seen.received == b""


async def test_a_certificate_of_another_name_is_refused_though_its_authority_is_known(certificate: Path) -> None:
    async with server(context(certificate)) as seen:
        message = await refused(f"postgresql://user@{ELSEWHERE}:{seen.port}/x?sslrootcert={certificate}")
    assert "the server's certificate is not trusted" in message
    assert ELSEWHERE in message
    assert seen.received == b""


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql:///x",
        "postgresql://u@/x?host=/run/postgresql",
        "postgresql://u@%2Frun%2Fpostgresql:5433/x",
        "postgresql://u:p@localhost/x",
        "postgresql://u:p@127.0.0.1:5432,[::1]:5433/x",
        "postgresql://u:p@db/x?sslmode=prefer",
    ],
)
def test_this_machine_and_what_was_chosen_are_left_to_the_driver(dsn: str) -> None:
    assert tls(dsn) == {}


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p@db/x",
        "postgresql://u:p@10.0.0.5/x",
        "postgresql://u:p@127.0.0.1,db/x",
        "postgresql://u:p@[2001:db8::1]:5432/x",
        "postgresql:///x?host=db",
        "postgresql://u:p@localhost.example.com/x",
    ],
)
def test_another_machine_must_prove_who_it_is(dsn: str) -> None:
    checked = tls(dsn)["ssl"]
    assert checked.check_hostname
    assert checked.verify_mode is ssl.CERT_REQUIRED
