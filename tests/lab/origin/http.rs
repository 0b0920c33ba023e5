//! As much of HTTP/1.1 (RFC 9112) as the tests ask for.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | a line of text |
//! | `GET /bytes/N` | N bytes of the deterministic content, `x-sha256` its digest (N up to 1 GiB) |
//! | `GET /pause/S/N` | half of N bytes, a pause of S seconds, the other half |
//! | `GET /slow/N` | N bytes, 1,000 a tick of 100 ms |
//! | `POST /upload` | `LENGTH SHA256` of the body |

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::content::{self, Hasher};

const HEADER_LIMIT: usize = 64 * 1024;
const LARGEST: u64 = 1 << 30;

/// Digests computed once.
#[derive(Debug, Default)]
pub struct State {
    digests: Mutex<HashMap<u64, String>>,
}

impl State {
    fn digest_of(&self, length: u64) -> String {
        let mut digests = self.digests.lock().expect("no holder of this lock panics");
        digests
            .entry(length)
            .or_insert_with(|| content::digest_of(length))
            .clone()
    }
}

struct Request {
    method: String,
    path: String,
    length: u64,
    chunked: bool,
    expects_continue: bool,
    closes: bool,
}

/// Serves requests on one connection until it ends.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, state: Arc<State>) -> Result<()> {
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    while let Some(request) = read_request(&mut stream).await? {
        let mut segments = request.path.trim_matches('/').split('/');
        let kind = (request.method.as_str(), segments.next().unwrap_or_default());
        let mut number = || {
            segments
                .next()
                .and_then(|segment| segment.parse::<u64>().ok())
        };
        match kind {
            ("GET" | "HEAD", "") => text(&mut stream, "200 OK", "this is the origin\n").await?,
            ("GET", "bytes") => {
                let length = number().unwrap_or_default().min(LARGEST);
                let digest = if length <= 200_000_000 {
                    state.digest_of(length)
                } else {
                    String::new()
                };
                head(
                    &mut stream,
                    "200 OK",
                    length,
                    &format!("x-sha256: {digest}\r\n"),
                )
                .await?;
                send(&mut stream, 0, length).await?;
            }
            ("GET", "pause") => {
                let pause = Duration::from_secs(number().unwrap_or(1));
                let length = number().unwrap_or(100_000).min(LARGEST);
                head(&mut stream, "200 OK", length, "").await?;
                send(&mut stream, 0, length / 2).await?;
                tokio::time::sleep(pause).await;
                send(&mut stream, length / 2, length).await?;
            }
            ("GET", "slow") => {
                let length = number().unwrap_or(10_000).min(LARGEST);
                head(&mut stream, "200 OK", length, "").await?;
                let mut position = 0;
                while position < length {
                    let next = length.min(position + 1000);
                    send(&mut stream, position, next).await?;
                    position = next;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            ("POST" | "PUT", "upload") => {
                if request.expects_continue {
                    stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                    stream.flush().await?;
                }
                let (length, digest) = read_body(&mut stream, &request).await?;
                text(&mut stream, "200 OK", &format!("{length} {digest}\n")).await?;
            }
            _ => text(&mut stream, "404 Not Found", "no such thing here\n").await?,
        }
        if request.closes {
            break;
        }
    }
    stream.shutdown().await?;
    Ok(())
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        bail!("not a request line: {line:?}");
    };
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        length: 0,
        chunked: false,
        expects_continue: false,
        closes: words.next() == Some("HTTP/1.0"),
    };
    let mut taken = 0;
    loop {
        let mut header = String::new();
        taken += stream.read_line(&mut header).await?;
        if taken > HEADER_LIMIT {
            bail!("more than {HEADER_LIMIT} bytes of headers");
        }
        let header = header.trim_end();
        if header.is_empty() {
            return Ok(Some(request));
        }
        let (name, value) = header.split_once(':').context("a header has a colon")?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                request.length = value.parse().context("content-length is a number")?
            }
            "transfer-encoding" => request.chunked = value.eq_ignore_ascii_case("chunked"),
            "expect" => request.expects_continue = value.eq_ignore_ascii_case("100-continue"),
            "connection" => request.closes |= value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
}

async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut BufReader<S>,
    request: &Request,
) -> Result<(u64, String)> {
    let mut hasher = Hasher::default();
    let mut total = 0;
    if !request.chunked {
        total += take(stream, request.length, &mut hasher).await?;
        return Ok((total, hasher.finish()));
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let size = u64::from_str_radix(line.trim(), 16).context("a chunk begins with its size")?;
        total += take(stream, size, &mut hasher).await?;
        stream.read_line(&mut String::new()).await?;
        if size == 0 {
            return Ok((total, hasher.finish()));
        }
    }
}

async fn take<S: AsyncRead + Unpin>(
    stream: &mut BufReader<S>,
    count: u64,
    hasher: &mut Hasher,
) -> Result<u64> {
    let mut left = count;
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let want = left.min(buffer.len() as u64) as usize;
        let got = stream.read(&mut buffer[..want]).await?;
        if got == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        hasher.update(&buffer[..got]);
        left -= got as u64;
    }
    Ok(count)
}

async fn head<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: &str,
    length: u64,
    more: &str,
) -> Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/octet-stream\r\ncontent-length: {length}\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(stream.flush().await?)
}

async fn text<S: AsyncWrite + Unpin>(stream: &mut S, status: &str, body: &str) -> Result<()> {
    head(stream, status, body.len() as u64, "").await?;
    stream.write_all(body.as_bytes()).await?;
    Ok(stream.flush().await?)
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, from: u64, to: u64) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut position = from;
    while position < to {
        let count = (to - position).min(buffer.len() as u64) as usize;
        content::fill(position, &mut buffer[..count]);
        stream.write_all(&buffer[..count]).await?;
        position += count as u64;
    }
    Ok(stream.flush().await?)
}
