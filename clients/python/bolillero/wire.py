"""Messages to bytes and back, as docs/reference/protocol.md has them. No sockets, no clock, no
state but unread bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple, Union

from .errors import NotACentral

VERSION = 1
FRAME_LEN_MAX = 8192
BATCH_BETS = 93
WINDOW = 16
DRAW_NAME_LEN_MAX = 64

BETS, BETS_ACK, FINISH, GET_WINNERS, NO_WINNERS, WINNERS = range(12, 18)
HELLO, WELCOME, ERROR, WINNERS_PART = range(18, 22)


def bets(agency: int, chunk: int, texts: Sequence[bytes]) -> bytes:
    """BETS, of bets in canonical text."""
    return _with_length(BETS, b"&".join([b"%d&%d" % (agency, chunk), *texts]))


def finish(agency: int) -> bytes:
    """FINISH: the agency has no more bets."""
    return struct.pack(">HI", FINISH, agency)


def get_winners(agency: int) -> bytes:
    """GET_WINNERS."""
    return struct.pack(">HI", GET_WINNERS, agency)


def hello(agency: int, draw: str = "") -> bytes:
    """HELLO; without a name, the draw is the one that the central serves."""
    return _with_length(HELLO, struct.pack(">HI", VERSION, agency) + draw.encode())


def _with_length(id: int, payload: bytes) -> bytes:
    return struct.pack(">HH", id, len(payload)) + payload


@dataclass(frozen=True)
class BetsAck:
    """The bets of this chunk are durable."""

    chunk: int


@dataclass(frozen=True)
class FinishAck:
    """It is recorded that the agency has no more bets."""

    agency: int


@dataclass(frozen=True)
class NoWinners:
    """The draw is not published yet: ask again."""


@dataclass(frozen=True)
class Winners:
    """Documents of winning bets. WINNERS, or WINNERS_PART, of which others follow until the last."""

    documents: List[str]
    last: bool = True


@dataclass(frozen=True)
class Welcome:
    """The answer to HELLO: limits, and where to resume."""

    version: int
    agency: int
    window: int
    frame_len_max: int
    number_least: int
    number_largest: int
    chunks_stored: int
    bets_stored: int
    prefix_digest: bytes
    state: int
    """0 open, 1 this agency has finished, 2 the draw is closed, 3 it has been made."""
    draw: str


@dataclass(frozen=True)
class Error:
    """A chunk is refused; or everything is, and the connection ends."""

    code: int
    chunk: Optional[int]
    faults: List[Tuple[int, int]]
    """Position of the bet in its batch, from 0, and fault code."""
    reason: str


Message = Union[BetsAck, FinishAck, NoWinners, Winners, Welcome, Error]


class Decoder:
    """The central's messages, out of bytes that arrive in any pieces."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """Takes bytes that arrived."""
        self._bytes += data

    def next(self) -> Optional[Message]:
        """The next message, once all of it has arrived."""
        id = int.from_bytes(self._bytes[:2], "big") if len(self._bytes) >= 2 else None
        if id is None:
            return None
        if id == NO_WINNERS:
            self._take(2)
            return NoWinners()
        if id in (BETS_ACK, FINISH):
            if len(self._bytes) < 6:
                return None
            number = int.from_bytes(self._take(6)[2:], "big")
            return BetsAck(number) if id == BETS_ACK else FinishAck(number)
        if id not in (WINNERS, WELCOME, ERROR, WINNERS_PART):
            raise NotACentral(f"no central sends a message {id}; check the address, and if it is for TLS")
        length = 4 + int.from_bytes(self._bytes[2:4], "big")
        if len(self._bytes) < 4 or len(self._bytes) < length:
            return None
        payload = self._take(length)[4:]
        try:
            return _decode(id, payload)
        except (struct.error, ValueError) as error:  # too short, not UTF-8, not as it should be
            raise NotACentral(f"message {id} is malformed ({error}); check the address") from error

    def _take(self, length: int) -> bytes:
        taken = bytes(self._bytes[:length])
        del self._bytes[:length]
        return taken


_WELCOME = struct.Struct(">HIHIIIQQ32sB")
_ERROR = struct.Struct(">HBIH")


def _decode(id: int, payload: bytes) -> Message:
    if id == WINNERS:
        return Winners(_documents(payload))
    if id == WINNERS_PART:
        if payload[:1] not in (b"\0", b"\1"):
            raise ValueError("neither the last part nor another")
        return Winners(_documents(payload[1:]), payload[0] == 1)
    if id == WELCOME:
        fields = [*_WELCOME.unpack_from(payload), payload[_WELCOME.size :].decode()]
        return Welcome(*fields)
    code, is_chunk, chunk, count = _ERROR.unpack_from(payload)
    faults = [struct.unpack_from(">HH", payload, _ERROR.size + 4 * at) for at in range(count)]
    reason = payload[_ERROR.size + 4 * count :].decode()
    return Error(code, chunk if is_chunk else None, [(at, fault) for at, fault in faults], reason)


def _documents(payload: bytes) -> List[str]:
    return payload.decode().split(",") if payload else []
