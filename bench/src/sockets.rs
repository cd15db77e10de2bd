//! Many sockets that one thread waits for.

use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Context as _;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

/// Most sockets that are told of at once; the others are told of the next time.
const READY_MAX: usize = 1024;

/// Sockets, each known by a number.
pub(crate) struct Sockets {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Sockets {
    /// None yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("can't watch sockets")?;
        Ok(Self { epoll, events: Vec::with_capacity(READY_MAX) })
    }

    /// Watches one more, for something to read.
    pub(crate) fn add(&self, socket: impl AsFd, number: usize) -> anyhow::Result<()> {
        let number = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, socket, number, epoll::EventFlags::IN)
            .context("can't watch a socket")
    }

    /// Watches one also, or no longer, for room to write.
    pub(crate) fn watch_room(
        &self,
        socket: impl AsFd,
        number: usize,
        also: bool,
    ) -> anyhow::Result<()> {
        let number = epoll::EventData::new_u64(number as u64);
        let room = if also { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
        epoll::modify(&self.epoll, socket, number, epoll::EventFlags::IN | room)
            .context("can't watch a socket")
    }

    /// Waits until some have something to read, or room that is watched, at most for so long; gives
    /// their numbers.
    pub(crate) fn wait(&mut self, time: Option<Duration>) -> anyhow::Result<Vec<usize>> {
        let time = time.map(Timespec::try_from).transpose()?;
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("can't wait for sockets"),
        }
        let numbers = self.events.iter().map(|event| usize::try_from(event.data.u64()));
        Ok(numbers.collect::<Result<_, _>>()?)
    }
}
