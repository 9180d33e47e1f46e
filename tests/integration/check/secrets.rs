//! Secrets in images on a base: the layers of the base are not scanned, and the report says so.

use crate::support::{Sandbox, part};

#[test]
fn what_is_not_scanned_is_said() {
    let sandbox = Sandbox::new();
    sandbox.write("files/readme", "nothing to see\n");
    sandbox.spec(&format!(
        "[image]\nbase = \"oci:{}\"\nplatforms = [\"linux/amd64\"]\n[[layers]]\nname = \"app\"\n\
         files = [{{ from = \"files/\", to = \"/app\" }}]\n",
        part("BASE")
    ));
    sandbox.ok(&["build", "-o", "oci:out:1"]);
    let outcome = sandbox.run(&["check", "oci:out:1"]);
    assert!(outcome.stderr.contains(" base image layer"), "{}", outcome.stderr);
}
