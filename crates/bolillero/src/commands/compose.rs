//! `bolillero compose`: writes a file for docker compose: a lottery in containers.
//!
//! The compose file has what follows from its shape: addresses, mounted files, names. Whatever else
//! people set is in two mounted configuration files, which are written once and then theirs.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::config::{Of, template};
use super::generate::AGENCIES_MAX;
use crate::exit::{Ending, print};
use crate::output::{How, Output, Unopened};

const EXAMPLES: &str = "\
Examples:
  bolillero compose --agencies 5 --out compose.yaml
  bolillero compose --agencies 5 --tls --store --out compose.yaml

Mounts bets/agency-1.csv and so on, and central.toml and agency.toml, which are written beside the
file if they are missing. docker compose and docker-compose 1.29 read the file.";

/// Centrals that share a store.
const CENTRALS_OF_STORE: u32 = 3;

/// What all containers have in common, the agencies, and the centrals.
const COMMON: &str = "\
x-container: &container
  image: bolillero
  networks: [lottery]
  read_only: true
  cap_drop: [ALL]
  security_opt: [\"no-new-privileges:true\"]
  stop_grace_period: 10s

# Ends with exit code 0 when it has its winners; what failed is tried again a few times.
x-agency: &agency
  <<: *container
  restart: on-failure:5
  healthcheck: { disable: true }

x-central: &central
  <<: *container
  restart: unless-stopped
  healthcheck:
    test: [CMD, bolillero, health]
    interval: 10s
    timeout: 5s
    retries: 3

services:
";

/// The file to write.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ComposeArgs {
    /// Number of agencies.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(AGENCIES_MAX)))]
    agencies: u32,

    /// TLS instead of plain text, with the files of `bolillero pki` in the folder pki.
    #[arg(long)]
    tls: bool,

    /// Three centrals that share a PostgreSQL database elsewhere, whose URL is the variable
    /// BOLILLERO_STORE, and whose authority is the file store-ca.crt.
    #[arg(long)]
    store: bool,

    /// The compose file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Overwrite an existing compose file.
    #[arg(long)]
    force: bool,
}

/// Writes the files.
pub(crate) fn run(args: &ComposeArgs) -> Result<(), Ending> {
    let mut written = vec![args.out.clone()];
    write(Output::create(&args.out, how(args.force))?, &args.text())?;
    for (name, of) in [("central.toml", Of::Serve), ("agency.toml", Of::Agency)] {
        let path = args.out.with_file_name(name);
        match Output::open(&path, how(false)) {
            Err(Unopened::Exists) => {}
            Err(unopened) => return Err(unopened.ending(&path, agency::Language::English)),
            Ok(output) => {
                write(output, &template(of))?;
                written.push(path);
            }
        }
    }
    let written: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
    print(&format!("wrote {}\n", written.join(", ")))
}

/// Readable for the user of the containers, too.
fn how(force: bool) -> How {
    How { force, mode: 0o666, durable: false }
}

fn write(mut output: Output, text: &str) -> Result<(), Ending> {
    output.write_all(text.as_bytes()).context("can't write a file")?;
    output.finish()?;
    Ok(())
}

impl ComposeArgs {
    fn text(&self) -> String {
        let mut text = COMMON.to_owned();
        for central in self.centrals() {
            text += &self.central(&central);
        }
        for agency in 1..=self.agencies {
            text += &self.agency(agency);
        }
        text += "networks:\n  lottery:\n";
        if !self.store {
            text += "\nvolumes:\n  data:\n";
        }
        text
    }

    fn centrals(&self) -> Vec<String> {
        if self.store {
            (1..=CENTRALS_OF_STORE).map(|number| format!("central-{number}")).collect()
        } else {
            vec!["central".to_owned()]
        }
    }

    fn port(&self) -> u16 {
        if self.tls { 12346 } else { 12345 }
    }

