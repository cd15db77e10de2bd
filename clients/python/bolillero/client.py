"""Carries out the steps of a conversation: `send` with sockets, `send_async` with asyncio."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from os import PathLike
from typing import List, Optional, Sequence, Tuple, TypeVar, Union

from .bets import Bet
from .conversation import Agency, Connect, Pause, Receive, Send, Steps, day
from .errors import NotTrusted

RECEIVE_LEN = 65536
# A central whose host is gone is noticed after about a minute, also while we only wait for the draw.
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}

T = TypeVar("T")
File = Union[str, PathLike[str]]


def tls_context(ca: File, cert: File, key: File) -> ssl.SSLContext:
    """TLS 1.3 with the agency's certificate, and centrals that `ca` certifies."""
    context = ssl.create_default_context(cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(cert, key)
    return context


def send(
    agency: Agency,
    bets: Sequence[Bet],
    tls: Optional[ssl.SSLContext] = None,
    time_max: Optional[float] = None,
) -> List[str]:
    """Sends all bets of the agency in a draw, finishes and waits; returns the documents of its winning bets.

    After an interruption, send the same bets again: what is stored is not sent again. Raises a BolilleroError
    that says what to do; OutOfTime if it takes more than `time_max` seconds.
    """
    return _run(day(agency, bets, time_max), tls)


async def send_async(
    agency: Agency,
    bets: Sequence[Bet],
    tls: Optional[ssl.SSLContext] = None,
    time_max: Optional[float] = None,
) -> List[str]:
    """As `send`, with asyncio."""
    return await _run_async(day(agency, bets, time_max), tls)


def _run(steps: Steps[T], tls: Optional[ssl.SSLContext]) -> T:
    connection: Optional[socket.socket] = None
    received: Optional[bytes] = None
    try:
        step = next(steps)
        while True:
            try:
                if isinstance(step, Connect):
                    if connection is not None:
                        connection.close()
                    connection = socket.create_connection((step.host, step.port), step.seconds)
                    _tune(connection)
                    if tls is not None:
                        connection = tls.wrap_socket(connection, server_hostname=step.host)
                elif isinstance(step, Pause):
                    time.sleep(step.seconds)
                else:
                    assert connection is not None, "a conversation begins with Connect"
                    connection.settimeout(step.seconds)
                    if isinstance(step, Send):
                        connection.sendall(step.data)
                    else:
                        received = connection.recv(RECEIVE_LEN)
            except OSError as error:
                step = steps.throw(_explained(error))
            else:
                step = steps.send(received or b"")
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        if connection is not None:
            connection.close()


async def _run_async(steps: Steps[T], tls: Optional[ssl.SSLContext]) -> T:
    connection: Optional[Tuple[asyncio.StreamReader, asyncio.StreamWriter]] = None
    received: Optional[bytes] = None
    try:
        step = next(steps)
        while True:
            try:
                if isinstance(step, Connect):
                    if connection is not None:
                        connection[1].transport.abort()
                    name = None if tls is None else step.host
                    opening = asyncio.open_connection(
                        step.host, step.port, ssl=tls, server_hostname=name
                    )
                    connection = await asyncio.wait_for(opening, step.seconds)
                    _tune(connection[1].get_extra_info("socket"))
                elif isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    assert connection is not None, "a conversation begins with Connect"
                    if isinstance(step, Send):
                        connection[1].write(step.data)
                        await asyncio.wait_for(connection[1].drain(), step.seconds)
                    else:
                        received = await asyncio.wait_for(connection[0].read(RECEIVE_LEN), step.seconds)
            except (OSError, asyncio.TimeoutError) as error:
                told: Optional[Exception] = None
                if connection is not None and not isinstance(step, Connect):
                    # The reader is told why a connection was lost, `drain` may not be.
                    told = connection[0].exception()
                step = steps.throw(_explained(told or error))
            else:
                step = steps.send(received or b"")
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        if connection is not None:
            connection[1].transport.abort()


def _tune(connection: Optional[socket.socket]) -> None:
    if connection is None:  # asyncio's way to say that it is lost already: the next step fails
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        if hasattr(socket, option):  # not everywhere
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _explained(error: Exception) -> Exception:
    """The error to throw into a conversation: an OSError, to try again after it, or NotTrusted."""
    reason = str(getattr(error, "reason", ""))
    if isinstance(error, ssl.SSLCertVerificationError):
        return NotTrusted(f"the central's certificate is not accepted ({error.verify_message}); check the authority")
    if isinstance(error, ssl.SSLError) and "ALERT" in reason:
        return NotTrusted(f"the central does not accept the agency's certificate ({reason}); check it")
    if isinstance(error, (asyncio.TimeoutError, TimeoutError, socket.timeout)):
        return TimeoutError("it took too long")
    return error
