//! `headgate`: an edge that routes devices to their BFFs.

mod admin;
mod args;
mod aside;
mod events;
mod exit;
mod output;

mod clock;
mod control;
mod facts;
mod live;
mod machine;
mod probes;
mod reload;
mod serve;
mod store;
mod timeline;

mod demo;
mod run;
mod upgrade;

mod audit;
mod check;
mod completions;
mod config;
mod dlq;
mod drain;
mod explain;
mod history;
mod idempotency;
mod limits;
mod mirror;
mod overlays;
mod passport;
mod plan;
mod probe;
mod routes;
mod schema;
mod series;
mod shed;
mod status;
mod strangle;
mod tail;
mod token;
mod top;
mod unserved;
mod why;

#[cfg(test)]
mod testing;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use headgate_telemetry::logs;

use crate::{
    args::{Args, ConfigVerb, Verb},
    output::{Output, report},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the edge's own log says: what went wrong, each change of the configuration, and upgrades. pingora
/// tells of every connection that a client breaks off.
const LOG_LEVEL: &str = "warn,headgate::control=info,headgate::reload=info,headgate::upgrade=info,\
     pingora_core=off,h2=error,hyper=error";

fn main() -> ExitCode {
    headgate_gateway::tls::install_provider();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let mut output = Output { out: &mut io::stdout(), json: args.json };
    let code = run_verb(args.verb, &mut output).or_else(|error| {
        // A reader that has seen enough is no failure.
        let is_closed = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        if is_closed { Ok(ExitCode::SUCCESS) } else { report(&error, &mut output) }
    });
    // Nobody is left who could be told.
    code.unwrap_or(ExitCode::from(exit::INVALID))
}

fn run_verb(verb: Verb, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    if matches!(verb, Verb::Demo(_) | Verb::Run(_) | Verb::Upgrade(_)) {
        let format = if output.json { logs::Format::Json } else { logs::Format::Text };
        logs::init(format, LOG_LEVEL)?;
    }
    match verb {
        Verb::Demo(args) => demo::demo(&args, output),
        Verb::Run(args) => run::run(&args, output),
        Verb::Upgrade(args) => upgrade::upgrade(&args, output),
        Verb::Check(args) => check::check(&args.config, output),
        Verb::Audit(args) => audit::audit(&args, output),
        Verb::Explain(args) => explain::explain(args, output),
        Verb::Plan(args) => plan::plan(&args, output),
        Verb::Routes(args) => routes::routes(&args, output),
        Verb::Config(ConfigVerb::Set(args)) => overlays::set(args, output),
        Verb::Config(ConfigVerb::Unset(args)) => overlays::unset(&args, output),
        Verb::Config(ConfigVerb::Overlays(args)) => overlays::list(&args, output),
        Verb::Config(ConfigVerb::Show(args)) => config::show(&args, &[], output),
        Verb::Status(args) => status::status(&args, output),
        Verb::Limits(args) => limits::limits(&args, output),
        Verb::Shed(args) => shed::shed(args, output),
        Verb::Drain(args) => drain::drain(&args, output),
        Verb::History(args) => history::history(&args, output),
        Verb::Rollback(args) => overlays::rollback(&args, output),
        Verb::Top(args) => top::top(&args, output),
        Verb::Tail(args) => tail::tail(&args, output),
        Verb::Why(args) => why::why(&args, output),
        Verb::Probe(args) => probe::probe(&args, output),
        Verb::Mirror(args) => mirror::mirror(&args, output),
        Verb::Strangle(args) => strangle::strangle(&args, output),
        Verb::Token(args) => token::token(&args, output),
        Verb::Passport(args) => passport::passport(&args, output),
        Verb::Idempotency(args) => idempotency::idempotency(&args, output),
        Verb::Events(args) => series::events(&args, output),
        Verb::Topics(args) => series::topics(&args, output),
        Verb::Groups(args) => series::groups(&args, output),
        Verb::Dlq(args) => dlq::dlq(&args, output),
        Verb::Trace(args) => series::trace(&args, output),
        Verb::Schema(args) => schema::schema(&args, output),
        Verb::Completions(args) => completions::completions(&args, output),
    }
}

/// Prints help, the version, or what is wrong with the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let written = if error.use_stderr() {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    let code = if error.use_stderr() { exit::INVALID } else { exit::OK };
    // Nobody is left who could be told.
    drop(written);
    ExitCode::from(code)
}
