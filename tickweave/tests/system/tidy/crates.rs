//! The crates of the workspace, and which of them may use which.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A crate, and the crates of the workspace that it depends on.
pub(super) struct Crate {
    /// The name, which is that of its folder.
    pub(super) name: &'static str,
    depends_on: &'static [&'static str],
}

/// Every crate, after those that it depends on. A new crate is a line here.
pub(super) const CRATES: &[Crate] = &[
    Crate { name: "market", depends_on: &[] },
    Crate { name: "rows", depends_on: &["market"] },
    Crate { name: "node_api", depends_on: &["market"] },
    Crate { name: "operators", depends_on: &["market"] },
    Crate { name: "connectors", depends_on: &["market"] },
    Crate { name: "serving", depends_on: &["market", "rows", "node_api"] },
    Crate { name: "object_copy", depends_on: &[] },
    // An oracle that shares code with what it checks shares its mistakes; so does a base of measurements.
    Crate { name: "oracle", depends_on: &["market"] },
    Crate { name: "cost", depends_on: &["market"] },
    Crate {
        name: "dataflows",
        depends_on: &["market", "rows", "node_api", "operators", "connectors", "object_copy"],
    },
    Crate { name: "workload", depends_on: &["market", "connectors", "dataflows"] },
    Crate {
        name: "tickweave",
        depends_on: &[
            "market",
            "rows",
            "node_api",
            "operators",
            "connectors",
            "serving",
            "dataflows",
            "workload",
        ],
    },
    Crate {
        name: "bench",
        depends_on: &[
            "market",
            "rows",
            "node_api",
            "operators",
            "connectors",
            "cost",
            "serving",
            "dataflows",
            "workload",
            "tickweave",
        ],
    },
];

/// What tests of any crate may use besides.
const FOR_TESTS: &[&str] = &["oracle", "cost"];

/// The folder of the workspace.
pub(super) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(folder: &Path) -> toml::Table {
    fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap()
}

/// The crates of the workspace in the table `kind` of a manifest.
fn own(manifest: &toml::Table, kind: &str) -> BTreeSet<String> {
    let names = manifest.get(kind).and_then(toml::Value::as_table).into_iter().flatten();
    let own = names.filter(|(name, _)| CRATES.iter().any(|of| of.name == *name));
    own.map(|(name, _)| name.clone()).collect()
}

#[test]
fn crates_depend_on_those_below_only() {
    let members = &manifest(&workspace())["workspace"]["members"];
    let members: BTreeSet<&str> =
        members.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let listed: BTreeSet<&str> = CRATES.iter().map(|of| of.name).collect();
    assert_eq!(listed, members, "give each crate of the workspace a line in `CRATES`");

    for (at, Crate { name, depends_on }) in CRATES.iter().enumerate() {
        let below = |other: &&str| CRATES[..at].iter().any(|of| of.name == *other);
        assert!(depends_on.iter().all(below), "list `{name}` after what it depends on");

        let manifest = manifest(&workspace().join(name));
        let allowed: BTreeSet<String> = depends_on.iter().map(|&other| other.to_owned()).collect();
        let used = &own(&manifest, "dependencies") | &own(&manifest, "build-dependencies");
        assert_eq!(used, allowed, "`{name}/Cargo.toml` and its line in `CRATES` differ");
        for other in own(&manifest, "dev-dependencies") {
            assert!(
                allowed.contains(&other) || FOR_TESTS.contains(&other.as_str()),
                "tests of `{name}` use `{other}`: write them in a crate above both, or take one of {FOR_TESTS:?}"
            );
        }
        assert!(!manifest.contains_key("target"), "`{name}` has dependencies that are not checked");
    }
}

#[test]
fn a_plain_cargo_command_is_about_what_is_shipped() {
    let workspace = &manifest(&workspace())["workspace"];
    let names = |key: &str| -> BTreeSet<String> {
        let names = workspace[key].as_array().unwrap().iter();
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let mut shipped = names("members");
    assert!(
        shipped.remove("bench"),
        "`cargo run` finds two commands if `bench` is a default member"
    );
    assert_eq!(names("default-members"), shipped);
}
