//! API keys with an end, wherever they are listed.

use crate::{
    document::keys::{ApiKey, ApiKeys},
    fault::Report,
    load::Input,
    schema,
    source::{Node, Place, Source, Step, key_path, parse},
    walk,
};

/// An API key that ends. The key itself is nowhere, and its digest not in here.
pub(crate) struct KeyView {
    pub(crate) at: Place,
    pub(crate) key: String,
    pub(crate) subject: String,
    /// When, in seconds since the epoch.
    pub(crate) ends: u64,
}

/// The keys in `headgate.toml` and in the files that it names, which have been read.
pub(crate) fn api_keys(input: &Input<'_>, report: &mut Report) -> Vec<KeyView> {
    let mut views = Vec::new();
    for (name, source) in &input.platform.doc.identity {
        if let Some(keys) = &source.api_keys {
            let path: [Step<'_>; 3] = ["identity".into(), name.as_str().into(), "api_keys".into()];
            let list = input.platform.root.nearest(&path);
            views.extend(of_list(keys, list, &key_path(&path)));
        }
        let file = source.api_keys_file.as_ref();
        let Some((file, text)) = file.and_then(|file| input.texts.get_key_value(file)) else {
            continue;
        };
        let shown = input.base.join(file).display().to_string();
        let source = report.source(Source::new(shown, text.as_str()));
        let root = parse(report, source).root;
        let checked = walk::check(report, &root, &schema::api_keys());
        let keys: ApiKeys = serde_json::from_value(checked).unwrap_or_default();
        if let Some(list) = root.get("api_keys") {
            views.extend(of_list(&keys.api_keys, list, "api_keys"));
        }
    }
    views
}

fn of_list(keys: &[ApiKey], list: &Node, path: &str) -> Vec<KeyView> {
    let view = |(index, key): (usize, &ApiKey)| {
        let at = list.nearest(&[index.into(), "expires".into()]).at.clone();
        Some(KeyView {
            at,
            key: format!("{path}[{index}].expires"),
            subject: key.subject.clone(),
            ends: key.expires.as_ref()?.0,
        })
    };
    keys.iter().enumerate().filter_map(view).collect()
}
