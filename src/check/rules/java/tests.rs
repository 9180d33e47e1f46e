use serde_json::{Value, json};

use super::*;
use crate::check::testing::{Image, Thing, elf};

fn archive(attributes: &[(&str, &str)], classes: &[(&str, u16)]) -> Thing {
    let mut facts = JarFacts::default();
    for (name, value) in attributes {
        facts.attributes.insert((*name).to_owned(), (*value).to_owned());
    }
    for (name, version) in classes {
        facts.classes.push((*name).into());
        facts.versions.insert((*name).to_owned(), *version);
    }
    facts.classes.sort();
    Thing::Jar(Some(facts))
}

/// An image with a Java 17 of its own, which starts these arguments of `java` in `/app`.
fn image(arguments: &str) -> Image {
    let words: Vec<Value> = std::iter::once("/opt/jre/bin/java")
        .chain(arguments.split(' '))
        .map(Value::from)
        .collect();
    Image::new("linux/amd64")
        .config(json!({ "WorkingDir": "/app", "Entrypoint": words }))
        .own("opt/jre/bin/java", 0o755, Thing::Elf(elf(None, &[])))
        .own(
            "opt/jre/release",
            0o644,
            Thing::Text("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\n".to_owned()),
        )
}

fn told(image: Image) -> Vec<String> {
    let mut findings = Vec::new();
    java(&image.subject(), &mut findings);
    findings
        .into_iter()
        .map(|finding| format!("{} {} {}", finding.code, finding.path, finding.message))
        .collect()
}

#[test]
fn a_jar_for_a_newer_java_is_an_error() {
    let jar = |version| archive(&[("Main-Class", "a.Main")], &[("a/Main.class", version)]);
    let run = |version| told(image("-Xmx64m -jar app.jar").own("app/app.jar", 0o644, jar(version)));
    assert_eq!(run(61), [""; 0]);
    assert_eq!(
        run(65),
        ["java-too-old /app/app.jar is compiled for Java 21, but the image has Java 17"]
    );
    let boot = [("Main-Class", "l.JarLauncher"), ("Start-Class", "a.App")];
    let boot = archive(
        &boot,
        &[("l/JarLauncher.class", 61), ("BOOT-INF/classes/a/App.class", 65)],
    );
    assert_eq!(told(image("-jar app.jar").own("app/app.jar", 0o644, boot)).len(), 1);
}

#[test]
fn a_jar_that_cannot_be_started_is_an_error() {
    let run = |thing| told(image("-jar app.jar --port 80").own("app/app.jar", 0o644, thing));
    let expected = "entrypoint-missing /app/app.jar java runs this jar, but its manifest names no main class";
    assert_eq!(run(archive(&[], &[("a/Main.class", 61)])), [expected]);
    let expected = "entrypoint-missing /app/app.jar java runs this jar, but its main class is not in it";
    assert_eq!(
        run(archive(&[("Main-Class", "a.Main")], &[("a/Other.class", 61)])),
        [expected]
    );
    assert_eq!(
        run(Thing::Jar(None)),
        ["entrypoint-missing /app/app.jar java runs this file, which is not a jar"]
    );
    assert_eq!(run(Thing::Unread(1)), [""; 0]);
}

#[test]
fn libraries_of_the_manifest_are_looked_for() {
    let jar = || {
        archive(
            &[("Main-Class", "q.Main"), ("Class-Path", "lib/a.jar lib/b.jar conf/")],
            &[],
        )
    };
    let with = |library| {
        image("-jar run.jar")
            .own("app/run.jar", 0o644, jar())
            .own("app/lib/a.jar", 0o644, library)
    };
    let lost =
        "missing-jar /app/run.jar its Class-Path names /app/lib/b.jar, which Java skips because no such file exists";
    // What was not read may have the main class.
    assert_eq!(told(with(Thing::Unread(1))), [lost]);
    assert_eq!(told(with(archive(&[], &[("q/Main.class", 61)]))), [lost]);
    assert_eq!(told(with(archive(&[], &[]))).len(), 2);
    let whole = with(archive(&[], &[("q/Main.class", 61)])).own("app/lib/b.jar", 0o644, Thing::Unread(1));
    assert_eq!(told(whole), [""; 0]);
}

