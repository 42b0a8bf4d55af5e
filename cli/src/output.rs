//! Where verbs write, and how.

use std::{
    env,
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
};

use headgate_config::{Faults, Style};
use serde::Serialize;

use crate::{demo, exit, upgrade};

/// Where a verb writes, and whether for people or machines.
pub(crate) struct Output<'a> {
    pub(crate) out: &'a mut dyn Write,
    pub(crate) json: bool,
}

impl Output<'_> {
    /// Writes a value as JSON over several lines.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        writeln!(self.out, "{text}")
    }

    /// Writes a value as JSON in one line, at once.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }
}

/// Tells why a verb ended, and with which code: machines on standard output, people on standard
/// error.
///
/// # Errors
///
/// When it can't be written.
pub(crate) fn report(error: &anyhow::Error, output: &mut Output<'_>) -> io::Result<ExitCode> {
    if let Some(faults) = error.downcast_ref::<Faults>() {
        if output.json {
            output.json(&serde_json::json!({ "valid": false, "faults": faults }))?;
        } else {
            io::stderr().write_all(drawn(faults).as_bytes())?;
        }
        return Ok(ExitCode::from(exit::INVALID));
    }
    let (code, exit) = if let Some(error) = error.downcast_ref::<upgrade::Error>() {
        (error.code(), error.exit())
    } else if error.is::<demo::Missing>() {
        (demo::Missing::CODE, exit::UNREACHABLE)
    } else if error.is::<exit::Unreachable>() {
        (exit::Unreachable::CODE, exit::UNREACHABLE)
    } else if error.is::<exit::Refused>() {
        (exit::Refused::CODE, exit::INVALID)
    } else {
        (exit::Invalid::CODE, exit::INVALID)
    };
    if output.json {
        let message = format!("{error:#}");
        output.json(&serde_json::json!({ "code": code, "message": message }))?;
    } else {
        writeln!(io::stderr(), "headgate: {code}: {error:#}")?;
    }
    Ok(ExitCode::from(exit))
}

/// Faults with their lines and carets, and how many there are.
fn drawn(faults: &Faults) -> String {
    let wants_color = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|term| term != "dumb");
    let is_terminal = io::stderr().is_terminal();
    let style = if wants_color && is_terminal { Style::Color } else { Style::Plain };
    let count = faults.len();
    let noun = if count == 1 { "fault" } else { "faults" };
    format!("{}\n{count} {noun}\n", faults.render(style))
}

/// Texts in columns, the last one as long as it likes.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max()
    };
    let widths: Vec<_> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', 2 + width.saturating_sub(cell.chars().count())));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
