//! The upload modes, and the transitions from one to the next.

use super::*;

const CHUNK: usize = 5 * MIB;
const SIZE: usize = 12 * MIB;

/// Returns the requests of a whole upload in chunks of 5 MiB.
fn in_chunks() -> [String; 3] {
    let second = CHUNK;
    let third = 2 * CHUNK;
    [
        format!("PATCH 0-{}", CHUNK - 1),
        format!("PATCH {second}-{}", third - 1),
        format!("PUT {third}-{}", SIZE - 1),
    ]
}

fn ends_with(told: &[String], expected: &[String]) {
    assert_eq!(&told[told.len() - expected.len()..], expected, "{told:?}");
}

#[tokio::test]
async fn lost_sessions_lead_to_a_stream_and_then_to_chunks() {
    let content = content(SIZE);
    for (losses, expected) in [
        (0, vec![format!("PUT {SIZE}")]),
        (1, vec![format!("PATCH {SIZE}"), "PUT".to_owned()]),
        (2, in_chunks().to_vec()),
    ] {
        let cut = on_bodies(move |number| (number < losses).then_some(MIB));
        let fake = Fake::start(Rules {
            keeps: false,
            cut,
            ..Rules::default()
        })
        .await;
        fake.upload(&content).await.unwrap();
        ends_with(&fake.told(), &expected);
        assert_eq!(
            (fake.server.count("POST"), fake.server.count("GET")),
            (losses + 1, losses)
        );
    }
}

/// Like docker-registry 2.8: an interruption drops the session, so that only confirmed chunks make progress.
#[tokio::test]
async fn a_line_that_breaks_every_six_mebibytes_carries_chunks() {
    let cut: Rule<usize> = Box::new(|request, _| {
        let length: usize = request.header("content-length")?.parse().unwrap();
        (length > 6 * MIB).then_some(6 * MIB)
    });
    let fake = Fake::start(Rules {
        keeps: false,
        cut,
        ..Rules::default()
    })
    .await;
    let size = 40 * MIB;
    fake.upload(&content(size)).await.unwrap();
    assert_eq!(fake.received_bytes(), size + 2 * 6 * MIB);
    assert_eq!((fake.server.count("POST"), fake.server.count("GET")), (3, 2));
}