#[test]
fn a_class_is_looked_for_on_its_path() {
    let with = |arguments: &str| {
        image(arguments)
            .own("app/a.jar", 0o644, archive(&[], &[("a/Main.class", 61)]))
            .own("app/lib/b.jar", 0o644, archive(&[], &[("b/Main.class", 61)]))
            .own(
                "app/classes/c/Main.class",
                0o644,
                Thing::Bytes(b"\xca\xfe\xba\xbe\0\0\0\x3d".to_vec()),
            )
            .own(
                "app/new/d/Main.class",
                0o644,
                Thing::Bytes(b"\xca\xfe\xba\xbe\0\0\0\x41".to_vec()),
            )
            .own("app/unread.jar", 0o644, Thing::Unread(1))
    };
    for arguments in [
        "-cp a.jar a.Main",
        "-cp a.jar:lib/* b.Main",
        "-classpath /app/classes:a.jar c.Main",
        "-cp a.jar:unread.jar x.Main",
        "-cp /app/gone.jar:/tmp/x.jar x.Main",
        "-cp a.jar com.sun.tools.javac.Main",
        "-cp a.jar @arguments",
        "-cp a.jar -m x/y.Main",
        "Main.java",
        "-version",
    ] {
        assert_eq!(told(with(arguments)), [""; 0], "{arguments}");
    }
    let lost = |name: &str| {
        format!("entrypoint-missing /opt/jre/bin/java java runs the class {name}, which is not on its class path")
    };
    assert_eq!(told(with("-cp a.jar:lib/* x.Main")), [lost("x.Main")]);
    assert_eq!(told(with("-cp /app/gone.jar a.Main")), [lost("a.Main")]);
    assert_eq!(told(with("Main")), [lost("Main")]);
    let old = "java-too-old /app/new/d/Main.class is compiled for Java 21, but the image has Java 17";
    assert_eq!(told(with("-cp new d.Main")), [old]);
    let options = json!({ "Entrypoint": ["/opt/jre/bin/java", "x.Main"], "Env": ["JDK_JAVA_OPTIONS=-cp /x"] });
    assert_eq!(told(with("").config(options)), [""; 0]);
}

#[test]
fn versions_are_read_in_each_spelling() {
    for (text, expected) in [
        ("\"17.0.15\"", Some(17)),
        ("\"1.8.0_392\"", Some(8)),
        ("jdk-21.0.5+11", Some(21)),
        ("jdk8u392-b08", Some(8)),
        ("17-openjdk-amd64", Some(17)),
        ("1.8.0-openjdk", Some(8)),
        ("21", Some(21)),
        ("openjdk", None),
    ] {
        assert_eq!(feature(text), expected, "{text}");
    }
    let base = |at: &str| {
        let image = Image::new("linux/amd64").config(json!({ "Entrypoint": [format!("/{at}"), "-jar", "/a.jar"] }));
        let jar = archive(&[("Main-Class", "a.Main")], &[("a/Main.class", 65)]);
        told(image.base(at, 0o755, Thing::Unread(1)).own("a.jar", 0o644, jar)).len()
    };
    assert_eq!(base("usr/lib/jvm/java-17-openjdk-amd64/bin/java"), 1);
    assert_eq!(base("usr/lib/jvm/java-21-openjdk/bin/java"), 0);
    assert_eq!(base("opt/java/openjdk/bin/java"), 0);
}

#[test]
fn what_was_not_read_is_asked_for() {
    let subject = image("-jar app.jar")
        .own("app/app.jar", 0o644, Thing::Unread(1))
        .subject();
    let wanted = unread(&subject);
    assert_eq!(wanted.values().copied().collect::<Vec<_>>(), [Interest::Jar]);
}
