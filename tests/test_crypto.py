"""Keys at rest: rotation, wrong keys, and one generated key for processes that start together."""

import asyncio
import stat
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from collector.crypto import KeyRing, fingerprint, generated_key
from collector.errors import ConfigurationError, KeyDecryptionError
from tests.support.paths import ROOT

PROFILE_KEY = SecretStr("AAAA-BBBB-CCCC")

STARTER = """
import sys
from pathlib import Path
from collector.crypto import generated_key
print("ready", flush=True)
sys.stdin.readline()
print(generated_key(Path(sys.argv[1])).get_secret_value())
"""


@pytest.fixture
def old() -> SecretStr:
    return SecretStr(Fernet.generate_key().decode())


@pytest.fixture
def new() -> SecretStr:
    return SecretStr(Fernet.generate_key().decode())


def test_the_first_key_encrypts_and_all_decrypt(old: SecretStr, new: SecretStr) -> None:
    before = KeyRing([old]).encrypt(PROFILE_KEY)
    rotated = KeyRing([new, old])

    assert rotated.decrypt(before) == PROFILE_KEY
    assert KeyRing([new]).decrypt(rotated.encrypt(PROFILE_KEY)) == PROFILE_KEY


def test_a_ciphertext_that_no_key_opens_is_an_error_without_secrets(old: SecretStr, new: SecretStr) -> None:
    ciphertext = KeyRing([old]).encrypt(PROFILE_KEY)

    with pytest.raises(KeyDecryptionError, match="COLLECTOR_ENCRYPTION_KEYS") as raised:
        KeyRing([new]).decrypt(ciphertext)

    for secret in (old.get_secret_value(), new.get_secret_value(), PROFILE_KEY.get_secret_value(), ciphertext.decode()):
        assert secret not in str(raised.value)


@pytest.mark.parametrize("ciphertext", [b"", b"nonsense", b"gAAAAA", b"\xff\x00"])
def test_a_damaged_ciphertext_is_a_clear_error(ciphertext: bytes, old: SecretStr) -> None:
    with pytest.raises(KeyDecryptionError):
        KeyRing([old]).decrypt(ciphertext)


def test_equal_keys_have_equal_fingerprints_and_different_ciphertexts(old: SecretStr) -> None:
    ring = KeyRing([old])

    assert fingerprint(PROFILE_KEY) == fingerprint(SecretStr(PROFILE_KEY.get_secret_value()))
    assert fingerprint(PROFILE_KEY) != fingerprint(SecretStr("AAAA-BBBB-CCCD"))
    assert len(fingerprint(PROFILE_KEY)) == 16
    assert ring.encrypt(PROFILE_KEY) != ring.encrypt(PROFILE_KEY)


def test_a_generated_key_is_kept_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    key = generated_key(folder)

    [file] = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() == key.get_secret_value()
    assert generated_key(folder) == key
    assert KeyRing([key]).decrypt(KeyRing([key]).encrypt(PROFILE_KEY)) == PROFILE_KEY


def test_a_generated_key_that_others_can_read_is_refused_with_the_mend(tmp_path: Path) -> None:
    key = generated_key(tmp_path)
    file = tmp_path / "encryption_key"
    file.chmod(0o644)

    with pytest.raises(ConfigurationError, match=f"every user of this machine can read it; run: chmod 600 {file}"):
        generated_key(tmp_path)

    file.chmod(0o600)
    assert generated_key(tmp_path) == key


def test_what_a_crash_left_behind_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 1)
    (tmp_path / "encryption_key.1").write_bytes(b"half a k")

    assert generated_key(tmp_path) == generated_key(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a key\n", b"\xff\xfe"])
def test_a_damaged_key_file_is_never_replaced(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "encryption_key"
    file.write_bytes(content)
    file.chmod(0o600)

    with pytest.raises(ConfigurationError, match="does not hold an encryption key; put back the file") as raised:
        generated_key(tmp_path)

    assert file.read_bytes() == content
    assert "not a key" not in str(raised.value)


def test_a_folder_that_cannot_be_made_is_a_configuration_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="cannot be read or made: Not a directory"):
        generated_key(tmp_path / "file" / "folder")


async def test_starters_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    starters = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", STARTER, str(tmp_path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": str(ROOT)},
        )
        for _ in range(3)
    ]
    async with asyncio.timeout(30.0):
        for starter in starters:
            assert starter.stdout is not None
            assert await starter.stdout.readline() == b"ready\n"
        keys = {out for out, _ in await asyncio.gather(*(starter.communicate(b"\n") for starter in starters))}

    assert len(keys) == 1
    assert names_in(tmp_path) == ["encryption_key"]


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]
