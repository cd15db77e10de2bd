//! Conformance checks of batches.

use super::fixture::{AT, OwnedBatch, batch, bet, bets, parse, small_batch, terms};
use super::pending::Pending;
use super::subject::Subject;
use lottery::AgencyId;
use lottery::Bets;
use lottery::NumberRange;
use lottery::limits::{BATCH_TEXT_LEN_MAX, NAME_LEN_MAX};
use lottery::{AppendError, Appended, Batch, ChunkId};
use lottery::{DrawId, DrawTerms};

const CONFLICT: Result<Appended, AppendError> = Err(AppendError::ChunkConflict(ChunkId(0)));

pub fn a_batch_reads_back_byte_by_byte(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    let sent = batch(
        draw,
        1,
        0,
        parse(
            "Santiago Lionel|Lorca|30904465|1999-03-17|2201&\
             Ñandú 🎰|D'Angelo, \"hijo\" \\n|30.904-465A|2000-02-29|0007& | |-|0001-01-01|0",
        ),
    );
    assert_eq!(subject.append(&sent), Ok(Appended::New));
    let stored = OwnedBatch {
        agency: 1,
        chunk: 0,
        text: "Santiago Lionel|Lorca|30904465|1999-03-17|2201&\
               Ñandú 🎰|D'Angelo, \"hijo\" \\n|30.904-465A|2000-02-29|7& | |-|0001-01-01|0"
            .to_owned(),
    };
    assert_eq!(subject.scan(draw), Ok(vec![stored.clone()]));
    subject.reopen();
    assert_eq!(subject.scan(draw), Ok(vec![stored]));
}

pub fn batches_are_stored_in_the_order_of_acceptance(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 3);
    let order = [(3, 0), (1, 0), (3, 1), (2, 5), (1, 1), (2, 0), (3, 2), (1, 9), (1, 2)];
    let sent = order.map(|(agency, chunk)| small_batch(draw, agency, chunk));
    for (at, batch) in sent.iter().enumerate() {
        assert_eq!(subject.append(batch), Ok(Appended::New));
        if at == 4 {
            subject.reopen();
        }
    }
    assert_eq!(subject.scan(draw), Ok(OwnedBatch::all(&sent)));
    subject.reopen();
    assert_eq!(subject.scan(draw), Ok(OwnedBatch::all(&sent)));
}

pub fn batches_of_draws_and_agencies_are_separate(subject: &mut dyn Subject) {
    let (first, second) = (subject.open("uno", 2), subject.open("dos", 2));
    let of = |draw, agency, document| batch(draw, agency, 0, bets(&[(document, 7)]));
    let sent = [of(first, 1, "a"), of(second, 1, "b"), of(second, 2, "c"), of(first, 2, "d")];
    for batch in &sent {
        assert_eq!(subject.append(batch), Ok(Appended::New));
    }
    subject.finish_and_close(first);
    subject.make(first, 7);
    assert_eq!(subject.append(&small_batch(second, 1, 1)), Ok(Appended::New));
    for _ in 0..2 {
        let [a, b, c, d] = sent.clone();
        assert_eq!(subject.scan(first), Ok(OwnedBatch::all(&[a, d])));
        assert_eq!(subject.scan(second), Ok(OwnedBatch::all(&[b, c, small_batch(second, 1, 1)])));
        let winners = subject.winners(first).unwrap();
        assert_eq!((&winners[&1][..], &winners[&2][..]), (&["a".into()][..], &["d".into()][..]));
        assert!(!subject.progress(second, 1).unwrap().finished);
        assert_eq!(subject.progress(second, 1).unwrap().chunks_stored, 2);
        subject.reopen();
    }
}

pub fn a_repeated_chunk_is_stored_once(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 2);
    let sent = [small_batch(draw, 1, 0), small_batch(draw, 1, 1), small_batch(draw, 2, 0)];
    let at_once: Vec<_> =
        sent.iter().chain(&sent).chain(&sent).map(|batch| subject.submit_append(batch)).collect();
    let answers: Vec<_> = at_once.into_iter().map(|pending| pending.answer().unwrap()).collect();
    assert_eq!(answers[..3], [Appended::New; 3]);
    assert_eq!(answers[3..], [Appended::Repeated; 6]);
    for _ in 0..2 {
        for batch in &sent {
            assert_eq!(subject.append(batch), Ok(Appended::Repeated));
        }
        assert_eq!(subject.scan(draw), Ok(OwnedBatch::all(&sent)));
        assert_eq!((subject.status(draw).batches, subject.status(draw).bets), (3, 3));
        subject.reopen();
    }
}

