"""An agency's day, without sockets: a generator that says what to do next and is told what came of it.

`day` yields steps. Whoever runs it (`client.py`, with sockets or with asyncio) carries out each one, sends back
the bytes of a Receive, and throws in the OSError of a step that failed. So everything that an agency decides is
here, once: what it sends, how long it waits, which central is next, what it resumes and when it gives up.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Callable, Dict, Generator, List, NamedTuple, Optional, Sequence, Tuple, Type, TypeVar, Union

from . import wire
from .bets import Batch, Bet, check, cut, prefix_digest, where
from .errors import (
    InvalidBets,
    NoCentral,
    NotACentral,
    NotAllStored,
    OtherBets,
    OutOfTime,
    Unavailable,
    refused,
)

log = logging.getLogger("bolillero")

# All in seconds.
CONNECT_TIME_MAX = 10.0
SEND_TIME_MAX = 30.0
REPLY_TIME_MAX = 60.0
"""For any reply but the winners, which come when the draw is published."""
WINNERS_TIME_MAX = 3600.0
"""After it the winners are asked for again, on a new connection."""
ASK_AGAIN_TIME = 1.0
PAUSE_LEAST, PAUSE_MOST = 0.1, 5.0
"""After all centrals were lost in turn; doubles from the first to the second."""

OPEN, FINISHED, CLOSED, MADE = range(4)
BAD_BETS, CHUNK_CONFLICT, AGENCY_FINISHED, DRAW_CLOSED = range(11, 15)


@dataclass(frozen=True)
class Agency:
    """An agency, and where and how it sends its bets."""

    id: int
    centrals: Sequence[str]
    """HOST:PORT of each central of the lottery."""
    draw: str = ""
    """Needed only if several draws are open. Not possible with legacy."""
    legacy: bool = False
    """Speak the original protocol only."""
    batch_bets: int = wire.BATCH_BETS
    connect_time_max: float = 60.0
    """Seconds to try until a central answers for the first time."""
    retry_time_max: float = 600.0
    """Seconds to try again after a connection is lost later."""

    def __post_init__(self) -> None:
        if not 0 <= self.id <= 0xFFFF_FFFF or not self.centrals or self.batch_bets < 1:
            raise ValueError("an agency has a number of 32 bits, a central, and bets in its batches")
        if len(self.draw.encode()) > wire.DRAW_NAME_LEN_MAX or (self.draw and self.legacy):
            raise ValueError("a draw's name has at most 64 bytes; with legacy there is none")
        for central in self.centrals:
            address(central)


def address(central: str) -> Tuple[str, int]:
    """Host and port of HOST:PORT; an IPv6 address is in brackets."""
    host, _, port = central.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{central!r} is no address; write HOST:PORT")
    return host[1:-1] if host.startswith("[") else host, int(port)


class Connect(NamedTuple):
    """Close the connection, if there is one, and open one to this address."""

    host: str
    port: int
    seconds: float


class Send(NamedTuple):
    """Send these bytes."""

    data: bytes
    seconds: float


class Receive(NamedTuple):
    """Wait for bytes; none means that the central closed its side."""

    seconds: float


class Pause(NamedTuple):
    """Wait."""

    seconds: float


Step = Union[Connect, Send, Receive, Pause]
T = TypeVar("T")
M = TypeVar("M", bound=wire.Message)
Steps = Generator[Step, bytes, T]


def day(
    agency: Agency,
    bets: Sequence[Bet],
    time_max: Optional[float] = None,
    clock: Callable[[], float] = time.monotonic,
) -> Steps[List[str]]:
    """Sends the bets, finishes, waits for the draw; returns the documents of the agency's winning bets."""
    check(bets)
    return (yield from _Day(agency, bets, time_max, clock).run())


