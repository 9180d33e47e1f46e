//! Appends a directory to a base image, sets the entrypoint, and pushes the result:
//!
//! ```sh
//! cargo run --example append -- docker.io/library/debian:12-slim dist registry.example.com/me/app:1.0
//! ```

use ocitect::{Config, Layer, Registry};

#[tokio::main]
async fn main() -> Result<(), ocitect::Error> {
    let [base, directory, target] = arguments();
    let registry = Registry::from_env()?;
    let base = registry.pull(&base, &"linux/amd64".parse()?).await?;
    let image = base
        .append(Layer::from_dir(directory, "/app").named("app"))
        .with_config(Config::new().entrypoint(["/app/run"]));
    println!("{}", registry.push(&image, &target).await?);
    Ok(())
}

fn arguments<const N: usize>() -> [String; N] {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.try_into().expect("usage: append BASE DIRECTORY TARGET")
}
