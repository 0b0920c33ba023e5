//! What the Daemon and the Node tell without being asked, for a person.

use masq_ui_protocol::message::{
    ConnectionChange, CrashReason, Crashed, LogBroadcast, LogLevel, Message, NewPassword,
    SetupResponse, Undelivered, UnmarshalError,
};
use masq_ui_protocol::{Frame, UiError};

use crate::cmds::{connection_status, setup};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    /// It should not have come.
    pub(super) strange: bool,
}

pub(super) fn notice(frame: Frame) -> Notice {
    let opcode = frame.opcode.clone();
    match read(frame) {
        Ok(Some(text)) => Notice {
            text,
            strange: false,
        },
        Ok(None) => strange(format!("A message of an unknown kind came: {opcode}")),
        Err(error) => strange(format!("A message was not understood: {error}")),
    }
}

pub(super) fn illegible(reason: &str) -> Notice {
    strange(format!("Something came that is no message: {reason}"))
}

fn strange(text: String) -> Notice {
    Notice {
        text,
        strange: true,
    }
}

fn read(frame: Frame) -> Result<Option<String>, UiError> {
    Ok(Some(match frame.opcode.as_str() {
        LogBroadcast::OPCODE => log(&frame.message()?),
        SetupResponse::OPCODE => {
            let setup = frame.message::<SetupResponse>()?;
            format!("Daemon setup has changed:\n{}", setup::page(&setup))
        }
        Crashed::OPCODE => crashed(&frame.message()?),
        NewPassword::OPCODE => {
            let NewPassword {} = frame.message()?;
            "The password of the database was changed by another user interface.".to_owned()
        }
        Undelivered::OPCODE => {
            let Undelivered { opcode } = frame.message()?;
            format!("{opcode} was not delivered: the Node is not running.")
        }
        ConnectionChange::OPCODE => {
            let ConnectionChange { stage } = frame.message()?;
            connection_status::sentence(stage).to_owned()
        }
        UnmarshalError::OPCODE => {
            let UnmarshalError { message, bad_data } = frame.message()?;
            format!("What masq sent was not understood: {message}: {bad_data}")
        }
        _ => return Ok(None),
    }))
}

fn log(line: &LogBroadcast) -> String {
    let level = match line.log_level {
        LogLevel::Error => "ERROR",
        LogLevel::Warn => "WARN",
        LogLevel::Info => "INFO",
    };
    let indented = line.msg.trim_end().replace('\n', "\n          ");
    format!(">> {level:<5}  {indented}")
}

fn crashed(crashed: &Crashed) -> String {
    let why = match &crashed.crash_reason {
        CrashReason::NoInformation => ".".to_owned(),
        CrashReason::DaemonCrashed => ": the Daemon is gone.".to_owned(),
        CrashReason::Unrecognized(said) if said.trim().is_empty() => ".".to_owned(),
        CrashReason::Unrecognized(said) => format!(":\n{}", indent(said)),
        CrashReason::ChildWaitFailure(said) => {
            format!("; the Daemon could not watch it:\n{}", indent(said))
        }
    };
    format!(
        "The Node (process {}) has ended by itself{why}\nThe setup is open again; `start` starts the Node anew.",
        crashed.process_id
    )
}

fn indent(text: &str) -> String {
    let lines: Vec<String> = text
        .trim()
        .lines()
        .map(|line| format!("    {line}"))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use masq_ui_protocol::message::{ConnectionStage, SetupResponseValue, SetupStatus};

    use super::*;

    fn told<M: Message>(message: &M) -> String {
        let notice = notice(Frame::of(message, None));
        assert!(!notice.strange, "{notice:?}");
        notice.text
    }

    #[test]
    fn every_broadcast_has_words() {
        let text = told(&LogBroadcast {
            msg: "one\ntwo\n".to_owned(),
            log_level: LogLevel::Warn,
        });
        assert_eq!(text, ">> WARN   one\n          two");
        let text = told(&SetupResponse {
            running: false,
            values: vec![SetupResponseValue {
                name: "chain".to_owned(),
                value: "dev".to_owned(),
                status: SetupStatus::Set,
            }],
            errors: vec![],
        });
        assert!(text.starts_with("Daemon setup has changed:\nNAME") && text.contains("dev"));
        assert!(told(&NewPassword {}).contains("password"));
        let text = told(&Undelivered {
            opcode: "crash".to_owned(),
        });
        assert!(text.starts_with("crash was not delivered"));
        for stage in [
            ConnectionStage::NotConnected,
            ConnectionStage::ConnectedToNeighbor,
            ConnectionStage::RouteFound,
        ] {
            assert!(told(&ConnectionChange { stage }).contains(&format!("{stage:?}")));
        }
        let text = told(&UnmarshalError {
            message: "no".to_owned(),
            bad_data: "{}".to_owned(),
        });
        assert!(text.ends_with("no: {}"));
    }

    #[test]
    fn a_crash_is_told_with_its_reason() {
        for (crash_reason, words) in [
            (CrashReason::NoInformation, "by itself.\n"),
            (CrashReason::Unrecognized(String::new()), "by itself.\n"),
            (
                CrashReason::Unrecognized("a\nb".to_owned()),
                "by itself:\n    a\n    b\n",
            ),
            (CrashReason::ChildWaitFailure("x".to_owned()), ":\n    x\n"),
            (CrashReason::DaemonCrashed, "the Daemon is gone.\n"),
        ] {
            let text = told(&Crashed {
                process_id: 77,
                crash_reason,
            });
            assert!(
                text.contains("process 77") && text.contains(words),
                "{text}"
            );
            assert!(text.ends_with("`start` starts the Node anew."));
        }
    }

    #[test]
    fn what_is_unknown_or_of_another_shape_is_strange() {
        let unknown = r#"{"opcode":"news","payload":{}}"#;
        let shape = r#"{"opcode":"connectionChange","payload":{"stage":"Lost"}}"#;
        for text in [unknown, shape] {
            let notice = notice(Frame::parse(text).unwrap());
            assert!(notice.strange, "{notice:?}");
        }
    }
}
