"""Encrypts profile keys at rest. The clear key exists only inside a ``SecretStr``, which does not print its value."""

import hashlib
import os
import secrets
import shlex
import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from collector.errors import ConfigurationError, KeyDecryptionError

# About 2 MB. In a larger fleet the cache has no effect.
_MOST_REMEMBERED = 4096


class KeyRing:
    """Encrypts with the first key and decrypts with all of them, so that keys can be rotated.

    ``mark`` is equal for rings that encrypt with the same key, and does not reveal it.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._first = Fernet(keys[0].get_secret_value())
        self._fernet = MultiFernet([Fernet(key.get_secret_value()) for key in keys])
        self.mark = fingerprint(keys[0])
        # Decrypting is a tenth of a poll. The cache reveals nothing more to somebody who can read this process: the
        # encryption keys are here too.
        self._remembered = lru_cache(_MOST_REMEMBERED)(self._decrypted)

    def encrypt(self, profile_key: SecretStr) -> bytes:
        return self._fernet.encrypt(profile_key.get_secret_value().encode())

    def decrypt(self, ciphertext: bytes) -> SecretStr:
        """Return the clear key.

        Raises:
            KeyDecryptionError: it was encrypted with a key that is no longer configured.
        """
        return self._remembered(ciphertext)

    def renewed(self, ciphertext: bytes) -> bytes | None:
        """Return it encrypted with the first key; None where the first key has encrypted it already.

        Raises:
            KeyDecryptionError: none of the keys opens it.
        """
        try:
            self._first.decrypt(ciphertext)
        except InvalidToken:
            return self.encrypt(self._decrypted(ciphertext))
        return None

    def _decrypted(self, ciphertext: bytes) -> SecretStr:
        try:
            return SecretStr(self._fernet.decrypt(ciphertext).decode())
        except InvalidToken:
            raise KeyDecryptionError(
                "the profile key cannot be decrypted: add the key it was encrypted with to COLLECTOR_ENCRYPTION_KEYS, "
                "or store the profile key again with `collector profiles rotate-key`"
            ) from None


def fingerprint(key: SecretStr) -> bytes:
    """Return 16 bytes that are equal for equal keys; a key is so random that they do not reveal it."""
    return hashlib.sha256(key.get_secret_value().encode()).digest()[:16]


def generated_key(data_dir: Path) -> SecretStr:
    """Return the embedded database's encryption key: made at the first call, in a file that only its owner reads."""
    path = data_dir / "encryption_key"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_once(path, Fernet.generate_key())
        refuse_readable_by_others(path)
        text = path.read_text(encoding="ascii").strip()
        Fernet(text)
    except OSError as error:
        raise ConfigurationError([f"the encryption key {path} cannot be read or made: {error.strerror}"]) from error
    except ValueError:
        raise ConfigurationError(
            [f"{path} does not hold an encryption key; put back the file that belongs to this database"]
        ) from None
    return SecretStr(text)


def refuse_readable_by_others(path: Path) -> None:
    """Refuse a file with a key that every user of the machine can read. Raises ``ConfigurationError``."""
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        raise ConfigurationError(
            [f"{path} holds a key, and every user of this machine can read it; run: chmod 600 {shlex.quote(str(path))}"]
        )


def _write_once(path: Path, key: bytes) -> None:
    """Write ``key`` durably, or keep the file of another process that was faster."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key + b"\n")
        file.flush()
        os.fsync(descriptor)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