class _Day:
    def __init__(
        self, agency: Agency, bets: Sequence[Bet], time_max: Optional[float], clock: Callable[[], float]
    ) -> None:
        self.agency, self.bets, self.clock = agency, bets, clock
        self.ends = None if time_max is None else clock() + time_max
        self.draw = agency.draw
        self.decoder = wire.Decoder()
        self.batches: List[Batch] = []
        self.stored = 0
        """Batches from the first that are acknowledged."""
        self.window = 1
        self.over = False
        """Whether the central accepts no more bets of the agency."""
        self.other_bets = False
        self.attempts: Dict[str, str] = {}
        self.failing_since: Optional[float] = clock()
        self.patience = agency.connect_time_max
        self.failures = 0
        if agency.legacy:
            self.batches = cut(agency.id, bets, agency.batch_bets, wire.FRAME_LEN_MAX)

    # Connections, one after the other.

    def run(self) -> Steps[List[str]]:
        centrals = self.agency.centrals
        turn = self.agency.id  # agencies are spread over the centrals
        while True:
            central = centrals[turn % len(centrals)]
            try:
                yield Connect(*address(central), self._at_most(CONNECT_TIME_MAX))
                return (yield from self._connection(central))
            except (OSError, Unavailable) as error:
                self.attempts[central] = str(error) or type(error).__name__
            log.warning("lost %s: %s", central, self.attempts[central])
            yield from self._failed()
            turn += 1

    def _failed(self) -> Steps[None]:
        if self.failing_since is None:
            self.failing_since = self.clock()
        if self.clock() - self.failing_since >= self.patience:
            raise NoCentral(self.attempts)
        self.failures += 1
        rounds, rest = divmod(self.failures, len(self.agency.centrals))
        if rest == 0:
            yield Pause(self._at_most(min(PAUSE_LEAST * 2.0 ** min(rounds - 1, 10), PAUSE_MOST)))

    def _progress(self) -> None:
        self.failing_since = None
        self.patience = self.agency.retry_time_max

    def _at_most(self, seconds: float) -> float:
        """The seconds, or those that are left."""
        if self.ends is None:
            return seconds
        left = self.ends - self.clock()
        if left <= 0:
            raise OutOfTime
        return min(seconds, left)

    # One connection.

    def _connection(self, central: str) -> Steps[List[str]]:
        self.decoder = wire.Decoder()
        if not self.agency.legacy:
            yield from self._send(wire.hello(self.agency.id, self.draw))
            self._resume((yield from self._reply(wire.Welcome, REPLY_TIME_MAX)))
        log.info("connected to %s: %d of %d batches are stored", central, self.stored, len(self.batches))
        if not self.over:
            yield from self._send_batches()
            yield from self._send(wire.finish(self.agency.id))
            yield from self._reply(wire.FinishAck, REPLY_TIME_MAX)
        self._progress()
        log.info("waiting for the draw")
        winners = yield from self._winners()
        if self.other_bets:
            raise OtherBets(winners)
        if self.stored < len(self.batches):
            raise NotAllStored(self.batches[self.stored].first, len(self.bets), winners)
        return winners

    def _resume(self, welcome: wire.Welcome) -> None:
        """Takes over the limits, and skips what is stored if it is what the agency would send."""
        if welcome.version != wire.VERSION or welcome.agency != self.agency.id or not welcome.window:
            raise NotACentral("its WELCOME does not fit our HELLO; check the address")
        check(self.bets, welcome.number_least, welcome.number_largest)
        self.draw = welcome.draw  # the same one on the next connection, whatever is opened meanwhile
        self.batches = cut(self.agency.id, self.bets, self.agency.batch_bets, welcome.frame_len_max)
        # The replies to so few requests fit in the system's buffers, so to send never waits for reading.
        self.window = min(welcome.window, wire.WINDOW)
        self.over = welcome.state != OPEN
        if welcome.chunks_stored > self.stored:
            self._progress()
        self.stored = welcome.chunks_stored
        ours = self.batches[: self.stored]
        self.other_bets = len(ours) < self.stored or prefix_digest(ours) != welcome.prefix_digest
        if self.other_bets and welcome.state in (OPEN, FINISHED):
            raise OtherBets

    def _send_batches(self) -> Steps[None]:
        sent = self.stored
        while self.stored < len(self.batches):
            while sent < min(self.stored + self.window, len(self.batches)):
                yield from self._send(self.batches[sent].message)
                sent += 1
            ack = yield from self._reply(wire.BetsAck, REPLY_TIME_MAX)
            if ack.chunk != self.stored:
                raise NotACentral(f"batch {ack.chunk} is acknowledged instead of {self.stored}")
            self.stored += 1
            self._progress()
            self.failures = 0

    def _winners(self) -> Steps[List[str]]:
        while True:
            yield from self._send(wire.get_winners(self.agency.id))
            part = yield from self._message(WINNERS_TIME_MAX)
            if not isinstance(part, wire.NoWinners):
                break
            yield Pause(self._at_most(ASK_AGAIN_TIME))
        documents: List[str] = []
        while isinstance(part, wire.Winners):
            documents += part.documents
            if part.last:
                return documents
            part = yield from self._message(REPLY_TIME_MAX)
        raise NotACentral(f"{type(part).__name__} instead of winners")

    # Messages.

    def _send(self, message: bytes) -> Steps[None]:
        yield Send(message, self._at_most(SEND_TIME_MAX))

    def _reply(self, kind: Type[M], seconds: float) -> Steps[M]:
        message = yield from self._message(seconds)
        if not isinstance(message, kind):
            raise NotACentral(f"{type(message).__name__} instead of {kind.__name__}; check the address")
        return message

    def _message(self, seconds: float) -> Steps[wire.Message]:
        """The next message; ERROR is raised."""
        until = self.clock() + seconds
        while True:
            message = self.decoder.next()
            if isinstance(message, wire.Error):
                raise self._error(message)
            if message is not None:
                return message
            data = yield Receive(self._at_most(max(until - self.clock(), 0.001)))
            if not data:
                raise ConnectionResetError("the central closed the connection")
            self.decoder.feed(data)

    def _error(self, error: wire.Error) -> Exception:
        if error.code == BAD_BETS and error.chunk is not None and error.chunk < len(self.batches):
            first = self.batches[error.chunk].first
            at = [(first + position, code) for position, code in error.faults]
            at = [(index, code) for index, code in at if index < len(self.bets)]
            return InvalidBets([(where(self.bets[index], index), code) for index, code in at])
        if error.code == CHUNK_CONFLICT:
            return OtherBets()
        if error.code in (AGENCY_FINISHED, DRAW_CLOSED):
            self.over = True  # what is stored may win: a new WELCOME says how much it is
            return ConnectionAbortedError(error.reason)
        return refused(error.code, error.reason)
