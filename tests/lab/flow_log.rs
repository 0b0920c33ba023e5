//! The originator's flow log: one JSON object a line for each flow that ended.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// Who opened a flow, as far as the Node knows.
#[derive(Clone, Debug, Deserialize)]
pub struct App {
    pub pid: Option<u32>,
    pub name: Option<String>,
    pub path: Option<String>,
    pub uid: Option<u32>,
}

/// One line of the log.
#[derive(Clone, Debug, Deserialize)]
pub struct Flow {
    pub app: Option<App>,
    pub protocol: String,
    pub source: String,
    pub destination: String,
    pub name: Option<String>,
    #[serde(default)]
    pub hops: Vec<String>,
    pub exit: Option<String>,
    #[serde(default)]
    pub resumed: u32,
    #[serde(default)]
    pub sent: u64,
    #[serde(default)]
    pub received: u64,
    pub first_byte_ms: Option<f64>,
    #[serde(default)]
    pub duration_ms: f64,
    pub end: String,
}

/// The flows in the log so far. A line that is not one is an error in the Node and panics.
#[expect(clippy::missing_panics_doc, reason = "said above")]
pub fn read(path: &Path) -> Vec<Flow> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
    complete
        .lines()
        .map(|line| match serde_json::from_str(line) {
            Ok(flow) => flow,
            Err(error) => panic!("a flow log line that cannot be read ({error}): {line}"),
        })
        .collect()
}
