//! Layers of other tools: attributes of their machines, archives without an end marker, other families of media types,
//! and layers that no image can be built on.

use std::fs;

use tar::{Builder, EntryType, Header};

use crate::bases::container::{Container, on, sha256, write_layout};
use crate::support::{Sandbox, part, tool};

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
const APP: &str = "[[layers]]\nname = \"app\"\nfiles = [{ from = \"note\", to = \"/data/note\" }]\n";

/// Appends an entry, with its extended header records.
fn append(tar: &mut Builder<Vec<u8>>, kind: EntryType, name: &str, data: &[u8], records: &[(&str, &[u8])]) {
    tar.append_pax_extensions(records.iter().copied()).unwrap();
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(data.len() as u64);
    tar.append_data(&mut header, name, data).unwrap();
}

/// Returns a sandbox with a base of these layers, each a media type and a stored tar, and a spec on it.
fn sandbox(layers: &[(&str, Vec<u8>)]) -> Sandbox {
    let sandbox = Sandbox::new();
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|(_, tar)| format!("sha256:{}", sha256(tar)))
        .collect();
    write_layout(&sandbox.path("base"), layers, &diff_ids);
    sandbox
        .write("note", "note\n")
        .spec(&on("oci:base", APP).replace(", \"linux/arm64\"", ""));
    sandbox
}

fn tar_of(names: &[&str]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for name in names {
        append(&mut tar, EntryType::Regular, name, b"old\n", &[]);
    }
    tar.into_inner().unwrap()
}

/// Returns the records of each entry of the last layer, as Python reads them.
fn last_layer(sandbox: &Sandbox) -> String {
    let layout = sandbox.layout("build/oci");
    let manifest = layout.manifest("latest", "linux/amd64");
    let layer = layout.layer_path(&manifest, manifest["layers"].as_array().unwrap().len() - 1);
    let script = "import sys, tarfile; print([(e.name, sorted(e.pax_headers)) for e in tarfile.open(sys.argv[1])])";
    tool("python3", &["-c", script, layer.to_str().unwrap()])
}

#[test]
fn attributes_of_a_storage_driver_do_not_hide_what_the_base_has() {
    let mut tar = Builder::new(Vec::new());
    append(&mut tar, EntryType::Directory, "usr/", b"", &[]);
    append(&mut tar, EntryType::Directory, "usr/bin/", b"", &[]);
    append(
        &mut tar,
        EntryType::Regular,
        "usr/bin/busybox",
        &fs::read(part("BUSYBOX_AMD64")).unwrap(),
        &[],
    );
    let records: [(&str, &[u8]); 9] = [
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.fuseoverlayfs.opaque", b"y"),
        ("SCHILY.xattr.user.containers.override_stat", b"0:0:0755"),
        ("SCHILY.xattr.security.selinux", b"system_u:object_r:x_t:s0\0"),
        ("SCHILY.xattr.security.ima", b"\x01\x02"),
        ("SCHILY.xattr.system.nfs4_acl", b"x"),
        ("SCHILY.xattr.trusted.other", b"x"),
        ("SCHILY.xattr.user.note", b"kept"),
    ];
    append(&mut tar, EntryType::Directory, "data/", b"", &records);
    append(&mut tar, EntryType::Regular, "data/old", b"old\n", &[]);
    let sandbox = sandbox(&[(PLAIN, tar.into_inner().unwrap())]);
    sandbox.ok(&["build"]);
    assert_eq!(
        last_layer(&sandbox),
        "[('data', ['SCHILY.xattr.user.note']), ('data/note', [])]\n"
    );
    let container = Container::build(&sandbox);
    assert_eq!(container.find("/data"), ["/data", "/data/note", "/data/old"]);
}

