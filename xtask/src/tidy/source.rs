//! A file as the rules see it.

/// A text file of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// From the workspace's root, with `/` between the folders.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// The lines with their numbers, from one.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The folder that the file is in; empty for the root.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The file's name.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, name)| name)
    }

    /// Whether the file is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    /// Whether the file is Markdown.
    pub(crate) fn is_markdown(&self) -> bool {
        self.has_extension("md")
    }

    /// Whether the file holds tests alone: a `tests.rs`, or anything in a folder of tests.
    pub(crate) fn is_test(&self) -> bool {
        self.name() == "tests.rs"
            || self.folder().split('/').any(|part| part == "tests" || part == "benches")
    }

    fn has_extension(&self, extension: &str) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, end)| end == extension)
    }
}

#[cfg(test)]
pub(crate) fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}
