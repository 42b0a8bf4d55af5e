//! DynamoDB Local: Amazon's own stand-in, from Maven Central.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{cache, server::Server};
use crate::process::{self, program};
use crate::tools::ensure;

/// The version that `xtask/dynamodb/pom.xml` pins; part of the name, so that a new pin is fetched.
const FOLDER: &str = "dynamodb-local-3.3.1";

/// What the launcher in `xtask/dynamodb` is compiled to.
const LAUNCHER: &str = "Loopback.class";

/// How Java is started, in the folder, for whoever starts a server: `java @arguments`.
///
/// A small heap and the first compiler alone: the server lives for seconds and holds little.
const ARGUMENTS: &str = "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1\n\
                         -Djava.awt.headless=true\n-cp .:*\nLoopback\n";

/// Copies a project's jars into a folder.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// How it is started by hand.
pub(super) fn server() -> Server {
    Server { name: "dynamodb", command: || Ok(java(&fetch()?)), address }
}

/// The launcher writes it when it serves.
fn address(written: &str) -> Option<String> {
    written.lines().find_map(|line| line.strip_prefix("READY ")).map(str::to_owned)
}

/// The folder of DynamoDB Local: its jars, a launcher, and Java's arguments in a file.
///
/// # Errors
///
/// There is no Java or no Maven and none can be installed, or the registry does not have the jars.
pub(crate) fn fetch() -> Result<PathBuf> {
    let folder = cache().join(FOLDER);
    let what = "the tests on DynamoDB (left out by `cargo xtask test --quick`)";
    ensure("javac", "-version", "default-jdk-headless", what)?;
    if folder.join(LAUNCHER).exists() {
        return Ok(folder);
    }
    ensure("mvn", "--version", "maven", what)?;
    let from = process::root().join("xtask/dynamodb");
    // It gets its name when it is complete, so that a fetch that broke off is begun again.
    let partial = cache().join(format!("{FOLDER}.{}", std::process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("can't make {}", partial.display()))?;
    let mut copy = program("mvn");
    copy.args(["--batch-mode", "--quiet", "--file"]).arg(from.join("pom.xml")).arg(COPY);
    copy.arg("-DincludeScope=runtime");
    copy.arg(format!("-DoutputDirectory={}", partial.display()));
    let fetched = process::run(&mut copy).and_then(|()| compile(&from, &partial));
    if let Err(error) = fetched.and_then(|()| take(&partial, &folder)) {
        fs::remove_dir_all(&partial).context("can't remove what was fetched in part")?;
        return Err(error);
    }
    Ok(folder)
}

fn compile(from: &Path, folder: &Path) -> Result<()> {
    let mut compile = program("javac");
    compile.current_dir(folder).args(["-cp", "*", "-d", "."]);
    process::run(compile.arg(from.join("Loopback.java")))?;
    fs::write(folder.join("arguments"), ARGUMENTS).context("can't write Java's arguments")
}

fn take(partial: &Path, folder: &Path) -> Result<()> {
    // Another run may have been quicker; then its folder is as good.
    if folder.join(LAUNCHER).exists() {
        return Ok(fs::remove_dir_all(partial)?);
    }
    fs::rename(partial, folder).with_context(|| format!("can't make {}", folder.display()))
}

fn java(folder: &Path) -> Command {
    let mut java = program("java");
    java.current_dir(folder).arg("@arguments");
    java
}

#[cfg(test)]
mod tests;
