"""Measures the queue, for the gauges of ``/metrics``."""

from collector.models.pin import PinState
from collector.store.pin import PinStore
from collector.telemetry import PIN_LANES_PAUSED, PIN_OLDEST_DUE, PINS, PINS_UNRESOLVED


async def measure_queue(pins: PinStore) -> None:
    """Set the gauges of pins by state, of paused lanes, and of the longest wait."""
    summary = await pins.summary()
    for state in PinState:
        PINS.labels(state.value).set(summary.states.get(state.value, 0))
    PIN_LANES_PAUSED.clear()
    for reason, lanes in summary.paused.items():
        PIN_LANES_PAUSED.labels(reason).set(lanes)
    PINS_UNRESOLVED.set(summary.unresolved)
    PIN_OLDEST_DUE.set(summary.oldest_due_seconds)
