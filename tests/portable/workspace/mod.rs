//! Workspaces: many images of one repository, built, checked and pushed together.

mod building;
mod changed;
mod failing;
mod locking;
mod merging;
mod merging_changes;
mod mistakes;
mod pushing;
mod racing;
mod refusing;
mod schema;
mod selecting;

use crate::support::Sandbox;

/// Writes a workspace of a base, two agents on it, and three servers on it that one spec describes. `host` is their
/// registry.
pub fn write_stack(sandbox: &Sandbox, host: &str) {
    sandbox.spec(
        "[workspace]\nmembers = [\"base\", \"agents/*\", \"servers.toml\"]\n[workspace.vars]\nversion = \"1.0\"\n\
         [defaults.image]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\ntags = [\"${version}\"]\ncompression = \"none\"\n\
         [defaults.config]\nuser = \"app\"\n",
    );
    sandbox.write(
        "base/ocitect.toml",
        format!(
            "format = 1\n[image]\nname = \"{host}/ws/base\"\n[[users]]\nname = \"app\"\nuid = 10001\n\
             [[layers]]\nname = \"common\"\nfiles = [{{ from = \"common.txt\", to = \"/opt/common.txt\" }}]\n"
        ),
    );
    sandbox.write("base/common.txt", "what all images share\n");
    for agent in ["planner", "writer"] {
        sandbox.write(
            &format!("agents/{agent}/ocitect.toml"),
            format!(
                "format = 1\n[image]\nname = \"{host}/ws/{agent}\"\nbase = \"workspace:base\"\n\
                 [[layers]]\nname = \"app\"\nfiles = [{{ from = \"notes\", to = \"/app/notes\" }}]\n"
            ),
        );
        sandbox.write(&format!("agents/{agent}/notes"), format!("of the {agent}\n"));
    }
    sandbox.write(
        "servers.toml",
        format!(
            "format = 1\n[matrix]\nserver = [\"auth\", \"billing\", {{ server = \"mail\", port = \"25\" }}]\n\
             [vars]\nport = \"80\"\n[image]\nname = \"{host}/ws/${{server}}\"\nbase = \"workspace:base\"\n\
             [[layers]]\nname = \"shared\"\nfiles = [{{ from = \"shared.txt\", to = \"/srv/shared.txt\" }}]\n\
             [config]\nports = [\"${{port}}\"]\nenv = {{ SERVER = \"${{server}}\" }}\n"
        ),
    );
    sandbox.write("shared.txt", "of all servers\n");
}

/// The members, in the order in which they are built and printed.
pub const MEMBERS: [&str; 6] = ["base", "planner", "auth", "billing", "mail", "writer"];
