//! The protocol's conversations, played against the server over real sockets, both in whole
//! messages and byte by byte.

#[path = "../../../wire/tests/transcripts/mod.rs"]
mod transcripts;

use std::net::TcpStream;
use std::time::Duration;

use lottery::NumberRange;
use tokio::runtime::{Builder, Runtime};
use transcripts::{Central, Conversation};

use crate::setting::{Running, Setting};

/// A server on its own runtime, so that agencies may block.
struct Served<'a> {
    conversation: &'a Conversation,
    runtime: Runtime,
    running: Option<Running>,
}

impl<'a> Served<'a> {
    fn new(conversation: &'a Conversation) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let running = Some(runtime.block_on(setting_of(conversation).start()));
        Self { conversation, runtime, running }
    }
}

fn setting_of(conversation: &Conversation) -> Setting {
    let mut setting = Setting { winning_number: 7574, ..Setting::default() };
    for (name, value) in &conversation.options {
        match name.as_str() {
            "--agencies" => setting.agencies = value.parse().unwrap(),
            "--draw" => setting.draw = value.clone().leak(),
            "--numbers" => {
                let (min, max) = value.split_once('-').unwrap();
                let (min, max) = (min.parse().unwrap(), max.parse().unwrap());
                setting.numbers = NumberRange::new(min, max).unwrap();
            }
            "--winning-number" => setting.winning_number = value.parse().unwrap(),
            "--winners-wait" => {
                setting.winners_wait = Duration::from_secs(value.parse().unwrap());
            }
            "--window" => setting.limits.window = value.parse().unwrap(),
            "--frame-len-max" => setting.limits.frame_len_max = value.parse().unwrap(),
            other => panic!("{other} of {}", conversation.name),
        }
    }
    setting
}

impl Central for Served<'_> {
    fn connect(&mut self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.running.as_ref().unwrap().port)).unwrap()
    }

    fn restart(&mut self) {
        let running = self.running.take().unwrap();
        let store = running.store.clone();
        self.runtime.block_on(running.shut_down());
        let setting = setting_of(self.conversation);
        self.running = Some(self.runtime.block_on(setting.start_on(store)));
    }

    fn end(mut self) -> u64 {
        let running = self.running.take().unwrap();
        let store = running.store.clone();
        self.runtime.block_on(running.shut_down());
        store.bets()
    }
}

#[test]
fn every_conversation_is_held_by_the_server_in_whole_messages_and_byte_by_byte() {
    for conversation in transcripts::all() {
        for piece_len in [1, usize::MAX] {
            conversation.play(Served::new(&conversation), piece_len);
        }
    }
}