    fn central(&self, name: &str) -> String {
        let mut volumes = vec!["./central.toml:/central.toml:ro"];
        let mut settings = vec![
            ("CONFIG", "/central.toml".to_owned()),
            ("AGENCIES", format!("\"{}\"", self.agencies)),
            ("HTTP", "127.0.0.1:8080".to_owned()),
        ];
        let address = format!("0.0.0.0:{}", self.port());
        if self.tls {
            settings.extend([
                ("TLS_LISTEN", address),
                ("TLS_CERT", "/central.crt".to_owned()),
                ("TLS_KEY", "/central.key".to_owned()),
                ("TLS_AGENCIES_CA", "/ca.crt".to_owned()),
                ("TLS_REVOKED", "/crl.pem".to_owned()),
            ]);
            volumes.extend([
                "./pki/central.crt:/central.crt:ro",
                "./pki/central.key:/central.key:ro",
                "./pki/ca.crt:/ca.crt:ro",
                "./pki/crl.pem:/crl.pem:ro",
            ]);
        } else {
            settings.extend([("LISTEN", address), ("ALLOW_PLAINTEXT", "\"true\"".to_owned())]);
        }
        if self.store {
            let url = "${BOLILLERO_STORE:?set it to the URL of the database}".to_owned();
            settings.extend([("STORE", format!("\"{url}\"")), ("NODE", name.to_owned())]);
            volumes.push("./store-ca.crt:/store-ca.crt:ro");
        } else {
            settings.push(("DATA", "/data".to_owned()));
            volumes.push("data:/data");
        }
        let settings = settings.iter().map(|(key, value)| format!("BOLILLERO_{key}: {value}"));
        format!(
            "  {name}:\n    <<: *central\n    command: [serve]\n    environment:\n{}    \
             volumes:\n{}\n",
            lines("      ", settings),
            lines("      - ", volumes)
        )
    }

    fn agency(&self, number: u32) -> String {
        let port = self.port();
        let centrals = self.centrals();
        let addresses: Vec<_> = centrals.iter().map(|it| format!("{it}:{port}")).collect();
        let mut settings = vec![
            "BOLILLERO_CONFIG: /agency.toml".to_owned(),
            format!("BOLILLERO_ID: \"{number}\""),
            format!("BOLILLERO_CENTRAL: {}", addresses.join(",")),
            "BOLILLERO_BETS: /bets.csv".to_owned(),
        ];
        let mut volumes = vec![
            "./agency.toml:/agency.toml:ro".to_owned(),
            format!("./bets/agency-{number}.csv:/bets.csv:ro"),
        ];
        if self.tls {
            for (key, from, to) in [
                ("CA", "ca.crt".to_owned(), "/ca.crt"),
                ("CERT", format!("agency-{number}.crt"), "/agency.crt"),
                ("KEY", format!("agency-{number}.key"), "/agency.key"),
            ] {
                settings.push(format!("BOLILLERO_TLS_{key}: {to}"));
                volumes.push(format!("./pki/{from}:{to}:ro"));
            }
        }
        format!(
            "  agency-{number}:\n    <<: *agency\n    command: [agency]\n    depends_on: [{}]\n    \
             environment:\n{}    volumes:\n{}\n",
            centrals.join(", "),
            lines("      ", settings),
            lines("      - ", volumes)
        )
    }
}

fn lines<T: AsRef<str>>(indent: &str, lines: impl IntoIterator<Item = T>) -> String {
    lines.into_iter().map(|line| format!("{indent}{}\n", line.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tls: bool, store: bool) -> String {
        ComposeArgs { agencies: 2, tls, store, out: PathBuf::new(), force: false }.text()
    }

    #[test]
    fn each_form_has_its_centrals_and_files() {
        let plain = text(false, false);
        assert!(plain.contains("\n  agency-2:\n") && !plain.contains("agency-3"), "{plain}");
        assert!(plain.contains("BOLILLERO_CENTRAL: central:12345\n"), "{plain}");
        assert!(plain.ends_with("\nvolumes:\n  data:\n") && !plain.contains("pki"), "{plain}");
        let all = text(true, true);
        let centrals = "BOLILLERO_CENTRAL: central-1:12346,central-2:12346,central-3:12346\n";
        assert!(all.contains(centrals) && all.contains("BOLILLERO_NODE: central-3\n"), "{all}");
        assert!(all.contains("- ./pki/agency-2.key:/agency.key:ro\n"), "{all}");
        assert!(!all.contains("data:") && !all.contains("PLAINTEXT"), "{all}");
    }
}
