//! Identity sources.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headgate_gateway::{
    identity,
    settings::{
        self, ANONYMOUS, CertificateIdentity, IdentityKind, IdentitySource, Introspection, Jwt,
        KeySet, Secret,
    },
};

use crate::{
    digest::digest_of,
    document::{
        identity::{
            API_KEY_HEADER, ASK_TIMEOUT, CertificatePart, Identity, KEEP_ON_OUTAGE, LEEWAY,
            REFETCH, REFRESH, REMEMBER,
        },
        keys::{ApiKey, ApiKeys},
        scalar::Length,
    },
    fault::{Code, Draft, Report},
    load::{Input, read_text, reason},
    resolve::NOBODY,
    schema,
    source::{Node, Place, Step, key_path, parse},
    walk,
};

/// Keys that say what a source verifies: one of them must be there.
const KINDS: [&str; 6] =
    ["jwks_file", "jwks", "introspect", "client_cert", "api_keys_file", "api_keys"];
const TOKENS: &[&str] = &["jwks_file", "jwks", "introspect"];
/// Keys that mean something only for some kinds.
const ONLY_FOR: [(&str, &[&str]); 12] = [
    ("issuer", TOKENS),
    ("audience", TOKENS),
    ("device_id", TOKENS),
    ("leeway", TOKENS),
    ("refresh", &["jwks"]),
    ("refetch", &["jwks"]),
    ("keep_on_outage", &["jwks"]),
    ("client_id", &["introspect"]),
    ("client_secret_file", &["introspect"]),
    ("timeout", &["introspect"]),
    ("remember", &["introspect"]),
    ("header", &["api_keys_file", "api_keys"]),
];

/// All sources in the order of their names.
pub(super) fn sources(input: &mut Input<'_>, report: &mut Report) -> Vec<IdentitySource> {
    let platform = Arc::clone(&input.platform.doc);
    let mut sources = Vec::with_capacity(platform.identity.len());
    for (name, source) in &platform.identity {
        // A place for each, so that routes can name it by position.
        sources.push(One { input, report, name }.source(source));
    }
    sources
}

struct One<'n, 'i, 'f, 'r> {
    input: &'i mut Input<'f>,
    report: &'r mut Report,
    name: &'n str,
}

