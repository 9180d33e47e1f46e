//! Copies an image with all of its platforms, for example into an archive to carry away, and checks the copy:
//!
//! ```sh
//! cargo run --example copy -- ghcr.io/me/app:1.0 oci-archive:app.tar
//! ```

use ocitect::Registry;

#[tokio::main]
async fn main() -> Result<(), ocitect::Error> {
    let mut arguments = std::env::args().skip(1);
    let source = arguments.next().expect("usage: copy SOURCE TARGET");
    let target = arguments.next().expect("usage: copy SOURCE TARGET");
    let registry = Registry::from_env()?;
    println!("{}", registry.copy(&source, &target).await?);
    for image in registry.check(&target).await?.images {
        for finding in image.findings {
            println!("{}: {}", finding.platform, finding.message);
        }
    }
    Ok(())
}
