//! Measures each scenario.

mod centrals;
mod draws;
mod idle;
mod intake;
mod large;
mod large_store;
mod ledgers;
mod network;
mod stores;
mod tls;
mod waiting;
mod watched;

use crate::figures::Group;
use crate::scenario::Scenario;
use crate::setting::Setting;

/// Agencies where nothing else is said.
const AGENCIES: u32 = 5;
const MANY_AGENCIES: u32 = 1_000;
const WINDOW: usize = 16;

/// Measures one.
pub(crate) fn measure(setting: &Setting, scenario: Scenario) -> anyhow::Result<Vec<Group>> {
    let Setting { typical, full, .. } = setting;
    match scenario {
        Scenario::OneAtATime => Ok(vec![
            intake::beside_limits(setting, scenario, (AGENCIES, 1), typical)?,
            intake::beside_limits(setting, scenario, (AGENCIES, 1), full)?,
        ]),
        Scenario::Window => Ok(vec![
            intake::beside_limits(setting, scenario, (AGENCIES, WINDOW), typical)?,
            intake::beside_limits(setting, scenario, (AGENCIES, WINDOW), full)?,
        ]),
        Scenario::HalfLoad => Ok(vec![intake::half_load(setting, (AGENCIES, WINDOW))?]),
        Scenario::ManyAgencies => {
            Ok(vec![intake::beside_limits(setting, scenario, (MANY_AGENCIES, 1), typical)?])
        }
        Scenario::Idle => Ok(vec![idle::measure(setting)?]),
        Scenario::Waiting => Ok(vec![waiting::measure(setting)?]),
        Scenario::Tls => tls::measure(setting),
        Scenario::Watched => Ok(vec![watched::measure(setting)?]),
        Scenario::Large => Ok(vec![large::measure(setting)?]),
        Scenario::Draws => Ok(vec![draws::measure(setting)?]),
        Scenario::Stores => stores::measure(setting),
        Scenario::Centrals => centrals::measure(setting),
        Scenario::LargeStore => Ok(vec![large_store::measure(setting)?]),
    }
}
