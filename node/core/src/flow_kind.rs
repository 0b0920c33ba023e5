//! What the first bytes of a flow are: TLS with its server name, or HTTP with its host.
//!
//! Names a flow to a literal address in the user's log, and tells how to end
//! one that failed. Looks at what is there and asks for no more: bytes cut off
//! anywhere give less, never an error. Nothing here decides where a flow goes.

use crate::destination::HostName;

/// More than this is not looked at; a ClientHello with its server name fits.
pub const ENOUGH: usize = 4096;

/// The most extensions and header lines that are read.
const MAX_PARTS: usize = 64;

/// What the first bytes from an app begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowKind {
    /// A TLS handshake (RFC 8446 section 4.1.2), with the name it is meant for if it says so.
    Tls(Option<HostName>),
    /// An HTTP/1 request (RFC 9112 section 3), with its host if it has come.
    Http(Option<HostName>),
    /// Something else, or too little to tell.
    Other,
}

impl FlowKind {
    /// The name that the app wants to reach, as far as it says so.
    pub fn name(&self) -> Option<&HostName> {
        match self {
            FlowKind::Tls(name) | FlowKind::Http(name) => name.as_ref(),
            FlowKind::Other => None,
        }
    }
}

/// Looks at the first bytes that an app sent.
pub fn sniff(bytes: &[u8]) -> FlowKind {
    let bytes = &bytes[..bytes.len().min(ENOUGH)];
    if is_client_hello(bytes) {
        return FlowKind::Tls(server_name(bytes));
    }
    if is_http(bytes) {
        return FlowKind::Http(host(bytes));
    }
    FlowKind::Other
}

/// Whether the bytes begin a TLS record of a handshake with a ClientHello in it.
pub fn is_client_hello(bytes: &[u8]) -> bool {
    match bytes {
        [22, 3, minor, _, _, 1, ..] => *minor <= 4,
        _ => false,
    }
}

fn is_http(bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] = [
        b"GET ",
        b"HEAD ",
        b"POST ",
        b"PUT ",
        b"DELETE ",
        b"OPTIONS ",
        b"PATCH ",
        b"TRACE ",
        b"CONNECT ",
    ];
    METHODS.iter().any(|method| bytes.starts_with(method))
}

fn server_name(record: &[u8]) -> Option<HostName> {
    let mut hello = Bytes(record);
    hello.skip(5 + 4 + 2 + 32)?;
    for length_of_length in [1, 2, 1] {
        hello.vector(length_of_length)?;
    }
    // A hello that was cut off still has its first extensions.
    let extensions = hello.number(2)?;
    let mut extensions = Bytes(hello.0.get(..extensions).unwrap_or(hello.0));
    for _ in 0..MAX_PARTS {
        let kind = extensions.number(2)?;
        let content = extensions.vector(2)?;
        if kind == 0 {
            return first_host_name(content);
        }
    }
    None
}

/// RFC 6066 section 3: a list with one entry of type 0.
fn first_host_name(content: &[u8]) -> Option<HostName> {
    let mut list = Bytes(Bytes(content).vector(2)?);
    if list.number(1)? != 0 {
        return None;
    }
    HostName::parse(std::str::from_utf8(list.vector(2)?).ok()?).ok()
}

fn host(request: &[u8]) -> Option<HostName> {
    let mut lines = request.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let text = |line: &'_ [u8]| {
        std::str::from_utf8(line)
            .ok()
            .map(|line| line.trim_end().to_owned())
    };
    for line in lines
        .take(MAX_PARTS)
        .take_while(|line| !line.trim_ascii().is_empty())
    {
        let Some((key, value)) = line.split_at_checked(5) else {
            continue;
        };
        if key.eq_ignore_ascii_case(b"host:") && line.ends_with(b"\r") {
            return host_of(text(value)?.trim());
        }
    }
    // CONNECT has no other place, and an absolute target is one (RFC 9112 section 3.2).
    let target = text(first)?.split(' ').nth(1)?.to_owned();
    let target = target.strip_prefix("http://").unwrap_or(&target);
    host_of(target.split('/').next()?)
}

