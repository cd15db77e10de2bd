"""Agencies of every kind against a real central, which is killed in the middle of the day."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import unittest
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, Iterator, List

import bolillero
from bolillero import Agency, Bet, errors, wire
from bolillero.conversation import address
from central import Central, WithCentral, environment, needs_central, run

NOBODY = "127.0.0.1:1"
"""A port at which no central listens."""
ALL_TIME_MAX = 120.0


@needs_central
class Days(WithCentral):
    def test_agencies_of_every_kind_get_their_winners_although_the_central_is_killed(self) -> None:
        bets = self.generated(6, 20_000)
        number, _ = Counter(bet.number for some in bets.values() for bet in some).most_common(1)[0]
        run("pki", "--dir", self.path("pki"), "init")
        run("pki", "--dir", self.path("pki"), "central", "127.0.0.1")
        for agency in (4, 5):
            run("pki", "--dir", self.path("pki"), "agency", str(agency))
        options = ["--agencies", "6", "--winning-number", str(number)]
        for option, file in TLS_FILES.items():
            options += [option, self.path(f"pki/{file}")]

        day = KilledTwice(self, options)
        plain, tls = day.central.addresses
        agencies = {
            1: Agency(1, [NOBODY, plain]),
            2: Agency(2, [plain], draw="sorteo"),
            3: Agency(3, [plain], legacy=True),
            4: Agency(4, [tls]),
            5: Agency(5, [NOBODY, tls], batch_bets=40),
            6: Agency(6, [NOBODY, plain], legacy=True),
        }
        contexts = {agency: self.context(agency) for agency in (4, 5)}
        winners = at_once(agencies, bets, contexts, in_asyncio=(2, 5, 6))

        self.assertEqual(day.kills, 2)
        for agency, some in bets.items():
            expected = [bet.document for bet in some if bet.number == number]
            self.assertEqual(winners[agency], expected, f"agency {agency}")
        self.assertEqual(self.stored(), {id: sorted(map(Bet.text, bets[id])) for id in bets})
        self.assertEqual(self.winners(), {agency: it for agency, it in winners.items() if it})

    @unittest.skipUnless(os.environ.get("BOLILLERO_REAL_BETS"), "set BOLILLERO_REAL_BETS to a folder")
    def test_real_bets(self) -> None:
        folder = os.environ["BOLILLERO_REAL_BETS"]
        bets = {id: bolillero.read_bets(f"{folder}/agency-{id}.csv") for id in range(1, 6)}
        central = self.serve("--listen", "127.0.0.1:0", "--agencies", "5")
        agencies = {id: Agency(id, central.addresses, legacy=id == 3) for id in bets}
        winners = at_once(agencies, bets, {}, in_asyncio=(2, 4))
        self.assertEqual([len(winners[id]) for id in sorted(winners)], [2, 3, 3, 2, 0])
        self.assertEqual(self.winners(), {id: it for id, it in winners.items() if it})

    def generated(self, agencies: int, total: int) -> Dict[int, List[Bet]]:
        count = str(agencies), str(total)
        run("generate", "--agencies", count[0], "--bets", count[1], "--out", self.path("bets"))
        files = {id: self.path(f"bets/agency-{id}.csv") for id in range(1, agencies + 1)}
        return {id: bolillero.read_bets(file) for id, file in files.items()}

    def stored(self) -> Dict[int, List[str]]:
        """The canonical texts of the bets that the ledger has, by agency, sorted."""
        stored: Dict[int, List[str]] = defaultdict(list)
        text = run("export", "--data", self.path("data"), "--format", "csv", "--raw")
        for row in csv.DictReader(io.StringIO(text)):
            stored[int(row["agency"])].append("|".join(row[field] for field in FIELDS))
        return {agency: sorted(texts) for agency, texts in stored.items()}

    def context(self, agency: int) -> ssl.SSLContext:
        pki = self.folder / "pki"
        return bolillero.tls_context(pki / "ca.crt", pki / f"agency-{agency}.crt", pki / f"agency-{agency}.key")

    def path(self, name: str) -> str:
        return str(self.folder / name)


@needs_central
class Mistakes(WithCentral):
    def test_a_certificate_is_of_one_agency_and_of_an_authority_that_both_trust(self) -> None:
        for pki, issued in (("pki", "1"), ("other", "1")):
            run("pki", "--dir", str(self.folder / pki), "init")
            run("pki", "--dir", str(self.folder / pki), "agency", issued)
        run("pki", "--dir", str(self.folder / "pki"), "central", "127.0.0.1")
        files = [word for it in TLS_FILES.items() for word in (it[0], str(self.folder / "pki" / it[1]))]
        central = self.serve("--tls-listen", "127.0.0.1:0", "--agencies", "2", *files)

        def context(ca: str, own: str) -> ssl.SSLContext:
            folder, key = self.folder / own, self.folder / own / "agency-1.key"
            return bolillero.tls_context(self.folder / ca / "ca.crt", folder / "agency-1.crt", key)

        cases = [
            (2, context("pki", "pki"), errors.OtherAgency, "error 8 "),
            (1, context("other", "pki"), errors.NotTrusted, "the central's certificate"),
            (1, context("pki", "other"), errors.NotTrusted, "the agency's certificate"),
        ]
        for id, tls, kind, text in cases:
            agency = Agency(id, central.addresses)
            with self.assertRaisesRegex(kind, text):
                bolillero.send(agency, [], tls, ALL_TIME_MAX)
            with self.assertRaisesRegex(kind, text):
                asyncio.run(bolillero.send_async(agency, [], tls, ALL_TIME_MAX))

    def test_refusals_are_exceptions_that_say_what_to_do(self) -> None:
        central = self.serve("--listen", "127.0.0.1:0", "--agencies", "2", *NUMBERS)
        ana, out_of_range = Bet("Ana", "Paz", "1", "2000-01-01", 7), Bet("A", "B", "2", "2000-01-01", 51)
        cases = [
            (Agency(9, central.addresses), [ana], errors.UnknownAgency, "ask the operators"),
            (Agency(1, central.addresses, "otro"), [ana], errors.UnknownDraw, "check the draw's name"),
            (Agency(1, central.addresses), [ana, out_of_range], errors.InvalidBets, "bet 1: the number"),
            (Agency(1, central.addresses, legacy=True), [ana, out_of_range], errors.InvalidBets, "bet 1: "),
        ]
        for agency, bets, kind, text in cases:
            with self.assertRaisesRegex(kind, text):
                bolillero.send(agency, bets)
        self.finished(central, 1, ana)
        with self.assertRaisesRegex(errors.OtherBets, "send the same bets as before"):
            bolillero.send(Agency(1, central.addresses), [ana._replace(number=8)])
        with self.assertRaises(errors.NotAllStored) as caught, self.finishing(central, 2):
            bolillero.send(Agency(1, central.addresses, batch_bets=1), [ana, ana])
        self.assertEqual((caught.exception.stored, caught.exception.total), (1, 2))

    def finished(self, central: Central, agency: int, bet: Bet) -> None:
        """An agency that has finished with one bet, and does not wait for the draw."""
        bets = wire.bets(agency, 0, [bet.text().encode()])
        with socket.create_connection(address(central.addresses[0]), ALL_TIME_MAX) as connection:
            connection.sendall(wire.hello(agency) + bets + wire.finish(agency))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):  # until all its replies are sent
                pass

    @contextlib.contextmanager
    def finishing(self, central: Central, agency: int) -> Iterator[None]:
        """Meanwhile, an agency finishes, without bets."""
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(bolillero.send, Agency(agency, central.addresses), [])
            yield
            self.assertEqual(other.result(), [])


@needs_central
class CommandLine(WithCentral):
    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "bolillero", *arguments]
        variables = {**environment(), "PYTHONIOENCODING": "utf-8"}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=variables, stdout=pipe, stderr=pipe, text=True)
        self.addCleanup(process.kill)
        return process

    def outcome(self, *arguments: str) -> "tuple[int, str, str]":
        """Exit code, output, and the last line of the log."""
        process = self.start(*arguments)
        output, log = process.communicate()
        return process.returncode, output, log.splitlines()[-1]

    def test_exit_codes_and_output(self) -> None:
        good, bad, empty = (self.folder / name for name in ("good.csv", "bad.csv", "empty.csv"))
        good.write_text("Ñandú,Paz,11,2000-01-01,7574\nAna,Paz,12,2000-01-01,1\n", encoding="utf-8")
        bad.write_text("Ana,Paz,11,2000-01-01,1\nAna,Paz,12,2000-02-30,1\n")
        empty.write_text("")
        central = self.serve("--listen", "127.0.0.1:0", "--agencies", "2")
        to = ["--central", central.addresses[0], "--bets"]

        code, output, log = self.outcome("--id", "1", *to, str(bad))
        self.assertEqual((code, output), (2, ""))
        self.assertEqual(log, f"{bad}:2: the birthdate must be a real date, YYYY-MM-DD")
        for wrong in (str(empty), str(self.folder / "none.csv"), f"{good} --tls-ca x", f"{good} --draw x --legacy"):
            code, output, log = self.outcome("--id", "1", *to, *wrong.split(" "))
            self.assertEqual((code, output, log[:7]), (2, "", "error: "), wrong)
        code, output, log = self.outcome("--id", "3", *to, str(good))
        self.assertEqual((code, output, log[:14]), (1, "", "error: error 7"))

        process = self.start("--id", "1", *to, str(good))
        assert process.stderr is not None
        while "waiting for the draw" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        output, log = process.communicate()
        self.assertEqual((process.returncode, output), (1, ""))
        self.assertEqual(log, "error: interrupted; run it again with the same file to continue\n")

        code, output, log = self.outcome("--id", "2", *to, str(empty), "--allow-empty", "--quiet")
        self.assertEqual((code, output, log), (0, "", "No winners."))
        code, output, log = self.outcome("--id", "1", *to, str(good), "--legacy")
        self.assertEqual((code, output, log), (0, "11\n", "waiting for the draw"))


NUMBERS = ("--numbers", "5-50", "--winning-number", "7")
FIELDS = ("first_name", "last_name", "document", "birthdate", "number")
TLS_FILES = {
    "--tls-cert": "central.crt",
    "--tls-key": "central.key",
    "--tls-agencies-ca": "ca.crt",
    "--tls-revoked": "crl.pem",
}


class KilledTwice:
    """A central that is killed when it has stored some batches, and started again at the same addresses."""

    def __init__(self, test: WithCentral, options: List[str]) -> None:
        self.test, self.options = test, options
        self.kills, self.stored = 0, 0
        self.central = self.start(["127.0.0.1:0", "127.0.0.1:0"])

    def start(self, addresses: List[str]) -> Central:
        listen = ["--listen", addresses[0], "--tls-listen", addresses[1]]
        return self.test.serve(*listen, *self.options, seen=self.seen)

    def seen(self, line: str) -> None:
        self.stored += "action: apuesta_recibida" in line
        if self.stored == 40 * (self.kills + 1) and self.kills < 2:
            self.kills += 1
            self.central.process.kill()
            threading.Thread(target=self.restart).start()

    def restart(self) -> None:
        addresses = self.central.addresses
        self.central.kill()
        self.central = self.start(addresses)


def at_once(
    agencies: Dict[int, Agency],
    bets: Dict[int, List[Bet]],
    contexts: Dict[int, ssl.SSLContext],
    in_asyncio: "tuple[int, ...]",
) -> Dict[int, List[str]]:
    """The winners of all agencies, some with asyncio, each of the others in a thread."""

    async def together() -> List[List[str]]:
        days = (
            bolillero.send_async(agencies[id], bets[id], contexts.get(id), ALL_TIME_MAX) for id in in_asyncio
        )
        return await asyncio.gather(*days)

    def alone(id: int) -> List[str]:
        return bolillero.send(agencies[id], bets[id], contexts.get(id), ALL_TIME_MAX)

    others = [id for id in agencies if id not in in_asyncio]
    with ThreadPoolExecutor(len(others) + 1) as pool:
        asynchronous = pool.submit(lambda: asyncio.run(together()))
        winners = dict(zip(others, pool.map(alone, others)))
    winners.update(zip(in_asyncio, asynchronous.result()))
    return winners