pub fn a_repeated_chunk_is_acknowledged_after_finish_and_draw(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 2);
    let sent = small_batch(draw, 1, 0);
    let (first, _, repeated) = (
        subject.submit_append(&sent),
        subject.submit_finish(draw, 1),
        subject.submit_append(&sent),
    );
    assert_eq!((first.answer(), repeated.answer()), (Ok(Appended::New), Ok(Appended::Repeated)));
    let ask_again = |stage: &str, subject: &mut dyn Subject| {
        for _ in 0..2 {
            assert_eq!(subject.append(&sent), Ok(Appended::Repeated), "{stage}");
            assert_eq!(
                subject.scan(draw),
                Ok(OwnedBatch::all(std::slice::from_ref(&sent))),
                "{stage}"
            );
            subject.reopen();
        }
    };
    ask_again("finished", subject);
    subject.finish(draw, 2).unwrap();
    subject.close(draw);
    ask_again("closed", subject);
    subject.make(draw, 0);
    ask_again("drawn", subject);
    assert_eq!(subject.winners(draw).unwrap()[&1], ["1-0"]);
}

pub fn a_chunk_with_other_bets_is_refused(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    let sent = batch(draw, 1, 0, bets(&[("a", 1), ("b", 2)]));
    let others = [
        bets(&[("a", 1), ("b", 3)]),
        bets(&[("b", 2), ("a", 1)]),
        bets(&[("a", 1)]),
        bets(&[("a", 1), ("b", 2), ("c", 3)]),
        Bets::none(),
    ]
    .map(|other| Batch { bets: other, ..sent.clone() });

    let first = subject.submit_append(&sent);
    let at_once: Vec<_> = others.iter().map(|other| subject.submit_append(other)).collect();
    assert_eq!(first.answer(), Ok(Appended::New));
    assert!(at_once.into_iter().map(Pending::answer).all(|answer| answer == CONFLICT));

    let send_others = |stage: &str, subject: &mut dyn Subject| {
        for _ in 0..2 {
            for other in &others {
                assert_eq!(subject.append(other), CONFLICT, "{stage}");
            }
            assert_eq!(
                subject.scan(draw),
                Ok(OwnedBatch::all(std::slice::from_ref(&sent))),
                "{stage}"
            );
            subject.reopen();
        }
    };
    send_others("open", subject);
    subject.finish(draw, 1).unwrap();
    send_others("finished", subject);
    subject.close(draw);
    send_others("closed", subject);
    subject.make(draw, 3);
    send_others("drawn", subject);
    assert!(subject.winners(draw).unwrap().is_empty());
}

pub fn chunks_may_come_out_of_order(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    let chunks = [u32::MAX, 3, 1, u32::MAX - 1, 0, 1 << 31, 2];
    let sent = chunks.map(|chunk| small_batch(draw, 1, chunk));
    let at_once: Vec<_> = sent.iter().map(|batch| subject.submit_append(batch)).collect();
    assert!(at_once.into_iter().all(|pending| pending.answer() == Ok(Appended::New)));
    for _ in 0..2 {
        assert_eq!(subject.scan(draw), Ok(OwnedBatch::all(&sent)));
        for (chunk, batch) in chunks.into_iter().zip(&sent) {
            let other = Batch { bets: Bets::none(), ..batch.clone() };
            assert_eq!(subject.append(batch), Ok(Appended::Repeated), "{chunk}");
            let conflict = Err(AppendError::ChunkConflict(ChunkId(chunk)));
            assert_eq!(subject.append(&other), conflict);
        }
        assert_eq!(subject.progress(draw, 1).unwrap().chunks_stored, 4);
        subject.reopen();
    }
}

pub fn a_batch_may_have_no_bets(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    let sent = [
        batch(draw, 1, 0, Bets::none()),
        batch(draw, 1, 1, bets(&[("a", 1)])),
        batch(draw, 1, 2, Bets::none()),
    ];
    for batch in &sent {
        assert_eq!(subject.append(batch), Ok(Appended::New));
        assert_eq!(subject.append(batch), Ok(Appended::Repeated));
    }
    for _ in 0..2 {
        assert_eq!(subject.append(&small_batch(draw, 1, 0)), CONFLICT);
        assert_eq!(subject.scan(draw), Ok(OwnedBatch::all(&sent)));
        assert_eq!((subject.status(draw).batches, subject.status(draw).bets), (3, 1));
        assert_eq!(subject.progress(draw, 1).unwrap().chunks_stored, 3);
        subject.reopen();
    }
}

