//! Uploads that another process resumes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::registry::tests::Notes;

/// Options of a process with a journal; with `is_killed` it gives up at once.
fn options(fake: &Fake, directory: &Path, notes: &Notes, is_killed: bool) -> RegistryOptions {
    RegistryOptions {
        journal_directory: Some(directory.to_owned()),
        observer: Arc::new(notes.clone()),
        retry: RetryOptions {
            tries: if is_killed { 1 } else { 8 },
            ..quick()
        },
        ..fake.server.options()
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).map_or_else(
        |_| Vec::new(),
        |entries| entries.map(|entry| entry.unwrap().path()).collect(),
    )
}

/// Uploads `content` and ends with the process after `at` bytes.
async fn killed(fake: &Fake, directory: &Path, content: &[u8]) {
    let repository = repository(&fake.server, options(fake, directory, &Notes::default(), true));
    fake.upload_to(&repository, content).await.unwrap_err();
    assert_eq!(files(directory).len(), 1);
}

async fn next(fake: &Fake, directory: &Path, content: &[u8]) -> Vec<String> {
    let notes = Notes::default();
    fake.upload_with(options(fake, directory, &notes, false), content)
        .await
        .unwrap();
    assert!(files(directory).is_empty(), "{:?}", files(directory));
    notes.lines()
}

fn cut_first(at: usize) -> Rule<usize> {
    on_bodies(move |number| (number == 0).then_some(at))
}

#[tokio::test]
async fn another_process_goes_on_where_the_registry_is() {
    let content = content(2 * MIB);
    let directory = tempfile::tempdir().unwrap();
    let fake = Fake::start(Rules {
        cut: cut_first(MIB),
        ..Rules::default()
    })
    .await;
    killed(&fake, directory.path(), &content).await;
    let lines = next(&fake, directory.path(), &content).await;
    let digest = Digest::of(&content);
    assert_eq!(
        lines,
        [format!("resuming upload of {digest} at {MIB} of {} bytes", 2 * MIB)]
    );
    assert_eq!((fake.server.count("POST"), fake.received_bytes()), (1, 2 * MIB));
}

#[tokio::test]
async fn what_the_registry_has_dropped_is_begun_again() {
    for (size, is_told) in [(2 * MIB, true), (MIB, false)] {
        let content = content(size);
        let directory = tempfile::tempdir().unwrap();
        let fake = Fake::start(Rules {
            cut: cut_first(size / 2),
            ..Rules::default()
        })
        .await;
        killed(&fake, directory.path(), &content).await;
        fake.drop_sessions();
        let lines = next(&fake, directory.path(), &content).await;
        let digest = Digest::of(&content);
        let line = format!("restarting upload of {digest}: the registry discarded the partial upload");
        assert_eq!(lines, if is_told { vec![line] } else { Vec::new() });
        assert_eq!(fake.server.count("GET /up"), 1);
    }
}

#[tokio::test]
async fn chunks_are_gone_on_with_from_what_was_confirmed() {
    let content = content(12 * MIB);
    let directory = tempfile::tempdir().unwrap();
    let cut = on("PATCH", |number| (number == 1).then_some(0));
    let instead: Rule<Answer> = Box::new(|request, _| {
        (request.method == "PUT"
            && request.header("content-range").is_none()
            && request.header("content-length") != Some("0"))
        .then(|| status(413))
    });
    let fake = Fake::start(Rules {
        cut,
        instead,
        ..Rules::default()
    })
    .await;
    killed(&fake, directory.path(), &content).await;
    let before = fake.told().len();
    next(&fake, directory.path(), &content).await;
    let rest = format!("PATCH {}-{}", 5 * MIB, 12 * MIB - 1);
    assert_eq!(fake.told()[before..], ["GET", &rest, "PUT"]);
}

#[tokio::test]
async fn a_registry_that_confirms_less_than_was_noted_is_not_believed() {
    let content = content(12 * MIB);
    let directory = tempfile::tempdir().unwrap();
    let cut = on_bodies(|number| (number < 2).then_some(3 * MIB));
    let after = on("GET", |number| {
        (number == 1).then(|| status(204).with("Location", "/up/1?v=9").with("Range", "0-1000"))
    });
    let fake = Fake::start(Rules {
        cut,
        after,
        ..Rules::default()
    })
    .await;
    killed(&fake, directory.path(), &content).await;
    killed(&fake, directory.path(), &content).await;
    let lines = next(&fake, directory.path(), &content).await;
    assert!(lines[0].starts_with("restarting upload of "), "{lines:?}");
    assert_eq!((fake.server.count("GET"), fake.server.count("POST")), (2, 2));
}

