//! A flow in words, for expectations and for `masq rules test`: `firefox user:anna tcp -> example.org:443`.

use std::net::IpAddr;

use super::error::shorten;
use super::facts::{Action, Facts, Group, Program, Protocol, Subject, file_name};
use super::pattern::{IdPattern, is_container_id};
use super::read::action as words;
use crate::config::CountryCode;
use crate::destination::HostName;

/// The longest text of a case.
const MAX_CASE: usize = 2_048;

/// The words before a colon that a case may have before its arrow.
const SUBJECT_WORDS: &str = "app, script, parent, user, group, cgroup, unit or container";

/// A flow that was described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What the rules are asked with.
    pub facts: Facts,
}

impl Case {
    /// Reads `WHO [tcp|udp|icmp] -> HOST[:PORT] [country:CZ]`; WHO is an app and what else is known of it,
    /// `any` for one that no rule names, or `unknown`. Without a port it is 443, without a protocol TCP.
    pub fn parse(text: &str) -> Result<Case, String> {
        if text.len() > MAX_CASE {
            return Err("too long".to_owned());
        }
        let (who, to) = text
            .split_once("->")
            .ok_or("there is no -> between who and where to")?;
        let mut facts = Facts {
            subject: None,
            name: None,
            address: None,
            country: None,
            port: Some(443),
            protocol: Protocol::Tcp,
        };
        read_who(who, &mut facts)?;
        read_to(to, &mut facts)?;
        if facts.protocol == Protocol::Icmp {
            facts.port = None;
        }
        Ok(Case { facts })
    }

    /// Reads the same with ` = ACTION` behind it.
    pub(super) fn parse_expectation(text: &str) -> Result<(Case, Action), String> {
        let (case, action) = text
            .rsplit_once('=')
            .ok_or("there is no = before the action")?;
        Ok((Case::parse(case)?, read_action(action)?))
    }
}

fn read_who(text: &str, facts: &mut Facts) -> Result<(), String> {
    let mut subject = Subject::default();
    let mut said = false;
    let mut unknown = false;
    for word in text.split_whitespace() {
        if let Some(protocol) = Protocol::ALL.into_iter().find(|one| one.name() == word) {
            facts.protocol = protocol;
            continue;
        }
        match word {
            "unknown" => unknown = true,
            "any" => {}
            word => read_subject(word, &mut subject)?,
        }
        if unknown && said {
            return Err("of an unknown app nothing else is known".to_owned());
        }
        said = true;
    }
    if !said {
        return Err(
            "before -> stands an app, `any` for one that no rule names, or `unknown`".to_owned(),
        );
    }
    if unknown && subject != Subject::default() {
        return Err("of an unknown app nothing else is known".to_owned());
    }
    facts.subject = (!unknown).then_some(subject);
    Ok(())
}

fn read_subject(word: &str, subject: &mut Subject) -> Result<(), String> {
    let (key, value) = match word.split_once(':') {
        Some((key, value)) if !key.contains('/') => (key, value),
        Some(_) | None => ("app", word),
    };
    if value.is_empty() {
        return Err(format!("there is nothing behind {key}:"));
    }
    if value.contains(['*', '?']) && key != "app" {
        return Err(format!(
            "{}: one thing is described here, so there are no patterns",
            shorten(word)
        ));
    }
    let id =
        |value: &str| IdPattern::parse(value).map_err(|why| format!("{}: {why}", shorten(word)));
    match key {
        "app" => {
            let program = program_of(value)?;
            (subject.path, subject.name) = (program.path, program.name);
        }
        "script" => subject.script = Some(value.to_owned()),
        "parent" => subject.parents.push(program_of(value)?),
        "user" => match id(value)? {
            IdPattern::Number(uid) => subject.uid = Some(uid),
            IdPattern::Name(name) => subject.user = Some(name),
        },
        "group" => subject.groups.push(match id(value)? {
            IdPattern::Number(gid) => Group { gid, name: None },
            // No rule names the highest number, which the kernel gives to none.
            IdPattern::Name(name) => Group {
                gid: u32::MAX,
                name: Some(name),
            },
        }),
        "cgroup" => subject.cgroup = Some(value.to_owned()),
        "unit" if value.contains('.') => subject.unit = Some(value.to_owned()),
        "unit" => subject.unit = Some(format!("{value}.service")),
        "container" if is_container_id(value) => subject.container_id = Some(value.to_owned()),
        "container" => subject.container_name = Some(value.to_owned()),
        other => {
            return Err(format!(
                "`{}:` is not known; before -> stand {SUBJECT_WORDS}",
                shorten(other)
            ));
        }
    }
    Ok(())
}

