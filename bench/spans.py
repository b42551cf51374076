"""Measures the processor time of the spans of a poll: where they are off, and where a receiver gets them.

It is this process's, that of the thread that sends them included. ``bench/polls.py`` has what a whole poll takes.
"""

import os
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import Process, Queue

from collector.tracing import span, traced

_OFF, _ON = 200_000, 20_000


class _Sink(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def poll(number: int) -> None:
    """Make the spans of a poll, as reader and client do."""
    with span("poll", profile_id=number) as polling:
        with span("call", method="POST", path="/analytics/social") as calling:
            calling.note(status=200, bytes=7000)
        with span("parse"):
            pass
        polling.note(outcome="ok")


def microseconds(polls: int) -> float:
    """Return the processor time of a poll's spans."""
    started = time.process_time()
    with traced():
        for number in range(polls):
            poll(number)
            if number % 20 == 0:
                time.sleep(0)  # the sender has its turn
    return (time.process_time() - started) / polls * 1e6


def receive(addresses: "Queue[str]") -> None:
    server = HTTPServer(("127.0.0.1", 0), _Sink)
    addresses.put(f"http://127.0.0.1:{server.server_port}/v1/traces")
    server.serve_forever()


def main() -> None:
    print(f"off: {microseconds(_OFF):.2f} us of processor time for each poll")
    addresses: Queue[str] = Queue()
    process = Process(target=receive, args=(addresses,), daemon=True)
    process.start()
    os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = addresses.get()
    print(f"sent: {microseconds(_ON):.1f} us")
    process.terminate()


if __name__ == "__main__":
    main()
