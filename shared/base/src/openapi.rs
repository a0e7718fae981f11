//! How names, numbers and ids are described in the document of the API. Everything else is described by its derive.

use std::any::type_name;
use std::borrow::Cow;

use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::valid::{Name, NameRule, Number, NumberRule};

/// An id that is a text of one form.
pub fn id(pattern: &str, example: &str, description: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).pattern(Some(pattern));
    text.examples([example.to_owned()]).description(Some(description)).build().into()
}

/// `orrery_base::valid::TtlRule` is the rule of a `Ttl`.
fn kind<R>() -> &'static str {
    let path = type_name::<R>();
    path.rsplit("::").next().unwrap_or(path).trim_end_matches("Rule")
}

impl<R: NameRule> PartialSchema for Name<R> {
    /// The bound counts bytes, and JSON Schema counts characters: no name with more characters fits.
    fn schema() -> RefOr<Schema> {
        let description = format!(
            "1 to {} bytes of UTF-8, without control characters, characters that change the direction of the text, and spaces at \
             its ends.",
            R::BYTES_MAX
        );
        let text: Object = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .min_length(Some(1))
            .max_length(Some(R::BYTES_MAX))
            .description(Some(description))
            .build();
        text.into()
    }
}

impl<R: NameRule> ToSchema for Name<R> {
    fn name() -> Cow<'static, str> {
        format!("{}Name", kind::<R>()).into()
    }
}

/// Bounds are written as the pointer-sized numbers that the crate has.
fn bound(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl<R: NumberRule> PartialSchema for Number<R> {
    fn schema() -> RefOr<Schema> {
        let unit = (!R::UNIT.is_empty()).then(|| format!("In {}.", R::UNIT));
        let number: Object = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Integer))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(bound(*R::RANGE.start())))
            .maximum(Some(bound(*R::RANGE.end())))
            .description(unit)
            .build();
        number.into()
    }
}

impl<R: NumberRule> ToSchema for Number<R> {
    fn name() -> Cow<'static, str> {
        kind::<R>().into()
    }
}
