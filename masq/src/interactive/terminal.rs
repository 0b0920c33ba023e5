//! Puts the terminal back as it was, when masq ends while a line is being typed.

#[cfg(unix)]
mod imp {
    use std::io::{self, Write};

    use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

    pub(in crate::interactive) struct Saved(Option<Termios>);

    impl Saved {
        pub(in crate::interactive) fn now() -> Saved {
            Saved(tcgetattr(io::stdin()).ok())
        }

        pub(in crate::interactive) fn restore(&self) {
            if let Some(modes) = &self.0 {
                // The terminal may be gone.
                let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, modes);
                let end_of_bracketed_paste = b"\x1b[?2004l";
                let _ = io::stdout().write_all(end_of_bracketed_paste);
                let _ = io::stdout().flush();
            }
        }
    }
}

#[cfg(not(unix))]
mod imp {
    /// Consoles are put back by the system.
    pub(in crate::interactive) struct Saved;

    impl Saved {
        pub(in crate::interactive) fn now() -> Saved {
            Saved
        }

        #[expect(
            clippy::unused_self,
            reason = "the other systems have something to put back"
        )]
        pub(in crate::interactive) fn restore(&self) {}
    }
}

pub(super) use imp::Saved;
