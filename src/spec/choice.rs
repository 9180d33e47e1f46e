//! Values with more than one form: a string or a list, a table or `false`.
//!
//! serde's untagged enums lose the position in the text, so a single visitor reads them all.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::at::{At, Text};

/// The forms of a value. A form that a type does not implement is a wrong type.
trait Choice<'de>: Sized {
    /// The expected forms, for the message about a wrong type.
    const EXPECTED: &'static str;
    fn text(_: String) -> Option<Self> {
        None
    }
    fn integer(_: i64) -> Option<Self> {
        None
    }
    fn boolean(_: bool) -> Option<Self> {
        None
    }
    fn list<A: SeqAccess<'de>>(_: A) -> Result<Option<Self>, A::Error> {
        Ok(None)
    }
    fn table<A: MapAccess<'de>>(_: A) -> Result<Option<Self>, A::Error> {
        Ok(None)
    }
}

struct ChoiceVisitor<T>(PhantomData<T>);

impl<T> ChoiceVisitor<T> {
    fn or_wrong_type<'de, E: Error>(value: Option<T>) -> Result<T, E>
    where
        T: Choice<'de>,
    {
        value.ok_or_else(|| E::custom(format_args!("expected {}", T::EXPECTED)))
    }
}

impl<'de, T: Choice<'de>> Visitor<'de> for ChoiceVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::EXPECTED)
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        Self::or_wrong_type(T::text(value.to_owned()))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Self::or_wrong_type(T::integer(value))
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        Self::or_wrong_type(T::boolean(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        Self::or_wrong_type(T::list(items)?)
    }
    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        Self::or_wrong_type(T::table(fields)?)
    }
}

macro_rules! read_as_choice {
    ($($name:ident)*) => {
        $(impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(ChoiceVisitor(PhantomData))
            }
        })*
    };
}

read_as_choice! { Var Command TextOrFalse TextOrInteger OwnerText ModeText PortText DurationText HealthcheckChoice }

/// A variable: its value, or its source.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Var {
    /// The value.
    Value(String),
    /// Its source.
    Table(VarTable),
}

impl<'de> Choice<'de> for Var {
    const EXPECTED: &'static str = "a string or a table";
    fn text(value: String) -> Option<Self> {
        Some(Self::Value(value))
    }
    fn table<A: MapAccess<'de>>(fields: A) -> Result<Option<Self>, A::Error> {
        VarTable::deserialize(MapAccessDeserializer::new(fields)).map(|table| Some(Self::Table(table)))
    }
}

/// The long form of a variable.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct VarTable {
    /// Name in the environment, and after that in env-files.
    pub(super) env: Option<Text>,
    /// Value if it is unset or empty.
    pub(super) default: Option<Text>,
    /// Message of the error if it is unset or empty; says how to set it.
    pub(super) required: Option<Text>,
}

/// A command: a list of words, or a string for the shell.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Command {
    /// Run by the shell.
    Shell(String),
    /// The words themselves.
    Exec(Vec<Text>),
}

impl<'de> Choice<'de> for Command {
    const EXPECTED: &'static str = "a string or a list";
    fn text(value: String) -> Option<Self> {
        Some(Self::Shell(value))
    }
    fn list<A: SeqAccess<'de>>(items: A) -> Result<Option<Self>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(|words| Some(Self::Exec(words)))
    }
}

/// `false`, and never `true`.
#[derive(Debug)]
pub(super) struct OnlyFalse;

impl JsonSchema for OnlyFalse {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "OnlyFalse".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "boolean", "const": false })
    }
}

/// A value, or `false` to remove it.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, extend("x-hint" = "write numbers and true as strings, such as \"1\"; false removes the value of \
                                        the base"))]
pub(super) enum TextOrFalse {
    /// The value.
    Text(String),
    /// Removes the value of the base.
    False(OnlyFalse),
}

impl<'de> Choice<'de> for TextOrFalse {
    const EXPECTED: &'static str = "a string or false";
    fn text(value: String) -> Option<Self> {
        Some(Self::Text(value))
    }
    fn boolean(value: bool) -> Option<Self> {
        (!value).then_some(Self::False(OnlyFalse))
    }
}

/// An integer, or a string.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum TextOrInteger {
    /// As a string.
    Text(String),
    /// As a number.
    Integer(i64),
}

impl<'de> Choice<'de> for TextOrInteger {
    const EXPECTED: &'static str = "a string or an integer";
    fn text(value: String) -> Option<Self> {
        Some(Self::Text(value))
    }
    fn integer(value: i64) -> Option<Self> {
        Some(Self::Integer(value))
    }
}

macro_rules! hinted_text {
    ($($(#[$meta:meta])* $name:ident: $hint:literal;)*) => {
        $($(#[$meta])*
        #[derive(Debug, Clone, JsonSchema)]
        #[schemars(inline, transparent, extend("x-hint" = $hint))]
        pub(super) struct $name(pub(super) String);

        impl<'de> Choice<'de> for $name {
            const EXPECTED: &'static str = "a string";
            fn text(value: String) -> Option<Self> {
                Some(Self(value))
            }
        })*
    };
}

hinted_text! {
    /// `user` or `user:group`, by name or number.
    OwnerText: "write the owner as a string: \"1000\", \"1000:1000\", \"app\" or \"app:staff\"";
    /// A mode in octal digits.
    ModeText: "write the mode as a string of octal digits: \"0755\"";
    /// A port with an optional protocol.
    PortText: "write the port as a string: \"3000\" or \"53/udp\"";
    /// A duration, such as "30s".
    DurationText: "write the duration as a string: \"30s\" or \"1m30s\"";
}

/// A health check, or `false` for none.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum HealthcheckChoice {
    /// None; removes that of the base.
    False(OnlyFalse),
    /// A check.
    Table(Box<Healthcheck>),
}

impl<'de> Choice<'de> for HealthcheckChoice {
    const EXPECTED: &'static str = "a table or false";
    fn boolean(value: bool) -> Option<Self> {
        (!value).then_some(Self::False(OnlyFalse))
    }
    fn table<A: MapAccess<'de>>(fields: A) -> Result<Option<Self>, A::Error> {
        Healthcheck::deserialize(MapAccessDeserializer::new(fields)).map(|table| Some(Self::Table(Box::new(table))))
    }
}

/// `[config.healthcheck]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Healthcheck {
    /// A list that begins with CMD or CMD-SHELL, or a string that the shell runs.
    pub(super) test: Option<At<Command>>,
    /// Time between two checks, such as "30s".
    pub(super) interval: Option<At<DurationText>>,
    /// Timeout of one check, such as "10s".
    pub(super) timeout: Option<At<DurationText>>,
    /// Time after the start in which failures do not count.
    pub(super) start_period: Option<At<DurationText>>,
    /// Time between two checks in the start period.
    pub(super) start_interval: Option<At<DurationText>>,
    /// Consecutive failures after which the container is unhealthy.
    #[schemars(extend("minimum" = 0))]
    pub(super) retries: Option<At<i64>>,
}
