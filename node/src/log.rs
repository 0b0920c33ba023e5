//! The Node's log: lines to stderr, under a Daemon also to a file in the data
//! directory, and to whatever layer the program adds. What apps do, their names
//! and addresses, is said at debug and below; secrets never are.
//!
//! Nobody waits for the file: lines go through a queue of bounded length to a
//! thread that writes them, and those that find it full are counted.

mod file;

pub use file::{FILE, flush, open_file};

use masq_core::config::LogLevel;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Libraries say much at the levels of a Node.
const LIBRARIES: &str = "quinn=warn,quinn_proto=error,quinn_udp=error,rustls=warn,\
                         hickory_net=error,hickory_proto=error,hickory_resolver=error,smoltcp=warn";

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Stderr,
    /// To the file once it is open; the first lines wait for that.
    StderrAndFile,
}

/// From now on lines are logged, and panics are lines too. `extra` gets all of
/// information, warnings and errors, whatever the level. To be called once.
pub fn init(level: LogLevel, place: Place, extra: impl Layer<Registry> + Send + Sync) {
    let filter = || match level {
        LogLevel::Off => EnvFilter::new("off"),
        LogLevel::Error | LogLevel::Warn | LogLevel::Info | LogLevel::Debug | LogLevel::Trace => {
            EnvFilter::new(format!("{},{LIBRARIES}", level.name()))
        }
    };
    let to_file = match place {
        Place::Stderr => None,
        Place::StderrAndFile => Some(
            tracing_subscriber::fmt::layer()
                .with_writer(file::queue())
                .with_ansi(false)
                .with_target(false)
                .with_filter(filter()),
        ),
    };
    let to_stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .with_filter(filter());
    tracing_subscriber::registry()
        .with(extra.with_filter(LevelFilter::INFO))
        .with(to_stderr)
        .with(to_file)
        .init();
    log_panics();
    tracing::info!(
        event = "program",
        version = env!("CARGO_PKG_VERSION"),
        system = std::env::consts::OS,
        machine = std::env::consts::ARCH,
    );
}

/// Besides what Rust prints.
fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            event = "panic",
            place = place.unwrap_or_default(),
            message = panic.payload_as_str().unwrap_or("not a text"),
        );
        flush();
        before(panic);
    }));
}
