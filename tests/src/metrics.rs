//! Reads the Prometheus text format.

use std::collections::BTreeMap;

/// One page of metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<Series>);

#[derive(Clone, Debug)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Parses a page.
    ///
    /// # Panics
    ///
    /// On a line that is none of the format's.
    pub fn parse(page: &str) -> Self {
        let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(series).collect())
    }

    /// The sum of all series with this name and these labels, beside whatever other labels, as a
    /// whole number.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what tests look at are counts"
    )]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let fits = |series: &&Series| {
            series.name == name
                && labels.iter().all(|(label, value)| {
                    series.labels.get(*label).is_some_and(|found| found == value)
                })
        };
        self.0.iter().filter(fits).map(|series| series.value).sum::<f64>() as u64
    }

    /// Whether the page has a series of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|series| series.name == name)
    }

    /// Every value of a label.
    pub fn values(&self, label: &str) -> Vec<&str> {
        self.0.iter().filter_map(|series| series.labels.get(label)).map(String::as_str).collect()
    }
}

fn series(line: &str) -> Series {
    let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("labels not closed: {line}"));
    let mut read = BTreeMap::new();
    for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
        let (label, value) =
            pair.split_once("=\"").unwrap_or_else(|| panic!("no label: {pair} in {line}"));
        read.insert(label.to_owned(), value.trim_end_matches('"').to_owned());
    }
    Series { name: name.to_owned(), labels: read, value }
}
