//! Attachments in a folder.

use bytes::Bytes;
use mc_core::ports::Blobs;
use mc_store_embedded::FolderBlobs;

use crate::support::Folder;

#[tokio::test]
async fn what_was_put_is_got_until_its_day_is_forgotten() {
    let folder = Folder::new();
    let blobs = FolderBlobs::new(folder.path().join("blobs"));
    assert_eq!(blobs.get("20261201/a.0").await.unwrap(), None);
    blobs.forget_before("20261201").await.unwrap();
    for (name, bytes) in [("20261130/a.0", "old"), ("20261201/a.0", "first"), ("20261201/b.0", "")] {
        blobs.put(name, Bytes::from(bytes)).await.unwrap();
    }
    blobs.put("20261201/a.0", Bytes::from("second")).await.unwrap();
    blobs.forget_before("20261201").await.unwrap();
    assert_eq!(blobs.get("20261130/a.0").await.unwrap(), None);
    assert_eq!(blobs.get("20261201/a.0").await.unwrap(), Some(Bytes::from("second")));
    assert_eq!(blobs.get("20261201/b.0").await.unwrap(), Some(Bytes::new()));
    let files = std::fs::read_dir(folder.path().join("blobs/20261201")).unwrap().count();
    assert_eq!(files, 2, "nothing unfinished is left");
}

#[tokio::test]
async fn a_name_cannot_leave_the_folder() {
    let folder = Folder::new();
    let blobs = FolderBlobs::new(folder.path().join("blobs"));
    let bad = [
        "",
        "/etc/passwd",
        "../x",
        "a/../x",
        "a//b",
        "a/",
        ".hidden",
        "a/.b",
        "a\\b",
        "a\0b",
        "a/b.part",
        "é",
    ];
    for name in bad {
        assert!(blobs.put(name, Bytes::new()).await.is_err(), "{name:?}");
        assert!(blobs.get(name).await.is_err(), "{name:?}");
    }
    assert!(!folder.path().exists(), "a refused name makes no folder");
}
