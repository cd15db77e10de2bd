//! Documents whose commands are run as they are, and print what the document shows.
//!
//! A block `sh` is a script for bash, in the document's folder, with the program on the PATH; the
//! block `text` after it is what it prints. Both may have the name of a terminal as a second word:
//! the script then goes on while the document does, and each `text` of that terminal is what it
//! prints next. A line `...` stands for any lines, and `...` in a line for any text. A comment
//! `<!-- by hand: WHAT -->` is where the reader does something that the test does in another way.
//! Other blocks are not run.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, pipe};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::support::http::{Http, add_operator};
use crate::support::{PATIENCE, free_address, run_well, without_settings};

const README: &str = include_str!("../../../../README.md");
const GUIDE: &str = include_str!("../../../../docs/how-to/operators-and-tls.md");
const TUTORIAL: &str = include_str!("../../../../docs/tutorial/first-draw.md");

/// What a document asks its reader to do, in order.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    /// Run a script, in a terminal that has a name or in one that does not.
    Run(&'a str, String),
    /// Look at what a terminal prints.
    Look(&'a str, Vec<&'a str>),
    ByHand(&'a str),
}

fn steps(document: &str) -> Vec<Step<'_>> {
    let mut lines = document.lines();
    let mut steps = Vec::new();
    while let Some(line) = lines.next() {
        let by_hand = line.strip_prefix("<!-- by hand: ").and_then(|it| it.strip_suffix(" -->"));
        steps.extend(by_hand.map(Step::ByHand));
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        match kind.split_once(' ').unwrap_or((kind, "")) {
            ("sh", terminal) => steps.push(Step::Run(terminal, block.join("\n"))),
            ("text", terminal) => steps.push(Step::Look(terminal, block)),
            _ => {}
        }
    }
    steps
}

/// A script that runs, and what it printed that nobody has looked at. Killed when dropped.
struct Terminal {
    bash: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
}

impl Terminal {
    fn start(folder: &Path, script: &str) -> Self {
        let (output, input) = pipe().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_bolillero")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut bash = without_settings(Command::new("bash"));
        bash.args(["-euc", script]).current_dir(folder).env("PATH", path).process_group(0);
        bash.stdin(Stdio::null()).stdout(input.try_clone().unwrap()).stderr(input);
        let child = bash.spawn().unwrap();
        // It holds the other end of the pipe.
        drop(bash);
        let (sender, lines) = channel();
        let output = BufReader::new(output).lines().map_while(Result::ok);
        thread::spawn(move || output.into_iter().try_for_each(|line| sender.send(line)));
        Self { bash: child, lines, printed: Vec::new() }
    }

    /// Reads what it prints until that is enough, or to its end.
    fn read(&mut self, is_enough: impl Fn(&[String]) -> bool) {
        while !is_enough(&self.printed) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.printed.push(line.trim_end().to_owned()),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("nothing follows:\n{}", self.text()),
            }
        }
    }

    /// Checks that it prints what is shown; of one that goes on, that it begins with it.
    fn shows(&mut self, shown: &[&str], goes_on: bool) {
        self.read(|printed| goes_on && prints(shown, printed));
        let text = self.text();
        assert!(prints(shown, &self.printed), "shown is\n{}\nprinted is\n{text}", shown.join("\n"));
        self.printed.clear();
    }

    fn text(&self) -> String {
        self.printed.join("\n")
    }

    fn interrupt(&self) {
        kill_process_group(Pid::from_child(&self.bash), Signal::INT).unwrap();
    }

    /// Checks that it ends, with exit code 0.
    fn ends_well(&mut self, what: &str) {
        self.read(|_| false);
        let status = self.bash.wait().unwrap();
        assert!(status.success(), "{what}: {status}\n{}", self.text());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.bash.try_wait() {
            let _ = kill_process_group(Pid::from_child(&self.bash), Signal::KILL);
            let _ = self.bash.wait();
        }
    }
}

/// Whether these lines are the ones shown.
fn prints(shown: &[&str], lines: &[String]) -> bool {
    match (shown, lines) {
        ([], []) => true,
        (["...", rest @ ..], _) => (0..=lines.len()).any(|from| prints(rest, &lines[from..])),
        ([first, rest @ ..], [line, more @ ..]) => is_like(first, line) && prints(rest, more),
        _ => false,
    }
}

fn is_like(shown: &str, line: &str) -> bool {
    let Some((first, rest)) = shown.split_once("...") else { return shown == line };
    line.strip_prefix(first).is_some_and(|left| {
        let ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
        ends.into_iter().any(|at| is_like(rest, &left[at..]))
    })
}