#[tokio::test]
async fn the_entry_is_there_from_the_start_for_its_owner_alone_and_goes_with_the_upload() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache/uploads");
    let found = Arc::new(Mutex::new(Vec::new()));
    let seen_at_put = Arc::clone(&found);
    let looked = path.clone();
    let after: Rule<Answer> = Box::new(move |request, _| {
        if request.method == "PUT" {
            let modes = files(&looked).into_iter().map(|path| {
                let name = path.extension().unwrap().to_str().unwrap().to_owned();
                (name, path.metadata().unwrap().permissions().mode() & 0o777)
            });
            seen_at_put.lock().unwrap().extend(modes);
        }
        None
    });
    let fake = Fake::start(Rules {
        after,
        ..Rules::default()
    })
    .await;
    next(&fake, &path, b"content").await;
    let mut found = found.lock().unwrap().clone();
    found.sort();
    assert_eq!(found, [("json".to_owned(), 0o600), ("lock".to_owned(), 0o600)]);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_session_that_is_given_up_is_not_noted_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let fake = Fake::start(Rules {
        instead: on("PUT", |_| Some(status(403))),
        ..Rules::default()
    })
    .await;
    let options = options(&fake, directory.path(), &Notes::default(), false);
    fake.upload_with(options, b"content").await.unwrap_err();
    assert!(files(directory.path()).is_empty());
}

#[tokio::test]
async fn two_at_once_do_not_share_a_session() {
    let content = content(2 * MIB);
    let directory = tempfile::tempdir().unwrap();
    let fake = Fake::start(Rules {
        cut: cut_first(MIB),
        ..Rules::default()
    })
    .await;
    killed(&fake, directory.path(), &content).await;
    let first = Notes::default();
    let second = Notes::default();
    let (first_done, second_done) = tokio::join!(
        fake.upload_with(options(&fake, directory.path(), &first, false), &content),
        fake.upload_with(options(&fake, directory.path(), &second, false), &content),
    );
    first_done.unwrap();
    second_done.unwrap();
    let lines = [first.lines(), second.lines()].concat();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("resuming upload of "), "{lines:?}");
    assert_eq!(fake.server.count("POST"), 2);
}

#[tokio::test]
async fn uploads_elsewhere_are_not_noted() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Server::start(|_| status(503)).await;
    let location = format!("http://{}/up?signature=topsecret", storage.host);
    let after = on("POST", move |_| Some(status(202).with("Location", location.clone())));
    let fake = Fake::start(Rules {
        after,
        ..Rules::default()
    })
    .await;
    let options = options(&fake, directory.path(), &Notes::default(), true);
    fake.upload_with(options, b"content").await.unwrap_err();
    assert_eq!(storage.count("PUT"), 1);
    assert!(files(directory.path()).is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_entry_is_replaced() {
    let content = content(2 * MIB);
    let directory = tempfile::tempdir().unwrap();
    let fake = Fake::start(Rules {
        cut: cut_first(MIB),
        ..Rules::default()
    })
    .await;
    killed(&fake, directory.path(), &content).await;
    std::fs::write(&files(directory.path())[0], "{").unwrap();
    assert!(next(&fake, directory.path(), &content).await.is_empty());
    assert_eq!(fake.server.count("GET"), 0);
}

#[tokio::test]
async fn without_a_directory_nothing_is_noted() {
    let content = content(2 * MIB);
    let fake = Fake::start(Rules {
        cut: cut_first(MIB),
        ..Rules::default()
    })
    .await;
    let options = RegistryOptions {
        retry: RetryOptions { tries: 1, ..quick() },
        ..fake.server.options()
    };
    fake.upload_with(options, &content).await.unwrap_err();
    fake.upload(&content).await.unwrap();
    assert_eq!((fake.server.count("POST"), fake.server.count("GET")), (2, 0));
}
