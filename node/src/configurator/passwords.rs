//! Checking, setting and changing the password.

use super::{Answer, Configurator, LONGEST_PASSWORD, refuse, told, unread, unwritten};
use crate::database::PasswordError;
use masq_core::secret::Secret;
use masq_ui_protocol::Code;
use masq_ui_protocol::message::{
    ChangePasswordRequest, ChangePasswordResponse, CheckPasswordRequest, CheckPasswordResponse,
};

impl Configurator {
    pub(super) fn check_password(
        &self,
        asked: CheckPasswordRequest,
    ) -> Answer<CheckPasswordResponse> {
        let matches = match asked.db_password_opt {
            None => !self.store.has_password().map_err(|error| unread(&error))?,
            Some(password) => match self.unlock(password) {
                Ok(_) => true,
                Err(error) if error.code == Code::BAD_PASSWORD => false,
                Err(error) => return Err(error),
            },
        };
        Ok(CheckPasswordResponse { matches })
    }

    pub(super) fn change_password(
        &self,
        asked: ChangePasswordRequest,
    ) -> Answer<ChangePasswordResponse> {
        let old = asked.old_password_opt.map(Secret::new);
        let new = Secret::new(asked.new_password);
        // A Node that is started with an empty one is a Node that is started with none.
        if new.expose().is_empty() {
            return refuse(Code::BAD_PASSWORD, "a password has at least one character");
        }
        if new.expose().len() > LONGEST_PASSWORD {
            let what = format!("a password has at most {LONGEST_PASSWORD} bytes");
            return refuse(Code::BAD_PASSWORD, what);
        }
        let changed = match old {
            None => self.store.set_password(&new).map(drop),
            Some(old) if old.expose().len() > LONGEST_PASSWORD => Err(PasswordError::Wrong),
            Some(old) => self.store.change_password(&old, &new),
        };
        match changed {
            Ok(()) => Ok(ChangePasswordResponse {}),
            Err(PasswordError::Store(error)) => Err(unwritten(&error)),
            Err(error @ PasswordError::Present) => {
                Err(told(Code::CONFIGURATOR_WRITE, error.to_string()))
            }
            Err(error @ (PasswordError::Wrong | PasswordError::Absent)) => {
                Err(told(Code::BAD_PASSWORD, error.to_string()))
            }
        }
    }
}
