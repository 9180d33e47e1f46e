//! What the rules read, and what they report.

use super::effective::Environment;
use super::finding::{FindingPlace, ServiceFinding};
use super::members::{MemberName, MemberPlatform};
use super::place::Place;
use super::service::Service;
use super::stack::Stack;
use super::variables::Variables;
use crate::model::code::Code;
use crate::model::escape_path;

/// A member and its image for each platform.
#[derive(Debug, Clone)]
pub struct StackMember {
    /// Its name.
    pub name: MemberName,
    /// Its platforms; empty if no service runs its image.
    pub platforms: Vec<MemberPlatform>,
}

/// What was checked, and what was found.
#[derive(Debug, Clone, Default)]
pub struct StackReport {
    /// In the order of the files and their lines.
    pub findings: Vec<ServiceFinding>,
    /// The services that run a member's image, by name.
    pub checked: Vec<CheckedService>,
    /// What is not known of other services, as one sentence each.
    pub notes: Vec<String>,
}

/// A service that runs a member's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedService {
    /// The service.
    pub service: String,
    /// Its image, as Compose reads it.
    pub image: String,
    /// Index of the member.
    pub member: usize,
    /// The number of variables that the image requires.
    pub required_count: usize,
}

/// The values that all rules read.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub stack: &'a Stack,
    pub members: &'a [StackMember],
    pub variables: &'a Variables,
}

/// A service that is checked.
pub(super) struct Subject<'a> {
    pub name: &'a str,
    pub service: &'a Service,
    /// The index of its member, and the platforms that it may run on.
    pub member: Option<(usize, Vec<&'a MemberPlatform>)>,
    pub environment: Environment<'a>,
}

impl Context<'_> {
    pub fn in_compose(&self, place: &Place) -> FindingPlace {
        FindingPlace::in_compose(place, &self.stack.sources)
    }

    /// Returns where variables can be set, for help.
    pub fn variable_places(&self) -> String {
        match self.variables.paths.last() {
            Some(path) => format!("in {} or in the shell", escape_path(path)),
            None => "in the shell, or in a file .env beside the first compose file".to_owned(),
        }
    }
}

impl Subject<'_> {
    /// Returns a finding on the service, for all platforms of its member.
    pub fn finding(&self, code: Code, place: FindingPlace, message: String, help: impl Into<String>) -> ServiceFinding {
        let platforms = self.member.iter().flat_map(|(_, platforms)| platforms);
        ServiceFinding {
            severity: code.severity(),
            code,
            service: Some(self.name.to_owned()),
            member: self.member.as_ref().map(|(index, _)| *index),
            platforms: platforms.map(|platform| platform.platform.clone()).collect(),
            message,
            help: help.into(),
            place,
        }
    }
}
