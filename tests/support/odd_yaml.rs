//! Deployment files in odd forms, and what `ocitect pin` must make of them byte by byte.

/// The digest of the image to pin.
pub const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What the digest replaces.
pub const OLD_DIGEST: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A file, and what is expected of it.
pub struct OddFile {
    pub name: &'static str,
    /// The text, with `{+}` wherever the digest is added, and `{OLD}` for a digest that is replaced.
    text: String,
    /// Whether PyYAML reads it. It reads YAML 1.1, and refuses some of what YAML 1.2 allows.
    pub is_yaml11: bool,
}

impl OddFile {
    /// Returns the file as it is written.
    pub fn before(&self) -> String {
        self.text.replace("{+}", "").replace("{OLD}", OLD_DIGEST)
    }

    /// Returns the file as it is pinned.
    pub fn after(&self) -> String {
        self.text.replace("{+}", &format!("@{DIGEST}")).replace("{OLD}", DIGEST)
    }
}

/// Returns the content of a metadata file with the image.
pub fn metadata() -> String {
    format!(r#"{{"name":"ghcr.io/me/app","tags":["1.0","latest"],"digest":"{DIGEST}","targets":[]}}"#)
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: app, annotations: {image: ghcr.io/me/app:1.0}}
spec:
  template:
    spec:
      initContainers:
      - {name: init, image: ghcr.io/me/app:1.0{+}}
      containers:
        - name: app   # ours
          image:   ghcr.io/me/app:1.0{+}   # keep
          args: [\"--image\", ghcr.io/me/app:1.0]
        -
          image: postgres:16
      ephemeralContainers: [{image: 'ghcr.io/me/app:1.0{+}'}]
      volumes:
      - name: data
        image: {reference: \"ghcr.io/me/app:1.0{+}\", pullPolicy: IfNotPresent}
";

/// Returns all files that can be pinned.
pub fn files() -> Vec<OddFile> {
    let mut files: Vec<OddFile> = Vec::new();
    let mut add = |name, text: &str| {
        files.push(OddFile {
            name,
            text: text.to_owned(),
            is_yaml11: true,
        });
    };
    compose_files(&mut add);
    other_files(&mut add);
    for (name, text) in beyond_yaml11() {
        files.push(OddFile {
            name,
            text,
            is_yaml11: false,
        });
    }
    files
}

fn compose_files(add: &mut impl FnMut(&'static str, &str)) {
    let plain = "services:\n  web:\n    image: ghcr.io/me/app:1.0{+}\n    ports: [\"80:80\"]\n";
    add("plain", plain);
    add("crlf", &plain.replace('\n', "\r\n"));
    add(
        "mixed line ends",
        "services:\r\n  web:\n    image: ghcr.io/me/app:1.0{+}\r\n    user: a\n",
    );
    add("byte-order mark", &format!("\u{feff}{plain}"));
    add(
        "byte-order mark and crlf",
        &format!("\u{feff}{}", plain.replace('\n', "\r\n")),
    );
    add(
        "no final newline",
        "services:\n  web:\n    image: ghcr.io/me/app:1.0{+}",
    );
    add(
        "double quotes",
        "services: \n  web:\n    \"image\" : \"ghcr.io/me/app:1.0{+}\"  \n",
    );
    add(
        "single quotes",
        "'services':\n  'web':\n    'image': 'ghcr.io/me/app:1.0{+}'\n",
    );
    add(
        "flow",
        "{services: {web: {image: ghcr.io/me/app:1.0{+}, user: \"1\"}, db: {image: postgres}}}\n",
    );
    add(
        "json",
        "{\"services\":{\"web\":{\"image\":\"ghcr.io/me/app:1.0{+}\",\"user\":\"1\"}}}",
    );
    add(
        "colon beside a quoted key",
        "{\"services\":{\"web\":{\"image\":ghcr.io/me/app:1.0{+}}}}",
    );
    add(
        "version 1.2",
        "%YAML 1.2\n---\nservices:\n  web: {\"image\":ghcr.io/me/app:1.0{+}}\n",
    );
    add(
        "flow over lines",
        "services: {\n  web: {  # here\n    image: ghcr.io/me/app:1.0{+} ,\n    user: \"1\" }\n  }\n",
    );
    add(
        "comments everywhere",
        "# top\n#\nservices: # s\n  # before web\n  web: # w\n    # before image\n    image: ghcr.io/me/app:1.0{+} # was ghcr.io/me/app:1.0\n    \
         # after\n\n\n# end\n",
    );
    add(
        "anchor and alias of a scalar",
        "services:\n  a:\n    image: &img ghcr.io/me/app:1.0{+}\n  b:\n    image: *img\n  c: {image: *img }\n",
    );
    add(
        "merge key",
        "x-app: &app\n  image: ghcr.io/me/app:1.0{+}\n  restart: always\nservices:\n  a:\n    <<: *app\n  b:\n    <<: [*app]\n    \
         user: x\n  c:\n    <<: *app\n    image: postgres:16\n",
    );
    add(
        "alias of a service",
        "services:\n  a: &a\n    image: ghcr.io/me/app:1.0{+}\n  b: *a\n",
    );
    add(
        "tag of a string",
        "services:\n  web:\n    image: !!str ghcr.io/me/app:1.0{+}\n",
    );
    add(
        "tag, anchor and quotes",
        "services:\n  web:\n    image: !!str &i \"ghcr.io/me/app:1.0{+}\"\n",
    );
    add(
        "block scalars beside it",
        "services:\n  web:\n    command: |\n      run --image ghcr.io/me/app:1.0\n      image: ghcr.io/me/app:1.0\n    \
         labels:\n      note: >-\n        image: ghcr.io/me/app:1.0\n\n        folded\n    image: ghcr.io/me/app:1.0{+}\n",
    );
    add(
        "non-ascii",
        "services:\n  b\u{fc}ro-\u{1f680}:\n    labels: {\"\u{20ac}\": \u{e4}}\n    image: ghcr.io/me/app:1.0{+} # \u{2192} \u{65e5}\u{672c}\n",
    );
    add(
        "document markers",
        "---\nservices:\n  web:\n    image: ghcr.io/me/app:1.0{+}\n...\n",
    );
    add(
        "version directive",
        "%YAML 1.1\n---\nservices:\n  web:\n    image: ghcr.io/me/app:1.0{+}\n",
    );
    add(
        "comment before the marker",
        "# a\n--- # b\nservices:\n  web: {image: ghcr.io/me/app:1.0{+}}\n... # c\n",
    );
    add(
        "value on the next line",
        "services:\n  web:\n    image:\n      ghcr.io/me/app:1.0{+}\n    user: a\n",
    );
    add(
        "explicit keys",
        "? services\n: ? web\n  : ? image\n    : ghcr.io/me/app:1.0{+}\n",
    );
    add(
        "escapes in quotes",
        "services:\n  web:\n    labels: [\"\\u00e9\\t\\\"ghcr.io/me/app:1.0\"]\n    image: \"ghcr.io/me/app:1.0{+}\"\n",
    );
    add(
        "odd indentation",
        "services:\n         web:\n          image: ghcr.io/me/app:1.0{+}\n",
    );
    add(
        "old digest",
        "services:\n  a: {image: 'ghcr.io/me/app:1.0@{OLD}'}\n  b:\n    image: ghcr.io/me/app@{OLD}\n",
    );
    add(
        "image mount",
        "services:\n  web:\n    image: postgres\n    volumes:\n    - type: image\n      source: ghcr.io/me/app:1.0{+}\n      \
         target: /x\n    - ghcr.io/me/app:1.0\n",
    );
    add(
        "long line",
        &format!(
            "services:\n  web:\n    labels: {{a: {}}}\n    image: ghcr.io/me/app:1.0{{+}}\n",
            "x".repeat(100_000)
        ),
    );
    add(
        "long comment",
        &format!(
            "services:\n  web:\n    image: ghcr.io/me/app:1.0{{+}} # {}\n",
            "x".repeat(100_000)
        ),
    );
    add(
        "other names",
        "services:\n  a: {image: ghcr.io/me/app-2:1.0}\n  b: {image: ghcr.io/me/app:1.0{+}}\n  c: {image: me/app:1.0}\n  d: {image: 12}\n  e: {image: }\n",
    );
}

fn other_files(add: &mut impl FnMut(&'static str, &str)) {
    add("deployment", DEPLOYMENT);
    add("deployment with crlf", &DEPLOYMENT.replace('\n', "\r\n"));
    add(
        "several documents",
        &format!("{DEPLOYMENT}---\n# nothing\n---\n{DEPLOYMENT}...\n---\napiVersion: v1\nkind: Service\nspec: {{}}\n"),
    );
    add("very many documents", &format!("{DEPLOYMENT}---\n").repeat(300));
    add(
        "list",
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec:\n    containers:\n    - image: ghcr.io/me/app:1.0{+}\n- \
         apiVersion: v1\n  kind: ConfigMap\n  data:\n    image: ghcr.io/me/app:1.0\n    pod.yaml: |\n      image: ghcr.io/me/app:1.0\n",
    );
    let depth = 60;
    let nested: String = (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let indent = " ".repeat(depth);
    add(
        "deep nesting",
        &format!(
            "apiVersion: x/v1\nkind: Deep\nspec:\n{}{indent}  image: ghcr.io/me/app:1.0{{+}}\n",
            nested.replace("a:", " a:")
        ),
    );
    add(
        "kustomization with a digest",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nimages:\n- name: app\n  newName: ghcr.io/me/app # c\n  digest: {OLD} # d\n- name: postgres\n  newTag: \"16\"\n",
    );
    add(
        "values with a digest",
        "image:\n  registry: ghcr.io\n  repository: me/app\n  tag: \"1.0\" # t\n  digest: \"{OLD}\" # d\n",
    );
    add(
        "values without a digest",
        "image: &image\n  repository: ghcr.io/me/app\n  tag: 1.0{+} # t\nother: {repository: postgres, tag: '1.0'}\nthird: *image\n",
    );
    add(
        "values with a whole reference",
        "worker:\n  image: ghcr.io/me/app:1.0{+}\n  replicas: 2\n",
    );
}

/// Returns files that are YAML 1.2, and that PyYAML refuses.
fn beyond_yaml11() -> Vec<(&'static str, String)> {
    vec![
        (
            "tab before a comment",
            "services:\n  web:\n    image: ghcr.io/me/app:1.0{+}\t# x\n    user: a\t\n".to_owned(),
        ),
        (
            "blanks after the value",
            "services:\n  web:\n    image: ghcr.io/me/app:1.0{+}  \t \n    user: a\n".to_owned(),
        ),
        (
            "line separator in a comment",
            "services:\n  web:\n    image: ghcr.io/me/app:1.0{+} # a \u{2028} b\n".to_owned(),
        ),
        (
            "byte-order mark of a second document",
            "services: {web: {image: ghcr.io/me/app:1.0{+}}}\n...\n\u{feff}---\nservices: {}\n".to_owned(),
        ),
    ]
}

/// Files that are refused, and a part of the reason. They stay as they are.
pub fn refused() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let service = |image: &str| format!("services:\n  web:\n    image: {image}\n").into_bytes();
    let laughs = || {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text += &format!("a{level}: &a{level} [{before}]\n");
        }
        text.into_bytes()
    };
    let utf16 = |text: &str| {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
    };
    vec![
        (
            "variable in the tag",
            service("ghcr.io/me/app:${TAG}"),
            "it may be ghcr.io/me/app",
        ),
        (
            "variable with a default",
            service("ghcr.io/me/app:${TAG:-1.0}"),
            "--override FILE",
        ),
        ("variable alone", service("$IMAGE"), "it may be ghcr.io/me/app"),
        ("template", service("\"{{ .Values.image }}\""), "it is a template"),
        (
            "template without quotes",
            service("{{ .Values.image }}"),
            "this is a template",
        ),
        (
            "template that is not YAML",
            b"{{- if .x }}\nimage: ghcr.io/me/app:1.0\n{{- end }}\n".to_vec(),
            "pin the file that its values come from",
        ),
        (
            "literal block",
            service("|-\n      ghcr.io/me/app:1.0"),
            "written as a block",
        ),
        (
            "literal block with its line break",
            service("|\n      ghcr.io/me/app:1.0"),
            "written as a block",
        ),
        (
            "folded block",
            service(">-\n      ghcr.io/me/app:1.0"),
            "written as a block",
        ),
        ("list", service("[ghcr.io/me/app:1.0]"), "found a list or a mapping"),
        ("tag of another type", service("!file ghcr.io/me/app:1.0"), "not !!str"),
        ("other tag", service("ghcr.io/me/app:2.0"), "has the tag 2.0"),
        ("invalid digest", service("ghcr.io/me/app@sha256:ab"), "is not a digest"),
        (
            "duplicate keys",
            b"services:\n  web:\n    image: ghcr.io/me/app:1.0\n    image: postgres\n".to_vec(),
            "the key \"image\" occurs twice",
        ),
        (
            "alias elsewhere",
            b"services:\n  web:\n    image: &i ghcr.io/me/app:1.0\n    labels: {image: *i}\n".to_vec(),
            "used for something else",
        ),
        (
            "shared tag of values",
            b"a: {repository: ghcr.io/me/app, tag: &t 1.0}\nb: {repository: postgres, tag: *t}\n".to_vec(),
            "used for something else",
        ),
        (
            "merged tag of values",
            b"a: &a {repository: ghcr.io/me/app, tag: 1.0}\nb: {<<: *a, repository: postgres}\n".to_vec(),
            "another image has this value",
        ),
        (
            "values without tag and digest",
            b"image:\n  repository: ghcr.io/me/app\n".to_vec(),
            "neither `tag` nor `digest`",
        ),
        (
            "values with a tag beside",
            b"image: ghcr.io/me/app\ntag: '1.0'\n".to_vec(),
            "the chart may append",
        ),
        ("nesting bomb", "[".repeat(100_000).into_bytes(), "nested more than"),
        (
            "nesting bomb of blocks",
            "- ".repeat(100_000).into_bytes(),
            "nested more than",
        ),
        ("alias bomb", laughs(), "aliases make more than"),
        (
            "alias of itself",
            b"services: &s\n  web: *s\n".to_vec(),
            "inside of the value",
        ),
        ("unknown alias", service("*nope"), "invalid YAML"),
        ("nul", service("\"ghcr.io/me/app:1.0\0\""), "invalid YAML"),
        (
            "invalid UTF-8",
            service("ghcr.io/me/app:1.0").into_iter().chain([b'#', 0xff]).collect(),
            "is not UTF-8",
        ),
        (
            "UTF-16",
            utf16("services:\n  web:\n    image: ghcr.io/me/app:1.0\n"),
            "is UTF-16",
        ),
        (
            "huge scalar",
            service(&"x".repeat(17 * 1024 * 1024)),
            "more than 16777216 bytes",
        ),
        (
            "many values",
            "- x\n".repeat(600_000).into_bytes(),
            "more than 500000 values",
        ),
        ("empty", Vec::new(), "names no image"),
        ("only a comment", b"# nothing\n".to_vec(), "names no image"),
        ("text", b"hello\n".to_vec(), "names no image"),
        ("others alone", service("postgres:16"), "it names postgres:16 (line 3)"),
    ]
}
