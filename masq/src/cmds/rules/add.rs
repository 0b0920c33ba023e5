//! The options of `masq rules add`: the keys of a rule.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use masq_core::rules::edit::NewValue;

/// Conditions may be given more than once for alternatives.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// What is done with the flow
    #[arg(value_enum)]
    action: Action,

    /// A name for the rule
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Its number among the rules; the first that a flow meets decides
    #[arg(long, value_name = "PLACE", value_parser = clap::value_parser!(u32).range(1..))]
    place: Option<u32>,

    /// A program's name or path, * and ? allowed, or unknown
    #[arg(long, value_name = "APP")]
    app: Vec<String>,

    /// The path or the name of an interpreter's script
    #[arg(long, value_name = "SCRIPT")]
    script: Vec<String>,

    /// A program that started it
    #[arg(long, value_name = "APP")]
    parent: Vec<String>,

    /// A user's name or number
    #[arg(long, value_name = "USER")]
    user: Vec<String>,

    /// A group's name or number
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,

    /// A control group, and what is below it
    #[arg(long, value_name = "PATH")]
    cgroup: Vec<String>,

    /// A systemd unit
    #[arg(long, value_name = "UNIT")]
    unit: Vec<String>,

    /// A container's name or number
    #[arg(long, value_name = "CONTAINER")]
    container: Vec<String>,

    /// A name, .name, *.name, an address, a network, a range, local-networks or list:FILE
    #[arg(long, value_name = "DESTINATION")]
    to: Vec<String>,

    /// The country of the destination
    #[arg(long, value_name = "CODE")]
    country: Vec<String>,

    /// A port or a range of them
    #[arg(long, value_name = "PORT")]
    port: Vec<String>,

    /// tcp, udp or icmp
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Vec<String>,

    /// How many Nodes the flow passes, with mesh
    #[arg(long, value_name = "COUNT")]
    hops: Option<i64>,

    /// In which countries it leaves the mesh, with mesh
    #[arg(long, value_name = "CODES")]
    exit_country: Option<String>,

    /// The group whose flows it may share a circuit with, with mesh
    #[arg(long, value_name = "GROUP")]
    isolation: Option<String>,

    /// Why the rule is there
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    /// Over the mesh
    Mesh,
    /// Past the mesh
    Direct,
    /// Nowhere
    Block,
}

impl Add {
    /// The place from 0 and the keys in the order of the file.
    pub(super) fn values(&self) -> Result<(usize, Vec<(&'static str, NewValue)>)> {
        let text = |text: &Option<String>| text.clone().map(NewValue::Text);
        let texts =
            |texts: &Vec<String>| (!texts.is_empty()).then(|| NewValue::Texts(texts.clone()));
        let conditions = [
            ("app", texts(&self.app)),
            ("script", texts(&self.script)),
            ("parent", texts(&self.parent)),
            ("user", texts(&self.user)),
            ("group", texts(&self.group)),
            ("cgroup", texts(&self.cgroup)),
            ("unit", texts(&self.unit)),
            ("container", texts(&self.container)),
            ("to", texts(&self.to)),
            ("country", texts(&self.country)),
            ("port", texts(&self.port)),
            ("protocol", texts(&self.protocol)),
        ];
        if conditions.iter().all(|(_, value)| value.is_none()) {
            bail!(
                "a rule needs a condition, for example --app firefox or --to .example.org; for all flows set `default` in the file"
            );
        }
        let action = match self.action {
            Action::Mesh => "mesh",
            Action::Direct => "direct",
            Action::Block => "block",
        };
        let before = [("name", text(&self.name)), ("comment", text(&self.comment))];
        let after = [
            ("action", Some(NewValue::Text(action.to_owned()))),
            ("hops", self.hops.map(NewValue::Number)),
            ("exit-country", text(&self.exit_country)),
            ("isolation", text(&self.isolation)),
        ];
        let all = before.into_iter().chain(conditions).chain(after);
        let values = all.filter_map(|(key, value)| Some((key, value?))).collect();
        let place = self.place.map_or(usize::MAX, |place| place as usize - 1);
        Ok((place, values))
    }
}
