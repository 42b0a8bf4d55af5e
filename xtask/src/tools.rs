//! Programs from outside that tests need, built once into the target folder.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::process::{self, program};

/// The version that `xtask/h2spec/go.mod` pins; part of the name, so that a new pin is a new build.
const H2SPEC: &str = "h2spec-2.2.1";

/// What `xtask/python/requirements.txt` pins; part of the name, so that a new pin is a new folder.
const READERS: &str = "python-readers-1";

/// The HTTP/2 conformance suite, as a path to its program.
///
/// # Errors
///
/// There is no Go and none can be installed, or the build fails.
pub(crate) fn h2spec() -> Result<PathBuf> {
    let folder = process::target().join("tools");
    let path = folder.join(H2SPEC);
    if path.exists() {
        return Ok(path);
    }
    let what = "the tests by h2spec (left out by `cargo xtask test --quick`)";
    ensure("go", "version", "golang-go", what)?;
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    let mut build = program("go");
    build.current_dir(process::root().join("xtask/h2spec"));
    build.args(["build", "-mod=readonly", "-o"]).arg(&path);
    process::run(build.arg("github.com/summerwind/h2spec/cmd/h2spec"))?;
    Ok(path)
}

/// A Python that reads Kafka and `CloudEvents` by libraries that are not ours, as a path to it.
///
/// # Errors
///
/// There is no Python with `venv`, or the registry does not have the libraries.
pub(crate) fn python() -> Result<PathBuf> {
    let folder = process::target().join("tools").join(READERS);
    let (python, whole) = (folder.join("bin/python"), folder.join("whole"));
    if whole.exists() {
        return Ok(python);
    }
    process::run(program("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut install = program(&python);
    install.current_dir(process::root().join("xtask/python"));
    install.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"]);
    process::run(install.args(["--requirement", "requirements.txt"]))?;
    fs::write(&whole, "").with_context(|| format!("can't write {}", whole.display()))?;
    Ok(python)
}

/// Makes sure of what building the workspace takes besides Rust.
///
/// # Errors
///
/// Something is missing and can't be installed.
pub(crate) fn compilers() -> Result<()> {
    let what = "the libraries that are built from C";
    ensure("cc", "--version", "gcc", what)?;
    ensure("make", "--version", "make", what)?;
    ensure("cmake", "--version", "cmake", what)?;
    ensure("perl", "--version", "perl", what)
}

/// Makes sure of a program, by the system's package where this process may install it.
///
/// # Errors
///
/// It is missing, and may not or can't be installed.
pub(crate) fn ensure(name: &str, question: &str, package: &str, what: &str) -> Result<()> {
    if process::exists(name, question) {
        return Ok(());
    }
    install(&Package { name: package, program: name, what }, || Ok(()))
}

/// A package of the system.
pub(crate) struct Package<'a> {
    /// Its name there.
    pub(crate) name: &'a str,
    /// The program that it is wanted for.
    pub(crate) program: &'a str,
    /// Who needs that.
    pub(crate) what: &'a str,
}

/// Installs a package, where this process may. `prepare` runs just before.
///
/// # Errors
///
/// It may not or can't be installed: the message names the command that would.
pub(crate) fn install(package: &Package<'_>, prepare: fn() -> Result<()>) -> Result<()> {
    let Package { name, program: wanted, what } = package;
    if !is_root() || !process::exists("apt-get", "--version") {
        bail!("{what} need `{wanted}`: run `apt-get install {name}`");
    }
    eprintln!("{what} need `{wanted}`, and there is none: installing {name}");
    prepare()?;
    process::run(program("apt-get").arg("update"))?;
    let install = ["install", "--yes", "--no-install-recommends", name];
    process::run(program("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_root() -> bool {
    process::output(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
