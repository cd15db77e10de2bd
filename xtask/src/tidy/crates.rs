//! Which crate may depend on which: the architecture, as a table.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::Violation;
use crate::steps::cargo_command;

/// The crates of the workspace and what they declare to depend on.
#[derive(Debug)]
pub(super) struct Crates {
    pub(super) crates: Vec<Crate>,
}

/// A crate of the workspace.
#[derive(Debug)]
pub(super) struct Crate {
    pub(super) name: String,
    /// Its manifest, from the root of the workspace.
    pub(super) manifest: String,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Debug, Default)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Used by the crate's tests only.
    pub(super) dev: bool,
    pub(super) features: Vec<String>,
}

/// For each crate, which of ours it may depend on, its tests included.
const ALLOWED: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("lottery", &[]),
    ("operators", &["lottery"]),
    ("pki", &[]),
    ("exports", &["lottery"]),
    ("engine", &["lottery"]),
    ("ledger", &["lottery", "engine"]),
    ("agency", &["wire", "lottery", "pki"]),
    ("central", &["wire", "lottery", "engine", "operators", "pki", "exports"]),
    (
        "bolillero",
        &[
            "wire",
            "lottery",
            "engine",
            "operators",
            "pki",
            "exports",
            "ledger",
            "agency",
            "central",
        ],
    ),
    ("sim", &["wire", "lottery", "engine", "ledger", "agency", "central", "bolillero"]),
    ("checks", &["wire", "lottery", "engine", "ledger", "agency", "bolillero"]),
    ("xtask", &[]),
];

/// The crates that know neither IO nor time.
const PURE: &[&str] = &["wire", "lottery"];

/// What a pure crate may not use, nor anything whose name goes on after a `-`.
const IMPURE: &[&str] = &[
    "async-std",
    "axum",
    "chrono",
    "diesel",
    "futures",
    "http",
    "hyper",
    "jiff",
    "mio",
    "postgres",
    "redb",
    "reqwest",
    "rusqlite",
    "rustix",
    "serde",
    "smol",
    "socket2",
    "sqlx",
    "time",
    "tokio",
    "tonic",
    "tower",
    "tracing",
    "ureq",
];

/// Features of our crates that no shipped build may have.
const FOR_TESTS: &[&str] = &["conformance", "planted-bugs", "simulation"];

/// Who is not shipped, and may ask for them.
const NOT_SHIPPED: &[&str] = &["checks", "sim"];

pub(super) fn check(crates: &Crates) -> Vec<Violation> {
    let of_one = |it| [ours(it, crates), impure(it), features_for_tests(it, crates)].concat();
    crates.crates.iter().flat_map(of_one).collect()
}

impl Crates {
    /// Asks cargo.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let arguments = ["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"];
        let output = cargo_command(&arguments).output().context("cargo could not be started")?;
        if !output.status.success() {
            bail!("`cargo metadata`: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        Self::parse(&metadata, root).context("`cargo metadata` answered with something else")
    }

    fn parse(metadata: &Value, root: &Path) -> Option<Self> {
        let packages = metadata["packages"].as_array()?.iter();
        Some(Self { crates: packages.map(|it| Crate::parse(it, root)).collect::<Option<_>>()? })
    }
}

impl Crate {
    fn parse(package: &Value, root: &Path) -> Option<Self> {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let manifest = manifest.strip_prefix(root).unwrap_or(manifest);
        let dependency = |it: &Value| {
            let features = it["features"].as_array().map_or(&[][..], Vec::as_slice).iter();
            Some(Dependency {
                name: it["name"].as_str()?.to_owned(),
                dev: it["kind"] == "dev",
                features: features.filter_map(Value::as_str).map(str::to_owned).collect(),
            })
        };
        let dependencies = package["dependencies"].as_array()?.iter().map(dependency);
        Some(Self {
            name: package["name"].as_str()?.to_owned(),
            manifest: manifest.to_str()?.replace('\\', "/"),
            dependencies: dependencies.collect::<Option<_>>()?,
        })
    }

