//! The concept pages that consist of figures.

use std::ops::Range;

use crate::report::{self, HELD_OUT};

/// Seeds of the rivals' page: half an hour of virtual time for each of seven rules takes its time.
const RIVALS: Range<u64> = HELD_OUT.start..HELD_OUT.start + 5;

/// The scenarios with their bars: the page's name and its text.
pub fn table() -> (&'static str, String) {
    let Range { start, end } = HELD_OUT;
    let text = format!(
        "# Scenarios and their figures

By `headgate-sim pages`: medians over the {} seeds {start}–{}, with the least and the most, and the seeds that meet the bar.
The rules were tuned on other seeds, from 1 on, so that none fits those that judge it.
Rule `off` is the same traffic without protection; it has to miss, or the scenario would prove nothing.
The usual upstream has 20 slots and calls of 50 ms (Erlang-2), so it serves 400 requests a second; clients wait two seconds.
Traffic is 15 % critical, 25 % standard, 30 % best effort and 30 % bulk where nothing else is said.
What is missed is explained in [decision 0012](../../decisions/0012-adaptive-limiter.md), and for H1 in [decision 0070](../../decisions/0070-observing-has-a-twin.md).

{}",
        end - start,
        end - 1,
        report::table("", &HELD_OUT),
    );
    ("table.md", text)
}

/// The field's rules in the scenarios that compare: the page's name and its text.
pub fn rivals() -> (&'static str, String) {
    let Range { start, end } = RIVALS;
    let text = format!(
        "# The field's limits in the same scenarios

By `headgate-sim pages`, over the seeds {start}–{}.
Every rule has its published defaults and stands behind the same gate, queue and priorities.
The least limits of Gradient2 and AIMD, and the static one, are 20: exactly the slots of the usual upstream, which flatters them wherever the right limit is 20.

{}",
        end - 1,
        report::rivals("", &RIVALS),
    );
    ("rivals.md", text)
}
