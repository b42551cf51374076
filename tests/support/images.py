"""Servers of images on loopback, with a certificate of their own, and the images: as small as they can be."""

import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 1000, 1500, 8, 2, 0, 0, 0) + bytes(64)
GIF = b"GIF89a" + struct.pack("<HH", 640, 480) + bytes(64)
WEBP = b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xe7\x03\0\xdb\x05\0" + bytes(64)
SOF = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 1500, 1000, 3) + bytes(64)
JPEG = b"\xff\xd8" + b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\1\1\0\0\1\0\1\0\0" + SOF
COMMENT = b"\xff\xfe" + struct.pack(">H", 65_000) + bytes(64_998)
LATE_JPEG = JPEG[:20] + COMMENT * 2 + SOF
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="1500"/>'

Handler = Callable[[web.Request], Any]


def make_identity(folder: Path) -> Path:
    """Return a file with a key and a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "images")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "identity.pem"
    file.write_bytes(secret + made.sign(key, hashes.SHA256()).public_bytes(pem))
    return file


@asynccontextmanager
async def serving(identity: Path, answer: Handler) -> AsyncIterator[str]:
    """Yield the address of a server that answers every path of one name."""
    app = web.Application()
    app.router.add_route("*", "/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(identity)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def trusting() -> ssl.SSLContext:
    """Return what takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def body(content: bytes, kind: str, **others: Any) -> Handler:
    """Return a handler that always gives this."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, **others)

    return answer
