//! A configuration on disk, in the making.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{Bff, Edge, Ended, Folder, edge, tls::Authority};

/// A folder with `headgate.toml`, the teams' files and whatever these name.
///
/// Listens in plain on a free port, unless said otherwise. A team alone may route everything; of
/// several, each may route what lies below its name.
#[derive(Debug, Default)]
pub struct Site {
    pub(crate) folder: Folder,
    listen: Option<String>,
    admin: Option<String>,
    edge: String,
    tls: Option<String>,
    platform: String,
    teams: BTreeMap<String, String>,
    whole: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// An upstream's table; `more` are further lines of it.
pub fn upstream(name: &str, endpoints: &[&str], more: &str) -> String {
    format!("[upstream.{name}]\nendpoints = {endpoints:?}\n{more}\n")
}

/// A route's table; `more` are further lines of it.
pub fn route(name: &str, matches: &str, to: &str, more: &str) -> String {
    format!("[route.{name}]\nmatch = {matches:?}\nto = {to:?}\n{more}\n")
}

impl Site {
    /// A site without a route.
    pub fn new() -> Self {
        Self::default()
    }

    /// A site that sends everything to one upstream: team `tv`, route `all`, upstream `home`.
    pub fn to(bff: &Bff) -> Self {
        Self::with_route(bff, "", "")
    }

    /// As [`Site::to`], with further lines for the upstream and for the route.
    pub fn with_route(bff: &Bff, upstream_lines: &str, route_lines: &str) -> Self {
        Self::to_endpoints(&[&bff.endpoint()], upstream_lines, route_lines)
    }

    /// As [`Site::with_route`], to several endpoints.
    pub fn to_endpoints(endpoints: &[&str], upstream_lines: &str, route_lines: &str) -> Self {
        Self::new().team(
            "tv",
            &[
                upstream("home", endpoints, upstream_lines),
                route("all", "* /{*rest}", "home", route_lines),
            ],
        )
    }

    /// Replaces the list of plain listeners, written as in TOML.
    #[must_use]
    pub fn listen(mut self, list: &str) -> Self {
        self.listen = Some(list.to_owned());
        self
    }

    /// Replaces the address of the admin listener.
    #[must_use]
    pub fn admin(mut self, address: &str) -> Self {
        self.admin = Some(address.to_owned());
        self
    }

    /// Adds lines to `[edge]`.
    #[must_use]
    pub fn edge(mut self, lines: &str) -> Self {
        writeln!(self.edge, "{lines}").unwrap();
        self
    }

    /// Adds tables to `headgate.toml`.
    #[must_use]
    pub fn platform(mut self, tables: &str) -> Self {
        writeln!(self.platform, "{tables}").unwrap();
        self
    }

    /// Adds a team with its tables.
    #[must_use]
    pub fn team(mut self, name: &str, tables: &[String]) -> Self {
        let text = self.teams.entry(name.to_owned()).or_default();
        for table in tables {
            writeln!(text, "{table}").unwrap();
        }
        self
    }

    /// Adds a TLS listener with certificates for these names; the first is the default.
    #[must_use]
    pub fn tls(mut self, authority: &Authority, names: &[&str]) -> Self {
        let mut certificates = Vec::new();
        for name in names {
            let issued = authority.issue(name);
            self.folder.write(&format!("{name}.pem"), issued.cert_pem);
            self.folder.write(&format!("{name}.key"), issued.key_pem);
            certificates.push(format!("cert = \"{name}.pem\", key = \"{name}.key\""));
        }
        let mut table = format!("listen = [\"127.0.0.1:0\"], {}", certificates.remove(0));
        if !certificates.is_empty() {
            write!(table, ", certificates = [{{ {} }}]", certificates.join(" }, { ")).unwrap();
        }
        self.tls = Some(table);
        self
    }

    /// Adds members to the table of the TLS listener, which must be there.
    ///
    /// # Panics
    ///
    /// Without a TLS listener.
    #[must_use]
    pub fn tls_members(mut self, members: &str) -> Self {
        let tls = self.tls.as_mut().expect("a TLS listener");
        write!(tls, ", {members}").unwrap();
        self
    }

    /// Writes a file beside `headgate.toml`.
    #[must_use]
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        self.folder.write(name, contents);
        self
    }

    /// Takes this as `headgate.toml`, whatever else was said.
    #[must_use]
    pub fn headgate_toml(mut self, text: &str) -> Self {
        self.whole = Some(text.to_owned());
        self
    }

    /// Sets a variable in the environment of the process.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes the files and starts the edge, to the point where it is ready.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    pub async fn start(self) -> Edge {
        self.write();
        edge::start(self).await
    }

    /// Writes the files and runs the edge with `--strict`, so that any fault of any file ends it.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn run(self) -> Ended {
        self.write();
        edge::run(&["run", "--strict", "--config", "headgate.toml"], &self.folder).await
    }

    /// Writes the files for another verb than `run`.
    pub fn write(&self) -> &Folder {
        for (name, tables) in &self.teams {
            let text = format!("team = \"{name}\"\n{tables}");
            self.folder.write(&format!("routes.d/{name}/main.toml"), text);
        }
        let text = self.whole.clone().unwrap_or_else(|| self.headgate());
        self.folder.write("headgate.toml", text);
        &self.folder
    }

    /// Writes the teams' files anew, over those of a running edge.
    pub fn rewrite(&self, edge: &Edge) {
        for (name, tables) in &self.teams {
            let text = format!("team = \"{name}\"\n{tables}");
            edge.folder().write(&format!("routes.d/{name}/main.toml"), text);
        }
    }

    fn headgate(&self) -> String {
        let mut text = String::from("[edge]\n");
        let listen = self.listen.as_deref().unwrap_or("[\"127.0.0.1:0\"]");
        writeln!(text, "listen = {listen}").unwrap();
        if let Some(tls) = &self.tls {
            writeln!(text, "tls = {{ {tls} }}").unwrap();
        }
        text.push_str(&self.edge);
        // Many edges share the machine with one another: whether that is too much for it is asked
        // by the tests that name this layer.
        if !self.platform.contains("overload") {
            text.push_str("overload = { mode = \"off\" }\n");
        }
        let admin = self.admin.as_deref().unwrap_or("127.0.0.1:0");
        writeln!(text, "\n[admin]\nlisten = \"{admin}\"").unwrap();
        text.push_str(&self.platform);
        for name in self.teams.keys() {
            let prefix = if self.teams.len() == 1 { "/".to_owned() } else { format!("/{name}/") };
            let claims = format!("claims = [{{ host = \"*\", prefix = \"{prefix}\" }}]");
            if !self.platform.contains(&format!("[team.{name}]")) {
                writeln!(text, "\n[team.{name}]\n{claims}").unwrap();
            }
        }
        text
    }
}
