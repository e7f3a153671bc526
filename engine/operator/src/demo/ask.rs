//! Asks the rehearsal tenant over HTTP, beside the connector: a token, then pages of Graph. Knows only what this needs of
//! HTTP/1.1 and loopback addresses; the demo's check must not trust the code it checks.

use crate::failure::Failure;
use connector_contract::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(30);
/// Longest reply that is read, in bytes.
const LONGEST: u64 = 64 * 1024 * 1024;

/// A tenant that can be asked.
pub(crate) struct Witness {
    address: SocketAddr,
    token: Secret,
}

impl Witness {
    pub(crate) async fn sign_in(
        address: SocketAddr,
        tenant: &str,
        client_id: &str,
        secret: &Secret,
    ) -> Result<Self, Failure> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
            encoded(client_id),
            encoded(secret.expose()),
            encoded("https://graph.microsoft.com/.default")
        );
        let request = format!(
            "POST /{tenant}/oauth2/v2.0/token HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let answer = exchange(address, &request).await?;
        match answer.get("access_token").and_then(Value::as_str) {
            Some(token) => Ok(Witness { address, token: Secret::new(token) }),
            None => Err(failed("the tenant's token reply has no access_token")),
        }
    }

    /// Signs a person in with a password, as an application does on their behalf; the code of the refusal, where it is one.
    pub(crate) async fn person_signs_in(
        &self,
        tenant: &str,
        application: (&str, &Secret),
        person: &str,
        password: &str,
    ) -> Result<Option<String>, Failure> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form = format!(
            "grant_type=password&client_id={}&client_secret={}&scope=openid&username={}&password={}",
            encoded(application.0),
            encoded(application.1.expose()),
            encoded(person),
            encoded(password)
        );
        let request = format!(
            "POST /{tenant}/oauth2/v2.0/token HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.address,
            form.len()
        );
        match exchange(self.address, &request).await {
            Ok(_) => Ok(None),
            Err(failure) => {
                let code = failure.message.split("AADSTS").nth(1).and_then(|rest| rest.split(':').next());
                match code {
                    Some(code) => Ok(Some(format!("AADSTS{code}"))),
                    None => Err(failure),
                }
            }
        }
    }

    /// All pages of a Graph collection: `users?$select=id`.
    pub(crate) async fn collection(&self, query: &str) -> Result<Vec<Value>, Failure> {
        let mut found = Vec::new();
        let mut target = format!("/v1.0/{query}");
        loop {
            let page = self.get(&target).await?;
            let Some(items) = page.get("value").and_then(Value::as_array) else {
                return Err(failed("a page of the tenant has no value"));
            };
            found.extend(items.iter().cloned());
            match page.get("@odata.nextLink").and_then(Value::as_str) {
                Some(link) => {
                    let base = format!("http://{}", self.address);
                    target = link.strip_prefix(&base).ok_or_else(|| failed("a next page lies elsewhere"))?.to_owned();
                }
                None => return Ok(found),
            }
        }
    }

    async fn get(&self, target: &str) -> Result<Value, Failure> {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
            self.address,
            self.token.expose()
        );
        exchange(self.address, &request).await
    }
}

fn failed(message: &str) -> Failure {
    Failure::new("demo-verification", format!("asking the rehearsal tenant: {message}"), "")
}

async fn exchange(address: SocketAddr, request: &str) -> Result<Value, Failure> {
    let io = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut reply = Vec::new();
        stream.take(LONGEST).read_to_end(&mut reply).await?;
        Ok::<Vec<u8>, std::io::Error>(reply)
    };
    let reply = match tokio::time::timeout(PATIENCE, io).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => return Err(failed(&error.to_string())),
        Err(_) => return Err(failed("no answer in time")),
    };
    parse(&reply)
}

/// The JSON body of a reply with status 200 that is as long as it says.
fn parse(reply: &[u8]) -> Result<Value, Failure> {
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| failed("the reply has no header"))?;
    let header = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
    let body = &reply[end + 4..];
    let mut lines = header.lines();
    let status = lines.next().unwrap_or_default();
    if !status.contains(" 200 ") {
        return Err(failed(&format!("{status}: {}", String::from_utf8_lossy(body))));
    }
    let length = lines.find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    if length != Some(body.len()) {
        return Err(failed("the reply is not as long as it says"));
    }
    serde_json::from_slice(body).map_err(|error| failed(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_or_refused() {
        let reply = |text: &str| parse(text.as_bytes()).map_err(|failure| failure.message);
        assert!(reply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").is_ok());
        assert!(reply("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}").unwrap_err().contains("not as long"));
        assert!(reply("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}").unwrap_err().contains("401"));
        assert!(reply("HTTP/1.1 200 OK").unwrap_err().contains("no header"));
    }
}
