use super::*;

#[test]
fn the_address_is_known_once_it_serves() {
    assert_eq!(address("Port:\t8000\nREA"), None);
    let written = "Port:\t8000\nREADY http://127.0.0.1:7\n";
    assert_eq!(address(written).as_deref(), Some("http://127.0.0.1:7"));
}

#[test]
fn the_folder_names_the_version_that_is_fetched() {
    let pom = fs::read_to_string(process::root().join("xtask/dynamodb/pom.xml")).unwrap();
    let (_, version) = FOLDER.rsplit_once('-').unwrap();
    assert!(pom.contains(&format!("<version>{version}</version>")), "{version} is pinned");
}