pub fn a_batch_may_have_the_largest_size(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 1);
    let longest = text_of_len(BATCH_TEXT_LEN_MAX);
    let shortest_bet = "A|B|1|2000-01-01|0";
    let most_bets = (BATCH_TEXT_LEN_MAX + 1) / (shortest_bet.len() + 1);
    let sent = [
        batch(draw, 1, 0, parse(&longest)),
        batch(draw, 1, 1, parse(&text_of_len(BATCH_TEXT_LEN_MAX - 1))),
        batch(draw, 1, 2, parse(&vec![shortest_bet; most_bets].join("&"))),
    ];
    assert_eq!(sent[0].bets.text().len(), BATCH_TEXT_LEN_MAX);
    let at_once: Vec<_> =
        sent.iter().chain(&sent).map(|batch| subject.submit_append(batch)).collect();
    let answers: Vec<_> = at_once.into_iter().map(|pending| pending.answer().unwrap()).collect();
    assert_eq!(answers[..3], [Appended::New; 3]);
    assert_eq!(answers[3..], [Appended::Repeated; 3]);
    for _ in 0..2 {
        assert!(subject.scan(draw).unwrap() == OwnedBatch::all(&sent), "a large batch has changed");
        subject.reopen();
    }
}

pub fn a_batch_with_a_number_out_of_range_is_refused_whole(subject: &mut dyn Subject) {
    let numbers = NumberRange::new(10, 20).unwrap();
    let draw = subject.open_with(&DrawTerms { numbers, ..terms("sorteo", 1) });
    for number in [9, 21, u32::MAX] {
        let wrong = batch(draw, 1, 0, bets(&[("a", 10), ("b", number), ("c", 20)]));
        assert_eq!(subject.append(&wrong), Err(AppendError::NumberRange(numbers)));
    }
    subject.reopen();
    assert_eq!(subject.scan(draw), Ok(vec![]));
    let right = batch(draw, 1, 0, bets(&[("a", 10), ("b", 11), ("c", 20)]));
    assert_eq!(subject.append(&right), Ok(Appended::New));
    assert_eq!((subject.status(draw).batches, subject.status(draw).bets), (1, 3));
}

pub fn bets_after_finish_are_refused(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 2);
    subject.append(&small_batch(draw, 1, 0)).unwrap();
    let finished = subject.submit_finish(draw, 1);
    let late = subject.submit_append(&small_batch(draw, 1, 1));
    assert!(finished.answer().is_ok());
    let refusal = Err(AppendError::AgencyFinished(AgencyId(1)));
    assert_eq!(late.answer(), refusal);
    assert_eq!(subject.append(&small_batch(draw, 1, 2)), refusal);
    subject.reopen();
    assert_eq!(subject.append(&small_batch(draw, 1, 1)), refusal);
    assert_eq!(subject.append(&small_batch(draw, 2, 0)), Ok(Appended::New));
    let sent = [small_batch(draw, 1, 0), small_batch(draw, 2, 0)];
    assert_eq!(subject.scan(draw), Ok(OwnedBatch::all(&sent)));
}

pub fn bets_after_the_close_are_refused(subject: &mut dyn Subject) {
    let draw = subject.open("sorteo", 2);
    subject.append(&small_batch(draw, 1, 0)).unwrap();
    subject.finish_and_close(draw);
    let refused = |subject: &mut dyn Subject, draw: DrawId| {
        for _ in 0..2 {
            for agency in [1, 2] {
                let late = small_batch(draw, agency, 1);
                assert_eq!(subject.append(&late), Err(AppendError::DrawClosed(Some(AT))));
            }
            subject.reopen();
        }
    };
    refused(subject, draw);
    subject.make(draw, 1);
    refused(subject, draw);
    assert_eq!(subject.scan(draw), Ok(OwnedBatch::all(&[small_batch(draw, 1, 0)])));
    assert!(subject.winners(draw).unwrap().is_empty());
}

/// Creates bets whose canonical text has this many bytes.
fn text_of_len(len: usize) -> String {
    let one = bet("30904465", 2_201);
    let most = len / (one.len() + 1);
    let mut text = vec![one.clone(); most - 1].join("&");
    let rest = len - text.len() - 1;
    let (first_name, others) = one.split_once('|').unwrap();
    let name_len = rest - (others.len() + 1);
    assert!((1..=NAME_LEN_MAX).contains(&name_len), "{first_name} can't be {name_len} long");
    text.push('&');
    text.push_str(&"x".repeat(name_len));
    text.push('|');
    text.push_str(others);
    text
}
