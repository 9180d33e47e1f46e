//! Processors that this build's cryptography does not support: only TLS checks their features.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::registries::images::small_image;
use crate::support::{Outcome, Sandbox, part};

/// Runs the binary on a Haswell, which has no ADX.
fn on_old_processor(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    on_processor("Haswell", sandbox, arguments)
}

/// Runs the binary on a processor that qemu emulates.
fn on_processor(model: &str, sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    let own = sandbox.command(arguments);
    let mut command = Command::new("qemu-x86_64-static");
    command
        .args(["-cpu", model])
        .arg(own.get_program())
        .args(own.get_args())
        .env_clear();
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(sandbox.root()).stdin(Stdio::null());
    Outcome::of(command)
}

#[test]
fn plain_http_and_local_commands_work_there() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    on_old_processor(&sandbox, &["inspect", "oci:image"]).expect(0);
    let open = part("REGISTRY_OPEN");
    let reference = format!("{open}/old/plain:1");
    let push = ["push", "oci:image", &reference, "--plain-http", &open];
    assert_eq!(on_old_processor(&sandbox, &push).expect(0).digest(), digest);
    // Local registries are tried without TLS if TLS is not available.
    on_old_processor(&sandbox, &["inspect", &reference]).expect(0);
}

#[test]
fn tls_fails_there_with_the_name_of_the_other_binary() {
    let sandbox = Sandbox::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let reference = format!("registry.invalid:{port}/x:1");
    let archive = concat!(
        "ocitect-x86_64-unknown-linux-musl-ring-v",
        env!("CARGO_PKG_VERSION"),
        ".tgz"
    );
    // A Haswell of 2013, a Sandy Bridge of 2011, and what virtual machines have if they show no other.
    for (model, missing) in [("Haswell", "adx"), ("SandyBridge", "bmi1"), ("qemu64", "aes")] {
        let failed = on_processor(model, &sandbox, &["inspect", &reference]).expect(2);
        failed.says(&[
            &format!("this processor does not support {missing}"),
            "help: use the binary of the release",
            archive,
            "cargo install --locked --no-default-features --features ring ocitect",
        ]);
    }
}
