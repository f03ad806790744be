//! The gateway as a program.

use std::path::PathBuf;

use campanile::BoxError;
use campanile_gateway::{Gateway, Server, config};
use clap::Parser;

/// A gateway for language models.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The file with the settings.
    #[arg(long)]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let options = Options::parse();
    let loaded = config::read(&options.config)?;
    let server = Server::bind(Gateway::new(loaded.config)?).await?;
    println!("http://{}", server.address()?);
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    server.run(stop).await?;
    Ok(())
}
