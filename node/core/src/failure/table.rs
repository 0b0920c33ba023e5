//! The table of codes: one row each, the only place where they are listed.

/// One row of the table of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The number on the wire; its hundreds are the place.
    pub number: u16,
    /// The name in logs, pages and flow records.
    pub name: &'static str,
    /// What happened, in one sentence.
    pub meaning: &'static str,
    /// What a person can do about it, in one sentence.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($number:literal $variant:ident $name:literal $meaning:literal $remedy:literal)*) => {
        /// Why a flow, a query, a circuit or a configuration was refused or ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
            /// A number that this version does not know, from a newer Node.
            Unknown(u16),
        }

        impl Code {
            /// Every known code, in the order of the numbers.
            pub const ALL: &'static [Entry] = &[$(Entry {
                number: $number,
                name: $name,
                meaning: $meaning,
                remedy: $remedy,
            },)*];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self {
                    $(Code::$variant => $number,)*
                    Code::Unknown(number) => number,
                }
            }

            /// The code of a number; every number has one.
            pub const fn from_number(number: u16) -> Code {
                match number {
                    $($number => Code::$variant,)*
                    _ => Code::Unknown(number),
                }
            }

            pub(super) fn entry(self) -> Option<&'static Entry> {
                let index = Code::ALL.binary_search_by_key(&self.number(), |entry| entry.number);
                index.ok().and_then(|index| Code::ALL.get(index))
            }
        }
    };
}

