"""Bets: what makes one valid, how they are cut into batches, and the digests by which an agency resumes."""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from datetime import date
from os import PathLike
from typing import Iterable, List, NamedTuple, Optional, Sequence, Union

from . import errors, wire
from .errors import BolilleroError, InvalidBets

NAME_LEN_MAX = 100
NUMBER_MAX = 0xFFFF_FFFF

_DOCUMENT = re.compile(r"[A-Za-z0-9.-]{1,15}")
_BIRTHDATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DIGITS = re.compile(r"[0-9]+")


class Bet(NamedTuple):
    """One person's stake on one number."""

    first_name: str
    last_name: str
    document: str
    birthdate: str
    number: int
    place: str = ""
    """Where it is from, such as file and line; only used to report it."""

    def text(self) -> str:
        """Its canonical text."""
        return "|".join([*self[:4], str(self.number)])


def fault(bet: Bet) -> Optional[int]:
    """The fault code of the first invalid field, if any. The draw's range of numbers is not known here."""
    if not _is_name(bet.first_name):
        return errors.FIRST_NAME
    if not _is_name(bet.last_name):
        return errors.LAST_NAME
    if not _DOCUMENT.fullmatch(bet.document):
        return errors.DOCUMENT
    if not _is_date(bet.birthdate):
        return errors.BIRTHDATE
    if bet.number < 0:
        return errors.NUMBER_FORMAT
    return errors.NUMBER_RANGE if bet.number > NUMBER_MAX else None


def check(bets: Sequence[Bet], least: int = 0, largest: int = NUMBER_MAX) -> None:
    """Raises InvalidBets unless all bets are valid and their numbers within the range."""
    faults = []
    for index, bet in enumerate(bets):
        code = fault(bet)
        if code is None and not least <= bet.number <= largest:
            code = errors.NUMBER_RANGE
        if code is not None:
            faults.append((where(bet, index), code))
    if faults:
        raise InvalidBets(faults)


def where(bet: Bet, index: int) -> str:
    """Where a bet is, for a message."""
    return bet.place or f"bet {index}"


def parse(fields: Sequence[str], place: str = "") -> Union[Bet, int]:
    """The bet with these five fields, or the fault code of the first invalid one."""
    if len(fields) != 5:
        return errors.FIELD_COUNT
    is_number = _DIGITS.fullmatch(fields[4]) is not None
    digits = fields[4].lstrip("0")[:11] if is_number else ""
    bet = Bet(fields[0], fields[1], fields[2], fields[3], int(digits or "0"), place)
    code = fault(bet)
    if not is_number and code is None:
        return errors.NUMBER_FORMAT
    return bet if code is None else code


def read_bets(path: Union[str, PathLike[str]]) -> List[Bet]:
    """The bets of a CSV file in UTF-8: first name, last name, document, YYYY-MM-DD, number; no header.

    Raises InvalidBets with file and line of each invalid row; OSError, UnicodeDecodeError or csv.Error.
    """
    bets, faults = [], []
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        for fields in rows:
            line = f"{path}:{rows.line_num}"
            bet = parse(fields, line) if fields else None
            if isinstance(bet, Bet):
                bets.append(bet)
            elif bet is not None:
                faults.append((line, bet))
    if faults:
        raise InvalidBets(faults)
    return bets


class Batch(NamedTuple):
    """Bets that are sent together; all of them are stored, or none."""

    first: int
    """Index of its first bet."""
    message: bytes
    digest: bytes


def cut(agency: int, bets: Sequence[Bet], bets_max: int, frame_len_max: int) -> List[Batch]:
    """Cuts bets into batches 0, 1, 2..., each as large as the limits allow."""
    batches: List[Batch] = []
    texts: List[bytes] = []
    left = 0
    for index, bet in enumerate(bets):
        text = bet.text().encode()
        if texts and (len(texts) == bets_max or len(text) + 1 > left):
            batches.append(_batch(agency, len(batches), index - len(texts), texts))
            texts = []
        if not texts:
            left = frame_len_max - len(wire.bets(agency, len(batches), []))
        texts.append(text)
        left -= len(text) + 1
        if left < 0:
            raise BolilleroError(
                f"{where(bet, index)} does not fit in {frame_len_max} bytes, the longest message of the "
                "central; ask the operators for a larger --frame-len-max"
            )
    if texts:
        batches.append(_batch(agency, len(batches), len(bets) - len(texts), texts))
    return batches


def prefix_digest(batches: Iterable[Batch]) -> bytes:
    """The digest of these batches, the first of a draw, as WELCOME has it."""
    digest = bytes(32)
    for batch in batches:
        digest = hashlib.sha256(digest + batch.digest).digest()
    return digest


def _batch(agency: int, chunk: int, first: int, texts: List[bytes]) -> Batch:
    digest = hashlib.sha256(b"&".join(texts)).digest()
    return Batch(first, wire.bets(agency, chunk, texts), digest)


def _is_name(text: str) -> bool:
    try:
        length = len(text.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False
    is_control = any(unicodedata.category(char) == "Cc" for char in text)
    return 1 <= length <= NAME_LEN_MAX and not is_control and "|" not in text and "&" not in text


def _is_date(text: str) -> bool:
    parts = _BIRTHDATE.fullmatch(text)
    if parts is None:
        return False
    try:
        date(*map(int, parts.groups()))
    except ValueError:
        return False
    return True
