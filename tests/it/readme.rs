//! Every command that README, the tutorials and the guides to splits show is run as it is written, on
//! free ports.

use std::{
    env, fs,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use headgate_tests::{Folder, edge::binary};

/// Time for a whole page.
const PAGE: Duration = Duration::from_mins(1);

pub(crate) fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(path).unwrap()
}

/// The fenced blocks of a page in that language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(found)) => open = Some((found == language, String::new())),
            (Some(_), Some("")) => {
                if let Some((true, block)) = open.take() {
                    blocks.push(block);
                }
            }
            (Some((_, block)), _) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Free ports in the place of those that a page names.
pub(crate) fn on_free_ports(mut text: String) -> String {
    let taken: Vec<_> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    for (port, listener) in ["8080", "9900", "7001", "7002"].iter().zip(&taken) {
        let free = listener.local_addr().unwrap().port().to_string();
        text = text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
        text = text.replace(&format!("\"127.0.0.1\", {port}"), &format!("\"127.0.0.1\", {free}"));
    }
    text
}

/// Runs a script in a folder, with the binary on the path; returns what it printed.
pub(crate) async fn run(script: String, folder: &Folder) -> String {
    let path = folder.write("page.sh", format!("set -euo pipefail\n{script}"));
    let bin = binary();
    let mut paths = vec![bin.parent().unwrap().to_owned()];
    paths.extend(env::split_paths(&env::var_os("PATH").unwrap()));
    let out = fs::File::create(folder.path().join("page.out")).unwrap();
    // `timeout` ends everything that the script has started, whatever happens here.
    let mut child = Command::new("timeout")
        .arg(PAGE.as_secs().to_string())
        .arg("bash")
        .arg(&path)
        .current_dir(folder.path())
        .env("PATH", env::join_paths(paths).unwrap())
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    let printed = fs::read_to_string(folder.path().join("page.out")).unwrap();
    assert!(status.success(), "{status}:\n{printed}");
    printed
}

#[tokio::test]
async fn tutorial_leads_to_a_bff_behind_the_edge() {
    let script = blocks(&page("docs/start.md"), "sh").concat();
    assert!(script.contains("headgate run"), "the tutorial has lost its commands");

    let printed = run(on_free_ports(script), &Folder::default()).await;

    for told in
        ["headgate-device", "no_route", "denied_auth", "headgate-passport", "origin_connect"]
    {
        let found = printed.to_ascii_lowercase();
        assert!(found.contains(told), "{told} was never seen:\n{printed}");
    }
}

#[tokio::test]
async fn tutorial_leads_from_a_tap_to_its_pushed_result() {
    let script = blocks(&page("docs/start-events.md"), "sh").concat();
    assert!(script.contains("/_headgate/push"), "the tutorial has lost its commands");
    let ports = on_free_ports(script);
    let admin = ports.split("http://").find(|part| part.contains("/readyz")).unwrap();
    let admin = admin.split_once('/').unwrap().0;
    // Verbs ask at the usual address unless they are told another one.
    let script = ["trace ", "events tail ", "dlq list", "dlq redrive "].into_iter().fold(
        ports.clone(),
        |script, verb| {
            let verb = verb.trim_end();
            script.replace(
                &format!("headgate {verb}"),
                &format!("headgate {verb} --admin http://{admin}"),
            )
        },
    );

    let printed = run(script, &Folder::default()).await;

    for told in
        ["202 Accepted", "event: result", "parked after 2 attempts", "done after", "redrive"]
    {
        assert!(printed.contains(told), "{told} was never seen:\n{printed}");
    }
}

#[tokio::test]
async fn guide_takes_devices_to_a_new_version() {
    let script = blocks(&page("docs/guides/canary-a-bff.md"), "sh").concat();
    assert!(script.contains("canary = "), "the guide has lost its commands");

    let printed = run(on_free_ports(script), &Folder::default()).await;

    for told in ["home-next got arm canary", "home got arm stable", "bucket ", "arm=\"canary\""] {
        assert!(printed.contains(told), "{told} was never seen:\n{printed}");
    }
}

