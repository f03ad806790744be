//! The command line.

use std::path::PathBuf;

use campanile_gateway::config::{LogFormat, OVERRIDES};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// A gateway for language models: one address for many providers; balanced, guarded, accounted.
///
/// Callers keep the SDKs that they have, OpenAI's or Anthropic's, and change only the base URL. Without a file it starts with
/// simulated processors, and with the servers of models that it finds on this machine.
#[derive(Debug, Parser)]
#[command(name = "campanile-gateway", version, max_term_width = 100)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The file with the settings. It is read again whenever it changes.
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "CAMPANILE_CONFIG",
        global = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen: an address with a port, or a port alone. It comes before what the file says.
    #[arg(short, long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// What to log: `info`, `warn,campanile_gateway=debug`. It comes before `RUST_LOG` and the file.
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How lines of the log are written.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) log_format: Option<Format>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks a file without starting, and tells what it means.
    Check {
        /// The file; that of `--config` if there is none here.
        file: Option<PathBuf>,
        /// Leaves out secrets that are in files and in the environment: for who may not read them.
        #[arg(long)]
        without_secrets: bool,
    },
    /// Prints the JSON Schema of the file, for editors.
    Schema,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One object of JSON a line.
    Json,
}

/// What the process says by its exit code.
pub(crate) mod exit {
    /// The settings are wrong.
    pub(crate) const SETTINGS: u8 = 1;
    /// The command line is wrong. That clap says by itself, too.
    pub(crate) const USAGE: u8 = 2;
    /// The address cannot be listened at.
    pub(crate) const LISTEN: u8 = 3;
    /// It was told twice to stop.
    pub(crate) const AT_ONCE: u8 = 130;
}

const STEPS: &str = "\
First steps:
  1. campanile-gateway
       starts with simulated processors, and prints a `curl` line to try
  2. write gateway.yaml:
       providers:
         openai:                     # its key is in OPENAI_API_KEY
           models: [gpt-5-mini]
         local:
           base_url: http://127.0.0.1:8000/v1
           models: [llama-3.3-70b]   # each is asked for what it names, and for nothing else
  3. campanile-gateway check gateway.yaml
  4. campanile-gateway --config gateway.yaml
  5. point an SDK at it:
       OPENAI_BASE_URL=http://127.0.0.1:8080/v1

The file, in one look (all settings: `campanile-gateway schema`, examples/gateway.yaml):
  providers  where calls go: presets by name (openai, anthropic, gemini, xai, openrouter, ollama,
             vllm, llama_cpp), or anything with a `base_url`
  pools      which of them share the work, by which strategy, and what guards each
  stages     which models go to which pool; limits, budgets, fallbacks
  keys       who may call, for which tenant, within which limits and budgets
  Secrets are a text, `{ env: NAME }` or `{ file: PATH }`. ${NAME} and ${NAME:-default} stand for
  environment variables in any value; `$${` for the characters themselves.
";

const SIGNALS: &str = "
Signals:
  SIGTERM, SIGINT (ctrl-c)  takes no new calls, ends those under way, at most for
                            `server.stop_within`; a second one ends it at once
  SIGHUP                    reads the file again, as every change of it does; does nothing
                            without a file

Exit codes:
  0  stopped well      1  the settings are wrong     2  the command line is wrong
  3  the address cannot be listened at               130  told twice to stop
";

// ===== impl Options =====

impl Options {
    /// What the command line says. Ends the process where it is wrong, or asks for help.
    pub(crate) fn read() -> Self {
        let matches = Self::command_with_help().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The command, with a help that a person can learn from.
    fn command_with_help() -> clap::Command {
        let mut text = STEPS.to_owned();
        text.push_str("\nEnvironment variables that come before the file:\n");
        for (variable, setting, what) in OVERRIDES {
            text.push_str(&format!("  {variable}\n      {setting}: {what}\n"));
        }
        text.push_str("  CAMPANILE_CONFIG\n      the file with the settings, as --config\n");
        text.push_str(
            "  RUST_LOG\n      log.filter, unless CAMPANILE_LOG or --log says otherwise\n",
        );
        text.push_str(SIGNALS);
        Self::command().after_long_help(text)
    }
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command_with_help().debug_assert();
    }

    /// What the help teaches is well, and no member is asked for a model of another.
    #[test]
    fn the_file_of_the_help_is_well() {
        let lines = STEPS
            .lines()
            .skip_while(|line| !line.ends_with("gateway.yaml:"));
        let lines = lines.skip(1).take_while(|line| line.starts_with("       "));
        let text: Vec<_> = lines.map(|line| &line[7..]).collect();
        assert!(text.len() > 5, "{text:?}");
        let text = text.join("\n").replace(
            "models: [gpt-5-mini]",
            "models: [gpt-5-mini]\n    key: key-of-the-test",
        );
        let loaded =
            campanile_gateway::config::load(&text).unwrap_or_else(|error| panic!("{error}"));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let models = &loaded.config.stages["default"].models;
        assert_eq!(models, &["gpt-5-mini", "llama-3.3-70b"]);
    }

    #[test]
    fn a_check_may_leave_out_secrets() {
        let line = ["campanile-gateway", "check", "--without-secrets", "a.yaml"];
        let options = Options::try_parse_from(line).unwrap();
        assert!(matches!(
            options.command,
            Some(Command::Check {
                file: Some(_),
                without_secrets: true
            })
        ));
    }

    #[test]
    fn the_help_names_every_override_signal_and_exit_code() {
        let help = Options::command_with_help().render_long_help().to_string();
        for (variable, setting, _) in OVERRIDES {
            assert!(
                help.contains(variable) && help.contains(setting),
                "{variable}"
            );
        }
        for word in [
            "SIGHUP",
            "SIGTERM",
            "CAMPANILE_CONFIG",
            "RUST_LOG",
            "3  the address",
        ] {
            assert!(help.contains(word), "{word}");
        }
    }

    #[test]
    fn a_file_may_be_given_before_and_after_a_command() {
        for line in [
            &["campanile-gateway", "--config", "a.yaml", "check"][..],
            &["campanile-gateway", "check", "--config", "a.yaml"],
        ] {
            let options = Options::try_parse_from(line).unwrap();
            assert_eq!(options.config, Some("a.yaml".into()));
        }
        let options = Options::try_parse_from(["campanile-gateway", "check", "b.yaml"]).unwrap();
        assert!(matches!(
            options.command,
            Some(Command::Check { file: Some(_), .. })
        ));
    }
}
