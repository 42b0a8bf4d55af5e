//! The dependency table of the architecture page.

use super::Finding;

/// The first line of the table, by which it is found.
const HEAD: &str = "| crate | may depend on | only it may know |";

/// What the table says of one folder of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The crate's folder; crates in folders below it share its row.
    pub(crate) folder: String,
    /// The workspace's crates that it may depend on.
    pub(crate) may: May,
    /// Outside crates that only rows naming them may depend on; a trailing `*` matches any ending.
    pub(crate) reserved: Vec<String>,
}

/// What a crate may depend on inside the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum May {
    /// Every crate, and every outside crate too; no other row can name it.
    Anything,
    /// Every crate of the table that isn't itself free to depend on anything.
    Everything,
    /// These folders' crates.
    Only(Vec<String>),
}

impl Row {
    /// Whether the row reserves an outside crate.
    pub(crate) fn reserves(&self, dependency: &str) -> bool {
        self.reserved.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => dependency.starts_with(start),
            None => dependency == name,
        })
    }
}

/// Reads the table, and says what is wrong with it.
pub(crate) fn parse(path: &str, text: &str) -> (Vec<Row>, Vec<Finding>) {
    let mut rows: Vec<Row> = Vec::new();
    let mut findings = Vec::new();
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut table = lines.skip_while(|(_, line)| *line != HEAD);
    if table.next().is_none() {
        let what = "there is no dependency table";
        findings.push(Finding::new(path, 1, what, format!("a table that begins `{HEAD}`")));
    }
    // The first line below the head is the rule between it and the rows.
    for (number, line) in table.skip(1).take_while(|(_, line)| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [folders, may, reserved] = cells.as_slice() else {
            findings.push(Finding::new(path, number, "a row without three cells", HEAD));
            continue;
        };
        let may = match *may {
            "anything" => May::Anything,
            "everything" => May::Everything,
            "–" => May::Only(Vec::new()),
            names => May::Only(list(names)),
        };
        findings.extend(unknown(&may, &rows).into_iter().map(|name| {
            let what = format!("`{name}` does not stand above this row");
            Finding::new(path, number, what, "folders of rows above: dependencies go one way")
        }));
        rows.extend(list(folders).into_iter().map(|folder| Row {
            folder,
            may: may.clone(),
            reserved: quoted(reserved),
        }));
    }
    (rows, findings)
}

fn unknown(may: &May, rows: &[Row]) -> Vec<String> {
    match may {
        May::Anything | May::Everything => Vec::new(),
        May::Only(names) => {
            let known = |name: &&String| rows.iter().any(|row| row.folder == **name);
            names.iter().filter(|name| !known(name)).cloned().collect()
        }
    }
}

fn list(cell: &str) -> Vec<String> {
    cell.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect()
}

/// The names between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
