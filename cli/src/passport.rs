//! `headgate passport rotate`: another key signs Passports.

use std::process::ExitCode;

use headgate_admin::{PassportRotated, RotatePassport};

use crate::{
    admin::Admin,
    args::identity::{Passport, Rotate},
    output::{Output, columns},
};

const PATH: &str = "/v1/passport/rotate";

/// Lets the next key of a running edge take over.
///
/// # Errors
///
/// [`Refused`](crate::exit::Refused) when upstreams may not have read the next key;
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers.
pub(crate) fn passport(args: &Passport, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let Passport::Rotate(Rotate { admin, force }) = args;
    let admin = Admin::at(admin)?;
    let wish = RotatePassport { force: *force };
    let rotated: PassportRotated = admin.post(PATH, &wish)?.json(&admin)?;
    if output.json {
        output.json(&rotated)?;
    } else {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let rows = [
            row("signs", rotated.signs),
            row("next", rotated.next),
            row("turns_at", rotated.turns_at),
        ];
        output.out.write_all(columns(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
