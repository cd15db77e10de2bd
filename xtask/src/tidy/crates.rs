//! The architecture as a table: which crate of the workspace may depend on which.
//!
//! Cargo refuses what a manifest does not declare; this decides what a manifest may declare. The
//! dependencies of tests are free.

use serde::Deserialize;

use crate::program::run;
use crate::steps::cargo_command;

/// For each crate, which others of the workspace it may depend on.
const MAY_DEPEND_ON: &[(&str, &str)] = &[
    ("wire", ""),
    ("lottery", ""),
    ("operators", "lottery"),
    ("pki", ""),
    ("exports", "lottery"),
    ("engine", "lottery"),
    ("ledger", "lottery engine"),
    ("ledger-postgres", "lottery engine operators"),
    ("test-postgres", ""),
    ("agency", "wire lottery pki"),
    ("central", "lottery engine pki"),
    ("central-tcp", "central wire lottery engine pki"),
    ("central-http", "central lottery engine operators exports pki"),
    ("standby", "engine operators"),
    (
        "bolillero",
        "wire lottery engine operators pki exports ledger ledger-postgres agency central central-tcp \
         central-http standby",
    ),
    (
        "sim",
        "wire lottery engine ledger agency central central-tcp central-http operators bolillero",
    ),
    ("checks", "wire lottery engine ledger agency bolillero"),
    ("xtask", ""),
];

/// For each crate without IO and clock, which crates of others it may depend on: none of them
/// brings a runtime, a socket, a clock or a serialisation framework.
const PURE: &[(&str, &str)] = &[
    ("wire", "simdutf8 thiserror"),
    ("lottery", "sha2 thiserror unicode-normalization unicode-properties unicode-security"),
];

/// Features of the workspace's crates that only tests and the crates of `NOT_SHIPPED` may enable.
const FOR_TESTS: &[&str] = &["conformance", "simulation"];
const NOT_SHIPPED: &[&str] = &["checks", "sim"];

/// What every manifest must have: without it the crate is compiled with none of our lints.
const LINTS: &str = "[lints]\nworkspace = true\n";

/// What `cargo metadata` says of the workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A crate of the workspace.
#[derive(Deserialize)]
pub(super) struct Package {
    name: String,
    manifest_path: String,
    /// What is in the manifest.
    #[serde(skip)]
    manifest: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    features: Vec<String>,
}

/// Asks cargo.
pub(super) fn read() -> anyhow::Result<Vec<Package>> {
    let said = run(cargo_command("metadata --format-version=1 --no-deps --locked --offline"))?;
    let mut metadata: Metadata = serde_json::from_str(&said)?;
    for package in &mut metadata.packages {
        package.manifest = std::fs::read_to_string(&package.manifest_path)?;
    }
    Ok(metadata.packages)
}

pub(super) fn check(packages: &[Package]) -> Vec<String> {
    let names: Vec<_> = packages.iter().map(|package| &*package.name).collect();
    packages.iter().flat_map(|package| findings_of(package, &names)).collect()
}

fn findings_of(package: &Package, ours: &[&str]) -> Vec<String> {
    let name = &*package.name;
    let mut findings = Vec::new();
    if !package.manifest.contains(LINTS) {
        findings.push(format!("{name}: not under the workspace's lints; add them to Cargo.toml"));
    }
    let Some(allowed) = row(MAY_DEPEND_ON, name) else {
        findings.push(format!("{name}: not in the table of crates; add it to MAY_DEPEND_ON"));
        return findings;
    };
    let built_with = |dependency: &&Dependency| dependency.kind.as_deref() != Some("dev");
    for dependency in package.dependencies.iter().filter(built_with) {
        let on = &*dependency.name;
        let is_ours = ours.contains(&on);
        if is_ours && !allowed.contains(&on) {
            findings.push(format!(
                "{name}: may not depend on {on}; move the code to where both may see it, or let \
                 the binary join them"
            ));
        }
        if !is_ours && row(PURE, name).is_some_and(|allowed| !allowed.contains(&on)) {
            findings.push(format!(
                "{name}: has no IO and no clock, and may not depend on {on}; do it in a crate \
                 that has, or add {on} to PURE"
            ));
        }
        let for_tests = |feature: &&String| is_ours && FOR_TESTS.contains(&feature.as_str());
        if let Some(feature) = dependency.features.iter().find(for_tests)
            && !NOT_SHIPPED.contains(&name)
        {
            findings.push(format!(
                "{name}: ships {on} with its feature '{feature}', which is for tests; enable it \
                 in [dev-dependencies]"
            ));
        }
    }
    findings
}

