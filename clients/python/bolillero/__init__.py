"""An agency of a Bolillero lottery central: sends bets, waits for the draw, gets its winners.

    agency = bolillero.Agency(1, ["127.0.0.1:12345"])
    winners = bolillero.send(agency, bolillero.read_bets("agency-1.csv"))
"""

from . import errors
from .bets import Bet, read_bets
from .client import send, send_async, tls_context
from .conversation import Agency
from .errors import BolilleroError

__all__ = [
    "Agency",
    "Bet",
    "BolilleroError",
    "errors",
    "read_bets",
    "send",
    "send_async",
    "tls_context",
]
