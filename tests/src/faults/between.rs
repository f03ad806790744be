use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::Cut;

/// What is done to a connection, once so many bytes came from the server.
#[derive(Debug, Clone, Copy)]
pub enum Breach {
    /// It ends. [`Cut::Terminated`] is as [`Cut::Fin`]: this does not know of chunks.
    Cut(usize, Cut),
    /// Nothing more is passed on, and the connection stays.
    Stall(usize),
    /// This is put in.
    Garble(usize, &'static [u8]),
    /// From there on each read is passed on so much later.
    Slow(usize, Duration),
}

/// Stands between a client and a real server, passes bytes on, and breaks connections as it is told: one [`Breach`] for each
/// connection, in their order; where none is left all goes through. It and its connections end when it is dropped.
#[derive(Debug)]
pub struct Between {
    address: SocketAddr,
    breaches: Arc<Mutex<VecDeque<Breach>>>,
    task: JoinHandle<()>,
}

// ===== impl Between =====

impl Between {
    /// Starts one before the server at this address, as `127.0.0.1:8080`, or a URL of it.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(server: &str) -> io::Result<Self> {
        let server = server
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let breaches = Arc::<Mutex<VecDeque<Breach>>>::default();
        let next = Arc::clone(&breaches);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let breach = next
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                let server = server.clone();
                connections.spawn(async move {
                    let server = TcpStream::connect(server).await?;
                    pass(client, server, breach).await
                });
            }
        });
        Ok(Self {
            address,
            breaches,
            task,
        })
    }

    /// Where it listens, as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks the next connection so that no other breach is for.
    pub fn next(&self, breach: Breach) {
        let mut breaches = self.breaches.lock().unwrap_or_else(PoisonError::into_inner);
        breaches.push_back(breach);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    mut breach: Option<Breach>,
) -> io::Result<()> {
    let (mut up, mut down) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    let mut passed = 0;
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read? {
                // The client has left: so the server is left too.
                0 => return Ok(()),
                read => server.write_all(&up[..read]).await?,
            },
            read = server.read(&mut down) => {
                let mut bytes = &down[..read?];
                if bytes.is_empty() {
                    return client.shutdown().await;
                }
                let until = |at: usize| at.saturating_sub(passed).min(bytes.len());
                match breach {
                    Some(Breach::Cut(at, cut)) if passed + bytes.len() >= at => {
                        client.write_all(&bytes[..until(at)]).await?;
                        return match cut {
                            Cut::Reset => client.set_zero_linger(),
                            _ => client.shutdown().await,
                        };
                    }
                    Some(Breach::Stall(at)) if passed + bytes.len() >= at => {
                        client.write_all(&bytes[..until(at)]).await?;
                        while client.read(&mut up).await? > 0 {}
                        return Ok(());
                    }
                    Some(Breach::Garble(at, garbage)) if passed + bytes.len() >= at => {
                        let (before, after) = bytes.split_at(until(at));
                        client.write_all(before).await?;
                        client.write_all(garbage).await?;
                        passed += before.len();
                        bytes = after;
                        breach = None;
                    }
                    Some(Breach::Slow(at, time)) if passed + bytes.len() >= at => sleep(time).await,
                    _ => {}
                }
                client.write_all(bytes).await?;
                passed += bytes.len();
            }
        }
    }
}
