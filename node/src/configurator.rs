//! Answers what user interfaces ask about the Node's configuration, its password, its wallets
//! and what is owed. No sockets and no clock: frames and the time come in, frames go out.
//!
//! Each frame of one of its opcodes has exactly one answer, whatever is in it. One that needs the
//! password takes as long as Argon2id, some 50 ms, twice that for a new password.

mod money;
mod passwords;
mod settings;
mod start;
mod wallets;

pub use start::{Given, Wallets, start, start_with};

use crate::database::{Key, PasswordError, Store, StoreError};
use masq_core::config::{HopCount, NodeConfig};
use masq_core::secret::Secret;
use masq_ui_protocol::message::{
    ChangePasswordRequest, CheckPasswordRequest, ConfigurationRequest, FinancialsRequest,
    GenerateWalletsRequest, Message, NewPassword, RecoverWalletsRequest, ScanRequest,
    SetConfigurationRequest, WalletAddressesRequest,
};
use masq_ui_protocol::{Code, Frame, UiError};
use std::rc::Rc;

/// The longest password, in bytes.
const LONGEST_PASSWORD: usize = 1_024;

/// Answers for the Node.
#[derive(Debug)]
pub struct Configurator {
    config: NodeConfig,
    store: Rc<Store>,
}

/// What follows from a request.
#[derive(Debug)]
pub struct Reply {
    /// For who asked.
    pub answer: Frame,
    /// For every other user interface.
    pub others: Option<Frame>,
    /// For the Node.
    pub changed: Option<Changed>,
}

/// What the Node shall do otherwise from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// New routes have so many hops.
    MinHops(HopCount),
}

type Answer<M> = Result<M, UiError>;

impl Configurator {
    /// For a Node with this configuration and database.
    pub fn new(config: &NodeConfig, store: Rc<Store>) -> Self {
        let config = NodeConfig {
            db_password: None,
            consuming_private_key: None,
            ..config.clone()
        };
        Configurator { config, store }
    }

    /// The reply to a frame; none when its opcode is not of this part.
    pub fn handle(&mut self, frame: Frame, now_unix: u64) -> Option<Reply> {
        let reply = match frame.opcode.as_str() {
            ConfigurationRequest::OPCODE => answer(frame, |asked| self.configuration(asked)),
            SetConfigurationRequest::OPCODE => {
                let mut changed = None;
                let reply = answer(frame, |asked| self.set_configuration(&asked, &mut changed));
                Reply { changed, ..reply }
            }
            CheckPasswordRequest::OPCODE => answer(frame, |asked| self.check_password(asked)),
            ChangePasswordRequest::OPCODE => {
                let reply = answer(frame, |asked| self.change_password(asked));
                let others = reply.answer.body.is_ok();
                Reply {
                    others: others.then(|| Frame::of(&NewPassword {}, None)),
                    ..reply
                }
            }
            GenerateWalletsRequest::OPCODE => answer(frame, |asked| self.generate_wallets(asked)),
            RecoverWalletsRequest::OPCODE => answer(frame, |asked| self.recover_wallets(asked)),
            WalletAddressesRequest::OPCODE => answer(frame, |asked| self.wallet_addresses(asked)),
            FinancialsRequest::OPCODE => answer(frame, |asked| self.financials(&asked, now_unix)),
            ScanRequest::OPCODE => answer(frame, |asked| money::scan(&asked)),
            _ => return None,
        };
        Some(reply)
    }

    /// The key of the secrets, with the password.
    fn unlock(&self, password: String) -> Answer<Key> {
        let password = Secret::new(password);
        if password.expose().len() > LONGEST_PASSWORD {
            return refuse(Code::BAD_PASSWORD, "the password is wrong");
        }
        self.store.unlock(&password).map_err(|error| match error {
            PasswordError::Store(error) => unread(&error),
            PasswordError::Wrong | PasswordError::Absent | PasswordError::Present => {
                told(Code::BAD_PASSWORD, error.to_string())
            }
        })
    }
}

fn answer<Q: Message, A: Message>(frame: Frame, work: impl FnOnce(Q) -> Answer<A>) -> Reply {
    let asked = Frame {
        opcode: frame.opcode.clone(),
        context_id: frame.context_id,
        body: Ok(serde_json::Map::new()),
    };
    let answered = match frame.body {
        Ok(_) => frame.message::<Q>().and_then(work),
        Err(_) => refuse(Code::UNMARSHAL, "a request has a payload and no error"),
    };
    Reply {
        answer: match answered {
            Ok(answer) => Frame::of(&answer, asked.context_id),
            Err(error) => asked.refusal(error.code, error.message),
        },
        others: None,
        changed: None,
    }
}

fn told(code: Code, message: impl Into<String>) -> UiError {
    UiError {
        code,
        message: message.into(),
    }
}

fn refuse<T>(code: Code, message: impl Into<String>) -> Answer<T> {
    Err(told(code, message))
}

fn unread(error: &StoreError) -> UiError {
    told(Code::CONFIGURATOR_READ, error.to_string())
}

fn unwritten(error: &StoreError) -> UiError {
    told(Code::CONFIGURATOR_WRITE, error.to_string())
}

#[cfg(test)]
mod tests;
