//! Acts 7 to 17 and 23 to 25 of [`super::act`]: audited actions that change no draw.
//!
//! The head holds the draw, if any, and 1 in place of "enabled" when a recorded change of operators
//! failed. The rest is in the tail, after author and reason.
//!
//! | act | what | draw | not made | tail |
//! |---|---|---|---|---|
//! | 7 | somebody logged in | | | |
//! | 8 | somebody logged out | | | |
//! | 9 | an operator is added | | may be | u32 role; name |
//! | 10 | an operator is disabled | | may be | name |
//! | 11 | an operator is enabled | | may be | name |
//! | 12 | a password is changed | | may be | name |
//! | 13 | a token is given | | may be | u32 role, u32 days; label |
//! | 14 | a token is revoked | | may be | u32 number |
//! | 15 | bets are searched | yes | | u32 by what, u32 number, u32 agency, u64 after; document |
//! | 16 | winners are read before their publication | yes | | |
//! | 17 | the bets of a draw are exported | yes | | |
//! | 23 | log-ins as the author failed | | | u32 attempts; address |
//! | 24 | a token is given to an operator | | may be | u32 role, u32 days; name; label |
//! | 25 | operators were changed on the command line | | | u64 time, u32 act; user; as of the act |
//!
//! Roles are 1 viewer, 2 operator, 3 auditor, 4 admin, 5 standby. "By what" is the sum of 1
//! document, 2 number, 4 agency; filters that are not used are 0 or empty.

use std::net::IpAddr;

use lottery::{
    AgencyId, AuditedAction, BetsSearch, CommandLineChange, DrawId, Label, LogInFailed,
    OperatorsChange, Role, Timestamp,
};

use super::act::{Tail, label, put_text};

const LOG_IN: u32 = 7;
const LOG_OUT: u32 = 8;
const ADD_OPERATOR: u32 = 9;
const DISABLE_OPERATOR: u32 = 10;
const ENABLE_OPERATOR: u32 = 11;
const CHANGE_PASSWORD: u32 = 12;
const GIVE_TOKEN: u32 = 13;
const REVOKE_TOKEN: u32 = 14;
const SEARCH_BETS: u32 = 15;
const READ_WINNERS: u32 = 16;
const EXPORT_BETS: u32 = 17;
const LOG_IN_FAILED: u32 = 23;

const GIVE_TOKEN_TO: u32 = 24;
const ON_COMMAND_LINE: u32 = 25;

const BY_DOCUMENT: u32 = 1;
const BY_NUMBER: u32 = 2;
const BY_AGENCY: u32 = 4;

/// Returns the head's integers; appends the rest to the tail.
pub(super) fn encode(action: &AuditedAction, tail: &mut Vec<u8>) -> [u32; 4] {
    match action {
        AuditedAction::LogIn => [0, LOG_IN, 0, 0],
        AuditedAction::LogOut => [0, LOG_OUT, 0, 0],
        AuditedAction::LogInFailed(LogInFailed { attempts, address }) => {
            put_integers(tail, &[*attempts]);
            put_text(tail, &address.to_string());
            [0, LOG_IN_FAILED, 0, 0]
        }
        AuditedAction::ChangeOperators(change) => [0, put_change(change, tail), 0, 0],
        AuditedAction::OperatorsNotChanged(change) => [0, put_change(change, tail), 0, 1],
        AuditedAction::OnCommandLine(CommandLineChange { user, at, change }) => {
            let mut changed = Vec::new();
            let act = put_change(change, &mut changed);
            tail.extend_from_slice(&at.0.to_le_bytes());
            put_integers(tail, &[act]);
            put_text(tail, user.as_str());
            tail.append(&mut changed);
            [0, ON_COMMAND_LINE, 0, 0]
        }
        AuditedAction::SearchBets(search) => {
            put_search(search, tail);
            [search.draw.0, SEARCH_BETS, 0, 0]
        }
        AuditedAction::ReadWinners(draw) => [draw.0, READ_WINNERS, 0, 0],
        AuditedAction::ExportBets(draw) => [draw.0, EXPORT_BETS, 0, 0],
    }
}

/// Decodes an action and leaves what follows it in the tail. The caller checks the unused integers
/// of the head by encoding it again.
pub(super) fn decode(
    act: u32,
    draw: DrawId,
    is_not_made: bool,
    tail: &mut Tail<'_>,
) -> Result<AuditedAction, &'static str> {
    Ok(match act {
        LOG_IN => AuditedAction::LogIn,
        LOG_OUT => AuditedAction::LogOut,
        LOG_IN_FAILED => AuditedAction::LogInFailed(log_in_failed(tail)?),
        SEARCH_BETS => AuditedAction::SearchBets(search(draw, tail)?),
        READ_WINNERS => AuditedAction::ReadWinners(draw),
        EXPORT_BETS => AuditedAction::ExportBets(draw),
        ON_COMMAND_LINE => {
            let (at, act) = (Timestamp(tail.long()?), tail.integer()?);
            let user = label(tail.text()?)?;
            AuditedAction::OnCommandLine(CommandLineChange { user, at, change: change(act, tail)? })
        }
        _ if is_not_made => AuditedAction::OperatorsNotChanged(change(act, tail)?),
        _ => AuditedAction::ChangeOperators(change(act, tail)?),
    })
}

