//! Writes the fuzzer's seed inputs to `fuzz/corpus`: for each check, a few inputs that get far. Run
//! it when the format of an input changes: `cargo run -p checks --example seeds`.
#![allow(clippy::unwrap_used, reason = "it is run by a developer, who sees what failed")]

use std::fs;
use std::path::Path;

use wire::{
    AgencyMessage, BetsFrame, CentralMessage, Documents, DrawName, DrawState, ErrorCode,
    ErrorMessage, Fault, FaultCode, Hello, Welcome,
};

const BETS: &str = "Santiago Lionel|Lorca|30904465|1999-03-17|2201&\
                    Ñandú|D'Angelo|23772524|1980-02-10|0007";

fn main() {
    frame_decoder();
    sessions();
    bets();
    config();
    open_ledger();
    damaged_ledger();
    record_stream();
}

fn write(check: &str, name: &str, parts: &[&[u8]]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(check);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), parts.concat()).unwrap();
}

/// Encodes a schedule as it appears in an input.
fn schedule(steps: &[u8]) -> Vec<u8> {
    [&[u8::try_from(steps.len()).unwrap()], steps].concat()
}

fn agency_messages(agency: u32, greets: bool) -> Vec<u8> {
    let draw_name = DrawName::new("sorteo").unwrap();
    let bets = |chunk, bets| AgencyMessage::Bets(BetsFrame { agency, chunk, bets });
    let messages = [
        AgencyMessage::Hello(Hello { version: 1, agency, draw_name }),
        bets(0, Some(BETS.as_bytes())),
        bets(1, None),
        bets(u32::MAX, Some(b"||||")),
        AgencyMessage::Finish { agency },
        AgencyMessage::GetWinners { agency },
    ];
    let mut bytes = Vec::new();
    messages.iter().skip(usize::from(!greets)).for_each(|message| message.encode(&mut bytes));
    bytes
}

fn central_messages(agency: u32) -> Vec<u8> {
    let documents = || Documents::from_text("30876370,24807259").unwrap();
    let fault = Fault { position: 1, code: FaultCode::NumberRange };
    let messages = [
        CentralMessage::Welcome(Welcome {
            version: 1,
            agency,
            window: 4,
            frame_len_max: 8192,
            number_min: 0,
            number_max: 9_999,
            chunks_stored: 0,
            bets_stored: 0,
            prefix_digest: [0; 32],
            state: DrawState::Open,
            draw_name: DrawName::new("sorteo").unwrap(),
        }),
        CentralMessage::BetsAck { chunk: 0 },
        CentralMessage::Error(
            ErrorMessage::of_chunk(ErrorCode::BadBets, 1, "ñ").with_faults([fault]),
        ),
        CentralMessage::FinishAck { agency },
        CentralMessage::NoWinners,
        CentralMessage::WinnersPart { last: false, documents: documents() },
        CentralMessage::WinnersPart { last: true, documents: documents() },
        CentralMessage::Winners(documents()),
        CentralMessage::Error(ErrorMessage::closing(ErrorCode::ShuttingDown, "adiós")),
    ];
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| message.encode(&mut bytes));
    bytes
}

fn frame_decoder() {
    let put = |name: &str, head: &[u8], bytes: &[u8]| write("frame_decoder", name, &[head, bytes]);
    let (agency, central) = (agency_messages(7, true), central_messages(7));
    put("agency-whole", &[1, 1, 0], &agency);
    put("agency-in-pieces", &[1, 1, 3, 1, 2, 50], &agency);
    put("central-whole", &[0, 1, 0], &central);
    put("central-in-pieces", &[0, 2, 2, 3, 7], &central);
    put("too-long", &[1, 0, 0], &[0, 12, 0, 253, b'1', b'&', b'1']);
    put("unknown-id", &[1, 0, 1, 1], &[0, 14, 0, 0, 0, 1, 0, 99]);
    put("unfinished", &[0, 0, 1, 2], &[0, 16, 0, 16, 0, 17, 0, 9, b'1']);
    put("not-utf8", &[1, 1, 0], b"\0\x12\0\x07\0\x01\0\0\0\x07\xff");
    put("leading-zeros", &[1, 1, 0], b"\0\x0c\0\x07007&008");
}

