//! What an attribute may be: words, a number, a flag, perhaps nothing, or a closure that gives one of them.

use std::borrow::Cow;

use leptos::prelude::*;

use super::pointer::Call;

pub type Words = Cow<'static, str>;

/// The value of an attribute.
pub enum Value {
    /// The attribute is not there.
    Absent,
    /// It never changes.
    Text(Words),
    Live(Box<dyn Call<Option<Words>>>),
}

/// Whether a class is there.
pub enum Flag {
    /// It never changes.
    Fixed(bool),
    Live(Box<dyn Call<bool>>),
}

/// What can be the value of an attribute.
pub trait IntoValue {
    fn into_value(self) -> Value;
}

/// What a closure may give as the value of an attribute.
pub trait IntoWords {
    /// It; none where the attribute is not there.
    fn into_words(self) -> Option<Words>;
}

/// What can say whether a class is there.
pub trait IntoFlag {
    fn into_flag(self) -> Flag;
}

macro_rules! words {
    ($($of:ty: $this:ident => $words:expr;)*) => {$(
        impl IntoWords for $of {
            fn into_words(self) -> Option<Words> {
                let $this = self;
                $words
            }
        }
        impl IntoValue for $of {
            fn into_value(self) -> Value {
                fixed(self.into_words())
            }
        }
    )*};
}

words! {
    &'static str: this => Some(this.into());
    String: this => Some(this.into());
    bool: this => this.then_some("".into());
    u64: this => Some(this.to_string().into());
    i64: this => Some(this.to_string().into());
    f64: this => Some(number(this).into());
    Option<&'static str>: this => this.map(Words::from);
    Option<String>: this => this.map(Words::from);
}

impl<T: IntoWords, F: Fn() -> T + 'static> IntoValue for F {
    fn into_value(self) -> Value {
        Value::Live(Box::new(move || self().into_words()))
    }
}

impl IntoValue for Signal<&'static str> {
    fn into_value(self) -> Value {
        (move || self.get()).into_value()
    }
}

impl IntoFlag for bool {
    fn into_flag(self) -> Flag {
        Flag::Fixed(self)
    }
}

impl<F: Fn() -> bool + 'static> IntoFlag for F {
    fn into_flag(self) -> Flag {
        Flag::Live(Box::new(self))
    }
}

fn fixed(words: Option<Words>) -> Value {
    words.map_or(Value::Absent, Value::Text)
}

/// A length or a place, to a hundredth of a unit: more is not seen.
pub fn number(value: f64) -> String {
    crate::i18n::number::fixed_point(value, 2)
}
