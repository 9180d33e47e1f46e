//! Lists: tags and referrers, page by page, and the targets of their links.

use ocitect::model::{Digest, Repository};
use ocitect::registry::{Client, RegistryOptions, RoutedRepository};

use crate::support::faults::answer::Reply;
use crate::support::faults::content::Manifest;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::{Flavour, Referrers};
use crate::support::faults::honeypot::Honeypot;
use crate::support::faults::hook::Hook;

fn repository(fake: &Fake, name: &str) -> RoutedRepository {
    let client = Client::new(RegistryOptions::default()).unwrap();
    let repository: Repository = fake.image(name).parse().unwrap();
    client.repository(repository)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A registry whose `app` has so many tags.
fn with_tags(flavour: Flavour, count: usize) -> Fake {
    let fake = Fake::start(flavour);
    let manifest = Manifest {
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: b"{}".to_vec(),
    };
    for number in 0..count {
        fake.contents()
            .put_manifest("app", &format!("v{number:04}"), manifest.clone());
    }
    fake
}

#[test]
fn all_pages_of_tags_are_read_whatever_their_size() {
    for (flavour, count) in [
        (Flavour::distribution3(), 250),
        (
            Flavour {
                tokens: None,
                ..Flavour::quay()
            },
            250,
        ),
        (
            Flavour {
                largest_page: Some((1000, 400)),
                ..Flavour::distribution3()
            },
            1001,
        ),
        (Flavour::distribution3(), 0),
    ] {
        let fake = with_tags(flavour, count);
        fake.make("app");
        let tags = wait(repository(&fake, "app").tags()).unwrap();
        assert_eq!(tags.len(), count, "{:#?}", fake.log().lines());
    }
}

#[test]
fn links_that_lead_elsewhere_are_not_followed() {
    let honeypot = Honeypot::start(|_| Reply::new(200).body(r#"{"tags":["honey"]}"#));
    let fake = with_tags(Flavour::distribution3(), 250);
    let link = format!("<http://{}/v2/app/tags/list?last=x>; rel=\"next\"", honeypot.host());
    fake.hook(Hook::change(move |reply| reply.instead("Link", link.clone())).on("GET", "/tags/list"));
    assert!(wait(repository(&fake, "app").tags()).is_err());
    assert_eq!(honeypot.kept().lines(), [""; 0]);
}

#[test]
fn referrers_come_from_the_api_or_from_the_tag() {
    let subject = Digest::of(b"subject");
    let manifest = format!(
        "{{\"schemaVersion\":2,\"artifactType\":\"application/x\",\"subject\":{{\"digest\":\"{subject}\",\"size\":7,\
         \"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"}}}}"
    );
    let artifact = Digest::of(manifest.as_bytes());
    let index = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[{{\"mediaType\":\
         \"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{artifact}\",\"size\":{},\"artifactType\":\"application/x\"}}]}}",
        manifest.len()
    );
    let put = |fake: &Fake, reference: &str, kind: &str, text: &str| {
        let media_type = format!("application/vnd.oci.image.{kind}.v1+json");
        fake.contents().put_manifest(
            "app",
            reference,
            Manifest {
                media_type,
                bytes: text.as_bytes().to_vec(),
            },
        );
    };
    for referrers in [
        Referrers::Api,
        Referrers::Missing(404),
        Referrers::Missing(400),
        Referrers::Missing(406),
        Referrers::Elsewhere("http://127.0.0.1:1/not-a-registry".to_owned()),
    ] {
        let fake = Fake::start(Flavour {
            referrers: referrers.clone(),
            ..Flavour::distribution3()
        });
        put(&fake, "artifact", "manifest", &manifest);
        if referrers != Referrers::Api {
            put(&fake, &subject.to_string().replace(':', "-"), "index", &index);
        }
        let found = wait(repository(&fake, "app").referrers(&subject, None)).unwrap();
        assert_eq!(found.len(), 1, "{referrers:?}: {:#?}", fake.log().lines());
        assert_eq!(found[0].digest, artifact);
    }
}