    fn violation(&self, what: String, remedy: &'static str) -> Violation {
        Violation { path: self.manifest.clone(), line: None, what, remedy }
    }
}

/// Ours depend on ours as the table says. A crate may depend on itself, to enable a feature in its
/// tests.
fn ours(it: &Crate, crates: &Crates) -> Vec<Violation> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == it.name) else {
        let what = format!("nothing says what '{}' may depend on", it.name);
        return vec![it.violation(what, "add it to ALLOWED in xtask/src/tidy/crates.rs")];
    };
    let is_ours = |name: &str| crates.crates.iter().any(|other| other.name == name);
    let forbidden = it
        .dependencies
        .iter()
        .map(|dependency| &dependency.name)
        .filter(|name| is_ours(name) && **name != it.name && !allowed.contains(&name.as_str()));
    let violation = |name: &String| {
        let what = format!("'{}' may not depend on '{name}'", it.name);
        it.violation(what, "move the code to where both may see it, or let the binary join them")
    };
    forbidden.map(violation).collect()
}

/// The pure crates have no runtime, HTTP, SQL, clock or serialisation framework. Their tests may.
fn impure(it: &Crate) -> Vec<Violation> {
    if !PURE.contains(&it.name.as_str()) {
        return Vec::new();
    }
    let is_impure = |name: &str| {
        IMPURE.iter().any(|impure| {
            let rest = name.strip_prefix(impure);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
        })
    };
    let forbidden = it.dependencies.iter().filter(|it| !it.dev && is_impure(&it.name));
    let violation = |dependency: &Dependency| {
        let what = format!("'{}' is pure and may not depend on '{}'", it.name, dependency.name);
        it.violation(what, "do that part in the crate that has the IO")
    };
    forbidden.map(violation).collect()
}

/// Tests and what is not shipped may ask ours for features that are for tests; nobody else.
fn features_for_tests(it: &Crate, crates: &Crates) -> Vec<Violation> {
    if NOT_SHIPPED.contains(&it.name.as_str()) {
        return Vec::new();
    }
    let is_ours = |name: &str| crates.crates.iter().any(|other| other.name == name);
    let shipped = it.dependencies.iter().filter(|it| !it.dev && is_ours(&it.name));
    let features = shipped.flat_map(|on| on.features.iter().map(move |feature| (on, feature)));
    let forbidden = features.filter(|(_, feature)| FOR_TESTS.contains(&feature.as_str()));
    let violation = |(on, feature): (&Dependency, &String)| {
        let what = format!("'{}' ships '{}' with its feature '{feature}'", it.name, on.name);
        it.violation(what, "ask for it in [dev-dependencies]")
    };
    forbidden.map(violation).collect()
}

