//! The parameters of requests, each described once: handlers read by these lists, and the API's description shows them.

use utoipa::openapi::path::{Parameter as Described, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Required, Schema};

use super::format::Format;

/// A parameter of a query string.
pub(in crate::http) struct Parameter {
    pub(in crate::http) name: &'static str,
    /// What it says, and what holds without it.
    pub(in crate::http) about: &'static str,
    pub(in crate::http) example: &'static str,
    pub(in crate::http) required: bool,
    pub(in crate::http) shape: Shape,
}

/// What a parameter may hold.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Shape {
    /// Any text, such as an id.
    Text,
    /// A text that matches a regular expression (ECMA 262).
    Pattern(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A time by RFC 3339.
    Time,
    /// A whole number, from the first to the second.
    Whole(i64, i64),
    /// A number, from the first to the second.
    Number(f64, f64),
}

impl Parameter {
    /// The same parameter where it must be given.
    pub(in crate::http) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same parameter with another explanation.
    pub(in crate::http) const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// The same parameter by another name.
    pub(in crate::http) const fn named(self, name: &'static str, about: &'static str) -> Self {
        Self { name, about, ..self }
    }

    /// As the API's description has it.
    pub(in crate::http) fn described(&self) -> Described {
        let required = if self.required { Required::True } else { Required::False };
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Query)
            .required(required)
            .description(Some(self.about))
            .schema(Some(Schema::Object(self.shape.schema())))
            .example(Some(self.shape.example(self.example)))
            .build()
    }
}

impl Shape {
    fn schema(self) -> Object {
        let text = ObjectBuilder::new().schema_type(Type::String);
        match self {
            Self::Text => text.min_length(Some(1)).build(),
            Self::Pattern(pattern) => text.pattern(Some(pattern)).build(),
            Self::OneOf(words) => text.enum_values(Some(words.to_vec())).build(),
            Self::Time => text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build(),
            Self::Whole(least, most) => {
                let number = ObjectBuilder::new().schema_type(Type::Integer);
                number.minimum(Some(least)).maximum(Some(most)).build()
            }
            Self::Number(least, most) => {
                let number = ObjectBuilder::new().schema_type(Type::Number);
                number.minimum(Some(least)).maximum(Some(most)).build()
            }
        }
    }

    fn example(self, text: &str) -> serde_json::Value {
        match self {
            Self::Whole(..) | Self::Number(..) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            _ => text.into(),
        }
    }
}

/// Makes a type out of a list of parameters: `utoipa::path` takes it as `params(Name)`, and the handler reads the request with
/// `Name::read(&uri)`, so that what is described is what is taken.
macro_rules! parameters {
    ($(#[$about:meta])* $name:ident: $($parameter:expr),+ $(,)?) => {
        $(#[$about])*
        pub(in crate::http) struct $name;

        impl $name {
            const NAMES: &'static [&'static str] = &[$($parameter.name),+];

            /// Reads a query string that holds nothing else.
            pub(in crate::http) fn read(
                uri: &axum::http::Uri,
            ) -> Result<$crate::http::params::Params, $crate::http::problem::Failure> {
                $crate::http::params::Params::read(uri, Self::NAMES)
            }
        }

        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                vec![$($parameter.described()),+]
            }
        }
    };
}
pub(in crate::http) use parameters;

/// Ids with commas between them.
pub(in crate::http) const IDS: Shape = Shape::Pattern("^[^,]+(,[^,]+)*$");
/// What [`crate::statistic::Statistic::parse`] reads.
const STATISTIC: Shape = Shape::Pattern(r"^(p(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,5})?)|mean|min|max|jitter)$");