/// Does what a document says, with these addresses free ones.
fn follow(document: &str, addresses: &[(&str, &str)], by_hand: impl Fn(&str, &Path)) {
    let here = |document: String, (shown, free): &(&str, &str)| document.replace(shown, free);
    let document = addresses.iter().fold(document.to_owned(), here);
    let folder = tempfile::tempdir().unwrap();
    let mut terminals: BTreeMap<_, Terminal> = BTreeMap::new();
    let steps = steps(&document);
    assert!(steps.len() > 10, "not all steps are found: {steps:?}");
    for step in steps {
        match step {
            Step::Run(name, script) => {
                if let Some(before) = terminals.get_mut(name) {
                    before.ends_well(name);
                }
                let mut terminal = Terminal::start(folder.path(), &script);
                if name.is_empty() {
                    terminal.ends_well(&script);
                }
                terminals.insert(name, terminal);
            }
            Step::Look(name, shown) => {
                let terminal =
                    terminals.get_mut(name).unwrap_or_else(|| panic!("no terminal {name}"));
                terminal.shows(&shown, !name.is_empty());
            }
            Step::ByHand(what) => match what.strip_prefix("Ctrl+C in ") {
                Some(name) => terminals[name].interrupt(),
                None => by_hand(what, folder.path()),
            },
        }
    }
    for (name, mut terminal) in terminals {
        terminal.ends_well(name);
    }
}

/// Does what operators do in the console.
fn lead(address: &str, agencies: &[u32], what: &str) {
    let http = Http::at_address(address);
    let post = |who: &str, path: &str, body: &Value| {
        let answer = http.log_in(who).ask("POST", &format!("/api/v1/{path}"), &body.to_string());
        assert!(answer.status < 300, "{path}: {answer:?}");
    };
    if what.ends_with("announce a draw and open it") {
        for number in agencies {
            let agency = json!({ "name": format!("Agency {number}"), "place": "Rosario" });
            let path = format!("/api/v1/agencies/{number}");
            assert_eq!(http.log_in("ana").ask("PUT", &path, &agency.to_string()).status, 200);
        }
        post("ana", "draws", &json!({ "name": "nocturna" }));
        post("ana", "draws/1/open", &json!({}));
    } else {
        assert_eq!(what, "close the draw, enter 9857 twice and publish");
        post("ana", "draws/1/close", &json!({}));
        post("ana", "draws/1/number", &json!({ "number": 9857 }));
        post("bea", "draws/1/number", &json!({ "number": 9857 }));
        post("ana", "draws/1/publish", &json!({}));
    }
}

#[test]
fn the_tutorial_goes_as_it_says() {
    let (agencies, http) = (free_address(), free_address());
    let addresses = [("127.0.0.1:12345", &*agencies), ("127.0.0.1:8080", &*http)];
    follow(TUTORIAL, &addresses, |what, _| lead(&http, &[1, 2], what));
}

#[test]
fn a_lottery_with_operators_and_tls_goes_as_its_guide_says() {
    let (agencies, http) = (free_address(), free_address());
    let host = agencies.split(':').next().unwrap();
    let addresses = [
        ("central.example:12346", &*agencies),
        ("0.0.0.0:12346", &*agencies),
        ("central.example", host),
        ("127.0.0.1:8080", &*http),
    ];
    follow(GUIDE, &addresses, |what, folder| match what {
        "add ana and bea" => {
            add_operator(&folder.join("data"), "ana", "admin");
            add_operator(&folder.join("data"), "bea", "operator");
        }
        what => lead(&http, &[1], what),
    });
}

#[test]
fn the_demo_prints_what_the_readme_shows() {
    let (_, shown) = README.split_once("demo\n\n```text\n").unwrap();
    let (shown, _) = shown.split_once("\n```\n").unwrap();
    let printed: Vec<_> = run_well(&["demo"]).lines().map(|it| it.trim_end().to_owned()).collect();
    let shown: Vec<_> = shown.lines().collect();
    assert!(prints(&shown, &printed), "{printed:#?}");
}

#[test]
fn only_what_is_shown_is_what_is_printed() {
    let printed = ["one", "two 22 three", "four"].map(str::to_owned);
    for shown in [
        &["one", "two 22 three", "four"][..],
        &["..."],
        &["...", "four"],
        &["one", "...", "four", "..."],
        &["one", "two ... three", "...ou..."],
    ] {
        assert!(prints(shown, &printed), "{shown:?}");
    }
    for shown in [
        &[][..],
        &["one", "two 22 three"],
        &["...", "two 22 three"],
        &["one", "four", "..."],
        &["one", "two ... 22 ... three", "four"],
        &["one", "two ...", "five"],
        &["one", "t...e..", "four"],
    ] {
        assert!(!prints(shown, &printed), "{shown:?}");
    }
    let document = "```sh a\nx\ny\n```\n```bash\nz\n```\n<!-- by hand: w -->\n```text\nv\n```\n";
    let expected =
        [Step::Run("a", "x\ny".to_owned()), Step::ByHand("w"), Step::Look("", vec!["v"])];
    assert_eq!(steps(document), expected);
}
