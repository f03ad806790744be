//! On real files, look by look: no test waits for a second.

use std::{fs, path::PathBuf};

use super::Follower;
use crate::{Gateway, config, testing::Folder};

const ONE: &str = "providers:\n  one: { simulated: {} }\n";
const TWO: &str = "providers:\n  one: { simulated: {} }\n  two: { simulated: {} }\n";

fn follower(path: PathBuf) -> Follower {
    let gateway = Gateway::new(config::read(&path).unwrap().config).unwrap();
    Follower::new(gateway, path)
}

fn members(follower: &Follower) -> usize {
    follower.gateway.live().pools["default"].members().len()
}

#[tokio::test]
async fn an_edit_is_read_once_it_stays_the_same() {
    let folder = Folder::new("edit");
    let mut follower = follower(folder.file("gateway.yaml", ONE));
    follower.look().await;
    // Half of it, which would be well by itself.
    folder.file("gateway.yaml", "providers:\n  three: { simulated: {} }\n");
    follower.look().await;
    folder.file("gateway.yaml", TWO);
    follower.look().await;
    assert_eq!(members(&follower), 1, "it was still being written");
    follower.look().await;
    assert_eq!(members(&follower), 2);
    assert_eq!(follower.gateway.reloads(), (1, 0));
    follower.look().await;
    follower.look().await;
    assert_eq!(follower.gateway.reloads(), (1, 0), "once");
}

#[tokio::test]
async fn a_broken_edit_is_refused_once_and_mended_later() {
    let folder = Folder::new("broken");
    let mut follower = follower(folder.file("gateway.yaml", ONE));
    folder.file("gateway.yaml", "providers: [what");
    for _ in 0..5 {
        follower.look().await;
    }
    assert_eq!(members(&follower), 1);
    assert_eq!(follower.gateway.reloads(), (0, 1), "told once");
    let last = follower.gateway.last_reload().unwrap();
    assert!(last.result.is_err() && last.last_success.is_none());
    folder.file("gateway.yaml", TWO);
    for _ in 0..2 {
        follower.look().await;
    }
    assert_eq!(members(&follower), 2);
    let last = follower.gateway.last_reload().unwrap();
    assert!(last.result.is_ok() && last.last_success.is_some());
}

#[tokio::test]
async fn a_file_that_is_renamed_into_its_place_is_noticed_and_a_gap_is_not() {
    let folder = Folder::new("rename");
    let path = folder.file("gateway.yaml", ONE);
    let mut follower = follower(path.clone());
    fs::remove_file(&path).unwrap();
    for _ in 0..3 {
        follower.look().await;
    }
    assert_eq!(members(&follower), 1);
    assert_eq!(follower.gateway.reloads(), (0, 0));
    fs::rename(folder.file("new.yaml", TWO), &path).unwrap();
    for _ in 0..2 {
        follower.look().await;
    }
    assert_eq!(members(&follower), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn links_that_are_swapped_are_followed() {
    let folder = Folder::new("links");
    for (name, text) in [("old", ONE), ("new", TWO)] {
        fs::create_dir(folder.0.join(name)).unwrap();
        folder.file(&format!("{name}/gateway.yaml"), text);
    }
    // As Kubernetes lays out what it mounts.
    let data = folder.0.join("..data");
    std::os::unix::fs::symlink("old", &data).unwrap();
    let path = folder.0.join("gateway.yaml");
    std::os::unix::fs::symlink("..data/gateway.yaml", &path).unwrap();
    let mut follower = follower(path);
    let swapped = folder.0.join("..swap");
    std::os::unix::fs::symlink("new", &swapped).unwrap();
    fs::rename(&swapped, &data).unwrap();
    for _ in 0..2 {
        follower.look().await;
    }
    assert_eq!(members(&follower), 2);
}

#[tokio::test]
async fn a_file_that_was_only_touched_changes_nothing() {
    let folder = Folder::new("touch");
    let path = folder.file("gateway.yaml", ONE);
    let mut follower = follower(path.clone());
    fs::rename(folder.file("same.yaml", ONE), &path).unwrap();
    for _ in 0..3 {
        follower.look().await;
    }
    assert_eq!(follower.gateway.reloads(), (0, 0));
    follower.read().await;
    assert_eq!(follower.gateway.reloads(), (1, 0), "as SIGHUP does");
    let last = follower.gateway.last_reload().unwrap();
    assert!(last.result.as_ref().unwrap().is_nothing());
}

const PRICES: &str = r#"{"models": {"small": {"input": 1, "output": 2}}}"#;

#[tokio::test]
async fn a_file_that_settings_name_is_found_when_it_appears() {
    let folder = Folder::new("prices");
    let mut follower = follower(folder.file("gateway.yaml", ONE));
    folder.file("gateway.yaml", &format!("prices: prices.json\n{TWO}"));
    for _ in 0..25 {
        follower.look().await;
    }
    assert_eq!(members(&follower), 1);
    assert_eq!(follower.gateway.reloads(), (0, 1), "told once");
    folder.file("prices.json", PRICES);
    for _ in 0..12 {
        follower.look().await;
    }
    assert_eq!(members(&follower), 2);
    assert_eq!(follower.gateway.reloads(), (1, 1));
    // It is followed from now on.
    folder.file("prices.json", &PRICES.replace("small", "large"));
    for _ in 0..3 {
        follower.look().await;
    }
    assert_eq!(follower.gateway.reloads(), (2, 1));
}

#[tokio::test]
async fn an_edit_before_the_first_look_is_seen_and_one_that_was_reloaded_is_not_read_again() {
    let folder = Folder::new("early");
    let path = folder.file("gateway.yaml", ONE);
    let loaded = config::read(&path).unwrap();
    folder.file("gateway.yaml", TWO);
    let gateway = Gateway::new(loaded.config)
        .unwrap()
        .with_digest(loaded.digest);
    let mut follower = Follower::new(gateway, path.clone());
    for _ in 0..3 {
        follower.look().await;
    }
    assert_eq!(members(&follower), 2);
    assert_eq!(follower.gateway.reloads(), (1, 0));
    // As an operator does.
    folder.file("gateway.yaml", ONE);
    super::apply(&follower.gateway, &path).unwrap();
    for _ in 0..3 {
        follower.look().await;
    }
    assert_eq!(members(&follower), 1);
    assert_eq!(follower.gateway.reloads(), (2, 0), "once");
}