fn sessions() {
    // Read all; answer; send all. Step = choice * 8 + kind.
    let answering = schedule(&[2, 3, 3, 23, 31, 13, 11, 6]);
    let greeted = agency_messages(7, true);
    let field = agency_messages(7, false);
    let other = [&greeted[..], &agency_messages(8, false)].concat();
    let put = |name: &str, head: &[u8], steps: &[u8], bytes: &[u8]| {
        write("central_session", name, &[head, steps, bytes]);
    };
    put("greeted", &[2, 3], &answering, &greeted);
    put("greeted-in-pieces", &[0, 2], &schedule(&[16, 3, 22, 8, 3, 23]), &greeted);
    put("field", &[2, 0], &answering, &field);
    put("other-agency", &[1, 4], &answering, &other);
    put("refused", &[2, 3], &schedule(&[2, 3, 23, 13, 6, 77, 3]), &greeted);
    put("shutdown", &[2, 3], &schedule(&[2, 7, 3, 3, 23]), &greeted);
    put("end-of-input", &[2, 3], &schedule(&[2, 15, 3, 3, 23]), &field);
    put("unknown-id", &[0, 3], &answering, &[0, 99]);

    let put = |name: &str, head: &[u8], steps: &[u8], bytes: &[u8]| {
        write("agency_session", name, &[head, steps, bytes]);
    };
    // Steps that insert the correct answer before the bytes and read it.
    let sound = schedule(&[36, 1, 2, 10, 18, 7, 4, 1, 60, 1, 4, 1, 6, 4, 1, 70, 20, 1, 12, 1]);
    put("greeting", &[0, 1, 0], &sound, &[]);
    put("legacy", &[1, 1, 0], &schedule(&[2, 7, 4, 1, 6, 4, 1, 70, 4, 1, 70, 12, 1]), &[]);
    put("bytes-of-a-central", &[0, 1, 1], &schedule(&[0, 2, 10, 7]), &central_messages(7));
    put("legacy-bytes", &[1, 2, 0], &schedule(&[2, 1]), &[0, 13, 0, 0, 0, 0]);
    put("closing-error", &[0, 1, 0], &schedule(&[1]), b"\0\x14\0\x09\0\x14\0\0\0\0\0\0\0");
    put("other-chunk", &[1, 1, 0], &schedule(&[2, 6, 70, 1]), &[0, 13, 0, 0, 0, 5]);
    put("unasked", &[0, 1, 0], &schedule(&[1]), &[0, 16]);
}

