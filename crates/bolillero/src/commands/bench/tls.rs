//! What TLS costs: the same agencies, batches and window with and without it, in turns; and the
//! memory of a connection that is idle.

use std::path::Path;

use super::super::processes::Central;
use super::client::Client;
use super::idle;
use super::intake::{Slice, end};
use super::line::{Certificates, Line};
use super::load::{Fleet, Plan};

/// One turn.
pub(super) struct Turn {
    pub(super) plain: Slice,
    pub(super) tls: Slice,
}

impl Turn {
    /// Measures a turn of agencies that send by the plan. Which way goes first is the caller's to
    /// change from turn to turn: what goes second finds the disk as the first left it.
    pub(super) async fn measure(
        folder: &Path,
        certificates: &Certificates,
        agencies: u32,
        plan: &Plan,
        tls_first: bool,
    ) -> anyhow::Result<Self> {
        if tls_first {
            let tls = by_tls(folder, certificates, agencies, plan).await?;
            Ok(Self { plain: Slice::measure(folder, agencies, plan).await?, tls })
        } else {
            let plain = Slice::measure(folder, agencies, plan).await?;
            Ok(Self { plain, tls: by_tls(folder, certificates, agencies, plan).await? })
        }
    }
}

async fn by_tls(
    folder: &Path,
    certificates: &Certificates,
    agencies: u32,
    plan: &Plan,
) -> anyhow::Result<Slice> {
    let data = folder.join("tls");
    let central = start(&data, certificates, agencies).await?;
    let mut fleet = tokio::task::block_in_place(|| {
        let lines = (1..=agencies).map(|agency| greeted(&central, certificates, agency));
        Fleet::new(lines.map(|it| it.map(Client::into_line)).collect::<anyhow::Result<_>>()?)
    })?;
    let slice = Slice::of(&central, &mut fleet, plan).await?;
    drop(fleet);
    end(central, &data).await?;
    Ok(slice)
}

/// Memory of a central for each idle connection by TLS, after HELLO.
pub(super) async fn greeted_bytes_each(
    folder: &Path,
    certificates: &Certificates,
) -> anyhow::Result<u64> {
    idle::allow_descriptors()?;
    let data = folder.join("tls");
    let central = start(&data, certificates, 1).await?;
    let greet = || greeted(&central, certificates, 1);
    // What the first connections bring along is not theirs.
    drop((0..idle::BUSY).map(|_| greet()).collect::<anyhow::Result<Vec<_>>>()?);
    let (idle, bytes_each) = idle::open(&central, greet, greet).await?;
    drop(idle);
    end(central, &data).await?;
    Ok(bytes_each)
}

async fn start(data: &Path, certificates: &Certificates, agencies: u32) -> anyhow::Result<Central> {
    let files = certificates.for_central();
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    Central::start_by_tls(data, agencies, &[&files[..], &idle::OPTIONS].concat()).await
}

fn greeted(central: &Central, certificates: &Certificates, agency: u32) -> anyhow::Result<Client> {
    let line: Line = certificates.connect(central.address(), agency)?;
    Client::greet_on(line, agency)
}