fn host_of(authority: &str) -> Option<HostName> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    HostName::parse(host).ok()
}

/// Bytes that are taken from the front; `None` when they end early.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn skip(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        let bytes = self.skip(width)?;
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | usize::from(*byte)),
        )
    }

    fn vector(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self.number(width)?;
        self.skip(length)
    }
}

/// The body of the fuzz target: a name that is found is a name.
pub fn fuzz_sniff(data: &[u8]) {
    if let Some(name) = sniff(data).name() {
        assert_eq!(HostName::parse(name.as_str()).as_ref(), Ok(name));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_client_hello_tells_its_server_name() {
        assert_eq!(
            sniff(&client_hello(Some("WWW.example.org"))),
            FlowKind::Tls(Some(name("www.example.org")))
        );
        assert_eq!(sniff(&client_hello(None)), FlowKind::Tls(None));
        assert_eq!(sniff(&client_hello(Some("192.0.2.1"))), FlowKind::Tls(None));
    }

    #[test]
    fn a_hello_cut_off_anywhere_is_still_tls() {
        let hello = client_hello(Some("example.org"));
        for length in 6..hello.len() {
            assert!(
                matches!(sniff(&hello[..length]), FlowKind::Tls(_)),
                "{length}"
            );
        }
        assert_eq!(sniff(&hello[..5]), FlowKind::Other);
    }

    #[test]
    fn a_request_tells_its_host() {
        for (request, host) in [
            (
                "GET / HTTP/1.1\r\nHost: Example.org\r\n\r\n",
                Some("example.org"),
            ),
            (
                "GET / HTTP/1.1\r\nAccept: */*\r\nhOST:example.org:8080\r\n\r\n",
                Some("example.org"),
            ),
            (
                "GET http://example.org/a HTTP/1.0\r\n\r\n",
                Some("example.org"),
            ),
            (
                "CONNECT example.org:443 HTTP/1.1\r\n\r\n",
                Some("example.org"),
            ),
            ("GET / HTTP/1.1\r\n\r\nHost: body.example\r\n", None),
            ("GET / HTTP/1.1\r\nHost: exam", None),
            ("GET / HTTP/1.1\r\nHost: <script>\r\n\r\n", None),
            ("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", None),
            ("POST ", None),
        ] {
            assert_eq!(
                sniff(request.as_bytes()),
                FlowKind::Http(host.map(name)),
                "{request}"
            );
        }
    }

    #[test]
    fn anything_else_is_something_else() {
        for bytes in [
            &b""[..],
            b"GETX",
            b"SSH-2.0-OpenSSH",
            &[22, 3, 1],
            &[23, 3, 3, 0, 1, 1],
            &[0; 100],
        ] {
            assert_eq!(sniff(bytes), FlowKind::Other);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_process(data in prop::collection::vec(any::<u8>(), 0..400)) {
            fuzz_sniff(&data);
        }

        #[test]
        fn no_damaged_hello_ends_the_process(
            at: prop::sample::Index, value: u8, length: prop::sample::Index,
        ) {
            let mut hello = client_hello(Some("example.org"));
            let end = length.index(hello.len());
            let at = at.index(hello.len());
            hello[at] = value;
            fuzz_sniff(&hello);
            fuzz_sniff(&hello[..end]);
        }
    }

    /// A minimal ClientHello with one other extension before the name.
    pub(crate) fn client_hello(name: Option<&str>) -> Vec<u8> {
        let mut extensions = vec![0, 10, 0, 4, 0, 2, 0, 29];
        if let Some(name) = name {
            let length = name.len() as u8;
            extensions.extend([0, 0, 0, length + 5, 0, length + 3, 0, 0, length]);
            extensions.extend(name.as_bytes());
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0, 0, extensions.len() as u8]);
        body.extend(extensions);
        let mut hello = vec![22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
        hello.extend(body);
        hello
    }

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }
}