#[tokio::test]
async fn guide_leads_off_a_legacy_service() {
    let script = blocks(&page("docs/guides/move-off-a-legacy-service.md"), "sh").concat();
    assert!(script.contains("strangle = "), "the guide has lost its commands");

    let printed = run(on_free_ports(script), &Folder::default()).await;

    for told in ["moving", "not begun", "tv/legacy: nothing left, delete"] {
        assert!(printed.contains(told), "{told} was never seen:\n{printed}");
    }
}

#[tokio::test]
async fn guide_tunes_load_shedding() {
    let script = blocks(&page("docs/guides/tune-load-shedding.md"), "sh").concat();
    assert!(script.contains("shed set"), "the guide has lost its commands");

    let printed = run(on_free_ports(script), &Folder::default()).await;

    for told in [
        "limit of upstream home",
        "upstream tv/home  enforce",
        "layer concurrency",
        "refused: ",
        "ruled=\"would_refuse\"",
        "by ada: INC-123",
        "WOULD REFUSE",
        "of bulk were refused for",
        "overlay",
    ] {
        assert!(printed.contains(told), "{told} was never seen:\n{printed}");
    }
}

/// What this test does not run as it is written: the build, which made the binary under test.
const BUILD: [&str; 3] =
    ["cargo run --release -- demo\n", "cargo xtask demo\n", "cargo xtask test\n"];

#[tokio::test]
async fn readme_shows_the_demo() {
    let blocks = blocks(&page("README.md"), "sh");
    for build in BUILD {
        assert!(blocks.iter().any(|block| block == build), "{build} is not in README.md");
    }
    let curls: String = blocks.iter().filter(|block| block.starts_with("curl ")).cloned().collect();
    assert!(curls.contains("http://127.0.0.1:8080/"), "{curls}");

    // The demo takes other ports where its own are busy, and prints them.
    let script = format!(
        "headgate demo > demo.out & demo=$!\ntrap 'kill $demo; wait $demo' EXIT\n\
         until grep -q 'http://127.0.0.1:[0-9]*' demo.out; do :; done\n\
         edge=$(grep -o 'http://127.0.0.1:[0-9]*' demo.out | head -1)\n{}",
        curls.replace("http://127.0.0.1:8080", "$edge"),
    );
    let printed = run(script, &Folder::default()).await;

    for told in ["tv", "ios", "no_route", "headgate-trace-id"] {
        assert!(printed.contains(told), "{told} was never seen:\n{printed}");
    }
}

/// Copies a folder of the repository, with listeners on free ports.
fn copy(name: &str, to: &Folder) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            copy(&name, to);
        } else {
            let text = fs::read_to_string(entry.path()).unwrap();
            let text = text.replace("127.0.0.1:8080", "127.0.0.1:0");
            to.write(&name, text.replace("127.0.0.1:9900", "127.0.0.1:0"));
        }
    }
}

#[tokio::test]
async fn readme_leads_from_files_to_an_edge() {
    let folder = Folder::default();
    copy("examples/demo", &folder);
    let own: String = blocks(&page("README.md"), "sh")
        .into_iter()
        .filter(|block| !block.starts_with("curl ") && !BUILD.contains(&block.as_str()))
        .collect();
    // Serving goes on until it is told to end.
    let serve = own.lines().find(|line| line.starts_with("headgate run")).unwrap();
    let served = format!(
        "{serve} > run.out & edge=$!\n\
         until grep -q 'headgate ready' run.out; do kill -0 $edge; done\nkill $edge\nwait $edge"
    );

    let printed = run(own.replace(serve, &served), &folder).await;

    assert!(printed.contains("home"), "the explanation names the route:\n{printed}");
}
