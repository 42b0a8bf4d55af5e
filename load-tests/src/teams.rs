//! The files of a configuration that many teams write.

use std::fmt::Write as _;

/// So many teams, each with one file.
#[derive(Clone, Copy, Debug)]
pub struct Teams {
    /// How many.
    pub count: usize,
    /// Routes of each, five to an upstream, every fourth for the device class `web`.
    pub routes: usize,
}

impl Teams {
    /// What the platform's file says of them.
    pub fn claims(self) -> String {
        let claim = |number| {
            let name = name(number);
            format!("[team.{name}]\nclaims = [{{ prefix = \"/{name}/\" }}]\n")
        };
        (0..self.count).map(claim).collect()
    }

    /// All files, each with its path below the platform's file.
    pub fn files(self) -> impl Iterator<Item = (String, String)> {
        (0..self.count).map(move |number| self.file(number, "/route"))
    }

    /// One team's file with its path. The paths of its routes begin with `below`, which is how two
    /// versions of it differ.
    pub fn file(self, number: usize, below: &str) -> (String, String) {
        let name = name(number);
        let mut text = format!("team = \"{name}\"\n");
        for upstream in 0..self.routes.div_ceil(5) {
            // Writing to a text can't fail.
            let _infallible = writeln!(
                text,
                "[upstream.up{upstream}]\nendpoints = [\"127.0.0.1:7001\", \"127.0.0.1:7002\"]"
            );
        }
        for route in 0..self.routes {
            let device = if route % 4 == 0 { " device=web" } else { "" };
            let _infallible = writeln!(
                text,
                "[route.route{route}]\nmatch = \"GET /{name}{below}{route}/{{id}}{device}\"\n\
                 to = \"up{}\"\nauth = \"accounts\"\ntimeout = \"900ms\"\n\
                 retry = {{ max = 2, on = [\"connect\", \"503\"] }}",
                route / 5
            );
        }
        (format!("routes.d/{name}/routes.toml"), text)
    }
}

fn name(number: usize) -> String {
    format!("team{number:04}")
}
