//! The page on port 80: one self-contained response, nothing loaded from anywhere.

use std::fmt::Write as _;

use super::is_unresolved;
use crate::failure::{Code, Failure, Place};

/// The most characters of a name that are shown.
const MAX_SHOWN: usize = 253;

pub(super) fn response(name: Option<&str>, failure: &Failure) -> Vec<u8> {
    let code = failure.code;
    let (status, reason) = if code == Code::PaymentRequired {
        (402, "Payment Required")
    } else {
        (503, "Service Unavailable")
    };
    // Of what others say nothing is shown; a rule is the user's own words.
    let rule = if code == Code::Blocked {
        failure.detail.as_ref()
    } else {
        ""
    };
    let body = body(name, code, rule);
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\n\
         Content-Type: text/html; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         Cache-Control: no-store\r\n\
         X-MASQ-Error: {code}\r\n\
         Connection: close\r\n\r\n",
        body.len(),
    );
    [head, body].concat().into_bytes()
}

fn body(name: Option<&str>, code: Code, rule: &str) -> String {
    let title = title(code);
    let rule = match rule {
        "" => String::new(),
        rule => format!("<p>The rule: <code>{}</code></p>\n", escape(rule)),
    };
    let host = match name {
        Some(name) => format!("<strong>{}</strong>", escape(name)),
        None => "the site".to_owned(),
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} - MASQ Node</title>\
         <style>body{{font:16px/1.5 sans-serif;max-width:40em;margin:3em auto;padding:0 1em}}\
         code{{background:#eee;color:#222;padding:.1em .3em}}</style></head>\n\
         <body><h1>{title}</h1>\n\
         <p>This page comes from the <strong>MASQ Node on this machine</strong>, \
         not from {host}.</p>\n\
         <p>{meaning}</p>\n{rule}<p>What to do: {remedy}</p>\n\
         <p><code>{code}</code> happened {place}.</p>\n</body></html>\n",
        meaning = escape(code.meaning()),
        remedy = escape(code.remedy()),
        place = escape(code.place().explanation()),
    )
}

/// The original's titles where it had one.
fn title(code: Code) -> &'static str {
    if is_unresolved(code) {
        return "DNS Resolution Problem";
    }
    if matches!(code, Code::Policy | Code::Blocked) {
        return "Not Allowed";
    }
    match code.place() {
        Place::Local | Place::Platform | Place::Bug => "MASQ Node Problem",
        Place::Mesh | Place::Exit => "Routing Problem",
        Place::Remote => "Connection Problem",
        Place::Payment => "Consuming Wallet Required",
    }
}

/// Text that is safe between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().take(MAX_SHOWN) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' | '\'' | '`' => {
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
            character if character.is_control() => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}
