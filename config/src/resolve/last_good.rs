//! Certificates, keys, endpoints and answers from files. They change by themselves, often one after
//! the other, so that what was good last stays in force until all of it is good again.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use headgate_gateway::settings::Certificate;
use sha2::{Digest as _, Sha256};

use crate::{
    digest::hex,
    fault::{Code, Draft, Report},
    files::Files,
    load::reason,
};

/// What was good when it was last read, by the files of its chain and of its key, which is none for
/// all that is one file.
pub(crate) type Known = BTreeMap<(PathBuf, Option<PathBuf>), Certificate>;

/// What files beside the configuration have, or last had that was good.
#[derive(Debug, Default)]
pub(crate) struct LastGood {
    before: Arc<Known>,
    /// What is in force.
    pub(crate) known: Known,
    /// What is wrong with files in whose place the last good ones are in force.
    pub(crate) held: Vec<Draft>,
}

/// Which file is at fault, and why.
pub(super) struct FileFault {
    pub(super) is_key: bool,
    pub(super) message: String,
}

impl LastGood {
    pub(super) fn new(before: &Arc<Known>) -> Self {
        Self { before: Arc::clone(before), ..Self::default() }
    }

    /// Reads a chain and its key, or certificates alone.
    ///
    /// None where they can't be used and nothing was good before, which is a fault; `place` makes
    /// it, at the key that names the file.
    pub(super) fn read(
        &mut self,
        files: &dyn Files,
        (cert, key): (PathBuf, Option<PathBuf>),
        check: impl Fn(&Certificate) -> Result<(), (bool, String)>,
        (place, report): (impl Fn(Code, FileFault) -> Draft, &mut Report),
    ) -> Option<Certificate> {
        let name = (cert, key);
        let read = read(files, &name).and_then(|certificate| match check(&certificate) {
            Ok(()) => Ok(certificate),
            Err((is_key, why)) => {
                let file = if is_key { name.1.as_ref() } else { None }.unwrap_or(&name.0);
                let message = format!("file {} can't be used: {why}", file.display());
                Err(vec![FileFault { is_key, message }])
            }
        });
        let certificate = match (read, self.before.get(&name)) {
            (Ok(certificate), _) => certificate,
            (Err(faults), Some(known)) => {
                self.held.extend(faults.into_iter().map(|mut fault| {
                    fault.message.push_str("; the last good one stays in force");
                    place(Code::CertificateHeld, fault)
                }));
                known.clone()
            }
            (Err(faults), None) => {
                let drafts = faults.into_iter().map(|fault| place(Code::BadCertificate, fault));
                drafts.for_each(|draft| report.push(draft));
                return None;
            }
        };
        self.known.insert(name, certificate.clone());
        Some(certificate)
    }

    /// Reads another file, as [`Self::read`] does.
    ///
    /// `bad` is the code of one that can't be used, and `held` of one in whose place the last good
    /// one is in force.
    pub(super) fn read_file(
        &mut self,
        (files, path): (&dyn Files, PathBuf),
        check: impl Fn(&[u8]) -> Result<(), String>,
        ((bad, held), place): ((Code, Code), impl Fn(Code, String) -> Draft),
        report: &mut Report,
    ) -> Option<Vec<u8>> {
        let check = |file: &Certificate| check(&file.cert_pem).map_err(|why| (false, why));
        let place = |code, fault: FileFault| {
            place(if code == Code::CertificateHeld { held } else { bad }, fault.message)
        };
        Some(self.read(files, (path, None), check, (place, report))?.cert_pem)
    }

    /// The digests of the files in force, by their files. Of keys there is none.
    pub(crate) fn digests(&self, base: &Path) -> BTreeMap<String, String> {
        let digest = |((path, _), certificate): (&(PathBuf, _), &Certificate)| {
            let path = path.strip_prefix(base).unwrap_or(path).to_string_lossy().into_owned();
            (path, hex(&Sha256::digest(&certificate.cert_pem)))
        };
        self.known.iter().map(digest).collect()
    }
}

fn read(
    files: &dyn Files,
    (cert, key): &(PathBuf, Option<PathBuf>),
) -> Result<Certificate, Vec<FileFault>> {
    let one = |path: &Path, is_key| {
        files.read(path).map_err(|error| {
            let message = format!("file {} can't be read: {}", path.display(), reason(&error));
            FileFault { is_key, message }
        })
    };
    let key_pem = key.as_ref().map_or(Ok(Vec::new()), |key| one(key, true));
    match (one(cert, false), key_pem) {
        (Ok(cert_pem), Ok(key_pem)) => {
            Ok(Certificate { cert_path: cert.clone(), cert_pem, key_pem })
        }
        (cert, key) => Err(cert.err().into_iter().chain(key.err()).collect()),
    }
}