#[test]
fn attributes_of_the_machine_are_not_packed_from_the_disk() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/inside", "x\n");
    let tree = sandbox.path("tree");
    for name in [
        "trusted.overlay.opaque",
        "user.overlay.opaque",
        "user.containers.override_stat",
        "user.note",
    ] {
        tool(
            "setfattr",
            &["-n", name, "-v", "y", tree.join("inside").to_str().unwrap()],
        );
    }
    let spec = |xattrs: &str| {
        sandbox.spec(&format!(
            "[image]\nplatforms = [\"linux/amd64\"]\n[[layers]]\nname = \"a\"\n\
             files = [{{ from = \"tree\", to = \"/tree\", xattrs = [\"{xattrs}\"] }}]\n"
        ));
    };
    for xattrs in ["*", "user.*"] {
        spec(xattrs);
        sandbox.ok(&["build"]);
        assert_eq!(
            last_layer(&sandbox),
            "[('tree', []), ('tree/inside', ['SCHILY.xattr.user.note'])]\n"
        );
    }
    for (xattrs, owner) in [
        ("trusted.overlay.opaque", "a storage driver"),
        ("user.overlay.*", "a storage driver"),
        ("security.selinux", "a security module"),
        ("system.posix_acl_access", "access control lists"),
    ] {
        spec(xattrs);
        sandbox
            .run(&["build"])
            .expect(2)
            .says(&[xattrs, owner, "is never packed", "help: remove it"]);
    }
}

#[test]
fn a_layer_without_an_end_marker_and_one_without_bytes_are_built_on() {
    let whole = tar_of(&["data/old"]);
    let bare = whole[..whole.len() - 1024].to_vec();
    let sandbox = sandbox(&[(PLAIN, bare), (PLAIN, Vec::new()), (PLAIN, tar_of(&["data/older"]))]);
    sandbox.ok(&["build"]);
    let listed = sandbox.ok(&["ls", "oci:build/oci", "/data"]).stdout;
    assert!(
        ["/data/note", "/data/old", "/data/older"]
            .iter()
            .all(|path| listed.contains(path)),
        "{listed}"
    );
    // Two independent readers.
    let target = sandbox.path("unpacked");
    let image = format!("{}:latest", sandbox.path("build/oci").display());
    tool(
        "umoci",
        &["unpack", "--rootless", "--image", &image, target.to_str().unwrap()],
    );
    assert_eq!(fs::read_to_string(target.join("rootfs/data/old")).unwrap(), "old\n");
    let copy = format!("dir:{}", sandbox.path("copy").display());
    tool("skopeo", &["copy", "-q", &format!("oci:{image}"), &copy]);
}

#[test]
fn a_layer_that_is_cut_short_inside_of_a_file_is_refused() {
    let whole = tar_of(&["data/old"]);
    let sandbox = sandbox(&[(PLAIN, whole[..514].to_vec())]);
    sandbox
        .run(&["build"])
        .expect(2)
        .says(&["the tar stream is truncated after 514 bytes"]);
}

#[test]
fn layers_of_dockers_other_types_take_ocis_names() {
    let diff = "application/vnd.docker.image.rootfs.diff.tar";
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar";
    let sandbox = sandbox(&[(diff, tar_of(&["data/old"])), (foreign, tar_of(&["data/older"]))]);
    sandbox.ok(&["build"]).says(&["warning: ", "is foreign"]);
    let manifest = sandbox.layout("build/oci").manifest("latest", "linux/amd64");
    let types: Vec<_> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["mediaType"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [PLAIN, "application/vnd.oci.image.layer.nondistributable.v1.tar", GZIP]
    );
}

#[test]
fn what_no_image_can_be_built_on_is_named() {
    let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let tar = tar_of(&["data/old"]);
    let digest = format!("sha256:{}", sha256(&tar));
    let unknown = sandbox(&[(encrypted, tar.clone())]);
    unknown
        .run(&["build"])
        .expect(2)
        .says(&[encrypted, &digest, "help: ", "decrypt"]);
    unknown.ok(&["copy", "oci:base", "oci:copy"]);

    let mut sparse = Builder::new(Vec::new());
    append(
        &mut sparse,
        EntryType::Regular,
        "data/holes",
        b"x",
        &[("GNU.sparse.major", b"1")],
    );
    let sparse = sandbox(&[(PLAIN, sparse.into_inner().unwrap())]);
    sparse
        .run(&["build"])
        .expect(2)
        .says(&["data/holes", "is a sparse file", "help: "]);

    // Older PAX: the map is in the headers, and other readers see another name.
    let mut known = Builder::new(Vec::new());
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.name", b"data/holes"),
        ("GNU.sparse.map", b"4096,1"),
        ("GNU.sparse.numblocks", b"1"),
        ("GNU.sparse.size", b"9000"),
    ];
    append(
        &mut known,
        EntryType::Regular,
        "data/GNUSparseFile.1/holes",
        b"x",
        &records,
    );
    let known = sandbox(&[(PLAIN, known.into_inner().unwrap())]);
    known.ok(&["build"]);
    let listed = known.ok(&["ls", "oci:build/oci"]).stdout;
    assert!(listed.contains(" 9000 /data/holes\n"), "{listed}");

    let mut dangling = Builder::new(Vec::new());
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Link);
    header.set_size(0);
    dangling.append_link(&mut header, "data/link", "data/nothing").unwrap();
    let dangling = sandbox(&[(PLAIN, dangling.into_inner().unwrap())]);
    dangling
        .run(&["build"])
        .expect(2)
        .says(&["/data/link", "/data/nothing", "not a file of the image", "help: "]);
}

