//! What the demo prints: where it is, and what to try.

use std::{env, io};

use crate::{output::Output, serve::Addresses};

/// Where verbs look for the admin listener when nothing is said.
const ADMIN: &str = "http://127.0.0.1:9900";

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
        let headgate = env::current_exe()
            .map_or_else(|_| "headgate".to_owned(), |path| path.display().to_string());
        let at = if admin == ADMIN { String::new() } else { format!(" --admin {admin}") };
        let call = "-H 'x-app: tv/7.2' -H \"authorization: Bearer $token\"";
        format!(
            "An order becomes an event, and goes through three functions: charge, then ship (in
{ships_in}) and receipt. Wait for what comes of it, in a terminal of its own (set token there):
  curl -N -H \"authorization: Bearer $token\" {edge}/_headgate/push
Place one, and one whose receipt fails until it is given up:
  curl -i {call} -d '{{\"order_id\":\"o-1\"}}' {edge}/orders
  curl -i {call} -d '{{\"order_id\":\"late-1\"}}' {edge}/orders
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
