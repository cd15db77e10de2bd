"""What can go wrong, as exceptions: each says what happened and what to do.

After a lost connection, or a refusal that passes, the client tries again. Only when it gives up are these
seen, as the attempts of `NoCentral`.
"""

from __future__ import annotations

from typing import Dict, Mapping, Sequence, Tuple

# What is wrong with a bet, by fault code (docs/reference/protocol.md, Codes).
FIELD_COUNT, FIRST_NAME, LAST_NAME, DOCUMENT, BIRTHDATE, NUMBER_FORMAT, NUMBER_RANGE = range(1, 8)
FAULTS: Dict[int, str] = {
    FIELD_COUNT: "must be five fields: first name, last name, document, birthdate, number",
    FIRST_NAME: "the first name must be 1 to 100 bytes without control characters, | and &",
    LAST_NAME: "the last name must be 1 to 100 bytes without control characters, | and &",
    DOCUMENT: "the document must be 1 to 15 ASCII letters, digits, . or -",
    BIRTHDATE: "the birthdate must be a real date, YYYY-MM-DD",
    NUMBER_FORMAT: "the number must be decimal digits",
    NUMBER_RANGE: "the number is not one of the draw's",
}
FAULTS_SHOWN_MAX = 20


class BolilleroError(Exception):
    """Base of all errors of this package."""


class InvalidBets(BolilleroError):
    """Bets are invalid; `faults` has the place of each, and its fault code."""

    def __init__(self, faults: Sequence[Tuple[str, int]]) -> None:
        lines = [f"{place}: {FAULTS.get(code, f'fault {code}')}" for place, code in faults]
        if len(lines) > FAULTS_SHOWN_MAX:
            lines[FAULTS_SHOWN_MAX:] = [f"... {len(lines)} in all"]
        super().__init__("\n".join(["there are invalid bets; correct them:", *lines]))
        self.faults = list(faults)


class NotAllStored(BolilleroError):
    """Only the first `stored` bets take part in the draw; `winners` are the documents of those that won."""

    def __init__(self, stored: int, total: int, winners: Sequence[str]) -> None:
        super().__init__(
            f"only the first {stored} of {total} bets take part: the draw closed, or the agency had "
            "finished, before the others were stored; ask the operators"
        )
        self.stored, self.total, self.winners = stored, total, list(winners)


class OtherBets(BolilleroError):
    """The central has other bets; `winners` are the documents of those that won, if the draw is over."""

    def __init__(self, winners: Sequence[str] = ()) -> None:
        super().__init__(
            "the central has other bets of this agency in this draw; send the same bets as before, in "
            "the same order, with the same limit of bets in a batch"
        )
        self.winners = list(winners)


class NoCentral(BolilleroError):
    """No central could be used for too long; `attempts` has what was wrong at each address."""

    def __init__(self, attempts: Mapping[str, str]) -> None:
        tried = "; ".join(f"{address}: {why}" for address, why in attempts.items())
        super().__init__(f"no central answers ({tried}); check this, then send the same bets again")
        self.attempts = dict(attempts)


class OutOfTime(BolilleroError):
    """`time_max` has passed."""

    def __init__(self) -> None:
        super().__init__("time_max has passed; send the same bets again to continue")


class NotTrusted(BolilleroError):
    """TLS: one side does not accept the other's certificate. Check the authority, the names and the dates."""


class NotACentral(BolilleroError):
    """What answered does not follow the protocol: check the address, and whether it is a port for TLS."""


class Refused(BolilleroError):
    """The central refused; `code` and `reason` are its own (docs/reference/protocol.md, Codes)."""

    codes: Tuple[int, ...] = ()
    remedy = "this client does not know the code: ask the operators"

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"error {code} of the central: {reason}; {self.remedy}")
        self.code, self.reason = code, reason


class BrokenRule(Refused):
    """A message was not as the central understands it."""

    codes = (1, 2, 3, 4, 5, 6)
    remedy = "update this client, or report this: it should not happen"


class UnknownAgency(Refused):
    codes = (7,)
    remedy = "check the agency's number, or ask the operators to let it take part"


class OtherAgency(Refused):
    codes = (8,)
    remedy = "use the number that the agency's certificate names"


class UnknownDraw(Refused):
    codes = (9,)
    remedy = "check the draw's name"


class NoOpenDraw(Refused):
    codes = (10,)
    remedy = "name the draw, or wait until one is open"


class TooManyWinners(Refused):
    codes = (15,)
    remedy = "ask for the winners without the original protocol"


class Unavailable(Refused):
    """The central can't serve now. Never raised: it is tried again, here or at another central."""

    codes = (16, 17, 18, 19, 20)
    remedy = "it is tried again"


class NotOpenYet(Refused):
    codes = (21,)
    remedy = "send the same bets when it is open"


class TooManyBatches(Refused):
    codes = (22,)
    remedy = "put more bets in a batch, from the next draw on"


def refused(code: int, reason: str) -> Refused:
    """The exception for an error code."""
    for kind in Refused.__subclasses__():
        if code in kind.codes:
            return kind(code, reason)
    return Refused(code, reason)