/// A path has a name too.
fn program_of(text: &str) -> Result<Program, String> {
    if text.contains(['*', '?']) {
        return Err(format!(
            "{}: one app is described here, so there are no patterns",
            shorten(text)
        ));
    }
    if text.contains('/') {
        if !text.starts_with('/') {
            return Err(format!("{}: a path begins with /", shorten(text)));
        }
        let name = file_name(text).chars().take(15).collect();
        return Ok(Program {
            path: Some(text.to_owned()),
            name: Some(name),
        });
    }
    Ok(Program {
        path: None,
        name: Some(text.to_owned()),
    })
}

fn read_to(text: &str, facts: &mut Facts) -> Result<(), String> {
    let mut words = text.split_whitespace();
    let host = words
        .next()
        .ok_or("behind -> stands a name or an address")?;
    let (host, port) = split_port(host)?;
    if let Some(port) = port {
        facts.port = Some(port);
    }
    match host.parse::<IpAddr>() {
        Ok(address) => facts.address = Some(address.to_canonical()),
        Err(_) => {
            let name =
                HostName::parse(host).map_err(|error| format!("{}: {error}", shorten(host)))?;
            facts.name = Some(name);
        }
    }
    for word in words {
        let country = word
            .strip_prefix("country:")
            .and_then(CountryCode::assigned);
        if country.is_none() {
            let word = shorten(word);
            return Err(format!(
                "`{word}` is not known; behind the destination stands country:CZ or nothing"
            ));
        }
        facts.country = country;
    }
    Ok(())
}

/// `[2001:db8::1]:53`, `192.0.2.1:53`, `example.org:53` or any of them without a port.
fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let port = |text: &str| {
        let port = text.parse::<u16>().ok().filter(|port| *port != 0);
        port.map(Some)
            .ok_or_else(|| format!("{} is not a port", shorten(text)))
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a [ has no ]")?;
        return match rest.strip_prefix(':') {
            Some(behind) => Ok((host, port(behind)?)),
            None if rest.is_empty() => Ok((host, None)),
            None => Err("behind ] stands :PORT or nothing".to_owned()),
        };
    }
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text, None));
    }
    match text.rsplit_once(':') {
        Some((host, behind)) => Ok((host, port(behind)?)),
        None => Ok((text, None)),
    }
}

fn read_action(text: &str) -> Result<Action, String> {
    let mut all = text.split_whitespace();
    let word = all.next().ok_or("behind = stands mesh, direct or block")?;
    let mut action = words::of_word(word)
        .ok_or_else(|| format!("`{}` is neither mesh nor direct nor block", shorten(word)))?;
    for word in all {
        let unknown = || {
            let word = shorten(word);
            format!("`{word}` is not known; behind mesh stand hops:3, exit:CZ and isolation:GROUP")
        };
        let Action::Mesh {
            hops,
            exit_countries,
            isolation,
        } = &mut action
        else {
            return Err(unknown());
        };
        match word.split_once(':') {
            Some(("hops", value)) => *hops = Some(words::hops(value).ok_or_else(unknown)?),
            Some(("exit", value)) => *exit_countries = Some(words::exit_countries(value)?),
            Some(("isolation", value)) if words::is_isolation(value) => {
                *isolation = Some(value.to_owned())
            }
            Some(_) | None => return Err(unknown()),
        }
    }
    Ok(action)
}

/// Whether an action is what was expected: what the expectation does not mention may be anything.
pub(super) fn is_as_expected(expected: &Action, found: &Action) -> bool {
    match (expected, found) {
        (
            Action::Mesh {
                hops,
                exit_countries,
                isolation,
            },
            Action::Mesh {
                hops: found_hops,
                exit_countries: found_countries,
                isolation: found_isolation,
            },
        ) => {
            let groups = |countries: &Option<crate::config::ExitCountries>| {
                countries.as_ref().map(|countries| countries.groups.clone())
            };
            (hops.is_none() || hops == found_hops)
                && (exit_countries.is_none() || groups(exit_countries) == groups(found_countries))
                && (isolation.is_none() || isolation == found_isolation)
        }
        (Action::Direct, Action::Direct) | (Action::Block, Action::Block) => true,
        (Action::Mesh { .. } | Action::Direct | Action::Block, _) => false,
    }
}
