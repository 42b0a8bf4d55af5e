//! Which exchanges become events.

use std::num::NonZeroU32;

use super::no_log;
use crate::{
    document::exchanges::Record,
    fault::{Code, Draft, Report},
    load::{Exchanges, Input},
    source::key_path,
};

/// Which exchanges become events. None: none do.
pub(in crate::resolve) fn exchanges(input: &Input<'_>, report: &mut Report) -> Option<Exchanges> {
    let platform = &input.platform;
    let written = &platform.doc.events.exchanges;
    let per_second = match written.record {
        Record::Off => return None,
        Record::Sampled => NonZeroU32::new(written.per_second),
        Record::All => None,
    };
    if let Some((message, help, (table, note))) = no_log(input) {
        let path = ["events".into(), "exchanges".into(), "record".into()];
        let related = platform.key_at(&[table.into()]);
        let draft = Draft::new(Code::NoLog, platform.at(&path), message).key(key_path(&path));
        report.push(draft.help(help).related(related, note));
    }
    Some(Exchanges { per_second, keep: written.keep.0 })
}
