//! Lists the files of an image, and prints one of them:
//!
//! ```sh
//! cargo run --example read -- docker.io/library/debian:12-slim /etc/os-release
//! ```

use ocitect::Registry;

#[tokio::main]
async fn main() -> Result<(), ocitect::Error> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().expect("usage: read IMAGE [PATH]");
    let registry = Registry::from_env()?;
    let image = registry.pull(&name, &"linux/amd64".parse()?).await?;
    if let Some(path) = arguments.next() {
        print!("{}", String::from_utf8_lossy(&image.read_file(&path).await?));
        return Ok(());
    }
    for (path, node) in image.files().await?.nodes() {
        println!("{:o} {}:{} {path}", node.mode, node.uid, node.gid);
    }
    Ok(())
}
