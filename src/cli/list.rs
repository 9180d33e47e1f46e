//! `ocitect list`: the members of a workspace.

use serde_json::{Value, json};

use super::arguments::ListArguments;
use super::failure::Done;
use super::members::{self, MemberOutputs};
use super::stdout::{print, print_json};
use crate::build::OutputRequest;
use crate::environment::Environment;

/// Version of the JSON.
const JSON_VERSION: u32 = 1;

/// Prints the selected members and what they are based on, bases first.
pub fn run(arguments: &ListArguments, environment: &Environment) -> Done {
    let inputs = environment.spec_inputs(&arguments.set)?;
    let members = members::load(
        &arguments.spec,
        &arguments.selection,
        &OutputRequest::default(),
        &inputs,
    )?;
    let selected: Vec<&MemberOutputs> = members.iter().filter(|member| member.is_selected).collect();
    if arguments.json {
        let members: Vec<Value> = selected.into_iter().map(member_json).collect();
        return print_json(&json!({ "version": JSON_VERSION, "members": members }));
    }
    print(table(&selected).as_bytes())
}

fn member_json(member: &MemberOutputs) -> Value {
    let image = member.spec.image();
    json!({
        "member": member.id,
        "spec": member.spec.path().to_string_lossy(),
        "name": image.name.as_ref().map(ToString::to_string),
        "tags": member.outputs.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "platforms": platforms(member),
        "base_members": member.spec.member_bases(),
    })
}

fn platforms(member: &MemberOutputs) -> Vec<String> {
    member.outputs.platforms.iter().map(ToString::to_string).collect()
}

/// Returns a line for each member: ID, name with tags, platforms, bases.
fn table(members: &[&MemberOutputs]) -> String {
    let row = |member: &&MemberOutputs| {
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
        let id = member
            .id
            .clone()
            .unwrap_or_else(|| member.spec.path().display().to_string());
        [
            id,
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
