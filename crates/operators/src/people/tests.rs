use super::*;
use crate::{Password, Secret};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn password() -> PasswordHash {
    Password::given("a long password".to_owned()).hash(&name("x"), [1; 16]).unwrap()
}

fn people(of: &[(&str, Role)]) -> People {
    let mut people = People::default();
    for (who, role) in of {
        people.add(name(who), *role, password()).unwrap();
    }
    people
}

fn digest(of: u8) -> Digest {
    Secret::from_random([of; 32]).digest()
}

fn grant(owner: &str, role: Role, days: u32) -> TokenGrant {
    TokenGrant { owner: name(owner), label: "board".to_owned(), role, days }
}

#[test]
fn a_new_password_or_disabling_changes_the_generation() {
    let mut people = people(&[("ana", Role::Viewer)]);
    let generation = |people: &People| people.operator(&name("ana")).unwrap().generation;
    let before = generation(&people);
    people.set_password(&name("ana"), password()).unwrap();
    assert_eq!(generation(&people), before + 1);
    people.disable(&name("ana")).unwrap();
    assert_eq!(generation(&people), before + 2);
    people.enable(&name("ana")).unwrap();
    assert_eq!(generation(&people), before + 2, "what ended stays ended");
}

#[test]
fn a_new_password_or_disabling_revokes_tokens() {
    let ends: [fn(&mut People); 2] = [
        |people| people.set_password(&name("ana"), password()).unwrap(),
        |people| {
            people.disable(&name("ana")).unwrap();
            people.enable(&name("ana")).unwrap();
        },
    ];
    for end in ends {
        let mut people = people(&[("ana", Role::Viewer), ("bea", Role::Viewer)]);
        people.grant(grant("ana", Role::Viewer, 1), digest(1), 0).unwrap();
        people.grant(grant("bea", Role::Viewer, 1), digest(2), 0).unwrap();
        end(&mut people);
        assert_eq!(people.bearer(&digest(1), 0), None);
        assert!(people.bearer(&digest(2), 0).is_some(), "others keep theirs");
        people.grant(grant("ana", Role::Viewer, 1), digest(3), 0).unwrap();
        assert!(people.bearer(&digest(3), 0).is_some(), "new ones are given");
    }
}

#[test]
fn the_last_admin_can_not_be_disabled() {
    let mut people = people(&[("ana", Role::Admin), ("bea", Role::Admin), ("eva", Role::Viewer)]);
    people.disable(&name("ana")).unwrap();
    assert_eq!(people.disable(&name("bea")), Err(PeopleError::LastAdmin(name("bea"))));
    people.disable(&name("ana")).expect("who is disabled already stays so");
    people.disable(&name("eva")).unwrap();
    people.enable(&name("ana")).unwrap();
    people.disable(&name("bea")).unwrap();
}

#[test]
fn a_token_is_valid_until_it_expires_or_is_revoked() {
    let mut people = people(&[("ana", Role::Admin), ("bea", Role::Admin)]);
    let id = people.grant(grant("ana", Role::Viewer, 2), digest(1), 1_000).unwrap();
    let bearer = Bearer {
        token: id,
        label: "board".to_owned(),
        name: name("ana"),
        generation: 0,
        role: Role::Viewer,
    };
    let last = 1_000 + 2 * DAY_MS - 1;
    assert_eq!(people.bearer(&digest(1), last), Some(bearer.clone()));
    assert_eq!(people.bearer(&digest(1), last + 1), None, "it expired");
    assert_eq!(people.bearer(&digest(2), last), None, "it is another secret");

    people.revoke(id).unwrap();
    assert_eq!(people.bearer(&digest(1), last), None, "it was revoked");
    assert_eq!(people.revoke(TokenId(9)), Err(PeopleError::UnknownToken(TokenId(9))));
}

#[test]
fn a_token_has_no_more_permissions_than_its_owner() {
    let of = [
        ("ana", Role::Operator),
        ("bea", Role::Admin),
        ("eva", Role::Auditor),
        ("luz", Role::Standby),
    ];
    let mut people = people(&of);
    for (owner, role, allowed) in [
        ("ana", Role::Viewer, true),
        ("ana", Role::Operator, true),
        ("ana", Role::Auditor, false),
        ("ana", Role::Admin, false),
        ("bea", Role::Operator, true),
        ("bea", Role::Auditor, false),
        ("eva", Role::Auditor, true),
        ("eva", Role::Operator, false),
        ("luz", Role::Standby, true),
        ("luz", Role::Viewer, false),
        ("bea", Role::Standby, false),
    ] {
        let granted = people.grant(grant(owner, role, 1), digest(1), 0);
        assert_eq!(granted.is_ok(), allowed, "{owner} {role}: {granted:?}");
    }
}

#[test]
fn tokens_are_limited_and_their_numbers_never_reused() {
    let mut people = people(&[("ana", Role::Viewer)]);
    for days in [0, TOKEN_DAYS_MAX + 1] {
        let refused = people.grant(grant("ana", Role::Viewer, days), digest(1), 0);
        assert_eq!(refused, Err(PeopleError::Days));
    }
    for label in ["", " ", "a\nb", "a\u{202e}b", &"x".repeat(LABEL_LEN_MAX + 1)] {
        let grant = TokenGrant { label: label.to_owned(), ..grant("ana", Role::Viewer, 1) };
        let refused = people.grant(grant, digest(1), 0);
        assert!(matches!(refused, Err(PeopleError::Label(_))), "{label:?}");
    }
    for of in 0..TOKENS_PER_OPERATOR_MAX {
        let of = u8::try_from(of).unwrap();
        people.grant(grant("ana", Role::Viewer, 1), digest(of), 0).unwrap();
    }
    let more = people.grant(grant("ana", Role::Viewer, 1), digest(99), 0);
    assert_eq!(more, Err(PeopleError::TooManyTokens(name("ana"))));
    // After a day all have expired and are removed.
    let next = people.grant(grant("ana", Role::Viewer, 1), digest(99), DAY_MS).unwrap();
    assert_eq!(next, TokenId(u32::try_from(TOKENS_PER_OPERATOR_MAX).unwrap() + 1));
    assert_eq!(people.tokens().count(), 1);
}

#[test]
fn no_token_is_issued_after_the_last_number() {
    let mut people = people(&[("ana", Role::Viewer)]);
    people.last_token = u32::MAX;
    let refused = people.grant(grant("ana", Role::Viewer, 1), digest(1), 0);
    assert_eq!(refused, Err(PeopleError::NoTokenNumber));
    assert_eq!(people.tokens().count(), 0);
}

#[test]
fn the_same_and_lookalike_operator_names_are_refused() {
    let mut people = people(&[("marla", Role::Viewer)]);
    let stored = people.operator(&name("marla")).unwrap().password.clone();
    for alike in ["mar1a", "rnarla"] {
        let refused = people.add(name(alike), Role::Viewer, stored.clone());
        assert_eq!(refused, Err(PeopleError::LooksLike(name("marla"))), "{alike}");
    }
    let again = people.add(name("marla"), Role::Admin, stored.clone());
    assert_eq!(again, Err(PeopleError::Exists(name("marla"))));
    assert_eq!(people.operator(&name("marla")).unwrap().role, Role::Viewer);
    people.add(name("maria"), Role::Viewer, stored).unwrap();
}
