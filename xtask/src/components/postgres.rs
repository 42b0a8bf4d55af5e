//! PostgreSQL: the system's package, with data of its own. A cluster that the system has is left
//! alone.

use std::fs;
use std::os::unix;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{cache, jars, server::Server};
use crate::process::{self, program};
use crate::tools::{Package, install};

/// The folder for whoever starts a server: `sh start`, with its programs below `bin`.
const FOLDER: &str = "postgres-local-1";

/// Where Debian keeps the programs of each version, out of `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What the package reads before it would make a cluster, and start it on the usual port.
const CREATE: &str = "/etc/postgresql-common/createcluster.d";

/// How it is started by hand.
pub(super) const SERVER: Server = Server { name: "postgres", command, address: jars::address };

fn command() -> Result<Command> {
    let mut call = program("sh");
    call.arg(fetch()?.join("start"));
    Ok(call)
}

/// The folder with a script that starts a server, and the programs that it takes.
///
/// # Errors
///
/// There is no PostgreSQL, and it can't be installed.
pub(super) fn fetch() -> Result<PathBuf> {
    let programs = match programs() {
        Some(programs) => programs,
        None => installed()?,
    };
    let folder = cache().join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    let bin = folder.join("bin");
    if fs::read_link(&bin).ok().as_deref() != Some(&programs) {
        if bin.is_symlink() {
            fs::remove_file(&bin).context("can't replace the way to PostgreSQL")?;
        }
        unix::fs::symlink(&programs, &bin).context("can't write the way to PostgreSQL")?;
    }
    let script = process::root().join("xtask/postgres/start");
    fs::copy(&script, folder.join("start")).context("can't copy the script")?;
    Ok(folder)
}

fn installed() -> Result<PathBuf> {
    let what = "the tests on PostgreSQL (left out by `cargo xtask test --quick`)";
    let package = Package { name: "postgresql", program: "initdb", what };
    install(&package, || {
        fs::create_dir_all(CREATE).context("can't make the package's folder")?;
        let file = Path::new(CREATE).join("50-headgate.conf");
        fs::write(file, "create_main_cluster = false\n").context("can't tell the package")
    })?;
    let Some(programs) = programs() else { bail!("PostgreSQL is installed, and not in {DEBIAN}") };
    Ok(programs)
}

/// The folder of the server's programs: the newest of Debian's, or the one on the `PATH`.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let versions = versions.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse::<u32>().ok()?;
        Some((number, entry.path().join("bin")))
    });
    let newest = versions.filter(|(_, bin)| bin.join("initdb").exists()).max();
    newest.map(|(_, bin)| bin).or_else(|| {
        let told = process::output(program("pg_config").arg("--bindir")).ok()?;
        let bin = PathBuf::from(told.trim());
        bin.join("initdb").exists().then_some(bin)
    })
}