#[tokio::test]
async fn a_chunk_that_is_cut_is_gone_on_with_or_begun_again() {
    for keeps in [true, false] {
        let cut: Rule<usize> = Box::new(|request, number| match request.method.as_str() {
            "PATCH" if number == 1 => Some(MIB),
            _ => None,
        });
        let instead: Rule<Answer> = Box::new(|request, _| {
            (request.method == "PUT" && request.header("content-range").is_none()).then(|| status(413))
        });
        let fake = Fake::start(Rules {
            keeps,
            cut,
            instead,
            ..Rules::default()
        })
        .await;
        fake.upload(&content(SIZE)).await.unwrap();
        let told = fake.told();
        if keeps {
            let from = CHUNK + MIB;
            ends_with(
                &told,
                &[
                    "GET".to_owned(),
                    format!("PATCH {from}-{}", from + CHUNK - 1),
                    format!("PUT {}-{}", from + CHUNK, SIZE - 1),
                ],
            );
        } else {
            ends_with(&told, &in_chunks())
        }
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_go_in_chunks() {
    let instead: Rule<Answer> = Box::new(|request, _| {
        let length: usize = request.header("content-length")?.parse().unwrap();
        (length > CHUNK).then(|| status(413))
    });
    let fake = Fake::start(Rules {
        instead,
        ..Rules::default()
    })
    .await;
    fake.upload(&content(SIZE)).await.unwrap();
    let told = fake.told();
    assert_eq!(told[..4], ["POST", &format!("PUT {SIZE}"), "DELETE", "POST"]);
    ends_with(&told, &in_chunks());
    assert_eq!(fake.server.count("GET"), 0);
}

#[tokio::test]
async fn the_registry_says_how_large_a_chunk_must_be() {
    for (asked, bytes) in [("6291456", 6 * MIB), ("1", CHUNK), ("none", CHUNK)] {
        let instead: Rule<Answer> = Box::new(|request, _| {
            let length: usize = request.header("content-length")?.parse().unwrap();
            (length == SIZE).then(|| status(413))
        });
        let after = on("POST", move |number| {
            let location = format!("/up/{}?v=0", number + 1);
            Some(
                status(202)
                    .with("Location", location)
                    .with("OCI-Chunk-Min-Length", asked),
            )
        });
        let fake = Fake::start(Rules {
            instead,
            after,
            ..Rules::default()
        })
        .await;
        fake.upload(&content(SIZE)).await.unwrap();
        assert!(
            fake.told().contains(&format!("PATCH 0-{}", bytes - 1)),
            "{:?}",
            fake.told()
        );
    }
}

#[tokio::test]
async fn a_registry_without_bodies_in_put_gets_an_empty_one() {
    for code in [404, 405, 501] {
        let instead: Rule<Answer> = Box::new(move |request, _| {
            (request.method == "PUT" && request.header("content-length") != Some("0")).then(|| status(code))
        });
        let fake = Fake::start(Rules {
            instead,
            ..Rules::default()
        })
        .await;
        fake.upload(&content(SIZE)).await.unwrap();
        ends_with(
            &fake.told(),
            &[format!("PATCH {}-{}", 2 * CHUNK, SIZE - 1), "PUT".to_owned()],
        );
    }
}

#[tokio::test]
async fn a_registry_that_refuses_ranges_gets_a_stream() {
    for code in [400, 403, 404, 405, 416, 501] {
        let instead: Rule<Answer> = Box::new(move |request, _| match request.method.as_str() {
            "PUT" if request.header("content-length") != Some("0") => Some(status(413)),
            "PATCH" if request.header("content-range").is_some() => Some(status(code)),
            _ => None,
        });
        let fake = Fake::start(Rules {
            instead,
            ..Rules::default()
        })
        .await;
        fake.upload(&content(SIZE)).await.unwrap();
        let told = fake.told();
        ends_with(
            &told,
            &[
                "DELETE".to_owned(),
                "POST".to_owned(),
                format!("PATCH {SIZE}"),
                "PUT".to_owned(),
            ],
        );
        assert_eq!(
            (fake.server.count("POST"), fake.server.count("DELETE")),
            (3, 2),
            "{code}"
        );
    }
}

/// Two sessions are lost, so it is sent in chunks, which are refused like streams: one PUT remains, and is not given
/// up.
#[tokio::test]
async fn a_registry_that_takes_one_put_alone_gets_it_after_losses() {
    let cut = on("PUT", |number| (number < 3).then_some(MIB));
    let instead = on("PATCH", |_| Some(status(405)));
    let fake = Fake::start(Rules {
        keeps: false,
        cut,
        instead,
        ..Rules::default()
    })
    .await;
    fake.upload(&content(SIZE)).await.unwrap();
    let patches = fake.told().iter().filter(|told| told.starts_with("PATCH")).count();
    assert_eq!(patches, 2, "{:?}", fake.told());
}

#[tokio::test]
async fn a_registry_that_refuses_everything_says_why_once_for_each_manner() {
    let instead: Rule<Answer> = Box::new(|request, _| match request.method.as_str() {
        "PUT" => Some(status(413).body(r#"{"errors":[{"code":"SIZE_INVALID"}]}"#)),
        "PATCH" => Some(status(405)),
        _ => None,
    });
    let fake = Fake::start(Rules {
        instead,
        ..Rules::default()
    })
    .await;
    let repository = fake.server.repository();
    for _ in 0..2 {
        let error = fake.upload_to(&repository, &content(SIZE)).await.unwrap_err();
        assert!(error.to_string().contains("SIZE_INVALID"), "{error}");
    }
    // No refusal was stored: if a registry refuses every mode, it has another reason.
    assert_eq!((fake.server.count("POST"), fake.server.count("DELETE")), (6, 6));
}

#[tokio::test]
async fn refusals_are_remembered_for_later_blobs_and_losses_are_not() {
    let instead: Rule<Answer> = Box::new(|request, _| {
        (request.method == "PUT" && request.header("content-length").unwrap().len() > 7).then(|| status(413))
    });
    let fake = Fake::start(Rules {
        instead,
        ..Rules::default()
    })
    .await;
    let repository = fake.server.repository();
    fake.upload_to(&repository, &content(SIZE)).await.unwrap();
    let before = fake.told().len();
    fake.upload_to(&repository.clone(), &content(SIZE)[1..]).await.unwrap();
    assert_eq!(
        fake.told()[before..][..2],
        ["POST".to_owned(), format!("PATCH 0-{}", CHUNK - 1)]
    );

    let fake = Fake::start(Rules {
        keeps: false,
        cut: on_bodies(|number| (number < 2).then_some(7)),
        ..Rules::default()
    })
    .await;
    let repository = fake.server.repository();
    fake.upload_to(&repository, &content(SIZE)).await.unwrap();
    let before = fake.told().len();
    fake.upload_to(&repository, b"content").await.unwrap();
    assert_eq!(fake.told()[before..], ["POST", "PUT 7"]);
}

/// ECR's Range stays at the first chunk, Aliyun's has only the last chunk, and some registries keep one location.
#[tokio::test]
async fn after_a_good_chunk_the_own_offset_counts() {
    for (code, range) in [(202, "0-5242879"), (201, "0-0"), (204, ""), (200, "0-99999999999")] {
        let mut server = Server::bind().await;
        let body = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&body);
        server.serve(move |request| match request.method.as_str() {
            "POST" => status(202).with("Location", "/up"),
            "PUT" if request.header("content-range").is_none() => status(413),
            "PUT" | "PATCH" => {
                kept.lock().unwrap().extend_from_slice(&request.body);
                let answer = if request.method == "PUT" {
                    status(201)
                } else {
                    status(code)
                };
                if range.is_empty() {
                    answer
                } else {
                    answer.with("Range", range)
                }
            }
            _ => status(404),
        });
        let content = content(SIZE);
        let descriptor = Descriptor::of(MediaType::OciLayer, &content);
        let source = MemoryStore::new("memory").with_blob(&descriptor, content.clone());
        server
            .repository()
            .writer()
            .unwrap()
            .upload(&descriptor, &source, None)
            .await
            .unwrap();
        assert!(*body.lock().unwrap() == content);
        assert_eq!((server.count("GET"), server.count("PATCH /up")), (0, 2));
    }
}

/// Servers behind one address that do not share sessions.
#[tokio::test]
async fn a_session_that_is_not_known_between_chunks_is_begun_once_more() {
    let instead: Rule<Answer> = Box::new(|request, number| match request.method.as_str() {
        "PUT" if request.header("content-range").is_none() => Some(status(413)),
        "PATCH" if number == 1 => Some(status(404)),
        _ => None,
    });
    let fake = Fake::start(Rules {
        instead,
        ..Rules::default()
    })
    .await;
    fake.upload(&content(SIZE)).await.unwrap();
    ends_with(&fake.told(), &in_chunks());
}
