//! The bare server: no store, but the limit of all of them.

use std::rc::Rc;

use super::{BARE_SERVER, Started, Store};
use crate::bare::BareServer;
use crate::batches::Batches;
use crate::setting::Setting;
use crate::speech::Connection;

struct Bare {
    server: BareServer,
    batches: Rc<Batches>,
}

pub(super) fn start(setting: &Setting, _: u32) -> anyhow::Result<Option<Started>> {
    let (server, batches) = (BareServer::start(setting)?, Rc::clone(&setting.typical));
    let about = server.about(&batches);
    Ok(Some(Started { name: BARE_SERVER, about, store: Box::new(Bare { server, batches }) }))
}

impl Store for Bare {
    fn connect(&mut self, _: u32) -> anyhow::Result<Connection> {
        self.server.connection(&self.batches)
    }

    fn stored(self: Box<Self>) -> anyhow::Result<u64> {
        self.server.stored()
    }
}