fn bets() {
    let put = |name: &str, text: &str| write("bets_text", name, &[&[0], text.as_bytes()]);
    put("two", BETS);
    put("empty", "");
    put("at-fault", "A|B|1|2000-02-30|1&A|B|1&&A|B|1|2000-01-01|10000");
    write("bets_text", "any-number", &[&[1], b"A|B|1.-x|9999-12-31|4294967295"]);
    write("bets_text", "some-numbers", &[&[2, 1, 0, 0, 0, 9, 0, 0, 0], b"A|B|1|2000-01-01|009"]);
    write("bets_text", "control-characters", &[&[0], "A\u{80}|\u{c1}|1|2000-01-01|1".as_bytes()]);

    let put =
        |name: &str, head: &[u8], text: &str| write("bets_rows", name, &[head, text.as_bytes()]);
    let bet = "Santiago Lionel,Lorca,30904465,1999-03-17,2201";
    put("lines", &[0, 0, 0, 0], &format!("{bet}\n{bet}\r\n\r\n{bet}\r{bet}"));
    put("byte-order-mark", &[0, 1, 1, 1], &format!("\u{feff}{bet}\n\u{feff}{bet}\n"));
    put("quoted", &[0, 2, 2, 2], "\"Ana\",\"Paz\",\"7\",\"2000-01-01\",\"0022\"\n");
    put(
        "quotes-astray",
        &[0, 0, 0, 3],
        &format!("Ana\"x,Paz,7,2000-01-01,22\na\"b,\n\"a\"\"\n{bet}\n\"x\ny\",b,c,d,e\n"),
    );
    put(
        "row-of-two-lines",
        &[0, 0, 0, 0],
        "\"A\r\nB\",C,1,2000-01-01,1\n\"A\"\"B\",C,1,2000-01-01,1",
    );
    put("at-fault", &[0, 0, 0, 1], "a,b,1,2000-02-30,1\n,,,,\nx\na,b,1,2000-01-01,x\n");
    let name = "x".repeat(100);
    let longest = format!("{name},{name},123456789012345,2000-01-01,4294967295\n");
    put("too-long-for-a-message", &[1, 1, 1, 3], &longest.repeat(3));
    put("row-too-long", &[0, 0, 0, 3], &format!("{}\n{bet}\n", "x".repeat(4_200)));
}

fn config() {
    let central = "listen = \"127.0.0.1:12345\"\ndata = \"/var/lib/bolillero\"\nagencies = 5\n\
                   draw = 'sorteo'\nwinning_number = 7574\nnumbers = \"0-9999\"\n\
                   winners_wait = \"10m\"\nwindow = 16\nframe_len_max = 8192\n\
                   frame_time_max = \"1h 30m\"\nwrite_time_max = '250ms'\nconnections_max = 20000\n\
                   shutdown_time_max = '10'\nlog_format = 'json'\nlog_level = 'debug'\n";
    let agency = "id = 1\ncentral = \"127.0.0.1:12345\"\nbets = \"agency-1.csv\"\n\
                  draw = \"N8\"\nbatch_max_bets = 93\nwindow = 1\nnumbers = '1-99'\n\
                  legacy = true\nskip_invalid = false\nlog_format = 'text'\nlog_level = 'warn'\n";
    let put = |name: &str, head, text: &str| write("config", name, &[&[head], text.as_bytes()]);
    put("central", 0, central);
    put("agency", 1, agency);
    put("empty", 0, "");
    let longest = "agencies = 1\nwinners_wait = \"4294967295\"\n\
                   write_time_max = '2562047788015215h 30m 7.999999999s'\n";
    put("longest-times", 0, longest);
    put("unknown-key", 0, "listen = 'x'\nlisten_on = 1\n");
    put("wrong-type", 1, "id = 'one'\n");
    put("not-toml", 1, "id = = 1\n");
}

fn open_ledger() {
    let sparse = |flags: u8, files: &[Vec<u8>]| {
        let mut input = checks::sparse(files);
        input[0] = flags;
        input
    };
    let small = checks::sound_ledger(0);
    let sealed = checks::sound_ledger(2);
    let put = |name: &str, input: &[u8]| write("open_ledger", name, &[input]);
    put("small", &sparse(0, &small));
    put("small-with-threads", &sparse(1 << 5, &small));
    put("large-group", &sparse(0, &checks::sound_ledger(1)));
    put("sealed", &sparse(0, &sealed));
    put("last-segment-empty", &sparse(0, &checks::sound_ledger(3)));
    let led = checks::sound_ledger(4);
    put("led-by-operators", &sparse(0, &led));
    // The input does not contain the headers that are mended.
    let without_headers = |flags: u8, files: &[Vec<u8>]| {
        let mut input = vec![flags];
        let mut unread = &sparse(0, files)[1..];
        while !unread.is_empty() {
            unread = &unread[checks::SEGMENT_HEADER_LEN..];
            for _ in 0..2 {
                let len = 2 + usize::from(u16::from_le_bytes([unread[0], unread[1]]));
                input.extend_from_slice(&unread[..len]);
                unread = &unread[len..];
            }
        }
        input
    };
    for (name, flags) in [
        ("mended-header", 0b0_0001),
        ("mended-records", 0b0_0011),
        ("mended-indexes", 0b0_0111),
        ("mended-and-continued-indexes", 0b0_1111),
    ] {
        put(name, &without_headers(flags, &sealed));
    }
    put("led-by-operators-mended-records", &without_headers(0b0_0011, &led));
    let forged = |name, from: &[u8], to: &[u8]| {
        let mut input = without_headers(0b0_0011, &small);
        let at = input.windows(from.len()).rposition(|window| window == from).unwrap();
        input[at..at + to.len()].copy_from_slice(to);
        put(name, &input);
    };
    forged("a-bet-that-is-none", b"1990-01-02", b"1990-13-02");
    forged("fewer-bets-than-said", b"&Ana|", b"xAna ");
    put("empty", &[]);
}

