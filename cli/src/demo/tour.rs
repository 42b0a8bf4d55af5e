//! What the demo prints: where it is, and what to try.

use std::{env, io};

use crate::{demo::pair::Told, output::Output, serve::Addresses};

/// Where verbs look for the admin listener when nothing is said.
const ADMIN: &str = "http://127.0.0.1:9900";

/// As what a tv calls, with the token.
const CALL: &str = "-H 'x-app: tv/7.2' -H \"authorization: Bearer $token\"";

/// How this program is called.
fn program() -> String {
    env::current_exe().map_or_else(|_| "headgate".to_owned(), |path| path.display().to_string())
}

/// What to try.
pub(super) struct Tour<'a> {
    pub(super) addresses: &'a Addresses,
    pub(super) token: &'a str,
    /// What the function that ships is written in.
    pub(super) ships_in: &'a str,
}

impl Tour<'_> {
    pub(super) fn print(&self, output: &mut Output<'_>) -> io::Result<()> {
        let (edge, admin) = (self.addresses.edge_url(), self.addresses.admin_url());
        let token = self.token;
        if output.json {
            let tour = serde_json::json!({
                "edge": [edge], "admin": admin, "token": token, "ships_in": self.ships_in,
            });
            return output.json_line(&tour);
        }
        let out = &mut output.out;
        writeln!(
            out,
            "Headgate demo: one edge, three device teams, one BFF each.

  edge   {edge}
  admin  {admin}

One path, three devices, three BFFs:
  curl -H 'x-app: tv/7.2' {edge}/home
  curl -H 'x-app: ios/3.1' {edge}/home
  curl {edge}/home

A route that asks who you are, without and with a token (the BFF gets a Passport):
  token='{token}'
  curl -i -H 'x-app: tv/7.2' {edge}/profile
  curl -H 'x-app: tv/7.2' -H \"authorization: Bearer $token\" {edge}/profile

What clients are told when something is wrong: no route, a dead BFF, a slow one:
  curl -i {edge}/nowhere
  curl -i {edge}/gone
  curl -i -H 'x-app: ios/3.1' {edge}/slow
"
        )?;
        write!(out, "{}", self.orders(&edge, &admin))?;
        writeln!(
            out,
            "
What operators see:
  curl {admin}/v1/status
  curl {admin}/metrics

Each request prints one access line below. Ctrl-C ends the demo.
"
        )?;
        out.flush()
    }

    /// An order, from the tv's tap to the pushed result.
    fn orders(&self, edge: &str, admin: &str) -> String {
        let ships_in = self.ships_in;
        let headgate = program();
        let at = if admin == ADMIN { String::new() } else { format!(" --admin {admin}") };
        format!(
            "An order becomes an event, and goes through three functions: charge, then ship (in
{ships_in}) and receipt. Wait for what comes of it, in a terminal of its own (set token there):
  curl -N -H \"authorization: Bearer $token\" {edge}/_headgate/push
Place one, and one whose receipt fails until it is given up:
  curl -i {CALL} -d '{{\"order_id\":\"o-1\"}}' {edge}/orders
  curl -i {CALL} -d '{{\"order_id\":\"late-1\"}}' {edge}/orders
See each step; the trace is what `headgate-trace-id` says:
  {headgate} events tail orders{at}
  {headgate} trace TRACE{at}
Bring back what was given up, and see it pushed:
  {headgate} dlq list{at}
  {headgate} dlq redrive tv.receipt --actor you --because 'paper is in'{at}
"
        )
    }
}

/// What to try with two edges.
pub(super) struct Pair<'a> {
    /// The one that is to be killed, and its process.
    pub(super) killed: (&'a Told, u32),
    pub(super) stays: &'a Addresses,
    pub(super) token: &'a str,
}

impl Pair<'_> {
    pub(super) fn print(&self, output: &mut Output<'_>) -> io::Result<()> {
        let Self { killed: (killed, process), stays, token } = self;
        let (one, other) = (killed.edge.join(" "), stays.edge_url());
        let (one_admin, admin) = (&killed.admin, stays.admin_url());
        if output.json {
            let edge =
                |edge: &str, admin: &str| serde_json::json!({ "edge": edge, "admin": admin });
            let edges = [edge(&one, one_admin), edge(&other, &admin)];
            let tour = serde_json::json!({ "edges": edges, "process": process, "token": token });
            return output.json_line(&tour);
        }
        let (headgate, key) = (program(), "-H 'idempotency-key: one' -d '{\"order_id\":\"o-1\"}'");
        let out = &mut output.out;
        writeln!(
            out,
            "Headgate demo: two edges, one log on Kafka, one table in DynamoDB Local.

  edge a  {one}   admin {one_admin}   process {process}
  edge b  {other}   admin {admin}

Wait at edge b for what comes of an order, in a terminal of its own (set token there too):
  token='{token}'
  curl -N -H \"authorization: Bearer $token\" {other}/_headgate/push
Place the order at edge a, and see its result come at edge b:
  curl -i {CALL} {key} {one}/orders
Kill edge a, and send the same to edge b, as a device does that got no answer. It is the same event:
`location` is the same, `idempotency-replayed` says true, and nothing is pushed again:
  kill -9 {process}
  curl -i {CALL} {key} {other}/orders
See each step; the trace is the end of `location`:
  {headgate} trace TRACE --admin {admin}
  {headgate} events tail orders --admin {admin}
What both edges did, also the one that is gone:
  {headgate} history --admin {admin}

Each request prints one access line below. Ctrl-C ends the demo.
"
        )?;
        out.flush()
    }
}