pub(in crate::http) const PERCENTILE: Parameter = Parameter {
    name: "percentile",
    about: "The number that is shown of the round-trip times: any percentile from `p0` to `p100`, such as `p50` (the default) or \
            `p99.9`, or `mean`, `min`, `max` or `jitter`.",
    example: "p50",
    required: false,
    shape: STATISTIC,
};
pub(in crate::http) const WINDOW: Parameter = Parameter {
    name: "window",
    about: "The rolling window, which ends now. Default `5m`.",
    example: "5m",
    required: false,
    shape: Shape::OneOf(&["5m", "1h", "1d", "7d", "30d", "365d"]),
};
pub(in crate::http) const PROTOCOL: Parameter = Parameter {
    name: "protocol",
    about: "How the probes were made. Default `tcp`.",
    example: "tcp",
    required: false,
    shape: Shape::OneOf(&["tcp", "tls", "https", "icmp", "udp"]),
};
pub(in crate::http) const SOURCE: Parameter = Parameter {
    name: "source",
    about: "A vantage point's id; all of them where it is not given.",
    example: "us-east-1",
    required: false,
    shape: Shape::Text,
};
pub(in crate::http) const TARGET: Parameter = Parameter {
    name: "target",
    about: "A target's id; all of them where it is not given.",
    example: "eu-west-1",
    required: false,
    shape: Shape::Text,
};
pub(in crate::http) const THE_SOURCE: Parameter = SOURCE.required().about("A vantage point's id.");
pub(in crate::http) const THE_TARGET: Parameter = TARGET.required().about("A target's id.");
pub(in crate::http) const START: Parameter = Parameter {
    name: "start",
    about: "Where the range starts, by RFC 3339.",
    example: "2026-01-01T00:00:00Z",
    required: false,
    shape: Shape::Time,
};
pub(in crate::http) const END: Parameter = Parameter {
    name: "end",
    about: "Where the range ends, exclusive, by RFC 3339. Default now.",
    example: "2026-01-02T00:00:00Z",
    required: false,
    shape: Shape::Time,
};
pub(in crate::http) const PROVIDER: Parameter = Parameter {
    name: "provider",
    about: "Only regions of this provider.",
    example: "aws",
    required: false,
    shape: Shape::Text,
};
pub(in crate::http) const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "The most rows of an answer.",
    example: "100",
    required: false,
    shape: Shape::Whole(1, 1_000),
};
pub(in crate::http) const FORMAT: Parameter = Parameter {
    name: "format",
    about: "The form of the answer; it goes before the header `Accept`. Default `json`. All forms but `json` have the rows alone.",
    example: "json",
    required: false,
    shape: Shape::OneOf(&["json", "csv", "ndjson", "arrow", "parquet"]),
};

pub(in crate::http) const EXACT: Parameter = Parameter {
    name: "exact",
    about: "Whether to count every sample, also where rollups hold them merged. Default `false`.",
    example: "false",
    required: false,
    shape: Shape::OneOf(&["true", "false"]),
};
pub(in crate::http) const PERCENTILES: Parameter = Parameter {
    name: "percentiles",
    about: "Up to 200 different percentiles, with commas between them.",
    example: "p50,p99.9",
    required: false,
    shape: Shape::Pattern(
        r"^p(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,5})?)(,p(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,5})?))*$",
    ),
};

/// A form that only one resource has.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct OwnForm {
    /// What `format` calls it.
    pub(in crate::http) name: &'static str,
    pub(in crate::http) media_type: &'static str,
}

/// Regions on a map.
pub(in crate::http) const GEOJSON: OwnForm = OwnForm { name: "geojson", media_type: "application/geo+json" };
/// Changes for a feed reader.
pub(in crate::http) const ATOM: OwnForm = OwnForm { name: "atom", media_type: "application/atom+xml" };

/// The media type of a form by its name as a parameter.
pub(in crate::http) fn media_type(format: &str) -> Option<&'static str> {
    let own = [GEOJSON, ATOM].into_iter().find(|own| own.name == format).map(|own| own.media_type);
    own.or_else(|| Format::ALL.into_iter().find(|known| known.name() == format).map(Format::media_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_answer_can_be_asked_for() {
        let Shape::OneOf(words) = FORMAT.shape else { panic!("{:?}", FORMAT.shape) };
        assert_eq!(words, Format::ALL.map(Format::name));
        assert_eq!(media_type("csv"), Some("text/csv"));
    }

    #[test]
    fn windows_and_protocols_are_those_that_are_read() {
        let words = |parameter: Parameter| match parameter.shape {
            Shape::OneOf(words) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(words(WINDOW), cloudping_model::Rolling::ALL.map(cloudping_model::Rolling::name));
        assert!(words(PROTOCOL).iter().all(|name| cloudping_model::Protocol::from_name(name).is_some()));
    }
}
