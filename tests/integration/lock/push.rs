//! The requests of a push with a lockfile and an empty cache.

use crate::lock::project::Project;
use crate::registries::images::{all_requests, base_layers, count, is_get_of, is_mount, own_base};
use crate::support::{files_below, is_put_of, requests};

#[test]
fn no_layer_of_a_base_is_fetched_with_a_lock_and_an_empty_cache() {
    let project = Project::new("lock/push");
    let sandbox = &project.sandbox;
    let base = own_base(sandbox, "OPEN", "lock/push-base");
    project.on(&[&base]);
    let without = sandbox.ok(&["build", "app", "-o", "oci:without"]).digest();
    let before = count(sandbox, "OPEN", "lock/push-base");
    let pushed = project
        .run_cold(&["build", "app", "--push", "--locked"])
        .expect(0)
        .says(&["base, mounted"]);
    assert_eq!(pushed.digest(), without);
    let layers = base_layers();
    let of_base = all_requests(sandbox, "OPEN", "lock/push-base", before);
    assert!(
        !of_base.iter().any(|request| is_get_of(request, &layers)),
        "{of_base:#?}"
    );
    // Manifest and config of each platform, by digest; no tag is resolved.
    assert_eq!(of_base.len(), 4, "{of_base:#?}");
    assert!(
        !of_base.iter().any(|request| request.path.ends_with(":latest")),
        "{of_base:#?}"
    );
    let of_app = requests("OPEN", "lock/push-app", 0, is_put_of("latest"));
    assert!(!of_app.iter().any(|request| is_get_of(request, &layers)), "{of_app:#?}");
    assert_eq!(of_app.iter().filter(|request| is_mount(request)).count(), layers.len());

    // With the cache of documents, there is no request to the base's repository.
    let before = count(sandbox, "OPEN", "lock/push-base");
    sandbox.ok(&["build", "app", "--push", "--locked", "-t", "again"]);
    assert_eq!(all_requests(sandbox, "OPEN", "lock/push-base", before), []);
}

#[test]
fn damaged_documents_of_the_cache_are_fetched_anew() {
    let project = Project::new("lock/documents");
    let sandbox = &project.sandbox;
    let digest = sandbox.ok(&["build", "app"]).digest();
    let documents = files_below(&sandbox.path("cache/documents"));
    let whole: Vec<_> = documents
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    assert_eq!(whole.len(), 4);
    for damage in [&b""[..], b"{}"] {
        for (path, _) in &whole {
            std::fs::write(path, damage).unwrap();
        }
        assert_eq!(sandbox.ok(&["build", "app"]).digest(), digest);
        for (path, bytes) in &whole {
            assert!(
                std::fs::read(path).unwrap() == *bytes,
                "{} is not mended",
                path.display()
            );
        }
    }
}
