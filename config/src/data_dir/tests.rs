use super::*;
use crate::Memory;

fn found(text: &str, environment: &[(&str, &str)]) -> Option<PathBuf> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment = environment.iter().map(owned).collect();
    let files = Memory::default().with("edge/headgate.toml", text);
    data_dir(&files, Path::new("edge/headgate.toml"), &environment)
}

#[test]
fn folder_is_named_beside_whatever_is_wrong() {
    for text in [
        "[data]\ndir = \"kept\"\n",
        "odd = 1\n[data]\ndir = \"kept\"\n",
        "[data]\ndir = \"kept\"\n[edge",
    ] {
        assert_eq!(found(text, &[]), Some("edge/kept".into()), "{text}");
    }
}

#[test]
fn environment_names_it_too() {
    let named = [("HEADGATE_DATA__DIR", "kept")];
    assert_eq!(found("[edge]\nthreads = 1\n", &named), Some("edge/kept".into()));
}

#[test]
fn good_file_that_names_none_has_none() {
    assert_eq!(found("[edge]\nthreads = 1\n", &[]), None);
}

#[test]
fn empty_or_broken_file_means_the_usual_folder() {
    assert_eq!(found("", &[]), Some("edge/data".into()));
    assert_eq!(found("[ed", &[]), Some("edge/data".into()));
}
