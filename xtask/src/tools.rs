//! Programs from outside that tests need, built once into the target folder.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::process::{self, program};

/// The version that `xtask/h2spec/go.mod` pins; part of the name, so that a new pin is a new build.
const H2SPEC: &str = "h2spec-2.2.1";

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
    go()?;
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    let mut build = program("go");
    build.current_dir(process::root().join("xtask/h2spec"));
    build.args(["build", "-mod=readonly", "-o"]).arg(&path);
    process::run(build.arg("github.com/summerwind/h2spec/cmd/h2spec"))?;
    Ok(path)
}

/// Makes sure of a Go compiler: by the system's packages where this process may install them.
fn go() -> Result<()> {
    if process::exists("go", "version") {
        return Ok(());
    }
    if !is_root() || !process::exists("apt-get", "--version") {
        bail!(
            "h2spec needs Go to build: run `apt-get install golang-go`, \
             or leave its tests out by `cargo xtask test --quick`"
        );
    }
    eprintln!("h2spec needs Go to build, and there is none: installing golang-go");
    process::run(program("apt-get").arg("update"))?;
    let install = ["install", "--yes", "--no-install-recommends", "golang-go"];
    process::run(program("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_root() -> bool {
    process::output(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
