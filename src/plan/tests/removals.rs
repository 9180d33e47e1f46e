//! `remove`: whiteouts, opaque whiteouts, and replacements of removed paths.

use super::*;

#[test]
fn a_removed_path_becomes_a_whiteout_with_its_parents() {
    let plan = planned(vec![layer("app").remove(&["/usr/share/doc", "/tmp"])]);
    let expected = [
        "f0000 0:0 /.wh.tmp",
        "d0755 0:0 /usr",
        "d0755 0:0 /usr/share",
        "f0000 0:0 /usr/share/.wh.doc",
    ];
    assert_eq!(last(&plan), expected);
    let printed = plan.to_json();
    assert_eq!(printed["layers"][0]["entries"][0]["kind"], "whiteout");
}

#[test]
fn paths_are_found_through_links_and_a_link_itself_is_removed() {
    assert_eq!(
        last(&planned(vec![layer("app").remove(&["/bin/env"])])),
        ["d0755 0:0 /usr", "d0755 0:0 /usr/bin", "f0000 0:0 /usr/bin/.wh.env"]
    );
    assert_eq!(
        last(&planned(vec![layer("app").remove(&["/bin"])])),
        ["f0000 0:0 /.wh.bin"]
    );
}

#[test]
fn what_stands_below_a_removed_path_needs_no_whiteout() {
    let plan = planned(vec![layer("app").remove(&[
        "/usr/share/doc/readme",
        "/usr/share",
        "/usr/share",
    ])]);
    assert_eq!(last(&plan), ["d0755 0:0 /usr", "f0000 0:0 /usr/.wh.share"]);
}

#[test]
fn a_removed_directory_that_is_written_again_is_opaque_and_new() {
    let plan = planned(vec![
        layer("app")
            .remove(&["/tmp", "/home"])
            .file("x", "/tmp/x")
            .directory("h/", "/home", &[]),
    ]);
    let expected = [
        "d0755 0:0 /home",
        "f0000 0:0 /home/.wh..wh..opq",
        "d0755 0:0 /tmp",
        "f0000 0:0 /tmp/.wh..wh..opq",
        "f0644 0:0 /tmp/x",
    ];
    assert_eq!(last(&plan), expected);
}

#[test]
fn a_removed_path_that_becomes_a_file_or_a_link_needs_no_whiteout() {
    let plan = planned(vec![
        layer("app")
            .remove(&["/tmp", "/usr/share"])
            .file("x", "/tmp")
            .link("/usr/share", "../s"),
    ]);
    assert_eq!(
        last(&plan),
        ["f0644 0:0 /tmp", "d0755 0:0 /usr", "l0777 0:0 /usr/share -> ../s"]
    );
}

#[test]
fn a_removed_link_is_not_followed() {
    let plan = planned(vec![layer("app").remove(&["/lib"]).file("x", "/lib/x")]);
    assert_eq!(
        last(&plan),
        ["d0755 0:0 /lib", "f0000 0:0 /lib/.wh..wh..opq", "f0644 0:0 /lib/x"]
    );
}

#[test]
fn what_a_layer_below_made_can_be_removed_once() {
    let made = || layer("one").file("x", "/opt/x");
    let plan = planned(vec![made(), layer("two").remove(&["/opt/x"])]);
    assert_eq!(last(&plan), ["d0755 0:0 /opt", "f0000 0:0 /opt/.wh.x"]);
    let error = failure(vec![
        made(),
        layer("two").remove(&["/opt/x"]),
        layer("three").remove(&["/opt/x"]),
    ]);
    assert!(matches!(error, PlanError::RemoveMissing { .. }), "{error}");
    let error = failure(vec![layer("one").file("x", "/opt/x").remove(&["/opt/x"])]);
    assert!(matches!(error, PlanError::RemoveMissing { .. }), "{error}");
}

#[test]
fn a_path_that_does_not_exist_is_an_error_with_the_nearest_name() {
    let error = failure(vec![layer("app").remove(&["/usr/share/docs"])]);
    assert_eq!(
        error.to_string(),
        "layer \"app\": cannot remove /usr/share/docs (ocitect.toml:60:1): it does not exist in the lower layers"
    );
    assert_eq!(error.help().unwrap(), "did you mean /usr/share/doc?");
    let error = failure(vec![layer("app").remove(&["/opt/nothing"])]);
    assert!(
        matches!(error, PlanError::RemoveMissing { nearest: None, .. }),
        "{error}"
    );
    assert!(matches!(
        failure(vec![layer("app").remove(&["/usr/.."])]),
        PlanError::Path { .. }
    ));
    assert!(matches!(
        failure(vec![layer("app").remove(&["//"])]),
        PlanError::RemoveRoot { .. }
    ));
}

#[test]
fn a_removed_file_makes_room_for_a_directory() {
    let plan = planned(vec![layer("app").remove(&["/usr/bin/env"]).file("x", "/bin/env/x")]);
    let expected = [
        "d0755 0:0 /usr",
        "d0755 0:0 /usr/bin",
        "d0755 0:0 /usr/bin/env",
        "f0000 0:0 /usr/bin/env/.wh..wh..opq",
        "f0644 0:0 /usr/bin/env/x",
    ];
    assert_eq!(last(&plan), expected);
}