/// A workspace for the tests of rules: crates with what they depend on.
#[cfg(test)]
pub(super) fn crates_of(crates: &[(&str, &[&str])]) -> Crates {
    let made = crates.iter().map(|(name, dependencies)| Crate {
        name: (*name).to_owned(),
        manifest: format!("crates/{name}/Cargo.toml"),
        dependencies: (dependencies.iter())
            .map(|name| Dependency { name: (*name).to_owned(), ..Dependency::default() })
            .collect(),
    });
    Crates { crates: made.collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLEAN: [(&str, &[&str]); 12] = [
        ("wire", &["thiserror"]),
        ("lottery", &["lottery", "sha2", "timely"]),
        ("operators", &["lottery", "argon2"]),
        ("pki", &["rustls"]),
        ("exports", &["lottery", "csv"]),
        ("ledger", &["lottery", "rustix"]),
        ("agency", &["wire", "lottery", "pki", "tokio"]),
        ("central", &["wire", "lottery", "pki", "tokio"]),
        ("bolillero", &["agency", "central", "ledger", "lottery", "pki", "wire", "jiff"]),
        ("sim", &["agency", "central", "ledger", "lottery", "wire"]),
        ("checks", &["agency", "bolillero", "ledger", "lottery", "wire", "arbitrary"]),
        ("xtask", &["anyhow"]),
    ];

    #[test]
    fn the_architecture_as_it_is_passes() {
        assert_eq!(check(&crates_of(&CLEAN)), []);
    }

    #[test]
    fn a_dependency_that_the_architecture_forbids_is_found() {
        let cases = [
            ("wire", "lottery", "'wire' may not depend on 'lottery'"),
            ("lottery", "wire", "'lottery' may not depend on 'wire'"),
            ("ledger", "wire", "'ledger' may not depend on 'wire'"),
            ("operators", "pki", "'operators' may not depend on 'pki'"),
            ("pki", "lottery", "'pki' may not depend on 'lottery'"),
            ("agency", "central", "'agency' may not depend on 'central'"),
            ("central", "ledger", "'central' may not depend on 'ledger'"),
            ("central", "sim", "'central' may not depend on 'sim'"),
            ("bolillero", "sim", "'bolillero' may not depend on 'sim'"),
            ("bolillero", "checks", "'bolillero' may not depend on 'checks'"),
            ("xtask", "lottery", "'xtask' may not depend on 'lottery'"),
            ("wire", "tokio", "'wire' is pure and may not depend on 'tokio'"),
            ("wire", "serde_json", "'wire' is pure and may not depend on 'serde_json'"),
            ("lottery", "jiff", "'lottery' is pure and may not depend on 'jiff'"),
            ("lottery", "tokio-util", "'lottery' is pure and may not depend on 'tokio-util'"),
        ];
        for (name, dependency, what) in cases {
            let mut crates = crates_of(&CLEAN);
            let at = crates.crates.iter().position(|it| it.name == name).unwrap();
            let added = Dependency { name: dependency.to_owned(), ..Dependency::default() };
            crates.crates[at].dependencies.push(added);
            let [found] = &check(&crates)[..] else { panic!("not found once: {what}") };
            assert_eq!(found.what, what);
            assert_eq!(found.path, format!("crates/{name}/Cargo.toml"));
        }
    }

    #[test]
    fn only_tests_of_a_pure_crate_may_use_what_it_may_not() {
        let mut crates = crates_of(&[("wire", &["serde_json"])]);
        assert_eq!(check(&crates).len(), 1);
        crates.crates[0].dependencies[0].dev = true;
        assert_eq!(check(&crates), []);
    }

    #[test]
    fn what_is_for_tests_is_not_shipped() {
        let with_bugs = |who| {
            let mut crates = crates_of(&[(who, &["lottery"]), ("lottery", &[])]);
            crates.crates[0].dependencies[0].features.push("planted-bugs".to_owned());
            crates
        };
        let found = check(&with_bugs("ledger"));
        assert_eq!(found[0].what, "'ledger' ships 'lottery' with its feature 'planted-bugs'");
        assert_eq!(check(&with_bugs("sim")), []);
        let mut in_tests = with_bugs("ledger");
        in_tests.crates[0].dependencies[0].dev = true;
        assert_eq!(check(&in_tests), []);
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_is_found() {
        let found = check(&crates_of(&[("newcomer", &[])]));
        assert_eq!(found[0].what, "nothing says what 'newcomer' may depend on");
    }

    #[test]
    fn only_the_binary_and_the_simulation_join_the_ledger_with_the_central() {
        let joins = |allowed: &[&str], name| {
            let knows = |it| name == it || allowed.contains(&it);
            knows("ledger") && knows("central")
        };
        let joining = ALLOWED.iter().filter(|(name, allowed)| joins(allowed, *name));
        assert!(joining.map(|(name, _)| *name).eq(["bolillero", "sim"]));
        assert!(ALLOWED.iter().all(|(_, allowed)| !allowed.contains(&"sim")));
    }

    #[test]
    fn metadata_is_read_as_cargo_writes_it() {
        let metadata = json!({ "packages": [{
            "name": "wire",
            "manifest_path": "/repo/crates/wire/Cargo.toml",
            "dependencies": [
                { "name": "thiserror", "kind": null },
                { "name": "serde_json", "kind": "dev", "features": ["std"] },
            ],
        }] });
        let crates = Crates::parse(&metadata, Path::new("/repo")).unwrap();
        let [wire] = &crates.crates[..] else { panic!("one crate") };
        assert_eq!(wire.manifest, "crates/wire/Cargo.toml");
        let read: Vec<_> = wire.dependencies.iter().map(|it| (&*it.name, it.dev)).collect();
        assert_eq!(read, [("thiserror", false), ("serde_json", true)]);
        assert_eq!(wire.dependencies[1].features, ["std"]);
        assert!(Crates::parse(&json!({ "packages": [{}] }), Path::new("/")).is_none());
    }
}
