//! Values of Helm charts, in the forms that charts read.

use super::{read, sandbox};
use crate::support::odd_yaml::DIGEST;
use crate::support::refusal::refused;

#[test]
fn a_name_in_place_of_a_repository_is_pinned() {
    let sandbox = sandbox();
    for (before, after) in [
        (
            "image: {name: ghcr.io/me/app, tag: 1.0}\n",
            "image: {name: ghcr.io/me/app, tag: 1.0@D}\n",
        ),
        (
            "image:\n  registry: ghcr.io\n  name: me/app\n  tag: \"1.0\"\n",
            "image:\n  registry: ghcr.io\n  name: me/app\n  tag: \"1.0@D\"\n",
        ),
        (
            "webImage:\n  name: ghcr.io/me/app\n  tag: 1.0\n  digest: ''\n",
            "webImage:\n  name: ghcr.io/me/app\n  tag: 1.0\n  digest: 'D'\n",
        ),
        (
            "images: [{name: ghcr.io/me/app, tag: 1.0}, {name: redis, tag: 7}]\n",
            "images: [{name: ghcr.io/me/app, tag: 1.0@D}, {name: redis, tag: 7}]\n",
        ),
        (
            "image: {repository: ghcr.io/me/app, name: app, tag: 1.0}\n",
            "image: {repository: ghcr.io/me/app, name: app, tag: 1.0@D}\n",
        ),
    ] {
        let after = after
            .replace("D}", &format!("{DIGEST}}}"))
            .replace("D\"", &format!("{DIGEST}\""));
        let after = after.replace("D'", &format!("{DIGEST}'"));
        sandbox.write("values.yaml", before);
        sandbox.ok(&["pin", "values.yaml", "--from", "m.json"]);
        assert_eq!(read(&sandbox, "values.yaml"), after, "{before}");
        sandbox.ok(&["pin", "values.yaml", "--from", "m.json", "--check"]);
    }
}

#[test]
fn what_a_chart_may_join_is_refused_with_its_place() {
    let sandbox = sandbox();
    let join = "the chart may join this value to those beside it";
    for (text, place, reason) in [
        ("image: {repository: ghcr.io/me, name: app, tag: 1.0}\n", "1:39", join),
        (
            "image:\n  registry: ghcr.io\n  repository: me\n  name: app\n  tag: 1.0\n",
            "4:9",
            join,
        ),
        ("image: {registry: ghcr.io, image: me/app, tag: 1.0}\n", "1:35", join),
        ("web: {repository: ghcr.io/me, image: 'app:1.0'}\n", "1:38", join),
        (
            "image: {name: ghcr.io/me/app}\n",
            "1:15",
            "it has neither `tag` nor `digest`",
        ),
        ("image: {name: ghcr.io/me/app, tag: 2.0}\n", "1:36", "has the tag 2.0"),
        (
            "image: {name: 'ghcr.io/me/{{ .x }}', tag: 1.0}\n",
            "1:15",
            "it is a template, not YAML",
        ),
    ] {
        sandbox.write("values.yaml", format!("{text}other: {{image: ghcr.io/me/app:1.0}}\n"));
        let words = [reason, &format!("--> values.yaml:{place}")];
        refused(&sandbox, &["pin", "values.yaml", "--from", "m.json"], 2, &words);
    }
    // Names that are no images.
    sandbox.write(
        "values.yaml",
        "container: {name: ghcr.io/me/app, tag: 1.0}\nimage: {repository: ghcr.io/me, name: other, tag: 1.0}\nweb: {image: \
         ghcr.io/me/app:1.0}\n",
    );
    let outcome = sandbox.ok(&["pin", "values.yaml", "--from", "m.json"]);
    assert_eq!(outcome.stdout.lines().count(), 1, "{}", outcome.stdout);
}
