//! Splits winners into WINNERS_PART messages, one at a time.
//!
//! Every message fits the frame limit and is as full as the next document allows. Exactly one, the
//! last, is marked as such; no winners make one empty part. Nothing is copied.

use super::CentralMessage;
use super::documents::Documents;
use crate::limits::{HEADER_LEN, assert_frame_len_max};

/// Returns a part with the winners from byte `at` of `joined` on, at most `frame_len_max` bytes
/// long, and the start of the next part; `None` after the last. Documents are joined by commas.
///
/// # Panics
/// When `limits::check_frame_len_max` rejects `frame_len_max`, or a document is longer than the
/// lowest such limit; those of bets are shorter.
pub fn winners_part(
    joined: &str,
    at: usize,
    frame_len_max: u32,
) -> (CentralMessage<'_>, Option<usize>) {
    assert_frame_len_max(frame_len_max);
    let text_len_max = (frame_len_max - HEADER_LEN - 1) as usize;
    let rest = &joined[at..];
    let (text, next) = if rest.len() <= text_len_max {
        (rest, None)
    } else {
        // The comma may be the byte after the text: it is not sent.
        let comma = rest.as_bytes()[..=text_len_max].iter().rposition(|&byte| byte == b',');
        let comma = comma.expect("a document is shorter than the shortest limit of a message");
        (&rest[..comma], Some(at + comma + 1))
    };
    let documents = Documents::from_text(text).expect("a part is shorter than a message");
    (CentralMessage::WinnersPart { last: next.is_none(), documents }, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documents of each part, and whether it is marked as the last.
    fn parts(documents: &[String], frame_len_max: u32) -> Vec<(bool, Vec<String>)> {
        let joined = documents.join(",");
        let (mut at, mut found) = (Some(0), Vec::new());
        while let Some(from) = at {
            let (part, next) = winners_part(&joined, from, frame_len_max);
            let mut bytes = Vec::new();
            part.encode(&mut bytes);
            assert!(bytes.len() <= frame_len_max as usize);
            let CentralMessage::WinnersPart { last, documents } = part else {
                panic!("not a part");
            };
            assert_eq!(last, next.is_none());
            found.push((last, documents.iter().map(str::to_owned).collect()));
            at = next;
        }
        found
    }

    #[test]
    fn no_winners_are_one_empty_part() {
        assert_eq!(parts(&[], 256), [(true, Vec::new())]);
    }

    #[test]
    fn winners_that_fit_are_one_part() {
        // 28 documents of 8 bytes with their commas take exactly the 251 bytes of a part.
        let documents = vec!["12345678".to_owned(); 28];
        assert_eq!(parts(&documents[..27], 256).len(), 1);
        assert_eq!(parts(&documents, 256).len(), 1);
        let longer = [&documents[..], &["1".to_owned()]].concat();
        assert_eq!(parts(&longer, 256)[1], (true, vec!["1".to_owned()]));
    }

    #[test]
    fn winners_are_split_in_order_into_parts_that_are_as_full_as_possible() {
        for count in 0..400 {
            let documents: Vec<_> = (0..count).map(|n| (n * 7919 + 1).to_string()).collect();
            let parts = parts(&documents, 256);
            let read: Vec<_> = parts.iter().flat_map(|(_, documents)| documents.clone()).collect();
            assert_eq!(read, documents);
            let lens = parts.iter().map(|(_, documents)| documents.join(",").len());
            let lens: Vec<_> = lens.collect();
            assert!(lens.iter().all(|&len| len <= 251));
            assert!(lens.iter().rev().skip(1).all(|&len| len > 251 - 8), "{lens:?}");
        }
    }

    #[test]
    fn the_longest_parts_can_be_encoded() {
        let documents = vec!["12345678".to_owned(); 20_000];
        assert_eq!(parts(&documents, 65_539).len(), 3);
    }
}
