"""The bytes of docs/how-to/clients.md, sent to a real central."""

from __future__ import annotations

import re
import socket
import unittest
from pathlib import Path
from typing import List, Tuple

from bolillero import wire
from bolillero.conversation import address
from central import Central, WithCentral, needs_central

DOCUMENT = Path(__file__).parents[3] / "docs/how-to/clients.md"
TIME_MAX = 30.0
HELLO = wire.hello(1)


@needs_central
@unittest.skipUnless(DOCUMENT.exists(), "docs/how-to/clients.md is only in the repository")
class Document(WithCentral):
    def test_conversations_are_as_written(self) -> None:
        for section, connections in (("With HELLO", 2), ("The original protocol", 1)):
            (self.folder / section).mkdir()
            options = ("--listen", "127.0.0.1:0", "--agencies", "1", "--winning-number", "2201")
            central = Central(self.folder / section / "data", options, None)
            self.addCleanup(central.kill)
            blocks = re.findall(r"```text\n(.*?)```", part(section), re.DOTALL)
            self.assertEqual(len(blocks), connections)
            for block in blocks:
                with connected(central) as connection:
                    for direction, data in messages(block):
                        if direction == ">":
                            connection.sendall(data)
                        else:
                            self.assertEqual(receive(connection, len(data)).hex(), data.hex())

    def test_mistakes_are_answered_as_written(self) -> None:
        central = self.serve("--listen", "127.0.0.1:0", "--agencies", "2")
        rows = re.findall(r"^\| (.+?) \| `(.+)` \| (.+) \|$", part("Mistakes, and their answers"), re.MULTILINE)
        self.assertGreater(len(rows), 15)
        for mistake, example, answer in rows:
            sent = read(example.replace("\\|", "|"))
            if not sent.startswith(HELLO[:2]):
                sent = HELLO + sent
            self.assertEqual(self.errors(central, sent), answer, mistake)

    def errors(self, central: Central, sent: bytes) -> str:
        """The ERRORs that the central answers, as the table has them."""
        decoder, found = wire.Decoder(), []
        with connected(central) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(4096):
                decoder.feed(data)
        while (message := decoder.next()) is not None:
            if isinstance(message, wire.Error):
                faults = [f"fault {code}" for _, code in message.faults]
                found.append(", ".join([str(message.code), *faults]))
        return "; then ".join(found)


def part(section: str) -> str:
    """A section of the document."""
    return DOCUMENT.read_text("utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]


def messages(block: str) -> List[Tuple[str, bytes]]:
    """Who sends what, of lines that begin with >, with <, or with a space if they continue."""
    found: List[Tuple[str, bytes]] = []
    for line in block.splitlines():
        data = read(re.sub(r'#[^"]*$', "", line[1:]))
        if line[0] != " ":
            found.append((line[0], data))
        else:
            found[-1] = (found[-1][0], found[-1][1] + data)
    return found


def read(text: str) -> bytes:
    """The bytes of hexadecimal digits, and of text in quotes."""
    parts = text.split('"')
    return b"".join(part.encode() if at % 2 else bytes.fromhex(part) for at, part in enumerate(parts))


def connected(central: Central) -> socket.socket:
    return socket.create_connection(address(central.addresses[0]), TIME_MAX)


def receive(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length and (piece := connection.recv(length - len(data))):
        data += piece
    return data
