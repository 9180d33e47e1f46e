//! After a failure: the upload resumes from the confirmed offset, and an impossible offset is rejected.

use super::*;

/// Interrupts the first body here, and no other.
fn cut_first(at: usize) -> Rule<usize> {
    on_bodies(move |number| (number == 0).then_some(at))
}

/// Returns the requests without those that check for the blob. They are sent if all bytes were handed over when the
/// connection broke, which depends on the system's buffers.
fn told_of(fake: &Fake) -> Vec<String> {
    fake.told().into_iter().filter(|told| told != "HEAD").collect()
}

#[tokio::test]
async fn a_body_that_is_cut_anywhere_arrives() {
    let content = content(MIB);
    for at in [0, 1, 2, 4096, MIB / 2, MIB - 1, MIB] {
        for keeps in [true, false] {
            let fake = Fake::start(Rules {
                keeps,
                cut: cut_first(at),
                ..Rules::default()
            })
            .await;
            fake.upload(&content).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_confirmed_is_not_sent_again() {
    let content = content(MIB);
    for at in [2, 4096, MIB / 2, MIB - 1] {
        let fake = Fake::start(Rules {
            cut: cut_first(at),
            ..Rules::default()
        })
        .await;
        fake.upload(&content).await.unwrap();
        let rest = format!("PATCH {at}-{}", MIB - 1);
        assert_eq!(
            told_of(&fake),
            ["POST", &format!("PUT {MIB}"), "GET", &rest, "PUT"],
            "{at}"
        );
        assert_eq!(fake.received_bytes(), MIB);
    }
}

#[tokio::test]
async fn a_body_that_is_cut_again_and_again_arrives_as_long_as_it_moves_on() {
    let content = content(MIB);
    let cut = on_bodies(|number| (number < 15).then_some(MIB / 16));
    let fake = Fake::start(Rules {
        cut,
        ..Rules::default()
    })
    .await;
    let options = RegistryOptions {
        retry: RetryOptions { tries: 2, ..quick() },
        ..fake.server.options()
    };
    fake.upload_with(options, &content).await.unwrap();
    assert_eq!((fake.server.count("POST"), fake.server.count("GET")), (1, 15));
    assert_eq!(fake.received_bytes(), MIB);
}

#[tokio::test]
async fn what_cannot_be_true_is_not_believed() {
    let half = MIB / 2;
    let good = format!("0-{}", half - 1);
    let told = |range: &str| {
        status(204)
            .with("Location", "/up/1?v=1")
            .with("Range", range.to_owned())
    };
    let lies = [
        told("0-0"),
        told("0--1"),
        told("7-9"),
        told("half"),
        told(&format!("0-{MIB}")),
        told("0-18446744073709551615"),
        status(204).with("Location", "/up/1?v=1"),
        status(204).with("Range", good.clone()),
        status(204)
            .with("Range", good.clone())
            .with("Location", "ftp://127.0.0.1/up"),
        status(404),
        status(400),
        status(206).with("Range", good.clone()).with("Location", "/up/1?v=1"),
    ];
    for lie in lies {
        let shown = lie.clone();
        let instead = on("GET", move |_| Some(lie.clone()));
        let fake = Fake::start(Rules {
            cut: cut_first(half),
            instead,
            ..Rules::default()
        })
        .await;
        fake.upload(&content(MIB)).await.unwrap();
        let all = MIB.to_string();
        let expected = [
            "POST",
            &format!("PUT {all}"),
            "GET",
            "POST",
            &format!("PATCH {all}"),
            "PUT",
        ];
        assert_eq!(told_of(&fake), expected, "{shown:?}");
    }
}

#[tokio::test]
async fn what_is_said_in_other_words_is_understood() {
    let half = MIB / 2;
    for (code, unit) in [(204, ""), (204, "bytes="), (200, ""), (202, "")] {
        let after = on("GET", move |_| {
            let range = format!("{unit}0-{}", half - 1);
            Some(status(code).with("Location", "/up/1?v=2").with("Range", range))
        });
        let fake = Fake::start(Rules {
            cut: cut_first(half),
            after,
            ..Rules::default()
        })
        .await;
        fake.upload(&content(MIB)).await.unwrap();
        assert_eq!(
            (fake.server.count("POST"), fake.received_bytes()),
            (1, MIB),
            "{code} {unit}"
        );
    }
}

/// The session falls behind its confirmed offset: it must not be used.
#[tokio::test]
async fn a_registry_that_confirms_less_than_before_is_not_believed() {
    let cut = on_bodies(|number| (number < 2).then_some(MIB / 4));
    let after = on("GET", |number| {
        (number == 1).then(|| status(204).with("Location", "/up/1?v=4").with("Range", "0-1000"))
    });
    let fake = Fake::start(Rules {
        cut,
        after,
        ..Rules::default()
    })
    .await;
    fake.upload(&content(MIB)).await.unwrap();
    assert_eq!((fake.server.count("POST"), fake.server.count("GET")), (2, 2));
}

#[tokio::test]
async fn a_registry_that_does_not_take_the_rest_gets_all_in_a_fresh_session() {
    let cut = on_bodies(|number| (number != 1 && number < 4).then_some(MIB / 2));
    let instead: Rule<Answer> = Box::new(|request, _| request.header("content-range").map(|_| status(416)));
    let fake = Fake::start(Rules {
        cut,
        instead,
        ..Rules::default()
    })
    .await;
    fake.upload(&content(MIB)).await.unwrap();
    // It is queried once, and the session is canceled.
    assert_eq!(
        (fake.server.count("GET"), fake.server.count("DELETE /up/1")),
        (1, 1),
        "{:?}",
        fake.told()
    );
}

/// The registry kept other bytes than it was sent: the digest detects this, and the upload restarts once.
#[tokio::test]
async fn a_digest_that_is_wrong_after_a_resume_is_worth_one_more_session() {
    let doubled = || {
        on("GET", |_| {
            Some(
                status(204)
                    .with("Location", "/up/1?v=2")
                    .with("Range", format!("0-{}", MIB / 2)),
            )
        })
    };
    // It reports one byte more than it kept: the rest does not fit.
    let instead: Rule<Answer> = Box::new(|request, _| {
        request
            .header("content-range")
            .map(|_| status(202).with("Location", "/up/1?v=2"))
    });
    let cut = cut_first(MIB / 2);
    let fake = Fake::start(Rules {
        cut,
        instead,
        after: doubled(),
        ..Rules::default()
    })
    .await;
    fake.upload(&content(MIB)).await.unwrap();
    let told = fake.told();
    assert_eq!(
        told[told.len() - 3..],
        ["DELETE", "POST", &format!("PUT {MIB}")],
        "{told:?}"
    );
    // The second refusal is final.
    let refuse = on("PUT", |_| {
        Some(status(400).body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#))
    });
    let fake = Fake::start(Rules {
        instead: refuse,
        ..Rules::default()
    })
    .await;
    let error = fake.upload(b"content").await.unwrap_err();
    assert!(error.to_string().contains("DIGEST_INVALID"), "{error}");
    assert_eq!(fake.told(), ["POST", "PUT 7", "DELETE", "POST", "PUT 7", "DELETE"]);
}

#[tokio::test]
async fn a_source_that_is_read_again_must_be_the_same() {
    use async_trait::async_trait;

    use crate::model::{Root, Selector};
    use crate::store::{BlobReader, Side, Source};

    /// Content that changes at its beginning after the first opening.
    struct Changing(Mutex<Vec<u8>>);

    #[async_trait]
    impl Source for Changing {
        fn describe(&self) -> String {
            "changing".to_owned()
        }
        fn side(&self) -> Side {
            Side::Local
        }
        async fn resolve(&self, _: &Selector) -> Result<Root, StoreError> {
            unreachable!()
        }
        async fn open_unverified(&self, _: &Descriptor) -> Result<BlobReader, StoreError> {
            let mut content = self.0.lock().unwrap();
            let given = content.clone();
            content[0] ^= 1;
            Ok(Box::pin(std::io::Cursor::new(given)))
        }
    }

    let content = content(12 * MIB);
    let descriptor = Descriptor::of(MediaType::OciLayer, &content);
    let fake = Fake::start(Rules {
        keeps: false,
        cut: cut_first(11 * MIB),
        ..Rules::default()
    })
    .await;
    let error = fake
        .server
        .repository()
        .writer()
        .unwrap()
        .upload(&descriptor, &Changing(Mutex::new(content)), None)
        .await
        .unwrap_err();
    assert!(error.is_source(), "{error}");
    assert_eq!(fake.stored(&descriptor), None);
    assert_eq!(fake.told().last().unwrap(), "DELETE");
}