/// See [`super::feature_of`].
pub(super) fn feature_of(action: &AuditedAction) -> u32 {
    match action {
        AuditedAction::LogInFailed(_) => 2,
        AuditedAction::OnCommandLine(made) => feature_of_change(&made.change).max(3),
        AuditedAction::ChangeOperators(change) | AuditedAction::OperatorsNotChanged(change) => {
            feature_of_change(change)
        }
        _ => 0,
    }
}

fn feature_of_change(change: &OperatorsChange) -> u32 {
    match change {
        OperatorsChange::Add { role, .. }
        | OperatorsChange::GiveToken { role, .. }
        | OperatorsChange::GiveTokenTo { role, .. }
            if *role == Role::Standby =>
        {
            4
        }
        OperatorsChange::GiveTokenTo { .. } => 3,
        _ => 0,
    }
}

fn change(act: u32, tail: &mut Tail<'_>) -> Result<OperatorsChange, &'static str> {
    Ok(match act {
        ADD_OPERATOR => {
            let role = role(tail.integer()?)?;
            OperatorsChange::Add { name: label(tail.text()?)?, role }
        }
        DISABLE_OPERATOR => OperatorsChange::Disable(label(tail.text()?)?),
        ENABLE_OPERATOR => OperatorsChange::Enable(label(tail.text()?)?),
        CHANGE_PASSWORD => OperatorsChange::ChangePassword(label(tail.text()?)?),
        GIVE_TOKEN => {
            let (role, days) = (role(tail.integer()?)?, tail.integer()?);
            OperatorsChange::GiveToken { role, days, label: label(tail.text()?)? }
        }
        GIVE_TOKEN_TO => {
            let (role, days) = (role(tail.integer()?)?, tail.integer()?);
            let (name, label) = (label(tail.text()?)?, label(tail.text()?)?);
            OperatorsChange::GiveTokenTo { name, role, days, label }
        }
        REVOKE_TOKEN => OperatorsChange::RevokeToken(tail.integer()?),
        _ => return Err("an act of a kind that this version does not know"),
    })
}

/// Appends the change; returns the act's number.
fn put_change(change: &OperatorsChange, tail: &mut Vec<u8>) -> u32 {
    match change {
        OperatorsChange::Add { name, role } => {
            put_integers(tail, &[number_of(*role)]);
            put_text(tail, name.as_str());
            ADD_OPERATOR
        }
        OperatorsChange::Disable(name) => {
            put_text(tail, name.as_str());
            DISABLE_OPERATOR
        }
        OperatorsChange::Enable(name) => {
            put_text(tail, name.as_str());
            ENABLE_OPERATOR
        }
        OperatorsChange::ChangePassword(name) => {
            put_text(tail, name.as_str());
            CHANGE_PASSWORD
        }
        OperatorsChange::GiveToken { role, days, label } => {
            put_integers(tail, &[number_of(*role), *days]);
            put_text(tail, label.as_str());
            GIVE_TOKEN
        }
        OperatorsChange::GiveTokenTo { name, role, days, label } => {
            put_integers(tail, &[number_of(*role), *days]);
            put_text(tail, name.as_str());
            put_text(tail, label.as_str());
            GIVE_TOKEN_TO
        }
        OperatorsChange::RevokeToken(number) => {
            put_integers(tail, &[*number]);
            REVOKE_TOKEN
        }
    }
}

fn put_search(search: &BetsSearch, tail: &mut Vec<u8>) {
    let BetsSearch { draw: _, document, number, agency, after } = search;
    let by = [
        document.as_ref().map(|_| BY_DOCUMENT),
        number.map(|_| BY_NUMBER),
        agency.map(|_| BY_AGENCY),
    ];
    let agency = agency.map_or(0, |agency| agency.0);
    put_integers(tail, &[by.into_iter().flatten().sum(), number.unwrap_or(0), agency]);
    tail.extend_from_slice(&after.to_le_bytes());
    put_text(tail, document.as_ref().map_or("", Label::as_str));
}

fn search(draw: DrawId, tail: &mut Tail<'_>) -> Result<BetsSearch, &'static str> {
    let (by, number, agency) = (tail.integer()?, tail.integer()?, tail.integer()?);
    let (after, document) = (tail.long()?, tail.text()?);
    let is_by = |what| by & what != 0;
    let is_only_by = by <= (BY_DOCUMENT | BY_NUMBER | BY_AGENCY)
        && (is_by(BY_DOCUMENT) || document.is_empty())
        && (is_by(BY_NUMBER) || number == 0)
        && (is_by(BY_AGENCY) || agency == 0);
    if !is_only_by {
        return Err("a search by something else than it says");
    }
    let document = is_by(BY_DOCUMENT).then(|| label(document)).transpose()?;
    let number = is_by(BY_NUMBER).then_some(number);
    let agency = is_by(BY_AGENCY).then_some(AgencyId(agency));
    Ok(BetsSearch { draw, document, number, agency, after })
}

fn log_in_failed(tail: &mut Tail<'_>) -> Result<LogInFailed, &'static str> {
    let (attempts, text) = (tail.integer()?, tail.text()?);
    let address: IpAddr = text.parse().map_err(|_| "an address that is not one")?;
    if address.to_string() != text {
        return Err("an address that is written in another way");
    }
    Ok(LogInFailed { attempts, address })
}

fn number_of(role: Role) -> u32 {
    match role {
        Role::Viewer => 1,
        Role::Operator => 2,
        Role::Auditor => 3,
        Role::Admin => 4,
        Role::Standby => 5,
    }
}

fn role(number: u32) -> Result<Role, &'static str> {
    let found = Role::ALL.into_iter().find(|role| number_of(*role) == number);
    found.ok_or("a role that this version does not know")
}

fn put_integers(tail: &mut Vec<u8>, integers: &[u32]) {
    integers.iter().for_each(|it| tail.extend_from_slice(&it.to_le_bytes()));
}

#[cfg(test)]
pub(super) fn examples() -> Vec<AuditedAction> {
    use std::net::Ipv6Addr;

    let (draw, label) = (DrawId(3), |text: &str| Label::new(text).unwrap());
    let mut changes = vec![
        OperatorsChange::Disable(label("eva")),
        OperatorsChange::Enable(label("eva")),
        OperatorsChange::ChangePassword(label("eva")),
        OperatorsChange::GiveToken { role: Role::Viewer, days: 366, label: label("pasillo ñ") },
        OperatorsChange::GiveTokenTo {
            name: label("eva"),
            role: Role::Viewer,
            days: 366,
            label: label("pasillo ñ"),
        },
        OperatorsChange::RevokeToken(12),
    ];
    changes.extend(Role::ALL.map(|role| OperatorsChange::Add { name: label("eva"), role }));
    let all = BetsSearch {
        draw,
        document: Some(label("30904465")),
        number: Some(0),
        agency: Some(AgencyId(5)),
        after: u64::MAX,
    };
    let none = BetsSearch { draw, document: None, number: None, agency: None, after: 0 };
    let others = [
        AuditedAction::LogIn,
        AuditedAction::LogOut,
        AuditedAction::SearchBets(all),
        AuditedAction::SearchBets(none),
        AuditedAction::ReadWinners(draw),
        AuditedAction::ExportBets(draw),
        AuditedAction::LogInFailed(LogInFailed { attempts: 3, address: [10, 0, 0, 7].into() }),
        AuditedAction::LogInFailed(LogInFailed {
            attempts: 1,
            address: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        }),
    ];
    let made = changes.iter().cloned().map(AuditedAction::ChangeOperators);
    let not_made = changes.iter().cloned().map(AuditedAction::OperatorsNotChanged);
    let on_command_line = changes.iter().cloned().map(|change| {
        let (user, at) = (label("root"), Timestamp(1_700_000_000_123));
        AuditedAction::OnCommandLine(CommandLineChange { user, at, change })
    });
    others.into_iter().chain(made).chain(not_made).chain(on_command_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(action: &AuditedAction) -> ([u32; 4], Vec<u8>) {
        let mut tail = Vec::new();
        (encode(action, &mut tail), tail)
    }

    fn decoded(head: [u32; 4], tail: &[u8]) -> Result<AuditedAction, &'static str> {
        let mut tail = Tail(tail);
        let action = decode(head[1], DrawId(head[0]), head[3] == 1, &mut tail)?;
        if tail.0.is_empty() { Ok(action) } else { Err("more than an action") }
    }

    #[test]
    fn every_action_decodes_but_nothing_shorter_or_longer() {
        for action in examples() {
            let (head, tail) = encoded(&action);
            assert_eq!(decoded(head, &tail), Ok(action.clone()));
            for len in 0..tail.len() {
                assert!(decoded(head, &tail[..len]).is_err(), "{action:?}, {len}");
            }
            assert!(decoded(head, &[&tail[..], &[0]].concat()).is_err(), "{action:?}");
        }
        assert!(decoded([0, EXPORT_BETS + 1, 0, 0], &[]).is_err());
        assert!(decoded([0, ON_COMMAND_LINE + 1, 0, 0], &[]).is_err());
    }

    #[test]
    fn the_bytes_are_frozen() {
        let (draw, name) = (DrawId(3), Label::new("eva").unwrap());
        let document = Some(Label::new("7").unwrap());
        let (number, agency) = (Some(7574), Some(AgencyId(5)));
        let search = BetsSearch { draw, document, number, agency, after: 258 };
        let given = OperatorsChange::GiveToken { role: Role::Admin, days: 9, label: name.clone() };
        let added = OperatorsChange::Add { name: name.clone(), role: Role::Auditor };
        let (luz, role) = (Label::new("luz").unwrap(), Role::Viewer);
        let given_to =
            OperatorsChange::GiveTokenTo { name: luz, role, days: 9, label: name.clone() };
        let revoked = OperatorsChange::RevokeToken(12);
        let (user, change) = (Label::new("root").unwrap(), revoked.clone());
        let on_command_line = CommandLineChange { user, at: Timestamp(258), change };
        let failed = LogInFailed { attempts: 3, address: [10, 0, 0, 7].into() };
        let made = AuditedAction::ChangeOperators;
        for (action, head, tail) in [
            (AuditedAction::LogIn, [0, 7, 0, 0], &b""[..]),
            (AuditedAction::LogOut, [0, 8, 0, 0], b""),
            (made(added), [0, 9, 0, 0], b"\x03\0\0\0\x03\0eva"),
            (made(OperatorsChange::Disable(name.clone())), [0, 10, 0, 0], b"\x03\0eva"),
            (made(OperatorsChange::Enable(name.clone())), [0, 11, 0, 0], b"\x03\0eva"),
            (made(OperatorsChange::ChangePassword(name)), [0, 12, 0, 0], b"\x03\0eva"),
            (made(given), [0, 13, 0, 0], b"\x04\0\0\0\x09\0\0\0\x03\0eva"),
            (AuditedAction::OperatorsNotChanged(revoked), [0, 14, 0, 1], b"\x0c\0\0\0"),
            (
                AuditedAction::SearchBets(search),
                [3, 15, 0, 0],
                b"\x07\0\0\0\x96\x1d\0\0\x05\0\0\0\x02\x01\0\0\0\0\0\0\x01\x007",
            ),
            (AuditedAction::ReadWinners(draw), [3, 16, 0, 0], b""),
            (AuditedAction::ExportBets(draw), [3, 17, 0, 0], b""),
            (made(given_to), [0, 24, 0, 0], b"\x01\0\0\0\x09\0\0\0\x03\0luz\x03\0eva"),
            (
                AuditedAction::OnCommandLine(on_command_line),
                [0, 25, 0, 0],
                b"\x02\x01\0\0\0\0\0\0\x0e\0\0\0\x04\0root\x0c\0\0\0",
            ),
            (AuditedAction::LogInFailed(failed), [0, 23, 0, 0], b"\x03\0\0\0\x08\x0010.0.0.7"),
        ] {
            assert_eq!(encoded(&action), (head, tail.to_vec()), "{action:?}");
        }
    }

    #[test]
    fn unused_search_fields_unknown_roles_and_odd_addresses_are_refused() {
        let bytes = |by: u32, number: u32, agency: u32, document: &str| {
            let mut tail = Vec::new();
            put_integers(&mut tail, &[by, number, agency, 0, 0]);
            put_text(&mut tail, document);
            tail
        };
        assert!(decoded([3, SEARCH_BETS, 0, 0], &bytes(7, 1, 1, "7")).is_ok());
        for wrong in [
            bytes(8, 0, 0, ""),
            bytes(6, 1, 1, "7"),
            bytes(5, 1, 1, "7"),
            bytes(3, 1, 1, "7"),
            bytes(1, 0, 0, ""),
        ] {
            assert!(decoded([3, SEARCH_BETS, 0, 0], &wrong).is_err(), "{wrong:?}");
        }
        for address in ["", "10.0.0", "10.0.0.07", "2001:db8:0:0:0:0:0:1", "::A"] {
            let mut tail = Vec::new();
            put_integers(&mut tail, &[1]);
            put_text(&mut tail, address);
            assert!(decoded([0, LOG_IN_FAILED, 0, 0], &tail).is_err(), "{address}");
        }
        for role in [0, 6] {
            let mut tail = Vec::new();
            put_integers(&mut tail, &[role]);
            put_text(&mut tail, "eva");
            assert!(decoded([0, ADD_OPERATOR, 0, 0], &tail).is_err());
        }
    }
}