impl<'n> One<'n, '_, '_, '_> {
    fn path(&self, key: &'n str) -> [Step<'n>; 3] {
        ["identity".into(), self.name.into(), key.into()]
    }

    fn has(&self, key: &str) -> bool {
        let sources = self.input.platform.root.get("identity");
        sources.and_then(|all| all.get(self.name)).is_some_and(|one| one.get(key).is_some())
    }

    fn at(&self, key: &'n str) -> Place {
        self.input.platform.at(&self.path(key))
    }

    fn fault(&mut self, code: Code, key: &'n str, message: String) {
        let draft = Draft::new(code, self.at(key), message).key(key_path(&self.path(key)));
        self.report.push(draft);
    }

    fn source(&mut self, source: &Identity) -> IdentitySource {
        self.check_name();
        let kind = self.kind();
        let kind = match kind {
            Some("jwks_file" | "jwks") | None => IdentityKind::Jwt(self.jwt(source)),
            Some("introspect") => self.introspection(source),
            Some("client_cert") => self.certificate(source),
            _ => IdentityKind::ApiKeys(settings::ApiKeys {
                header: source
                    .header
                    .as_ref()
                    .map_or_else(|| API_KEY_HEADER.to_owned(), |header| header.0.clone()),
                keys: self.api_keys(source),
            }),
        };
        let source = IdentitySource { name: self.name.into(), kind };
        if self.has("jwks_file") {
            self.check_keys(&source);
        }
        source
    }

    fn check_name(&mut self) {
        let meaning = match self.name {
            NOBODY => "that a route asks for no identity",
            ANONYMOUS => "callers whom no source knows",
            _ => return,
        };
        {
            let path = ["identity".into(), self.name.into()];
            let at = self.input.platform.key_at(&path);
            let message = format!("{:?} means {meaning}", self.name);
            self.report.push(Draft::new(Code::NameTaken, at, message).key(key_path(&path)));
        }
    }

    /// The one key that says what is verified; none when that has to be reported.
    fn kind(&mut self) -> Option<&'static str> {
        let path = ["identity".into(), self.name.into()];
        let given: Vec<_> = KINDS.into_iter().filter(|key| self.has(key)).collect();
        let kind = match given.as_slice() {
            [kind] => *kind,
            [] => {
                let message = format!("identity source {:?} verifies nothing", self.name);
                let draft = Draft::new(Code::MissingKey, self.input.platform.at(&path), message);
                let help = format!("it needs one of {}", KINDS.join(", "));
                self.report.push(draft.key(key_path(&path)).help(help));
                return None;
            }
            [first, others @ ..] => {
                for other in others {
                    let message = format!("`{other}` and `{first}` can't both be set");
                    self.fault(Code::Contradiction, other, message);
                }
                return None;
            }
        };
        for (key, kinds) in ONLY_FOR {
            if self.has(key) && !kinds.contains(&kind) {
                let message = format!("`{key}` has no effect with `{kind}`");
                self.fault(Code::Contradiction, key, message);
            }
        }
        Some(kind)
    }

    fn jwt(&mut self, source: &Identity) -> Jwt {
        let keys = match (&source.jwks_file, &source.jwks) {
            (Some(file), _) => KeySet::Text(self.text(file).unwrap_or_default().into()),
            (None, Some(url)) => KeySet::Url(url.0.clone()),
            (None, None) => KeySet::Text(Arc::from("")),
        };
        let or = |length: Option<Duration>, default| length.unwrap_or(default);
        Jwt {
            keys,
            issuer: source.issuer.clone(),
            audience: source.audience.clone(),
            device_id_claim: source.device_id.clone(),
            leeway: or(source.leeway.as_ref().map(|length| length.0), LEEWAY),
            refresh: or(source.refresh.as_ref().map(|length| length.0), REFRESH),
            refetch_interval: or(source.refetch.as_ref().map(|length| length.0), REFETCH),
            keep_on_outage: or(
                source.keep_on_outage.as_ref().map(|length| length.0),
                KEEP_ON_OUTAGE,
            ),
        }
    }

    fn introspection(&mut self, source: &Identity) -> IdentityKind {
        if self.has("client_secret_file") && !self.has("client_id") {
            let message = "a secret is sent with a `client_id`".to_owned();
            self.fault(Code::Contradiction, "client_secret_file", message);
        }
        let secret = source.client_secret_file.as_ref().and_then(|file| self.secret(file));
        let or = |length: &Option<Length>, default| length.as_ref().map_or(default, |own| own.0);
        IdentityKind::Introspection(Introspection {
            uri: source.introspect.as_ref().map(|url| url.0.clone()).unwrap_or_default(),
            client_id: source.client_id.clone(),
            client_secret: secret,
            issuer: source.issuer.clone(),
            audience: source.audience.clone(),
            device_id_claim: source.device_id.clone(),
            leeway: source.leeway.as_ref().map_or(LEEWAY, |length| length.0),
            timeout: or(&source.timeout, ASK_TIMEOUT),
            remember: or(&source.remember, REMEMBER),
        })
    }

    fn certificate(&mut self, source: &Identity) -> IdentityKind {
        let tls = self.input.platform.doc.edge.tls.as_ref();
        if tls.is_none_or(|tls| tls.client_ca.is_none()) && self.input.platform.is_whole {
            let message = "nobody is asked for a certificate: `edge.tls` has no `client_ca`";
            self.fault(Code::Contradiction, "client_cert", message.to_owned());
        }
        IdentityKind::Certificate(match source.client_cert {
            Some(CertificatePart::CommonName) => CertificateIdentity::CommonName,
            Some(CertificatePart::SanDns) => CertificateIdentity::SanDns,
            Some(CertificatePart::SanUri) => CertificateIdentity::SanUri,
            Some(CertificatePart::Fingerprint) => CertificateIdentity::Fingerprint,
            Some(CertificatePart::Subject) | None => CertificateIdentity::Subject,
        })
    }

    /// Reads a secret, which is no part of the texts that are kept.
    fn secret(&mut self, file: &str) -> Option<Secret> {
        let text = self.read(file, Code::BadSecret, "client_secret_file")?;
        self.input.digests.insert(file.to_owned(), digest_of(&text));
        Some(Secret::new(text.trim_end_matches(['\r', '\n'])))
    }

    /// Reads the key set's file.
    fn text(&mut self, file: &str) -> Option<String> {
        let text = self.read(file, Code::BadKeys, "jwks_file")?;
        self.input.texts.insert(file.to_owned(), text.clone());
        Some(text)
    }

    /// Reads the file that a key names, or tells why it can't.
    fn read(&mut self, file: &str, code: Code, key: &'static str) -> Option<String> {
        let path = self.input.base.join(file);
        let read = self.input.files.read(&path).map_err(|error| reason(&error));
        let text = read
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
        let told = |why| format!("file {} can't be read: {why}", path.display());
        text.map_err(|why| self.fault(code, key, told(why))).ok()
    }

    fn check_keys(&mut self, source: &IdentitySource) {
        let IdentityKind::Jwt(Jwt { keys: KeySet::Text(text), .. }) = &source.kind else { return };
        // A file that could not be read has been reported.
        if text.is_empty() && !self.report.is_clean() {
            return;
        }
        if let Err(identity::Error::Keys { cause, .. }) = identity::check(source) {
            self.fault(Code::BadKeys, "jwks_file", format!("file can't be used: {cause}"));
        }
    }

    fn api_keys(&mut self, source: &Identity) -> Vec<settings::ApiKey> {
        if let Some(keys) = &source.api_keys {
            let path = self.path("api_keys");
            let root = self.input.platform.root.nearest(&path).clone();
            return read_keys(keys, &root, &key_path(&path), self.report);
        }
        let Some(file) = &source.api_keys_file else { return Vec::new() };
        self.keys_file(file)
    }

    fn keys_file(&mut self, file: &str) -> Vec<settings::ApiKey> {
        let path = self.input.base.join(file);
        if let Err(error) = self.input.files.read(&path) {
            let message = format!("file {} can't be read: {}", path.display(), reason(&error));
            self.fault(Code::BadKeys, "api_keys_file", message);
            return Vec::new();
        }
        let Some(source) = read_text(self.input.files, &path, self.report) else {
            return Vec::new();
        };
        let text = self.report.sources.get(source).map(|source| source.text.as_ref().to_owned());
        self.input.texts.insert(file.to_owned(), text.unwrap_or_default());
        let root = parse(self.report, source).root;
        let checked = walk::check(self.report, &root, &schema::api_keys());
        let keys: ApiKeys = serde_json::from_value(checked).unwrap_or_default();
        let list = root.get("api_keys").unwrap_or(&root);
        read_keys(&keys.api_keys, list, "api_keys", self.report)
    }
}

fn read_keys(
    keys: &[ApiKey],
    list: &Node,
    path: &str,
    report: &mut Report,
) -> Vec<settings::ApiKey> {
    let mut known: BTreeMap<[u8; 32], Place> = BTreeMap::new();
    let mut read = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        // A digest that could not be read has been reported.
        let Some(sha256) = key.sha256.as_ref().map(|digest| digest.0) else { continue };
        let at = list.nearest(&[index.into(), "sha256".into()]).at.clone();
        if let Some(first) = known.get(&sha256) {
            let draft = Draft::new(Code::NameTaken, at, "this key is listed twice");
            let draft = draft.key(format!("{path}[{index}].sha256"));
            report.push(draft.related(first.clone(), "it is here"));
            continue;
        }
        known.insert(sha256, at);
        read.push(settings::ApiKey {
            sha256,
            subject: key.subject.as_str().into(),
            scopes: key.scopes.clone(),
            expires_at: key.expires.as_ref().map(|date| date.0),
        });
    }
    read
}
