use clap_complete::Shell;

use super::*;

fn printed(shell: Option<Shell>) -> String {
    let mut out = Vec::new();
    let args = args::Completions { shell, markdown: shell.is_none() };
    completions(&args, &mut Output { out: &mut out, json: false }).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_shell_learns_every_verb() {
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        let script = printed(Some(shell));
        for verb in ["demo", "run", "check", "explain", "routes", "status", "schema", "completions"]
        {
            assert!(script.contains(verb), "{shell} {verb}");
        }
    }
}

#[test]
fn the_page_has_a_section_for_every_verb() {
    let page = printed(None);
    assert!(page.contains("## headgate explain\n"));
    assert!(page.contains("| `-H, --header <NAME:VALUE>` |"), "{page}");
    assert!(!page.contains("## headgate help"));
}