#[test]
fn links_as_blobs_are_found_before_anything_is_planned() {
    let tar = tar_of(&["data/old"]);
    let layer = sha256(&tar);
    let sandbox = sandbox(&[(PLAIN, tar)]);
    // The facts of the base are known, so that no layer is read while planning.
    sandbox.ok(&["build", "--print-plan"]);
    let blob = sandbox.path("base/blobs/sha256").join(&layer);
    fs::rename(&blob, sandbox.path("blob")).unwrap();
    std::os::unix::fs::symlink(sandbox.path("blob"), &blob).unwrap();
    let words = ["is a symbolic link", &layer, "help: copy the layout", "cp -rL"];
    sandbox.run(&["build", "--print-plan"]).expect(2).says(&words);
    sandbox.run(&["copy", "oci:base", "oci:copy"]).expect(2).says(&words);
    tool(
        "cp",
        &[
            "-rL",
            sandbox.path("base").to_str().unwrap(),
            sandbox.path("real").to_str().unwrap(),
        ],
    );
    fs::rename(sandbox.path("base"), sandbox.path("linked")).unwrap();
    fs::rename(sandbox.path("real"), sandbox.path("base")).unwrap();
    sandbox.ok(&["build"]);
}

#[test]
fn images_for_windows_are_refused_by_name_and_copied_as_they_are() {
    let sandbox = sandbox(&[(PLAIN, tar_of(&["Files/old"]))]);
    let spec = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write(
        "ocitect.toml",
        spec.replace("linux/amd64", "windows/amd64")
            .replace("oci:base", "scratch"),
    );
    let words = [
        "windows/amd64",
        "Windows layers are not supported",
        "help: remove it from `platforms`",
    ];
    sandbox.run(&["build"]).expect(2).says(&words);

    // Like Windows images: the version of the system is in the index and in the config.
    let layout = sandbox.path("base");
    let blobs = layout.join("blobs/sha256");
    let mut index = sandbox.json("base/index.json");
    let manifest = index["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(blobs.join(manifest)).unwrap()).unwrap();
    let config = manifest["config"]["digest"].as_str().unwrap().replace("sha256:", "");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(blobs.join(config)).unwrap()).unwrap();
    config["os"] = "windows".into();
    config["os.version"] = "10.0.20348.1".into();
    let write = |value: &serde_json::Value| {
        let bytes = value.to_string();
        fs::write(blobs.join(sha256(bytes.as_bytes())), &bytes).unwrap();
        (format!("sha256:{}", sha256(bytes.as_bytes())), bytes.len())
    };
    let (digest, size) = write(&config);
    manifest["config"]["digest"] = digest.into();
    manifest["config"]["size"] = size.into();
    let (digest, size) = write(&manifest);
    index["manifests"][0]["digest"] = digest.into();
    index["manifests"][0]["size"] = size.into();
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    sandbox.write("ocitect.toml", spec.replace("linux/amd64", "windows/amd64"));
    sandbox.run(&["build"]).expect(2).says(&words);
    sandbox.run(&["lock"]).expect(2).says(&words);
    assert!(
        sandbox.ok(&["inspect", "oci:base"]).stdout.contains("windows"),
        "on read"
    );
    sandbox.ok(&["copy", "oci:base", "oci:copy"]);
}
