"""The core without sockets: bets, messages, and the conversation against a central of a few lines."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import struct
import tempfile
import unittest
from hashlib import sha256
from pathlib import Path
from typing import Iterator, List, Optional, Tuple
from unittest import mock

from bolillero import Agency, Bet, bets, errors, read_bets, send_async, wire
from bolillero.conversation import Connect, Pause, Receive, Send, day

LORCA = Bet("Santiago Lionel", "Lorca", "30904465", "1999-03-17", 2201)
NICOLAS = Bet("Tiago Nicolás", "D'Angelo", "34407251", "2001-08-29", 33)


class Lost(unittest.TestCase):
    def test_asyncio_finds_out_while_sending_why_the_central_closed_the_connection(self) -> None:
        alert = ssl.SSLError(1, "an alert")
        alert.reason = "TLSV1_ALERT_UNKNOWN_CA"

        async def connected(*_: object, **__: object) -> Tuple[asyncio.StreamReader, mock.Mock]:
            reader, writer = asyncio.StreamReader(), mock.Mock()

            async def drain() -> None:
                reader.set_exception(alert)
                raise ConnectionResetError("Connection lost")

            writer.drain, writer.get_extra_info.return_value = drain, None
            return reader, writer

        with mock.patch("asyncio.open_connection", connected):
            with self.assertRaisesRegex(errors.NotTrusted, "the agency's certificate"):
                asyncio.run(send_async(Agency(1, ["central:1"]), [], mock.Mock(), 5.0))


class Bets(unittest.TestCase):
    def test_what_is_valid_and_what_is_not(self) -> None:
        good = ["Ana", "Paz", "1", "2000-02-29", "0007"]
        self.assertEqual(bets.parse(good), Bet("Ana", "Paz", "1", "2000-02-29", 7))
        changes: List[Tuple[int, str, Optional[int]]] = [
            (0, "", errors.FIRST_NAME),
            (0, "é" * 50, None),
            (0, "é" * 50 + "e", errors.FIRST_NAME),
            (0, "A\tna", errors.FIRST_NAME),
            (0, "A\x85na", errors.FIRST_NAME),
            (0, "A\ud800na", errors.FIRST_NAME),
            (1, "a|b", errors.LAST_NAME),
            (1, "a&b", errors.LAST_NAME),
            (1, " ", None),
            (2, "a.B-9", None),
            (2, "1" * 15, None),
            (2, "1" * 16, errors.DOCUMENT),
            (2, "12 3", errors.DOCUMENT),
            (2, "１", errors.DOCUMENT),
            (3, "0001-01-01", None),
            (3, "9999-12-31", None),
            (3, "0000-01-01", errors.BIRTHDATE),
            (3, "1900-02-29", errors.BIRTHDATE),
            (3, "2000-1-01", errors.BIRTHDATE),
            (3, "20000101", errors.BIRTHDATE),
            (3, "2000-01-01 ", errors.BIRTHDATE),
            (4, "", errors.NUMBER_FORMAT),
            (4, "+5", errors.NUMBER_FORMAT),
            (4, "٣", errors.NUMBER_FORMAT),
            (4, "4294967295", None),
            (4, "4294967296", errors.NUMBER_RANGE),
            (4, "0" * 5000 + "5", None),
            (4, "9" * 5000, errors.NUMBER_RANGE),
        ]
        for field, text, fault in changes:
            parsed = bets.parse([*good[:field], text, *good[field + 1 :]])
            self.assertEqual(parsed if isinstance(parsed, int) else None, fault, (field, text))
        self.assertEqual(bets.parse(good[:4]), errors.FIELD_COUNT)
        self.assertEqual(bets.parse(["", "", "", "", "x"]), errors.FIRST_NAME)
        with self.assertRaises(errors.InvalidBets) as caught:
            bets.check([LORCA, LORCA._replace(number=-1), LORCA], 2201, 2201)
        self.assertEqual(caught.exception.faults, [("bet 1", errors.NUMBER_FORMAT)])

    def test_reads_a_file_and_names_the_lines_of_all_that_is_wrong(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bets.csv"
            path.write_text('\ufeffAna,"de la Paz, h.",1,2000-01-01,7\n\nAna,Paz,1\n,Paz,1,2000-01-01,7\n', "utf-8")
            with self.assertRaises(errors.InvalidBets) as caught:
                read_bets(path)
            self.assertEqual(caught.exception.faults, [(f"{path}:3", 1), (f"{path}:4", 2)])
            path.write_text('\ufeffAna,"de la Paz, h.",1,2000-01-01,7\n', "utf-8")
            self.assertEqual(read_bets(path), [Bet("Ana", "de la Paz, h.", "1", "2000-01-01", 7, f"{path}:1")])

    def test_batches_keep_the_limits_and_all_bets_in_order(self) -> None:
        chance = random.Random(1)
        for _ in range(200):
            some = made_up(chance, chance.randrange(300))
            bets_max, length_max = chance.randint(1, 100), chance.randint(300, 9000)
            batches = bets.cut(7, some, bets_max, length_max)
            taken: List[Bet] = []
            for chunk, batch in enumerate(batches):
                self.assertEqual((batch.first, len(batch.message) <= length_max), (len(taken), True))
                agency, its_chunk, its_bets = read_batch(batch.message[4:])
                self.assertEqual((agency, its_chunk), (7, chunk))
                self.assertTrue(1 <= len(its_bets) <= bets_max)
                taken += its_bets
                if chunk + 1 < len(batches) and len(its_bets) < bets_max:  # no room for the next bet
                    room = length_max - len(batch.message)
                    self.assertLess(room, 1 + len(some[len(taken)].text().encode()))
            self.assertEqual(taken, some)
        longest = Bet("a" * 100, "b" * 100, "1" * 15, "2000-01-01", 10**9)
        self.assertEqual(len(bets.cut(2**32 - 1, [longest] * 10, 93, 256)), 10)
        with self.assertRaisesRegex(errors.BolilleroError, "bet 10 does not fit in 256 bytes"):
            bets.cut(2**32 - 1, [longest] * 11, 93, 256)

    def test_digests_are_those_of_the_document(self) -> None:
        (batch,) = bets.cut(1, [LORCA], 93, 8192)
        self.assertEqual(batch.message.hex(), "000c0032" + b"1&0&Santiago Lionel|Lorca|30904465|1999-03-17|2201".hex())
        one = "e56f24eff2b0f2d9bed0aa556dc7ad1453bcabf68fea284c3a64f581135f2ef3"
        self.assertEqual(batch.digest.hex(), one)
        prefix = "5cbf514be1709e2de65850e2e1c56af55f90927d0bc7628e5e239f8e1ee5730a"
        self.assertEqual(bets.prefix_digest([batch]).hex(), prefix)
        self.assertEqual(bets.prefix_digest([]), bytes(32))


WELCOME = "0013 004b 0001 00000001 0010 00002000 00000000 0000270f" + "00" * 48 + "00" + b"sorteo".hex()
MESSAGES: List[Tuple[str, wire.Message]] = [
    ("000d 0000002b", wire.BetsAck(43)),
    ("000e 00000005", wire.FinishAck(5)),
    ("0010", wire.NoWinners()),
    ("0011 0000", wire.Winners([])),
    ("0011 0011" + b"30876370,24807259".hex(), wire.Winners(["30876370", "24807259"])),
    ("0015 0001 01", wire.Winners([])),
    ("0015 0003 00" + b"12".hex(), wire.Winners(["12"], last=False)),
    (WELCOME, wire.Welcome(1, 1, 16, 8192, 0, 9999, 0, 0, bytes(32), 0, "sorteo")),
    ("0014 000d 000b 01 00000001 0001 0000 0005", wire.Error(11, 1, [(0, 5)], "")),
    ("0014 000b 0010 00 00000000 0000" + b"no".hex(), wire.Error(16, None, [], "no")),
]


class Messages(unittest.TestCase):
    def test_messages_of_agencies(self) -> None:
        cases = [
            (wire.bets(2, 7, []), "000c 0003 322637"),
            (wire.bets(4, 4294967295, [b"x", b"y"]), "000c 0010" + b"4&4294967295&x&y".hex()),
            (wire.finish(5), "000e 00000005"),
            (wire.get_winners(5), "000f 00000005"),
            (wire.hello(1), "0012 0006 0001 00000001"),
            (wire.hello(1, "año"), "0012 000a 0001 00000001 61c3b16f"),
        ]
        for message, expected in cases:
            self.assertEqual(message.hex(), expected.replace(" ", ""))

    def test_messages_of_the_central_in_any_pieces(self) -> None:
        for text, expected in MESSAGES:
            data = bytes.fromhex(text)
            for end in range(len(data)):
                decoder = wire.Decoder()
                decoder.feed(data[:end])
                self.assertIsNone(decoder.next(), (expected, end))
                decoder.feed(data[end:])
                self.assertEqual((decoder.next(), decoder.next()), (expected, None))
        chance = random.Random(2)
        for _ in range(100):
            chosen = [chance.choice(MESSAGES) for _ in range(20)]
            decoder, decoded = wire.Decoder(), []
            for piece in pieces(chance, b"".join(bytes.fromhex(text) for text, _ in chosen)):
                decoder.feed(piece)
                while (message := decoder.next()) is not None:
                    decoded.append(message)
            self.assertEqual(decoded, [message for _, message in chosen])

    def test_what_no_central_sends(self) -> None:
        wrong = ["000c 0000", "0012", "4854", "0013 0044" + "00" * 68, "0014 0009 000b 01 00000001 0001"]
        wrong += ["0015 0000", "0015 0001 02", "0011 0001 ff"]
        for text in wrong:
            decoder = wire.Decoder()
            decoder.feed(bytes.fromhex(text))
            with self.assertRaises(errors.NotACentral, msg=text):
                decoder.next()
        chance = random.Random(3)
        for _ in range(20_000):  # whatever arrives, there is a message, an error, or something to wait for
            decoder = wire.Decoder()
            decoder.feed(struct.pack(">HH", chance.randint(12, 21), chance.randrange(90)) + chance.randbytes(80))
            try:
                decoder.next()
            except errors.NotACentral:
                pass


class Store:
    """What centrals share: the batches of one agency, and whether it has finished."""

    def __init__(self, frame_len_max: int = 8192, window: int = 16, wait: int = 0) -> None:
        self.frame_len_max, self.window, self.wait = frame_len_max, window, wait
        self.chunks: List[List[Bet]] = []
        self.finished = False
        self.repeated = 0
        self.named: List[bytes] = []
        """The draws that HELLOs named."""

    def answer(self, id: int, payload: bytes) -> bytes:
        if id == wire.HELLO:
            self.named.append(payload[6:])
            texts = ["&".join(map(Bet.text, chunk)).encode() for chunk in self.chunks]
            digest = bets.prefix_digest(bets.Batch(0, b"", sha256(text).digest()) for text in texts)
            numbers = struct.pack(">HIII", self.window, self.frame_len_max, 0, 9999)
            stored = struct.pack(">QQ", len(self.chunks), sum(map(len, self.chunks)))
            welcome = b"\0\1" + payload[2:6] + numbers + stored + digest + bytes([self.finished]) + b"hoy"
            return struct.pack(">HH", wire.WELCOME, len(welcome)) + welcome
        if id == wire.BETS:
            _, chunk, its_bets = read_batch(payload)
            assert chunk <= len(self.chunks), "a batch was left out"
            self.repeated += chunk < len(self.chunks)
            self.chunks += [its_bets] if chunk == len(self.chunks) else []
            assert self.chunks[chunk] == its_bets
            return struct.pack(">HI", wire.BETS_ACK, chunk)
        if id == wire.FINISH:
            self.finished = True
            return struct.pack(">H", wire.FINISH) + payload
        assert id == wire.GET_WINNERS and self.finished
        if self.wait:
            self.wait -= 1
            return struct.pack(">H", wire.NO_WINNERS)
        parts = [b"\0" + b"1,2", b"\0", b"\1" + b"3"] if self.greeted else [b"1,2,3"]
        id = wire.WINNERS_PART if self.greeted else wire.WINNERS
        return b"".join(struct.pack(">HH", id, len(part)) + part for part in parts)

    greeted = False


def play(
    chance: random.Random,
    agency: Agency,
    some: List[Bet],
    store: Store,
    loss: float,
    errors_sent: Optional[List[int]] = None,
    time_max: Optional[float] = None,
) -> "tuple[List[str], float, List[Tuple[str, int]]]":
    """A day on a virtual clock, over connections that are lost; the winners, the seconds and what was connected to."""
    now, connected, codes = [0.0], [], list(errors_sent or [])
    steps = day(agency, some, time_max, lambda: now[0])
    unread, sent, unanswered, delivered = b"", b"", 0, wire.Decoder()
    try:
        step = next(steps)
        while True:
            now[0] += 0.001
            lost = chance.random() < loss
            if isinstance(step, Connect):
                connected.append((step.host, step.port))
                unread, sent, unanswered, delivered = b"", b"", 0, wire.Decoder()
                store.greeted = False
            elif isinstance(step, Pause):
                now[0] += step.seconds
                lost = False
            elif isinstance(step, Send):
                # What was sent before a loss may have arrived, or a part of it.
                sent += step.data[: chance.randrange(len(step.data))] if lost else step.data
                while (message := split(sent)) is not None:
                    id, payload, sent = message
                    unanswered += id == wire.BETS
                    limit = store.window if store.greeted else 1
                    assert unanswered <= limit, "more than the window"
                    store.greeted |= id == wire.HELLO
                    unread += error(codes.pop(0)) if codes and id == wire.BETS else store.answer(id, payload)
            elif not unread:
                now[0] += step.seconds
                lost = True
            if lost:
                step = steps.throw(ConnectionResetError("lost") if chance.random() < 0.9 else TimeoutError())
            elif isinstance(step, Receive):
                length = chance.randint(1, len(unread))
                piece, unread = unread[:length], unread[length:]
                delivered.feed(piece)
                while (reply := delivered.next()) is not None:
                    unanswered -= isinstance(reply, wire.BetsAck)
                step = steps.send(piece)
            else:
                step = steps.send(b"")
    except StopIteration as done:
        return done.value, now[0], connected


class Conversations(unittest.TestCase):
    def setUp(self) -> None:
        logging.disable(logging.WARNING)  # each lost connection
        self.addCleanup(logging.disable, logging.NOTSET)

    def test_each_bet_is_stored_once_and_in_order_whatever_is_lost(self) -> None:
        chance = random.Random(4)
        lost_days, named = 0, 0
        for _ in range(300):
            some = made_up(chance, chance.randrange(200))
            store = Store(chance.randint(300, 2000), chance.randint(1, 40), chance.randrange(3))
            loss = chance.choice([0.0, 0.02, 0.1])
            legacy = chance.random() < 0.3
            centrals = [f"central-{at}:{at}" for at in range(1, chance.randint(2, 4))]
            id, bets_max, ever = chance.randrange(9), chance.randint(1, 20), 1e9
            agency = Agency(id, centrals, "", legacy, bets_max, connect_time_max=ever, retry_time_max=ever)
            winners, _, connected = play(chance, agency, some, store, loss)
            self.assertEqual(winners, ["1", "2", "3"])
            self.assertEqual([bet for chunk in store.chunks for bet in chunk], some)
            self.assertTrue(store.finished)
            if len(connected) > 1:
                lost_days += 1
                self.assertTrue(all(a != b for a, b in zip(connected, connected[1:])) or len(centrals) == 1)
            if not legacy:
                self.assertEqual(store.repeated, 0, "sent again although WELCOME says that it is stored")
            self.assertEqual(store.named, sorted(store.named), "not the draw of WELCOME on the next connection")
            named += store.named.count(b"hoy")
        self.assertTrue(lost_days > 100 and named > 100, (lost_days, named))

    def test_refusals_that_pass_are_tried_again_and_others_are_raised(self) -> None:
        chance = random.Random(5)
        for code in (16, 17, 18, 19, 20, 13, 14):
            agency = Agency(1, ["a:1", "b:2"])
            winners, _, connected = play(chance, agency, [LORCA], Store(), 0.0, [code])
            self.assertEqual((winners, connected), (["1", "2", "3"], [("b", 2), ("a", 1)]), code)
        kinds = {7: errors.UnknownAgency, 8: errors.OtherAgency, 9: errors.UnknownDraw, 10: errors.NoOpenDraw}
        kinds.update({15: errors.TooManyWinners, 21: errors.NotOpenYet, 22: errors.TooManyBatches})
        kinds.update({code: errors.BrokenRule for code in range(1, 7)})
        kinds.update({99: errors.Refused})
        for code, kind in kinds.items():
            with self.assertRaises(kind) as caught:
                play(chance, Agency(1, ["a:1"]), [LORCA], Store(), 0.0, [code])
            self.assertIs(type(caught.exception), kind)
            self.assertRegex(str(caught.exception), f"error {code} of the central: because; .+")
        with self.assertRaises(errors.OtherBets):
            play(chance, Agency(1, ["a:1"]), [LORCA], Store(), 0.0, [12])

    def test_bets_that_the_original_protocol_stores_no_more_are_told_with_the_winners(self) -> None:
        store = Store()
        store.finished = True
        agency = Agency(1, ["a:1"], legacy=True, batch_bets=1)
        store.chunks = [[LORCA]]
        with self.assertRaises(errors.NotAllStored) as caught:
            play(random.Random(6), agency, [LORCA, NICOLAS], store, 0.0, [14])
        self.assertEqual((caught.exception.stored, caught.exception.winners), (0, ["1", "2", "3"]))

    def test_what_is_stored_must_be_what_would_be_sent(self) -> None:
        store = Store()
        for chunks in ([[LORCA]], [[NICOLAS, NICOLAS]], [[NICOLAS], [LORCA]]):
            store.chunks = chunks
            with self.assertRaises(errors.OtherBets):
                play(random.Random(7), Agency(1, ["a:1"]), [NICOLAS], store, 0.0)

    def test_bets_out_of_the_range_of_the_draw_are_not_sent(self) -> None:
        store = Store()
        with self.assertRaises(errors.InvalidBets) as caught:
            play(random.Random(7), Agency(1, ["a:1"]), [LORCA, LORCA._replace(number=10_000)], store, 0.0)
        self.assertEqual(caught.exception.faults, [("bet 1", errors.NUMBER_RANGE)])
        self.assertEqual(store.chunks, [])

    def test_pauses_double_and_it_gives_up_in_time(self) -> None:
        steps, now = day(Agency(2, ["a:1", "b:2"]), [], None, lambda: now[0]), [0.0]
        step, pauses, connects = next(steps), [], 0
        with self.assertRaises(errors.NoCentral) as caught:
            while True:
                if isinstance(step, Pause):
                    pauses.append(step.seconds)
                    now[0] += step.seconds
                    step = steps.send(b"")
                else:
                    assert isinstance(step, Connect)
                    connects += 1
                    now[0] += 0.5
                    step = steps.throw(ConnectionRefusedError(f"nobody at {step.host}"))
        self.assertEqual(pauses[:8], [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
        self.assertEqual(caught.exception.attempts, {"a:1": "nobody at a", "b:2": "nobody at b"})
        self.assertTrue(60 <= now[0] <= 66 and connects > 20, now)

    def test_silence_and_the_time_given_have_an_end(self) -> None:
        chance = random.Random(8)
        with self.assertRaises(errors.OutOfTime):
            play(chance, Agency(1, ["a:1"]), [], Store(wait=10**9), 0.0, time_max=100.0)
        now = [0.0]
        steps = day(Agency(1, ["a:1"]), [], 5.0, lambda: now[0])
        step = next(steps)
        with self.assertRaises(errors.OutOfTime):
            while True:  # nothing answers in time
                now[0] += step.seconds
                step = steps.throw(TimeoutError()) if not isinstance(step, Pause) else steps.send(b"")
        self.assertEqual(now[0], 5.0)
        _, seconds, _ = play(chance, Agency(1, ["a:1"]), [], Store(wait=50), 0.0)
        self.assertTrue(50 <= seconds <= 51, "asked again each second")

    def test_agencies_that_can_not_be(self) -> None:
        for id, centrals in ((-1, ["a:1"]), (2**32, ["a:1"]), (1, []), (1, ["a"]), (1, [":1"]), (1, ["a:0"])):
            with self.assertRaises(ValueError):
                Agency(id, centrals)
        for draw, legacy in (("ñ" * 33, False), ("x", True)):
            with self.assertRaises(ValueError):
                Agency(1, ["[::1]:1"], draw, legacy)


def made_up(chance: random.Random, count: int) -> List[Bet]:
    names = ["Ana", "José María", "Ñandú " * 9, "D'Angelo", "Łukasz"]
    return [
        Bet(chance.choice(names), chance.choice(names), str(chance.randrange(10**8)), "2000-02-29", number)
        for number in chance.choices(range(10_000), k=count)
    ]


def pieces(chance: random.Random, data: bytes) -> Iterator[bytes]:
    while data:
        length = chance.randint(1, 9)
        yield data[:length]
        data = data[length:]


def split(data: bytes) -> Optional[Tuple[int, bytes, bytes]]:
    """The first whole message of an agency: its id, its payload, and what follows it."""
    if len(data) < 4:
        return None
    id, length = struct.unpack_from(">HH", data)
    start, end = (4, 4 + length) if id in (wire.BETS, wire.HELLO) else (2, 6)
    return (id, data[start:end], data[end:]) if len(data) >= end else None


def read_batch(payload: bytes) -> Tuple[int, int, List[Bet]]:
    agency, chunk, *texts = payload.decode().split("&")
    its_bets = [bets.parse(text.split("|")) for text in texts]
    return int(agency), int(chunk), [bet for bet in its_bets if isinstance(bet, Bet)]


def error(code: int) -> bytes:
    payload = struct.pack(">HBIH", code, 1, 0, 0) + b"because"
    return struct.pack(">HH", wire.ERROR, len(payload)) + payload
