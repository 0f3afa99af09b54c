//! `scripts/setup` on machines that lack what a build needs, with stand-ins for what it would install with.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the script needs of a machine, besides what it looks for.
const TOOLS: [&str; 10] =
    ["bash", "cat", "chmod", "head", "mkdir", "mktemp", "rm", "sed", "sh", "sort"];

/// A machine with a C compiler and libraries, and a home.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(machine.bin()).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for tool in TOOLS {
            let mut folders = std::env::split_paths(&path);
            let found = folders.find_map(|folder| Some(folder.join(tool)).filter(|at| at.exists()));
            symlink(found.unwrap(), machine.bin().join(tool)).unwrap();
        }
        for tool in ["cc", "pkg-config"] {
            machine.has(tool, "exit 0");
        }
        machine
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Puts a command there.
    fn has(&self, name: &str, script: &str) {
        write_command(&self.bin().join(name), script);
    }

    /// `curl` brings an installer, which puts `cargo` of a version into the home and notes how it was called.
    fn can_install(&self, version: &str) {
        let installer = format!(
            "mkdir -p \"$HOME/.cargo/bin\"\necho \"$*\" > \"$HOME/arguments\"\n\
             printf '#!/bin/sh\\necho \"cargo {version} (0 2026-01-05)\"\\n' > \"$HOME/.cargo/bin/cargo\"\n\
             chmod +x \"$HOME/.cargo/bin/cargo\"\n"
        );
        fs::write(self.folder.path().join("installer"), installer).unwrap();
        let from = self.folder.path().join("installer").display().to_string();
        self.has(
            "curl",
            &format!(
                "while [ \"$1\" != -o ]; do\n  case $1 in https:*) echo \"$1\" > '{from}.url' ;; esac\n  shift\ndone\n\
                 cat '{from}' > \"$2\""
            ),
        );
    }

    fn set_up(&self, environment: &[(&str, &str)]) -> Output {
        fs::create_dir_all(self.home()).unwrap();
        Command::new(self.bin().join("bash"))
            .args(["-c", ". scripts/setup && cargo --version"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .env_clear()
            .env("PATH", self.bin())
            .env("HOME", self.home())
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }
}

fn write_command(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn rust_that_is_missing_or_old_is_installed() {
    for old in [None, Some("1.70.0")] {
        let machine = Machine::new();
        if let Some(old) = old {
            machine.has("cargo", &format!("echo 'cargo {old} (0 2023-01-01)'"));
        }
        machine.can_install("1.99.0");
        let output = machine.set_up(&[]);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "{old:?}: {err}");
        assert!(out.starts_with("cargo 1."), "{old:?}: {out}");
        if Path::new("/usr/local/cargo/bin/cargo").exists() {
            return; // that one is found first
        }
        assert_eq!(out, "cargo 1.99.0 (0 2026-01-05)\n", "{old:?}");
        let home = machine.home();
        let said = format!("installing Rust (minimal profile, about 300 MB) in {}", home.display());
        assert!(err.starts_with(&said), "{err}");
        let arguments = fs::read_to_string(home.join("arguments")).unwrap();
        assert_eq!(arguments, "-y --quiet --profile minimal --no-modify-path\n");
        let url = fs::read_to_string(machine.folder.path().join("installer.url")).unwrap();
        assert_eq!(url, "https://sh.rustup.rs\n");

        // A later shell finds it where it is, without its folder in PATH.
        machine.has("curl", "exit 1");
        let again = machine.set_up(&[]);
        assert_eq!(texts(&again), (out, String::new()));
    }
}

#[test]
fn rustup_brings_a_newer_version_beside_an_older_one() {
    let machine = Machine::new();
    let cargo =
        "case ${RUSTUP_TOOLCHAIN-} in '') echo 'cargo 1.70.0' ;; *) echo 'cargo 1.99.0' ;; esac";
    machine.has("cargo", cargo);
    machine.has("rustup", "echo \"$*\" > \"$HOME/arguments\"");
    let output = machine.set_up(&[]);
    let (out, err) = texts(&output);
    assert_eq!(out, "cargo 1.99.0\n", "{err}");
    let arguments = fs::read_to_string(machine.home().join("arguments")).unwrap();
    assert!(arguments.starts_with("toolchain install 1."), "{arguments}");
}

#[test]
fn nothing_is_installed_where_that_is_forbidden() {
    let machine = Machine::new();
    machine.has("cargo", "echo 'cargo 1.70.0 (0 2023-01-01)'");
    machine.can_install("1.99.0");
    let output = machine.set_up(&[("TICKWEAVE_SETUP", "no")]);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("TICKWEAVE_SETUP=no forbids") && err.contains("Rust 1."), "{err}");
    assert!(!machine.home().join(".cargo").exists());
}

#[test]
fn an_installer_that_brings_too_little_is_an_error() {
    let machine = Machine::new();
    machine.has("cargo", "echo 'cargo 1.70.0'");
    machine.can_install("1.71.0");
    let output = machine.set_up(&[]);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("is still missing"), "{err}");
}
