//! Where something stands in a team's file.

use crate::{
    document::team::TeamFile,
    fault::{Code, Draft, Report},
    load::Document,
    source::{Step, key_path},
};

/// A table of a team's file, such as an upstream or a route.
pub(super) struct At<'i> {
    file: &'i Document<TeamFile>,
    path: [Step<'i>; 2],
}

impl<'i> At<'i> {
    pub(super) fn new(file: &'i Document<TeamFile>, heading: &'static str, name: &'i str) -> Self {
        Self { file, path: [heading.into(), name.into()] }
    }

    /// Whether it has this name.
    pub(super) fn is_of(&self, name: &str) -> bool {
        let [_, own] = self.path;
        own == name.into()
    }

    /// What is wrong with a key of it.
    pub(super) fn draft(&self, code: Code, keys: &[&str], message: String) -> Draft {
        let keys = keys.iter().map(|key| Step::from(*key));
        let path: Vec<_> = self.path.iter().copied().chain(keys).collect();
        Draft::new(code, self.file.at(&path), message).key(key_path(&path))
    }

    pub(super) fn fault(&self, code: Code, keys: &[&str], message: String, report: &mut Report) {
        report.push(self.draft(code, keys, message));
    }
}
