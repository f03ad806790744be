//! The gateway as a program: a thin shell around the library.

use std::{
    io::{ErrorKind, Write},
    path::Path,
    process::ExitCode,
};

use campanile_gateway::{
    Gateway, Server,
    config::{self, Config, LoadError, Loaded, LogConfig},
    quickstart, watch,
};

use crate::cli::{Command, Options, exit};

mod cli;
mod logging;
mod signals;
mod summary;

// Gives memory back to the system after a burst, by a thread of its own; and a call takes less time than by the system's.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Why it ends before it should: what is said, and the exit code.
struct Failed(u8, String);

fn main() -> ExitCode {
    let options = Options::read();
    let done = match &options.command {
        Some(Command::Schema) => schema(),
        Some(Command::Check {
            file,
            without_secrets,
        }) => check(
            file.as_deref().or(options.config.as_deref()),
            *without_secrets,
        ),
        None => run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(code, message)) => {
            let _ = writeln!(std::io::stderr(), "{message}");
            ExitCode::from(code)
        }
    }
}

/// Says something to who asked. Who has heard enough may have gone: `... | head`.
fn say(text: &str) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let message = format!("what is to be said cannot be written: {error}");
            Err(Failed(exit::SETTINGS, message))
        }
        _ => Ok(()),
    }
}

fn schema() -> Result<(), Failed> {
    let schema = serde_json::to_string_pretty(&config::schema());
    say(&schema.map_err(|error| Failed(exit::SETTINGS, error.to_string()))?)
}

fn check(file: Option<&Path>, without_secrets: bool) -> Result<(), Failed> {
    let Some(file) = file else {
        let message = "which file? `campanile-gateway check FILE`";
        return Err(Failed(exit::USAGE, message.to_owned()));
    };
    let loaded = match without_secrets {
        true => config::read_without_secrets(file).map_err(wrong),
        false => read(file),
    }?;
    let mut lines = vec![format!("{}\n", summary::Summary(&loaded.config))];
    for changed in &loaded.overrides {
        lines.push(format!(
            "{} sets {} to {}",
            changed.variable, changed.setting, changed.value
        ));
    }
    for warning in &loaded.warnings {
        lines.push(format!("warning: {warning}"));
    }
    build(file, loaded.config)?;
    let warned = match loaded.warnings.len() {
        0 => String::new(),
        1 => ", with a warning".to_owned(),
        count => format!(", with {count} warnings"),
    };
    let left_out = match without_secrets {
        true => "; secrets in files and in the environment were left out",
        false => "",
    };
    lines.push(format!("{} is well{warned}{left_out}", file.display()));
    say(&lines.join("\n"))
}

/// Builds what a start builds, and lets it go: what a start would refuse is wrong.
fn build(file: &Path, config: Config) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed(exit::SETTINGS, format!("no runtime: {error}")))?;
    // Its tasks never run: nobody is asked anything.
    let _within = runtime.enter();
    match Gateway::new(config) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failed(
            exit::SETTINGS,
            format!("{}: {error}", file.display()),
        )),
    }
}

fn wrong(error: LoadError) -> Failed {
    Failed(exit::SETTINGS, error.to_string())
}

fn read(file: &Path) -> Result<Loaded, Failed> {
    config::read(file).map_err(wrong)
}

fn run(options: &Options) -> Result<(), Failed> {
    let runtime = campanile_gateway::runtime()
        .map_err(|error| Failed(exit::LISTEN, format!("no runtime: {error}")))?;
    raise_open_files();
    let listen = match &options.listen {
        Some(text) => {
            let message = || {
                let rule = "it must be an address with a port, such as 127.0.0.1:8080, or a port";
                Failed(exit::USAGE, format!("--listen is {text:?}: {rule}"))
            };
            Some(config::address(text).ok_or_else(message)?)
        }
        None => None,
    };
    runtime.block_on(async {
        match &options.config {
            Some(file) => serve(file, listen, options).await,
            None => try_out(listen, options).await,
        }
    })
}

/// Has the system allow as many open files as it may: each connection is one, and each call of a provider.
fn raise_open_files() {
    #[cfg(unix)]
    if let Ok((_, most)) = rlimit::Resource::NOFILE.get() {
        // What is not allowed stays as it was: connections beyond it wait until they can be accepted.
        let _ = rlimit::increase_nofile_limit(most);
    }
}

/// Begins the log as the settings, the environment and the command line say.
fn log(config: &LogConfig, overridden: bool, options: &Options) -> Result<(), Failed> {
    let mut config = config.clone();
    if let Some(format) = options.log_format {
        config.format = format.into();
    }
    let own = overridden.then_some(config.filter.clone());
    let asked = options.log.as_deref().or(own.as_deref());
    logging::begin(&config, asked).map_err(|message| Failed(exit::USAGE, message))
}

/// Serves by a file.
async fn serve(
    file: &Path,
    listen: Option<std::net::SocketAddr>,
    options: &Options,
) -> Result<(), Failed> {
    let Loaded {
        config,
        warnings,
        overrides,
        digest,
        ..
    } = read(file)?;
    let mut set = overrides.iter();
    log(
        &config.log,
        set.any(|set| set.setting == "log.filter"),
        options,
    )?;
    for set in &overrides {
        tracing::info!(variable = set.variable, setting = set.setting, value = %set.value, "the environment comes before the file");
    }
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let wanted = listen.unwrap_or(config.listen);
    let gateway = Gateway::new(config)
        .map_err(|error| Failed(exit::SETTINGS, format!("{}: {error}", file.display())))?
        .with_warnings(warnings)
        .with_file(file)
        .with_digest(digest);
    let server = Server::bind_at(gateway.clone(), wanted)
        .await
        .map_err(|error| Failed(exit::LISTEN, format!("cannot listen at {error}")))?;
    let address = server
        .address()
        .map_err(|error| Failed(exit::LISTEN, error.to_string()))?;
    let operators = server
        .operators_address()
        .map_err(|error| Failed(exit::LISTEN, error.to_string()))?;
    say(&format!("http://{address}"))?;
    tracing::info!(%address, file = %file.display(), "listening");
    if let Some(address) = operators {
        tracing::info!(%address, "listening to operators");
    }
    let following = tokio::spawn(watch::follow(gateway, file.to_owned()));
    let served = until_stopped(server).await;
    following.abort();
    served
}

/// Serves without a file, for trying it out.
async fn try_out(listen: Option<std::net::SocketAddr>, options: &Options) -> Result<(), Failed> {
    log(&LogConfig::default(), false, options)?;
    tokio::spawn(signals::ignore_hangups());
    let started = quickstart::start(listen).await.map_err(|error| {
        let code = match error {
            quickstart::StartError::Listen { .. } => exit::LISTEN,
            _ => exit::SETTINGS,
        };
        Failed(code, error.to_string())
    })?;
    say(&started.banner.to_string())?;
    until_stopped(started.server).await
}

async fn until_stopped(server: Server) -> Result<(), Failed> {
    let stopped = server
        .run(signals::stop())
        .await
        .map_err(|error| Failed(exit::LISTEN, error.to_string()))?;
    tracing::info!(finished = stopped.finished, cut = stopped.cut, "stopped");
    Ok(())
}