fn damaged_ledger() {
    let put = |name: &str, input: &[u8]| write("damaged_ledger", name, &[input]);
    for kind in 0..5 {
        put(&format!("untouched-{kind}"), &[kind]);
    }
    for kind in 0..4 {
        // Edit, near, place, record or segment, ...
        put(&format!("flip-{kind}"), &[kind, 0, 90, 0, 1, 0, 3]);
        put(&format!("zeros-{kind}"), &[kind, 3, 0, 0, 3, 0, 0, 40]);
        put(&format!("sectors-{kind}"), &[kind, 4, 0, 0, 2, 0, 0, 40]);
    }
    // Several edits in a row. Their lengths depend on the kind, so the later ones are arbitrary.
    let edits = [7, 90, 0, 1, 0, 3, 1, 4, 0, 0, 2, 0, 40, 3, 9, 1, 5, 0, 77, 1, 0, 2, 6, 200, 1, 8];
    for kind in [0, 2, 4] {
        let several = [&[kind][..], &edits, &edits[3..], &edits[7..]].concat();
        put(&format!("several-{kind}"), &several);
    }
    put("flip-in-the-last-record", &[0, 0, 90, 0, 7, 0, 0, 1, 3]);
    put("flip-in-an-index", &[2, 0, 120, 2, 0, 2, 0, 0, 1, 3]);
    put("sector-lost-in-the-last-group", &[1, 4, 0, 1, 4, 2, 88, 0, 0, 1]);
    // Its index is cut off too: the segment continues another chain at the same record.
    put("foreign-segment", &[3, 9, 0, 2, 1, 0, 0, 0, 1, 2, 7, 0, 2, 1, 2, 0, 0, 1]);
    put("swap", &[2, 5, 0, 0, 1, 0, 0, 1, 0, 0, 4]);
    put("copy", &[2, 6, 0, 0, 1, 1, 0, 1, 0, 0, 4]);
    put("truncate", &[2, 7, 10, 0, 5, 0]);
    put("extend", &[1, 8, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5]);
    put("remove", &[2, 10, 0, 2, 0, 0, 0, 0, 0, 0]);
    put("move", &[2, 10, 0, 2, 0, 0, 0, 0, 1, 3]);
}

fn record_stream() {
    let put = |name: &str, head: &[u8], bytes: &[u8]| write("record_stream", name, &[head, bytes]);
    let led = checks::sound_stream(4);
    for number in [0, 2, 3] {
        put(&format!("sound-{number}"), &[0, 0], &checks::sound_stream(number));
    }
    put("in-pieces", &[0, 3, 1, 7, 200], &led);
    put("mended", &[3, 0], &led);
    put("cut", &[0, 0], &led[..led.len() - 70]);
    put("mended-from-nothing", &[3, 0], &[]);
    let (mut later, second) = (led.clone(), 80 + 64 + 90);
    later[32] = 9;
    put("from-record-9", &[3, 0], &later);
    let mut longer = led;
    longer[second] ^= 1;
    put("damaged", &[0, 0], &longer);
}
