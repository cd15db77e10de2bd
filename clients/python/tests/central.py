"""A real central for tests: the program that the variable BOLILLERO_BIN names, as a process."""

from __future__ import annotations

import csv
import io
import logging
import os
import subprocess
import tempfile
import threading
import unittest
from collections import defaultdict
from pathlib import Path
from typing import Callable, Dict, List, Optional

PROGRAM = os.environ.get("BOLILLERO_BIN", "")
needs_central = unittest.skipUnless(PROGRAM, "set BOLILLERO_BIN to the program bolillero")


class WithCentral(unittest.TestCase):
    """Tests with a folder of their own, and central processes that end with the test."""

    def setUp(self) -> None:
        logging.disable(logging.WARNING)  # each lost connection
        self.addCleanup(logging.disable, logging.NOTSET)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def serve(self, *arguments: str, seen: Optional[Callable[[str], None]] = None) -> Central:
        """Starts a central on the ledger of the test. `seen` is called with each line of its log."""
        central = Central(self.folder / "data", arguments, seen)
        self.addCleanup(central.kill)
        return central

    def winners(self) -> Dict[int, List[str]]:
        """The winners of each agency, counted again from the ledger."""
        text = run("winners", "--data", str(self.folder / "data"), "--format", "csv", "--raw")
        winners: Dict[int, List[str]] = defaultdict(list)
        for row in csv.DictReader(io.StringIO(text)):
            winners[int(row["agency"])].append(row["document"])
        return winners


class Central:
    """`bolillero serve`, from the moment at which it listens."""

    def __init__(
        self, data: Path, arguments: "tuple[str, ...]", seen: Optional[Callable[[str], None]]
    ) -> None:
        self.seen = seen
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--data", str(data), *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stderr is not None
        self.log = self.process.stderr
        self.addresses: List[str] = []
        """As many as options end with `listen`, in the order in which it logs them."""
        earlier = []
        while len(self.addresses) < sum(option.endswith("listen") for option in arguments):
            line = self.log.readline()
            earlier.append(line)
            if not line:
                self._end()
                raise AssertionError("".join(earlier))
            if "action: listen " in line and "result: success" in line:
                self.addresses.append(line.split("address: ")[1].split()[0])
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        for line in self.log:
            if self.seen is not None:
                self.seen(line)

    def kill(self) -> None:
        """Ends it as `kill -9` does."""
        self.process.kill()
        self.reader.join()
        self._end()

    def _end(self) -> None:
        self.process.wait()
        self.log.close()


def run(*arguments: str) -> str:
    """Runs the program to a good end; returns what it printed."""
    done = subprocess.run([PROGRAM, *arguments], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment() -> Dict[str, str]:
    """Without the settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BOLILLERO_")}