codes! {
    101 BadConfiguration "bad-configuration"
        "The configuration file has a value that the Node cannot use."
        "Correct the key that the message names; docs/example-config.toml lists every key."
    102 MalformedPacket "malformed-packet"
        "A packet from an app could not be read and was dropped."
        "Nothing, unless it repeats: then look for the app in the log."
    103 MalformedQuery "malformed-query"
        "A DNS message could not be read or asks what no resolver answers."
        "Ask one question in one standard query."
    104 MalformedName "malformed-name"
        "A host name is longer than 253 bytes, has an empty label or a byte that host names do not have."
        "Check the spelling of the name."
    105 MalformedDescriptor "malformed-descriptor"
        "A Node descriptor could not be read."
        "Copy the whole descriptor: masq://CHAIN:KEY@IP:PORT."
    106 ForgottenAddress "forgotten-address"
        "The address stood for a name that this Node has forgotten."
        "Let the app look the name up again; restart the app if it does not."
    107 Blocked "blocked"
        "A rule of this Node blocks the flow."
        "Change the rule if the flow is wanted."
    108 TooManyFlows "too-many-flows"
        "This Node carries as many flows as it may."
        "Close some connections or wait for idle ones to end."
    109 Aborted "aborted"
        "The app ended the flow before it was complete."
        "Nothing; the app wanted it so."
    110 Idle "idle"
        "Nothing crossed the flow for longer than its time-out."
        "Let the app connect again."
    111 ShuttingDown "shutting-down"
        "The Node is ending."
        "Start the Node again."
    112 NoIpv6 "no-ipv6"
        "This machine's capture has no IPv6."
        "Use the IPv4 address or the name."
    113 IdentityInUse "identity-in-use"
        "Another Node uses the same identity at the same time."
        "Stop one of the two, or give it a new identity with --new-identity."
    120 DatabaseInUse "database-in-use"
        "Another Node works with this data directory."
        "Stop the other Node, or give this one a data-directory of its own."
    121 DatabaseLocked "database-locked"
        "Another program holds the Node's database."
        "Close the program that has node-data.db open, then start the Node again."
    122 DatabaseDamaged "database-damaged"
        "What the Node keeps on disk cannot be read; it was left as it is."
        "Put a copy of the file back, or move it away to become a new Node."
    123 DatabaseNewer "database-newer"
        "A newer version of MASQ Node has written the database."
        "Update MASQ Node, or use another data-directory."
    124 DatabaseForeign "database-foreign"
        "Another program, or MASQ Node before version 1, has made the database."
        "Use another data-directory, or move the file away."
    125 DataDirectory "data-directory"
        "The data directory or a file in it cannot be used as it is."
        "Give the folder to the Node's user alone (owner, mode 0700, writable), or use another data-directory."
    140 DatabaseChain "database-chain"
        "The data directory belongs to a Node of another chain."
        "Set the chain that the message names, or use another data-directory: each chain needs its own."
    141 WrongPassword "wrong-password"
        "The database has another password than the one that was given."
        "Give the password that was set; without it the secrets in the database cannot be read."
    142 DatabaseMissing "database-missing"
        "There is no database yet."
        "Start the Node once: it makes the database. Check that chain and data-directory are the right ones."
    143 WalletDiffers "wallet-differs"
        "The configuration names another wallet than the one in the database."
        "Remove the wallet from the configuration, or put it into the database with masq recover-wallets."
    201 CaptureFailed "capture-failed"
        "The operating system refused the capture of the machine's traffic."
        "Start as root on a system with /dev/net/tun, or use masq run."
    202 CaptureLost "capture-lost"
        "The capture helper has ended, so traffic goes the usual way again."
        "Start the Node again; its log has the reason."
    203 Unsupported "unsupported"
        "This platform lacks what was asked for."
        "See docs/known-issues.md for what each platform has."
    204 MissingPrivilege "missing-privilege"
        "The step needs a privilege that the process does not have."
        "Start with sudo, or use masq run, which needs none."
    205 Resources "resources"
        "The operating system has no file descriptors or memory left for the Node."
        "Raise the limit (ulimit -n) or close other programs."
    206 LocalResolver "local-resolver"
        "This system's own resolver did not answer for a local name."
        "Check the resolver of the local network."
    207 DiskFull "disk-full"
        "The disk is full, so what the Node learns is not kept."
        "Make room on the disk of the data directory."
    208 DiskFailed "disk-failed"
        "The disk did not do what it was asked for."
        "Check the disk of the data directory; the system's log may tell more."
    301 NoRoute "no-route"
        "No route with the asked number of hops exists at the moment."
        "Wait for more neighbors, add some under neighbors, or lower min-hops."
    302 LinkLost "link-lost"
        "A link on the way was lost."
        "Try again: the next flow takes another way."
    303 LinkRefused "link-refused"
        "A neighbor refused the link or could not prove its identity."
        "Check the neighbor's descriptor, above all its key and chain."
    304 CircuitRefused "circuit-refused"
        "A Node on the way refused the circuit."
        "Try again: the next flow takes another way."
    305 CircuitTimedOut "circuit-timed-out"
        "A Node on the way did not answer in time."
        "Try again: the next flow takes another way."
    306 NoNextHop "no-next-hop"
        "A Node on the way has no link to the one after it."
        "Try again: the next flow takes another way."
    307 ExitLost "exit-lost"
        "The exit Node is gone."
        "Try again: the next flow takes another exit."
    308 Replayed "replayed"
        "A Node saw the same circuit set-up twice and refused the second."
        "Try again; if it repeats, someone on the way records and replays traffic."
    309 Expired "expired"
        "A circuit set-up was too old for the Node that received it."
        "Check that the clock of this machine is right."
    310 Unauthenticated "unauthenticated"
        "A sealed message did not open: it was changed on the way or sealed for another key."
        "Try again: the next flow takes another way."
    311 WrongKey "wrong-key"
        "A circuit set-up used an onion key that the Node no longer has."
        "Try again once the new key has arrived, or renew nodes-file."
    312 Overloaded "overloaded"
        "A Node on the way carries as much as it can."
        "Try again: the next flow takes another way."
    313 BadFrame "bad-frame"
        "A Node sent a frame that breaks the protocol."
        "Try again; if it repeats, update MASQ Node."
    314 MalformedSetup "malformed-setup"
        "A circuit set-up could not be read."
        "Try again; if it repeats, update MASQ Node."
    315 MalformedRecord "malformed-record"
        "A Node record could not be read or its signature is wrong."
        "Fetch the record again from the Node that it describes."
    316 Version "version"
        "The other Node speaks a version of the protocol that this one does not."
        "Update MASQ Node."
    317 Misbehaved "misbehaved"
        "A neighbor broke the rules of the mesh; if it goes on it is refused for a while."
        "Nothing; other neighbors take its place. If it is your own Node, update it."
    318 NoExitInCountry "no-exit-in-country"
        "No exit in the countries of exit-country can be reached."
        "Wait, name more countries under exit-country, or set fallback-routing = true."
    401 Policy "policy"
        "The policy of the exit Node forbids the destination."
        "Use another exit; private addresses and port 25 are refused by nearly all."
    402 NotAnExit "not-an-exit"
        "The last Node of the route does not serve as an exit."
        "Try again: the next flow takes another exit."
    403 ResolverFailed "resolver-failed"
        "The resolver of the exit Node did not answer."
        "Try again: the next flow takes another exit."
    404 ExitNoFamily "exit-no-family"
        "The exit Node has no IPv6, or no IPv4, and the destination has nothing else."
        "Try again: the next flow takes another exit."
    405 FlowForgotten "flow-forgotten"
        "A link on the way was lost, and the exit Node no longer has the flow."
        "Let the app connect again."
    501 NameNotFound "name-not-found"
        "The name does not exist."
        "Check the spelling of the name."
    502 NameHasNoAddress "name-has-no-address"
        "The name exists but has no address."
        "Check the name; it may be for mail only."
    503 Refused "refused"
        "The destination refused the connection."
        "Check the port, or try later: nothing listens there."
    504 Unreachable "unreachable"
        "The exit Node found no way to the destination."
        "Try later, or check the address."
    505 TimedOut "timed-out"
        "The destination did not answer in time."
        "Try later: the destination or its network does not answer."
    506 RemoteReset "remote-reset"
        "The destination ended the connection abruptly."
        "Let the app connect again."
    601 PaymentRequired "payment-required"
        "No wallet is set up to pay the Nodes on the way."
        "Set up a consuming wallet, or use zero-hop."
    602 Banned "banned"
        "A Node on the way refuses service because of an unpaid debt."
        "Pay the debt; the ban ends with it."
    701 Bug "bug"
        "The Node did something that it should never do."
        "Report it with the log line; the flow can be tried again."
}
