//! `ocitect list`: the members of a workspace.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::affected;
use super::arguments::{ListArguments, OutputArguments};
use super::failure::Done;
use super::matrix::github_matrix;
use super::member_outputs::MemberOutputs;
use super::members::{Subject, empty_shard};
use super::progress::note;
use super::stdout::{print, print_json, print_json_line};
use crate::build::OutputRequest;
use crate::environment::Environment;
use crate::model::escape_path;
use crate::spec::Spec;

/// Version of the JSON.
const JSON_VERSION: u32 = 1;

/// Prints the selected members, bases first.
pub fn run(arguments: &ListArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let inputs = environment.spec_inputs(&arguments.set)?;
    let mut subject = Subject::load(&arguments.spec, &arguments.selection, &inputs)?;
    if let Some(list) = &arguments.affected_by {
        subject = affected::only_affected(subject, list, arguments, output)?;
    }
    let subject = subject.in_shard(&arguments.spec, arguments.shard)?;
    let members = subject.outputs(&OutputRequest::default())?;
    let selected: Vec<&MemberOutputs<'_>> = members.iter().filter(|member| member.is_selected).collect();
    if selected.is_empty() {
        let is_unaffected = arguments.affected_by.is_some() && arguments.shard.shard.is_none();
        let nothing = if is_unaffected {
            "no selected member is affected".to_owned()
        } else {
            empty_shard(arguments.shard.shard)
        };
        note(output.progress, &nothing);
    }
    if arguments.github_matrix {
        return print_json_line(&github_matrix(&selected, arguments.by)?);
    }
    if arguments.json {
        let members: Vec<Value> = selected.into_iter().map(member_json).collect();
        return print_json(&json!({ "version": JSON_VERSION, "members": members }));
    }
    if arguments.ids {
        let ids: String = selected.iter().map(|member| id(member) + "\n").collect();
        return print(ids.as_bytes());
    }
    print(table(&selected).as_bytes())
}

/// Returns the ID of a member, or the path of a spec on its own.
fn id(member: &MemberOutputs<'_>) -> String {
    member.id.map_or_else(|| escape_path(member.spec.path()), str::to_owned)
}

fn member_json(member: &MemberOutputs<'_>) -> Value {
    let image = member.spec.image();
    json!({
        "member": member.id,
        "spec": member.spec.path().to_string_lossy(),
        "name": image.name.as_ref().map(ToString::to_string),
        "tags": member.outputs.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "platforms": platforms(member),
        "base_members": member.spec.member_bases(),
        "source_members": member.spec.member_sources(),
        "base_images": base_images(member.spec),
    })
}

/// Returns the base images that are no members, as the spec writes them, without duplicates. A platform with an error is
/// left out: it is reported when the member is built.
fn base_images(spec: &Spec) -> BTreeSet<String> {
    let platforms = spec
        .platforms()
        .iter()
        .filter_map(|platform| spec.platform(platform).ok());
    platforms.filter_map(|spec| Some(spec.base_image()?.text)).collect()
}

fn platforms(member: &MemberOutputs<'_>) -> Vec<String> {
    member.outputs.platforms.iter().map(ToString::to_string).collect()
}

/// Returns a line for each member: ID, name with tags, platforms, bases.
fn table(members: &[&MemberOutputs<'_>]) -> String {
    let row = |member: &&MemberOutputs<'_>| {
        let name = member
            .outputs
            .name
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let tags: Vec<String> = member.outputs.tags.iter().map(ToString::to_string).collect();
        let bases: Vec<String> = member.spec.member_bases().into_iter().collect();
        let base = if bases.is_empty() {
            String::new()
        } else {
            format!("based on {}", bases.join(", "))
        };
        [
            id(member),
            format!("{name}:{}", tags.join(",")),
            platforms(member).join(","),
            base,
        ]
    };
    let rows: Vec<[String; 4]> = members.iter().map(row).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        let [id, name, platforms, base] = row;
        let [first, second, third] = widths;
        format!("{id:first$}  {name:second$}  {platforms:third$}  {base}")
            .trim_end()
            .to_owned()
            + "\n"
    };
    rows.iter().map(line).collect()
}
