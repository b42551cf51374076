"""Turns its process into a PostgreSQL program: not root, and ended when the process that started it dies.

Run by its path, not imported: it knows only the standard library, so that it starts in a few milliseconds.
Arguments: the starter's pid, the embedded folder, its socket folder, the program, and what to call it with.
"""

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path
from typing import NoReturn

REFUSED = 78  # EX_CONFIG of sysexits.h; the last line of the output is for the operator

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def main(starter: str, folder: str, socket_folder: str, program: str, *arguments: str) -> NoReturn:
    user = _leave_root(folder, socket_folder, program)
    for path, setting in ((folder, "COLLECTOR_DATA_DIR"), (program, "COLLECTOR_PG_BINDIR")):
        _check_reach(path, user, setting)
    # After the change of credentials, because that clears it.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != int(starter):  # it died before the kernel was told
        sys.exit(0)
    os.execv(program, [program, *arguments])  # noqa: S606 -- no shell is wanted


def _leave_root(folder: str, socket_folder: str, program: str) -> str:
    """Become somebody whom PostgreSQL accepts, and return who that is.

    PostgreSQL refuses root, and initdb refuses a user without a name. In a user namespace of its own the process has
    another number and keeps the ownership of its files; where namespaces are forbidden, root becomes another user.
    """
    owner = Path(folder).stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        _become(owner.st_uid, owner.st_gid)
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    account = _ordinary_account()
    if _namespaces_allowed(account):
        _enter_namespace(account)
        return "root without its privileges"
    if os.geteuid() == 0:
        _hand_over(account, folder, socket_folder)
        _become(account.pw_uid, account.pw_gid)
        return f"user {account.pw_name}"
    if Path(program).name == "initdb":
        _refuse(
            f"PostgreSQL's initdb needs a user with a name, and {os.geteuid()} has none here. Run the collector as a "
            "user that this system (or container image) knows, or set COLLECTOR_DATABASE_URL to a server."
        )
    return f"user {os.geteuid()}"


def _has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:
        return False


def _ordinary_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    others = (account for account in pwd.getpwall() if account.pw_uid != 0)
    return next(others, None) or _refuse("PostgreSQL refuses to run as root, and this system has no other user.")


def _namespaces_allowed(account: pwd.struct_passwd) -> bool:
    """Try it in a child: a process that got in but was denied its mapping could not get out again."""
    if sys.platform != "linux":
        return False
    child = os.fork()
    if child == 0:
        try:
            _enter_namespace(account)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _enter_namespace(account: pwd.struct_passwd) -> None:
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)  # os.unshare came with Python 3.12
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{account.pw_uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{account.pw_gid} {gid} 1")


def _hand_over(account: pwd.struct_passwd, *folders: str) -> None:
    """Give everything to the account. Only root could write to these folders so far, so nothing is planted in them."""
    for folder in folders:
        for parent, _, files in os.walk(folder):
            for path in (parent, *(os.path.join(parent, name) for name in files)):  # noqa: PTH118 -- os.walk's strings
                os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _check_reach(path: str, user: str, setting: str) -> None:
    for step in (*reversed(Path(path).parents), Path(path)):
        if not os.access(step, os.X_OK):
            _refuse(
                f"The embedded PostgreSQL cannot run: as {user} it may not enter {step} (it never runs as root). "
                f"Set {setting} to a place that this user can reach, or run the collector as an ordinary user."
            )


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(REFUSED)


if __name__ == "__main__":
    main(*sys.argv[1:])
