use super::super::{dynamodb, kafka};
use super::*;

#[test]
fn the_address_is_known_once_it_serves() {
    assert_eq!(address("Port:\t8000\nREA"), None);
    let written = "Port:\t8000\nREADY http://127.0.0.1:7\n";
    assert_eq!(address(written).as_deref(), Some("http://127.0.0.1:7"));
}

#[test]
fn the_folder_names_the_version_that_is_fetched() {
    for jars in [dynamodb::JARS, kafka::JARS] {
        let pom = process::root().join("xtask").join(jars.project).join("pom.xml");
        let pom = fs::read_to_string(pom).unwrap();
        let (_, version) = jars.folder.rsplit_once('-').unwrap();
        assert!(pom.contains(&format!("<version>{version}</version>")), "{version} is pinned");
    }
}
