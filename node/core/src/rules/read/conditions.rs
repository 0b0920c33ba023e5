//! The conditions of a rule, key by key.

use std::ops::Range as Span;

use super::{Reader, Value};
use crate::config::CountryCode;
use crate::rules::facts::Protocol;
use crate::rules::glob::{Glob, Kind};
use crate::rules::pattern::{AppPattern, CgroupPattern, DestPattern, IdPattern, unit};
use crate::rules::rule::{ConditionKey, Conditions, Rule};

impl Reader<'_> {
    pub(super) fn condition(
        &mut self,
        rule: &mut Rule,
        key: &str,
        span: Span<usize>,
        value: &Value<'_>,
    ) {
        let (plain, conditions) = match key.strip_prefix("not-") {
            Some(plain) => (plain, &mut rule.not),
            None => (key, &mut rule.is),
        };
        let Some(which) = ConditionKey::ALL
            .into_iter()
            .find(|one| one.name() == plain)
        else {
            let remedy = format!(
                "did you mean {}? docs/rules.md lists every key",
                nearest(key)
            );
            self.problem(span, key, "", "a rule has no such key", &remedy);
            return;
        };
        for (text, span) in self.texts(key, value, remedy_of(which)) {
            if let Some(path) = text.strip_prefix("list:")
                && which == ConditionKey::To
            {
                if let Some(list) = self.list(path.trim(), key, span) {
                    conditions.to.push(DestPattern::List(list));
                }
                continue;
            }
            if let Err(why) = conditions.add(which, &text) {
                self.problem(span, key, &text, why, remedy_of(which));
            }
        }
    }
}

impl Conditions {
    /// Adds an alternative, or says why the text is none.
    fn add(&mut self, key: ConditionKey, text: &str) -> Result<(), String> {
        match key {
            ConditionKey::App => self.app.push(AppPattern::parse(text)?),
            ConditionKey::Script => self.script.push(known_app(text)?),
            ConditionKey::Parent => self.parent.push(known_app(text)?),
            ConditionKey::User => self.user.push(IdPattern::parse(text)?),
            ConditionKey::Group => self.group.push(IdPattern::parse(text)?),
            ConditionKey::Cgroup => self.cgroup.push(CgroupPattern::parse(text)?),
            ConditionKey::Unit => self.unit.push(unit(text)?),
            ConditionKey::Container => self.container.push(Glob::parse(text, Kind::Flat)?),
            ConditionKey::To => self.to.push(DestPattern::parse(text)?),
            ConditionKey::Country => {
                let code = CountryCode::assigned(text);
                self.country.push(code.ok_or("no country has this code")?);
            }
            ConditionKey::Port => self.port.push(ports(text)?),
            ConditionKey::Protocol => {
                let all = Protocol::ALL.into_iter();
                let found = all
                    .clone()
                    .find(|one| one.name().eq_ignore_ascii_case(text));
                self.protocol.push(found.ok_or("not a protocol")?);
            }
        }
        Ok(())
    }
}

fn known_app(text: &str) -> Result<AppPattern, String> {
    match AppPattern::parse(text)? {
        AppPattern::Unknown => Err("only an app can be unknown".to_owned()),
        app @ (AppPattern::Path(_) | AppPattern::Name(_)) => Ok(app),
    }
}

fn ports(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| {
        let port = text.trim().parse::<u16>().ok().filter(|port| *port != 0);
        port.ok_or_else(|| format!("{:?} is not a port", super::shorten(text)))
    };
    let Some((first, last)) = text.split_once('-') else {
        return port(text).map(|port| (port, port));
    };
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err("the range ends before it begins".to_owned());
    }
    Ok((first, last))
}

fn nearest(key: &str) -> String {
    const OTHER: [&str; 8] = [
        "name",
        "comment",
        "enabled",
        "action",
        "hops",
        "exit-country",
        "fallback-routing",
        "isolation",
    ];
    let conditions = ConditionKey::ALL.map(ConditionKey::name);
    let turned = conditions.map(|name| format!("not-{name}"));
    let all = OTHER
        .into_iter()
        .chain(conditions)
        .chain(turned.iter().map(String::as_str));
    let key: String = key.chars().take(40).collect();
    let distance = |name: &&str| strsim::damerau_levenshtein(&key, name);
    all.min_by_key(distance).unwrap_or("to").to_owned()
}

const fn remedy_of(key: ConditionKey) -> &'static str {
    match key {
        ConditionKey::App => {
            "a name or a path, * and ? allowed, or \"unknown\"; for example \"firefox\" or \"/opt/games/**\""
        }
        ConditionKey::Script => {
            "the script's path or file name, for example \"/usr/local/bin/backup.py\""
        }
        ConditionKey::Parent => {
            "the name or the path of a program that started it, for example \"steam\""
        }
        ConditionKey::User => "a user's name or number, for example \"anna\" or 1000",
        ConditionKey::Group => "a group's name or number, for example \"kids\" or 1001",
        ConditionKey::Cgroup => {
            "a path below the root of the control groups, for example \"/user.slice/user-1000.slice\""
        }
        ConditionKey::Unit => "a systemd unit, for example \"ssh.service\"",
        ConditionKey::Container => {
            "a container's name, or at least 12 digits of its number, for example \"web\""
        }
        ConditionKey::To => {
            "a name, .name, *.name, an address, a network, a range, local-networks or list:FILE; for example \".example.org\" or \"192.0.2.0/24\""
        }
        ConditionKey::Country => "two letters of ISO 3166-1, for example \"CZ\"",
        ConditionKey::Port => "1 to 65535 or a range, for example 443 or \"8000-8999\"",
        ConditionKey::Protocol => "tcp, udp or icmp",
    }
}
