//! One association over one TCP connection, with a time limit on each step. Given up by being dropped. Never connects again.

use directory_replication::auth::{Auth, SessionKey};
use directory_replication::rpc::{Association, HEADER_LENGTH, Interface, RpcError, length_of};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Room for a few fragments: less waiting on the kernel.
const ROOM: usize = 64 << 10;

#[derive(Debug)]
pub(super) enum TransportError {
    /// No connection came about; `None`: not within the time.
    NoConnection(Option<io::Error>),
    Lost(io::Error),
    /// Silent for so long.
    Silent(Duration),
    Rpc(RpcError),
}

impl<E: Into<RpcError>> From<E> for TransportError {
    fn from(error: E) -> Self {
        TransportError::Rpc(error.into())
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimits {
    pub(super) connect: Duration,
    /// For one PDU.
    pub(super) answer: Duration,
}

pub(super) struct Transport {
    stream: BufReader<TcpStream>,
    association: Association,
    limit: Duration,
}

impl Transport {
    /// Connects and binds. Whether a sign-in was accepted shows at the first call.
    pub(super) async fn open(
        host: &str,
        port: u16,
        interface: &Interface,
        auth: Option<Box<dyn Auth>>,
        limits: TimeLimits,
    ) -> Result<Transport, TransportError> {
        let connecting = timeout(limits.connect, TcpStream::connect((host, port))).await;
        let stream = connecting
            .map_err(|_| TransportError::NoConnection(None))?
            .map_err(|error| TransportError::NoConnection(Some(error)))?;
        stream.set_nodelay(true).map_err(TransportError::Lost)?;
        let (association, bind) = Association::bind(interface, auth)?;
        let stream = BufReader::with_capacity(ROOM, stream);
        let mut transport = Transport { stream, association, limit: limits.answer };
        transport.send(&bind).await?;
        let answer = transport.pdu().await?;
        if let Some(last) = transport.association.bound(&answer)? {
            transport.send(&last).await?;
        }
        Ok(transport)
    }

    pub(super) fn session_key(&self) -> Option<SessionKey> {
        self.association.session_key()
    }

    pub(super) async fn call(&mut self, operation: u16, stub: &[u8]) -> Result<Vec<u8>, TransportError> {
        let request = self.association.request(operation, stub);
        self.send(&request).await?;
        loop {
            let pdu = self.pdu().await?;
            if let Some(answer) = self.association.receive(pdu)? {
                return Ok(answer);
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let sent = timeout(self.limit, self.stream.get_mut().write_all(bytes)).await;
        sent.map_err(|_| TransportError::Silent(self.limit))?.map_err(TransportError::Lost)
    }

    async fn pdu(&mut self) -> Result<Vec<u8>, TransportError> {
        let limit = self.limit;
        timeout(limit, self.pdu_without_limit()).await.map_err(|_| TransportError::Silent(limit))?
    }

    async fn pdu_without_limit(&mut self) -> Result<Vec<u8>, TransportError> {
        let mut header = [0; HEADER_LENGTH];
        self.stream.read_exact(&mut header).await.map_err(TransportError::Lost)?;
        let length = length_of(&header)?;
        let mut pdu = header.to_vec();
        pdu.resize(length, 0);
        let rest = pdu.get_mut(HEADER_LENGTH..).unwrap_or_default();
        self.stream.read_exact(rest).await.map_err(TransportError::Lost)?;
        Ok(pdu)
    }
}

#[cfg(test)]
mod tests;
