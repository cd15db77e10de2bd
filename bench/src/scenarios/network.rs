//! What the network does by itself: the same messages, each acknowledged at once by a thread that
//! only looks where they end.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;

use anyhow::Context as _;
use wire::{AgencyMessage, CentralMessage, FrameReader, Sender};

use crate::central::Messages;
use crate::load::{Fleet, Plan, Sent};
use crate::sockets::Sockets;
use crate::speech::{Connection, connected};

/// Has as many agencies send by the plan as would to a central.
pub(super) fn measure(agencies: u32, plan: &Plan) -> anyhow::Result<Sent> {
    let listener = TcpListener::bind("127.0.0.1:0").context("can't listen")?;
    let address = listener.local_addr()?.to_string();
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for _ in 0..agencies {
        let speech = Rc::new(Messages(Rc::clone(&plan.batches)));
        let stream = Box::new(connected(&address)?);
        near.push(Ok((Connection { stream, speech }, 0)));
        far.push(listener.accept()?.0);
    }
    std::thread::scope(|scope| {
        let acknowledging = scope.spawn(|| acknowledge(far));
        // The other side ends when this one's connections do.
        let sent = Fleet::new(near.into_iter()).and_then(|mut fleet| fleet.send(plan));
        let acknowledged = acknowledging.join().expect("a panic there ends this thread too");
        acknowledged.and(sent)
    })
}

/// Acknowledges every batch until all connections are closed.
fn acknowledge(streams: Vec<TcpStream>) -> anyhow::Result<()> {
    let mut sockets = Sockets::new()?;
    let frame_len_max = wire::limits::FRAME_LEN_MAX;
    let mut connections = Vec::new();
    for stream in streams {
        stream.set_nodelay(true)?;
        sockets.add(&stream, connections.len())?;
        connections.push(Some((stream, FrameReader::new(Sender::Agency, frame_len_max))));
    }
    let mut replies = Vec::new();
    let mut open = connections.len();
    while open > 0 {
        for at in sockets.wait(None)? {
            let Some((stream, received)) = &mut connections[at] else { continue };
            let len = stream.read(received.space())?;
            if len == 0 {
                connections[at] = None;
                open -= 1;
                continue;
            }
            received.filled(len);
            replies.clear();
            while let Some(frame) = received.next_frame()? {
                let message = AgencyMessage::from_frame(frame)?;
                let AgencyMessage::Bets(bets) = message else { anyhow::bail!("not a batch") };
                CentralMessage::BetsAck { chunk: bets.chunk }.encode(&mut replies);
            }
            // Acknowledgements are small: the socket takes them.
            stream.write_all(&replies)?;
        }
    }
    Ok(())
}
