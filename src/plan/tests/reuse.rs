//! Tests of reusing layers of one platform for another: only if they would be equal.

use super::*;
use crate::plan::plan_recording;

const LAYER: fn() -> TestLayer = || layer("app").directory("src/", "/srv/app", &["d bin", "x bin/run", "f lib.py"]);

/// Returns an input with a base that has these directories and links.
fn on(directories: &[&str], links: &[(&str, &str)]) -> PlanInput {
    let mut tree = Tree::default();
    for at in directories {
        tree.insert(path(at), Node::plain_directory());
    }
    for (at, target) in links {
        let kind = NodeKind::Symlink {
            target: target.as_bytes().into(),
        };
        tree.insert(
            path(at),
            Node {
                kind,
                ..Node::plain_directory()
            },
        );
    }
    input(Some(BaseImage {
        tree: Arc::new(tree),
        ..base()
    }))
}

/// Returns whether the plan on `second` reuses the layers of the plan on `first`. If it does, checks that they are
/// equal to newly planned ones.
fn is_shared(first: PlanInput, second: PlanInput) -> bool {
    let (plan_of_first, grounds) = plan_recording(with_layers(first, vec![LAYER()])).unwrap();
    let second = with_layers(second, vec![LAYER()]);
    let bare = PlanInput {
        listings: Vec::new(),
        ..second.clone()
    };
    let again = grounds.plan_again(&plan_of_first, &bare).unwrap();
    if let Some(again) = &again {
        assert_eq!(*again, plan(second).unwrap());
        assert!(
            again
                .layers
                .iter()
                .zip(&plan_of_first.layers)
                .all(|(one, other)| Arc::ptr_eq(one, other))
        );
    }
    again.is_some()
}

#[test]
fn layers_are_shared_where_bases_agree_on_what_they_touch() {
    assert!(is_shared(input(None), input(None)));
    assert!(is_shared(on(&["srv"], &[]), on(&["srv"], &[])));
    let other = on(&["srv", "usr", "usr/lib", "usr/lib/x"], &[("lib", "usr/lib")]);
    assert!(
        is_shared(on(&["srv", "etc"], &[]), other),
        "what no layer touches does not count"
    );
}

#[test]
fn layers_are_planned_anew_where_bases_differ_in_what_they_touch() {
    assert!(!is_shared(on(&["srv"], &[]), on(&[], &[])), "its mode would be another");
    assert!(!is_shared(on(&["srv"], &[]), on(&["srv", "srv/app"], &[])));
    assert!(
        !is_shared(on(&["srv"], &[]), on(&["srv", "srv/app/bin"], &[])),
        "a directory that is not written down"
    );
    assert!(!is_shared(on(&["srv", "opt"], &[]), on(&["opt"], &[("srv", "opt")])));
    assert!(!is_shared(
        on(&["srv", "opt"], &[("srv/app", "/opt")]),
        on(&["srv", "opt"], &[("srv/app", "/")])
    ));
}

#[test]
fn layers_are_planned_anew_where_the_spec_says_something_else() {
    let (first, grounds) = plan_recording(with_layers(on(&[], &[]), vec![LAYER()])).unwrap();
    let same = || PlanInput {
        listings: Vec::new(),
        ..with_layers(on(&[], &[]), vec![LAYER()])
    };
    let again = |input: &PlanInput| grounds.plan_again(&first, input).unwrap();
    assert!(again(&same()).is_some());
    let mut other = same();
    other.platform_spec.mtime_s = 2;
    assert!(again(&other).is_none());
    let mut other = same();
    other.platform_spec.layers[0].files[0].exclude = vec!["x".to_owned()];
    assert!(again(&other).is_none());
    let mut other = same();
    other.config.workdir = Some("/work".to_owned());
    assert!(again(&other).is_none());
    let passwd = Bytes::from_static(b"other:x:1:1::/:/bin/sh\n");
    let other = PlanInput {
        base: Some(Arc::new(BaseImage { passwd, ..base() })),
        ..same()
    };
    assert!(again(&other).is_none());
    let mut other = same();
    other.platform_spec.platform = Platform::new("linux", "arm64");
    other.platform_spec.annotations.insert("a".to_owned(), "b".to_owned());
    let plan = again(&other).unwrap();
    assert_eq!(
        (plan.platform.architecture.as_str(), plan.annotations.len()),
        ("arm64", 1)
    );
}

#[test]
fn what_is_removed_is_looked_at_anew_for_each_base() {
    let removing = || layer("app").remove(&["/etc/x"]);
    let (first, grounds) = plan_recording(with_layers(on(&["etc", "etc/x"], &[]), vec![removing()])).unwrap();
    let same = with_layers(on(&["etc", "etc/x"], &[]), vec![removing()]);
    assert!(
        grounds
            .plan_again(
                &first,
                &PlanInput {
                    listings: Vec::new(),
                    ..same
                }
            )
            .unwrap()
            .is_none()
    );
}
