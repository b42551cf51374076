"""Emulates Ayrshare for Pinterest over sockets, for tests, benchmarks and the demo. Imports nothing of the daemon."""

from collector.emulator.accounts import Identity, profile_identity
from collector.emulator.app import EMULATOR, make_app, serve
from collector.emulator.config import EmulatorConfig
from collector.emulator.state import Emulator

__all__ = ["EMULATOR", "Emulator", "EmulatorConfig", "Identity", "make_app", "profile_identity", "serve"]
