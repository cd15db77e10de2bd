//! Manages operators and their tokens: each change is recorded in the audit log before it is made.

use std::net::IpAddr;
use std::sync::Arc;

use lottery::{
    Act, ActError, AuditedAction, Judge, Label, OperatorsChange, Reason, RecordedAct,
    always_allowed,
};
use operators::{
    MakeChange, Name, Password, People, PeopleError, Permission, Role, Secret, Token, TokenGrant,
    TokenId,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::access::caller::{Caller, Credential};
use crate::access::refusal::Refusal;
use crate::access::state::{Access, Denied, blocking};
use crate::usecases::app::App;
use crate::usecases::session::verify_own_password;

/// The permission that is needed to change other operators.
const MANAGES: Option<Permission> = Some(Permission::ManageOperators);

/// Adds an operator. Needs a session: a program with a second operator's password could act as both
/// of the two operators who must enter a number.
pub(crate) async fn add(
    app: &App,
    who: &Caller,
    name: Name,
    role: Role,
    password: Password,
) -> Result<(), Refusal> {
    who.session()?;
    let hash = app.access.hash(password, name.clone()).await?;
    let recorded = OperatorsChange::Add { name: name.label(), role };
    let add = move |people: &mut People| people.add(name.clone(), role, hash.clone());
    change(app, who, MANAGES, Reason::default(), recorded, add).await
}

/// Disables an operator, with a reason, and ends their sessions.
pub(crate) async fn disable(
    app: &App,
    who: &Caller,
    name: Name,
    why: Reason,
) -> Result<(), Refusal> {
    if why.is_empty() {
        return Err(ActError::NoReason("disable an operator").into());
    }
    let (recorded, whom) = (OperatorsChange::Disable(name.label()), name.clone());
    change(app, who, MANAGES, why, recorded, move |people| people.disable(&whom)).await?;
    end_sessions_of(app, name).await;
    Ok(())
}

/// Enables an operator. Needs a session, like [`add`].
pub(crate) async fn enable(app: &App, who: &Caller, name: Name) -> Result<(), Refusal> {
    who.session()?;
    let recorded = OperatorsChange::Enable(name.label());
    let enable = move |people: &mut People| people.enable(&name);
    change(app, who, MANAGES, Reason::default(), recorded, enable).await
}

/// Changes a password: the caller's own, which needs the current one, or another operator's. Ends
/// all their sessions.
pub(crate) async fn change_password(
    app: &App,
    who: &Caller,
    peer: IpAddr,
    name: Name,
    new: Password,
    current: Password,
) -> Result<(), Refusal> {
    who.session()?;
    let needed = MANAGES.filter(|_| name != who.name);
    match needed {
        Some(needed) => who.must(needed)?,
        None => verify_own_password(app, peer, who, current).await?,
    }
    let hash = app.access.hash(new, name.clone()).await?;
    let (recorded, whose) = (OperatorsChange::ChangePassword(name.label()), name.clone());
    let set = move |people: &mut People| people.set_password(&whose, hash.clone());
    change(app, who, needed, Reason::default(), recorded, set).await?;
    end_sessions_of(app, name).await;
    Ok(())
}

/// Grants a token to the caller, who must have a session.
pub(crate) async fn give_token(
    app: &App,
    who: &Caller,
    label: String,
    role: Role,
    days: u32,
) -> Result<(TokenId, Secret), Refusal> {
    who.session()?;
    let (secret, now_ms) = (app.access.secret()?, app.access.clock.now().0);
    let recorded = OperatorsChange::GiveToken { role, days, label: Label::nearest(&label) };
    let grant = TokenGrant { owner: who.name.clone(), label, role, days };
    let digest = secret.digest();
    let grant = move |people: &mut People| people.grant(grant.clone(), digest, now_ms);
    let id = change(app, who, None, Reason::default(), recorded, grant).await?;
    Ok((id, secret))
}

/// Revokes a token: the caller's own, or any if the caller may manage operators.
pub(crate) async fn revoke_token(app: &App, who: &Caller, id: TokenId) -> Result<(), Refusal> {
    let people = app.access.people().await?;
    // A token that the caller may not see is reported as unknown.
    let token = people.token(id).filter(|token| sees(who, token));
    let token = token.ok_or(PeopleError::UnknownToken(id))?;
    let needed = MANAGES.filter(|_| !is_own(who, token));
    let recorded = OperatorsChange::RevokeToken(id.0);
    let revoke = move |people: &mut People| people.revoke(id);
    change(app, who, needed, Reason::default(), recorded, revoke).await
}

/// Returns whether the caller may see this token.
pub(crate) fn sees(who: &Caller, token: &Token) -> bool {
    is_own(who, token) || who.may(Permission::ManageOperators)
}

fn is_own(who: &Caller, token: &Token) -> bool {
    token.owner == who.name && matches!(who.by, Credential::Session(_))
}

/// Changes the operators, and records the change in the audit log. The caller's permission is checked
/// against the operators that are changed. If the change can't be made in the end although it is
/// recorded, that is recorded too.
async fn change<T: Send + 'static>(
    app: &App,
    who: &Caller,
    needed: Option<Permission>,
    why: Reason,
    recorded: OperatorsChange,
    change: impl Fn(&mut People) -> Result<T, PeopleError> + Send + Sync + 'static,
) -> Result<T, Refusal> {
    let (ours, caller, runtime) = (Arc::clone(app), who.clone(), Handle::current());
    let denied = Denied::default();
    let denied_there = denied.clone();
    let changing = blocking("the change failed", move || {
        let (app, who) = (ours, caller);
        let outcome = Arc::<Mutex<Option<Result<T, Refusal>>>>::default();
        let make: MakeChange = {
            let (outcome, who, access) =
                (Arc::clone(&outcome), who.clone(), Arc::clone(&app.access));
            Arc::new(move |people| {
                // A concurrent change, which this one waited for, may have affected the caller.
                let may = who.must_be_among(people, access.clock.now(), needed);
                let changed = may.and_then(|()| change(people).map_err(Refusal::from));
                let is_allowed = changed.is_ok();
                *outcome.lock() = Some(changed);
                is_allowed
            })
        };
        let record = |action, judge| {
            let act = RecordedAct::new(who.actor(), why.clone(), Act::Audited(action));
            runtime.block_on(app.service.act(act, judge))
        };
        let mut stored = None;
        let made = app.access.operators.change(make, &mut |judge| {
            let judge = goes_on(&app.access, &who, judge, &denied_there);
            stored.insert(record(AuditedAction::ChangeOperators(recorded.clone()), judge)).is_ok()
        });
        let made = made.map_err(|error| {
            let refusal = app.access.unreadable(&error);
            match stored {
                Some(Ok(_)) => {
                    let not_changed = AuditedAction::OperatorsNotChanged(recorded.clone());
                    record(not_changed, always_allowed()).err().map_or(refusal, Refusal::from)
                }
                _ => refusal,
            }
        })?;
        // Why it was not allowed comes before what that made of the act.
        match (outcome.lock().take(), stored) {
            (Some(Err(refusal)), _) => Err(refusal),
            (_, Some(Err(error))) => Ok(Err(error)),
            (Some(Ok(changed)), _) if made => Ok(Ok(changed)),
            _ => Ok(Err(ActError::NotAllowed)),
        }
    });
    match app.known_in_time(async { changing.await? }).await? {
        Ok(changed) => Ok(changed),
        Err(error) => Err(app.refused(error, who, needed, &denied).await),
    }
}

/// Returns a judge that checks, besides `judge`, whether the caller is still logged in when the change
/// is recorded.
fn goes_on(access: &Arc<Access>, who: &Caller, judge: Judge, denied: &Denied) -> Judge {
    let (access, session, denied) = (Arc::clone(access), who.session_digest(), denied.clone());
    Box::new(move || {
        let judging = access.operators.judging(session).ok()?;
        denied.note(judging.is_none());
        judging.and_then(|_| judge())
    })
}

/// Tidies up after a change that ended an operator's sessions by a new generation.
async fn end_sessions_of(app: &App, name: Name) {
    // Those that are left are not valid.
    let _ = app.access.ask(move |operators| operators.end_sessions_of(&name)).await;
}
