//! Servers that run on Java, from Maven Central: their jars and a launcher of ours in one folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cache;
use crate::process::{self, program};
use crate::tools::ensure;

/// What each launcher is compiled to.
const LAUNCHER: &str = "Loopback.class";

/// Copies a project's jars into a folder.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// How a server that runs on Java is had.
pub(super) struct Jars {
    /// The folder below `xtask` with `pom.xml`, which pins the version, and the launcher.
    pub(super) project: &'static str,
    /// Where they are kept: the version is part of the name, so that a new pin is fetched.
    pub(super) folder: &'static str,
    /// How Java is started, in the folder, for whoever starts a server: `java @arguments`.
    pub(super) arguments: &'static str,
    /// Who needs it, for the message where there is no Java.
    pub(super) what: &'static str,
}

impl Jars {
    /// The folder with the jars, the launcher, and Java's arguments in a file.
    ///
    /// # Errors
    ///
    /// There is no Java or no Maven and none can be installed, or the registry does not have the
    /// jars.
    pub(super) fn fetch(&self) -> Result<PathBuf> {
        let folder = cache().join(self.folder);
        ensure("javac", "-version", "default-jdk-headless", self.what)?;
        if folder.join(LAUNCHER).exists() {
            return Ok(folder);
        }
        ensure("mvn", "--version", "maven", self.what)?;
        let from = process::root().join("xtask").join(self.project);
        // It gets its name when it is complete, so that a fetch that broke off is begun again.
        let partial = cache().join(format!("{}.{}", self.folder, std::process::id()));
        fs::create_dir_all(&partial)
            .with_context(|| format!("can't make {}", partial.display()))?;
        let mut copy = program("mvn");
        copy.args(["--batch-mode", "--quiet", "--file"]).arg(from.join("pom.xml")).arg(COPY);
        copy.arg("-DincludeScope=runtime");
        copy.arg(format!("-DoutputDirectory={}", partial.display()));
        let fetched = process::run(&mut copy).and_then(|()| self.compile(&from, &partial));
        if let Err(error) = fetched.and_then(|()| take(&partial, &folder)) {
            fs::remove_dir_all(&partial).context("can't remove what was fetched in part")?;
            return Err(error);
        }
        Ok(folder)
    }

    /// How the server is started by hand.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch).
    pub(super) fn java(&self) -> Result<Command> {
        let mut java = program("java");
        java.current_dir(self.fetch()?).arg("@arguments");
        Ok(java)
    }

    fn compile(&self, from: &Path, folder: &Path) -> Result<()> {
        let mut compile = program("javac");
        compile.current_dir(folder).args(["-cp", "*", "-d", "."]);
        process::run(compile.arg(from.join("Loopback.java")))?;
        fs::write(folder.join("arguments"), self.arguments).context("can't write Java's arguments")
    }
}

fn take(partial: &Path, folder: &Path) -> Result<()> {
    // Another run may have been quicker; then its folder is as good.
    if folder.join(LAUNCHER).exists() {
        return Ok(fs::remove_dir_all(partial)?);
    }
    fs::rename(partial, folder).with_context(|| format!("can't make {}", folder.display()))
}

/// The address of a launcher that has said that it serves.
pub(super) fn address(written: &str) -> Option<String> {
    written.lines().find_map(|line| line.strip_prefix("READY ")).map(str::to_owned)
}

#[cfg(test)]
mod tests;
