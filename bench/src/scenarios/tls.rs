//! What TLS costs: the same agencies, batches and window with and without it.

use std::rc::Rc;

use super::{AGENCIES, Scenario, WINDOW, intake};
use crate::central::Start;
use crate::figures::Group;
use crate::load::Plan;
use crate::rounds::{self, Case};
use crate::setting::Setting;
use crate::tls::Certificates;

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Group>> {
    let certificates = Rc::new(Certificates::make(setting.path("pki-tls"), AGENCIES)?);
    let by_tls = Start { certificates: Some(certificates), ..Start::of(AGENCIES) };
    let plain = Start::of(AGENCIES);
    let group = |window| {
        let plan = |time| Plan::lasting(time, &setting.typical, window);
        let cases = vec![
            Case::new("TLS", |time| intake::slice(setting, &by_tls, &plan(time))),
            Case::new("plain text", |time| intake::slice(setting, &plain, &plan(time))),
        ];
        let cases = rounds::measure(setting, cases)?;
        Ok(Group::new(Scenario::Tls, (AGENCIES, window), &setting.typical, cases))
    };
    [1, WINDOW].into_iter().map(group).collect()
}
