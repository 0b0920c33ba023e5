//! Another local user is refused, whatever it says.

use crate::support::{run, server, uid};
use masq_node::ui::{Admission, Event, Server};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

const STRANGER: u32 = 54_321;

/// Shakes hands as another user, and returns what the server says to it.
///
/// The other user is a shell: `bash` speaks TCP by itself.
async fn shake_as(user: u32, port: u16, after: &str) -> String {
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}\n\
         printf 'GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: Upgrade\\r\\n\
         Upgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\
         Sec-WebSocket-Protocol: MASQNode-UIv2\\r\\n\\r\\n' >&3\n{after}"
    );
    spawn_blocking(move || {
        let output = Command::new("bash")
            .args(["-c", &script])
            .uid(user)
            .gid(user)
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
    .await
    .unwrap()
}

const READ_ANSWER: &str = "read -r -t 5 line <&3; echo \"$line\"";

#[test]
fn another_user_is_refused() {
    if uid() != 0 {
        println!("SKIPPED: needs root to become another user");
        return;
    }
    run(async {
        let (server, mut events) = server().await;
        let answer = shake_as(STRANGER, server.port(), READ_ANSWER).await;
        assert_eq!(answer, "HTTP/1.1 403 Forbidden");
        // One that is gone before it is looked at is not taken for root.
        for _ in 0..20 {
            shake_as(STRANGER, server.port(), "exec 3>&-").await;
        }
        let event = timeout(Duration::from_millis(200), events.recv()).await;
        assert!(event.is_err(), "{event:?}");
        let answer = shake_as(0, server.port(), READ_ANSWER).await;
        assert_eq!(answer, "HTTP/1.1 101 Switching Protocols");
        assert!(matches!(events.recv().await, Some(Event::Connected(_))));
    });
}

#[test]
fn a_user_that_is_named_is_admitted() {
    if uid() != 0 {
        println!("SKIPPED: needs root to become another user");
        return;
    }
    run(async {
        let users = vec![STRANGER];
        let (server, _events) = Server::bind(0, Admission { users }).await.unwrap();
        let answer = shake_as(STRANGER, server.port(), READ_ANSWER).await;
        assert_eq!(answer, "HTTP/1.1 101 Switching Protocols");
        let answer = shake_as(STRANGER + 1, server.port(), READ_ANSWER).await;
        assert_eq!(answer, "HTTP/1.1 403 Forbidden");
    });
}
