//! Plays the Daemon or the Node: answers as it is told, and remembers what it heard.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, accept_hdr};

/// What to do about a frame.
pub(crate) enum Reply {
    Send(Value),
    HangUp,
}

type Script = dyn FnMut(&Value) -> Vec<Reply> + Send;

pub(crate) struct Mock {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<Value>>>,
    orders: Arc<Mutex<Vec<Sender<Reply>>>>,
}

impl Mock {
    pub(crate) fn start(script: impl FnMut(&Value) -> Vec<Reply> + Send + 'static) -> Mock {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mock = Mock {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
            orders: Arc::default(),
        };
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let (heard, orders) = (Arc::clone(&mock.heard), Arc::clone(&mock.orders));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (order, ordered) = channel();
                orders.lock().unwrap().push(order);
                let (heard, script) = (Arc::clone(&heard), Arc::clone(&script));
                thread::spawn(move || serve(stream.unwrap(), &heard, &script, &ordered));
            }
        });
        mock
    }

    /// Answers every question with this payload or error.
    pub(crate) fn answering(body: Value) -> Mock {
        Mock::start(move |asked| vec![answer(asked, &body)])
    }

    /// A Daemon that knows where the Node is, and whose setup is open.
    pub(crate) fn redirecting(port: u16) -> Mock {
        let setup = json!({"running": false, "values": [], "errors": []});
        Mock::start(move |asked| match asked["opcode"].as_str() {
            Some("setup") => vec![answer(asked, &setup)],
            _ => vec![redirect(asked, port)],
        })
    }

    pub(crate) fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn broadcast(&self, opcode: &str, payload: &Value) {
        for order in self.orders.lock().unwrap().iter() {
            let frame = json!({ "opcode": opcode, "payload": payload });
            let _ = order.send(Reply::Send(frame));
        }
    }

    pub(crate) fn hang_up(&self) {
        for order in self.orders.lock().unwrap().iter() {
            let _ = order.send(Reply::HangUp);
        }
    }

    pub(crate) fn wait_for_client(&self) {
        wait("a client", || !self.orders.lock().unwrap().is_empty());
    }
}

/// The answer to a question: a payload, or `{"error": {...}}`.
pub(crate) fn answer(asked: &Value, body: &Value) -> Reply {
    let (name, body) = match body.get("error") {
        Some(error) => ("error", error),
        None => ("payload", body),
    };
    Reply::Send(json!({
        "opcode": asked["opcode"], "contextId": asked["contextId"], name: body,
    }))
}

pub(crate) fn redirect(asked: &Value, port: u16) -> Reply {
    Reply::Send(json!({
        "opcode": "redirect",
        "payload": {
            "port": port, "opcode": asked["opcode"], "contextId": asked["contextId"],
            "payload": asked["payload"].to_string(),
        },
    }))
}

pub(crate) fn wait(what: &str, mut happened: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test against a real process")]
    let now = Instant::now;
    let end = now() + Duration::from_secs(10);
    while !happened() {
        assert!(now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn serve(
    stream: TcpStream,
    heard: &Mutex<Vec<Value>>,
    script: &Mutex<Box<Script>>,
    orders: &Receiver<Reply>,
) {
    #[expect(clippy::result_large_err, reason = "the callback's type is given")]
    let admit = |request: &Request, mut response: Response| {
        let name = "Sec-WebSocket-Protocol";
        assert_eq!(request.headers()[name], "MASQNode-UIv2");
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static("MASQNode-UIv2"));
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr(stream, admit) else {
        return;
    };
    let limit = Some(Duration::from_millis(10));
    socket.get_ref().set_read_timeout(limit).unwrap();
    loop {
        let mut replies: Vec<Reply> = orders.try_iter().collect();
        match socket.read() {
            Ok(Message::Text(text)) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                heard.lock().unwrap().push(frame.clone());
                replies.extend((script.lock().unwrap())(&frame));
            }
            Ok(_) => (),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => (),
            Err(_) => return,
        }
        for reply in replies {
            if !act(&mut socket, reply) {
                return;
            }
        }
    }
}

/// Whether the connection goes on.
fn act(socket: &mut WebSocket<TcpStream>, reply: Reply) -> bool {
    match reply {
        Reply::Send(frame) => socket.send(Message::text(frame.to_string())).is_ok(),
        Reply::HangUp => false,
    }
}