/// What a table says about a crate.
fn row(table: &[(&str, &'static str)], name: &str) -> Option<Vec<&'static str>> {
    let row = table.iter().find(|(of, _)| *of == name);
    row.map(|(_, allowed)| allowed.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A crate as `cargo metadata` describes it, with one dependency.
    fn package(name: &str, on: &str, kind: Option<&str>, features: &[&str]) -> Package {
        let dependency = json!({ "name": on, "kind": kind, "features": features });
        let declared = json!({
            "name": name,
            "manifest_path": "Cargo.toml",
            "dependencies": [dependency],
        });
        let mut package: Package = serde_json::from_value(declared).unwrap();
        package.manifest = format!("[package]\n\n{LINTS}");
        package
    }

    fn findings(package: &Package) -> Vec<String> {
        let ours: Vec<_> = MAY_DEPEND_ON.iter().map(|(name, _)| *name).collect();
        findings_of(package, &ours)
    }

    #[test]
    fn allows_what_the_table_allows() {
        let allowed = [("wire", "thiserror"), ("ledger", "engine"), ("bolillero", "jiff")];
        for (name, on) in allowed {
            assert_eq!(findings(&package(name, on, None, &[])), [""; 0], "{name} on {on}");
        }
    }

    #[test]
    fn finds_a_dependency_that_the_tables_forbid() {
        let forbidden = [
            ("wire", "lottery", "may not depend on lottery; "),
            ("lottery", "wire", "may not depend on wire; "),
            ("ledger", "wire", "may not depend on wire; "),
            ("agency", "central", "may not depend on central; "),
            ("central", "ledger", "may not depend on ledger; "),
            ("central-tcp", "central-http", "may not depend on central-http; "),
            ("central-http", "central-tcp", "may not depend on central-tcp; "),
            ("bolillero", "sim", "may not depend on sim; "),
            ("xtask", "lottery", "may not depend on lottery; "),
            ("wire", "tokio", "has no IO and no clock, and may not depend on tokio; "),
            ("wire", "serde_json", "has no IO and no clock, and may not depend on serde_json; "),
            ("lottery", "jiff", "has no IO and no clock, and may not depend on jiff; "),
        ];
        for (name, on, what) in forbidden {
            let found = findings(&package(name, on, None, &[]));
            let expected = format!("{name}: {what}");
            assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
            assert_eq!(findings(&package(name, on, Some("build"), &[])), found);
            assert_eq!(findings(&package(name, on, Some("dev"), &[])), [""; 0]);
        }
    }

    #[test]
    fn finds_a_feature_for_tests_in_what_is_shipped() {
        for feature in FOR_TESTS {
            let found = findings(&package("ledger", "engine", None, &[feature]));
            let expected = format!("ledger: ships engine with its feature '{feature}'");
            assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
            assert_eq!(findings(&package("ledger", "engine", Some("dev"), &[feature])), [""; 0]);
            assert_eq!(findings(&package("sim", "engine", None, &[feature])), [""; 0]);
        }
    }

    #[test]
    fn finds_a_crate_without_lints_or_without_a_row() {
        let mut newcomer = package("newcomer", "anyhow", None, &[]);
        let no_row = "newcomer: not in the table of crates; add it to MAY_DEPEND_ON";
        assert_eq!(findings(&newcomer), [no_row]);
        newcomer.manifest = "[lints.rust]\nworkspace = true\n".to_owned();
        let no_lints = "newcomer: not under the workspace's lints; add them to Cargo.toml";
        assert_eq!(findings(&newcomer), [no_lints, no_row]);
    }

    #[test]
    fn lets_only_the_binary_and_the_simulation_join_the_ledger_with_the_central() {
        let names = MAY_DEPEND_ON.iter().map(|(name, _)| *name);
        let joins = |name: &&str| {
            let allowed = row(MAY_DEPEND_ON, name).unwrap();
            allowed.contains(&"ledger") && allowed.contains(&"central")
        };
        assert!(names.filter(joins).eq(["bolillero", "sim"]));
    }
}
