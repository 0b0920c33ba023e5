//! The codes of errors, 64 bits as the original has them: the upper 16 say whose, the rest which.
//!
//! They exceed what a JavaScript number holds exactly; compare them as text there.

use std::fmt;

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u64);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Code = Code($number);)*

            /// Every code with its name.
            pub const ALL: &[(Code, &'static str)] = &[$((Code::$name, stringify!($name)),)*];
        }
    };
}

codes! {
    /// The database could not be read.
    CONFIGURATOR_READ = 0x0001_0000_0000_0001;
    /// The database could not be written, or a wallet is there already.
    CONFIGURATOR_WRITE = 0x0001_0000_0000_0002;
    /// The language of the mnemonic phrase is unknown.
    UNRECOGNIZED_MNEMONIC_LANGUAGE = 0x0001_0000_0000_0003;
    /// No phrase has so many words.
    ILLEGAL_MNEMONIC_WORD_COUNT = 0x0001_0000_0000_0004;
    /// No key pair could be made.
    KEY_PAIR_CONSTRUCTION = 0x0001_0000_0000_0005;
    /// The password is wrong.
    BAD_PASSWORD = 0x0001_0000_0000_0006;
    /// It is initialized already.
    ALREADY_INITIALIZED = 0x0001_0000_0000_0007;
    /// The derivation path is none.
    DERIVATION_PATH = 0x0001_0000_0000_0008;
    /// The phrase is not one of BIP-39.
    MNEMONIC_PHRASE = 0x0001_0000_0000_0009;
    /// It is too early to ask for this.
    EARLY_QUESTIONING_ABOUT_DATA = 0x0001_0000_0000_000A;
    /// No parameter has this name.
    UNRECOGNIZED_PARAMETER = 0x0001_0000_0000_000B;
    /// The parameter does not take this value.
    NON_PARSABLE_VALUE = 0x0001_0000_0000_000C;
    /// Something that the request needs is absent.
    MISSING_DATA = 0x0001_0000_0000_000D;
    /// None of the others.
    UNKNOWN = 0x0001_0000_0000_000E;
    /// A request for financials that asks for nothing.
    REQUEST_WITH_NO_VALUES = 0x0040_0000_0000_0001;
    /// Two parameters that exclude each other.
    MUTUALLY_EXCLUSIVE = 0x0040_0000_0000_0002;
    /// A number above 2^63 - 1.
    VALUE_EXCEEDS_ALLOWED_LIMIT = 0x0040_0000_0000_0003;
    /// The Node could not be started.
    NODE_LAUNCH = 0x8000_0000_0000_0001;
    /// The request is for the Node, which does not run.
    NODE_NOT_RUNNING = 0x8000_0000_0000_0002;
    /// The Node runs already.
    NODE_ALREADY_RUNNING = 0x8000_0000_0000_0003;
    /// The frame or its payload is not what its opcode says.
    UNMARSHAL = 0x8000_0000_0000_0004;
    /// The setup is wrong.
    SETUP = 0x8000_0000_0000_0005;
    /// No answer came in time; made by the asking side itself.
    TIMEOUT = 0x8000_0000_0000_0006;
    /// A scan failed.
    SCAN = 0x8000_0000_0000_0007;
    /// No exit is in any of the countries asked for.
    EXIT_COUNTRY_MISSING = 0x8000_0000_0000_0008;
    /// The rules are wrong; those before stay in force.
    RULES = 0x8000_0000_0000_0009;
}

/// Four groups of hexadecimal digits, as `masq` prints it.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |place: u32| (self.0 >> (16 * place)) & 0xffff;
        write!(
            f,
            "{:04X}_{:04X}_{:04X}_{:04X}",
            group(3),
            group(2),
            group(1),
            group(0)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_printed_in_groups() {
        assert_eq!(Code::NODE_LAUNCH.to_string(), "8000_0000_0000_0001");
        assert_eq!(Code::NON_PARSABLE_VALUE.to_string(), "0001_0000_0000_000C");
        assert_eq!(Code(u64::MAX).to_string(), "FFFF_FFFF_FFFF_FFFF");
    }

    #[test]
    fn no_two_codes_are_one() {
        let mut numbers: Vec<_> = Code::ALL.iter().map(|(code, _)| code).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
    }
}
