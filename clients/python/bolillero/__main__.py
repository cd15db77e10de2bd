"""The command line: `bolillero-agency`, or `python -m bolillero`."""

from __future__ import annotations

import argparse
import csv
import logging
import signal
import ssl
import sys
from typing import List, NoReturn, Optional, Sequence

from .bets import read_bets
from .client import send, tls_context
from .conversation import Agency
from .errors import BolilleroError, InvalidBets, NotAllStored, OtherBets

EPILOG = """\
Example:
  bolillero-agency --id 1 --central 127.0.0.1:12345 --bets agency-1.csv
  bolillero-agency --id 1 --central one.example:12346,two.example:12346 --bets agency-1.csv \\
      --tls-ca ca.crt --tls-cert agency-1.crt --tls-key agency-1.key

The file has one bet per line, in UTF-8: first name, last name, document, birthdate (YYYY-MM-DD), number.
All of it is validated before anything is sent. The documents of the winners are printed, one per line.
Run it again with the same file after an interruption, and it continues where it stopped.

Exit codes:
  0  every bet of the file takes part in the draw, and the winners were printed
  1  bets were not sent or do not take part, or no winners were printed; see the error
  2  wrong usage, invalid rows, or a file without bets; the agency has not finished
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING if options.quiet else logging.INFO)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        centrals = options.central.split(",")
        agency = Agency(options.id, centrals, options.draw, options.legacy, options.batch_max_bets)
        tls = _tls(options)
        bets = read_bets(options.bets)
        if not bets and not options.allow_empty:
            raise ValueError(f"{options.bets}: no bets in it; --allow-empty finishes without bets")
    except (InvalidBets, OSError, ValueError, csv.Error) as error:
        return _failed(error, 2)
    try:
        winners = send(agency, bets, tls)
    except InvalidBets as error:
        return _failed(error, 2)
    except BolilleroError as error:
        if isinstance(error, (NotAllStored, OtherBets)):
            _print(error.winners)
        return _failed(error, 1)
    except KeyboardInterrupt:
        return _failed("interrupted; run it again with the same file to continue", 1)
    _print(winners)
    if not winners:
        print("No winners.", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bolillero-agency",
        description="Send a file of bets to a lottery central and wait for the winners.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--id", type=int, required=True, metavar="N", help="the agency's number")
    add("--central", required=True, metavar="HOST:PORT[,...]", help="addresses of the centrals")
    add("--bets", required=True, metavar="FILE", help="file of bets")
    add("--draw", default="", metavar="NAME", help="draw to bet in; required only if several are open")
    add("--batch-max-bets", type=int, default=93, metavar="N", help="most bets in a batch [default: 93]")
    add("--tls-ca", metavar="FILE", help="use TLS, and trust central certificates of these authorities")
    add("--tls-cert", metavar="FILE", help="the agency's certificate")
    add("--tls-key", metavar="FILE", help="the private key of the certificate")
    add("--legacy", action="store_true", help="use the original protocol only")
    add("--allow-empty", action="store_true", help="finish even if the file has no bet; can't be undone")
    add("--quiet", action="store_true", help="print winners, problems and errors only")
    return parser


def _tls(options: argparse.Namespace) -> Optional[ssl.SSLContext]:
    files = [options.tls_ca, options.tls_cert, options.tls_key]
    if not any(files):
        return None
    if not all(files):
        raise ValueError("TLS needs all three: --tls-ca, --tls-cert and --tls-key")
    return tls_context(*files)


def _print(winners: List[str]) -> None:
    sys.stdout.write("".join(f"{document}\n" for document in winners))


def _failed(error: object, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
