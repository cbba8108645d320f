//! What Jinja2 does and the engine does differently or not at all.
//!
//! `tests/all/jinja2.json` holds what Jinja2 itself makes of many snippets; a test in Python keeps it true, and a test
//! of this crate renders the same.

mod texts;
mod values;

use minijinja::value::{Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, filters};

use super::print::weigh;

/// Adds and replaces filters, tests and functions.
pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("e", texts::escape);
    env.add_filter("escape", texts::escape);
    env.add_filter("forceescape", texts::force_escape);
    env.add_filter("truncate", texts::truncate);
    env.add_filter("wordcount", texts::word_count);
    env.add_filter("wordwrap", texts::word_wrap);
    env.add_filter("indent", texts::indent);
    env.add_filter("center", texts::center);
    env.add_filter("format", texts::format);
    env.add_filter("striptags", texts::strip_tags);
    env.add_filter("urlencode", texts::url_encode);
    env.add_filter("xmlattr", texts::xml_attributes);
    env.add_filter("default", values::default);
    env.add_filter("d", values::default);
    env.add_filter("int", values::int);
    env.add_filter("float", values::float);
    env.add_filter("filesizeformat", values::file_size);
    env.add_filter("sort", values::sort);
    env.add_filter("dictsort", values::dict_sort);
    env.add_filter("tojson", values::to_json);
    env.add_test("sequence", values::is_sequence);
    env.add_test("callable", values::is_callable);
    env.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.0));
    env.add_function("joiner", minijinja_contrib::globals::joiner);

    for (name, filter) in [
        ("capitalize", Value::from_function(filters::capitalize)),
        ("join", Value::from_function(filters::join)),
        ("lines", Value::from_function(filters::lines)),
        ("lower", Value::from_function(filters::lower)),
        ("split", Value::from_function(filters::split)),
        ("string", Value::from_function(filters::string)),
        ("title", Value::from_function(filters::title)),
        ("trim", Value::from_function(filters::trim)),
        ("upper", Value::from_function(filters::upper)),
    ] {
        env.add_filter(name, weighed(filter));
    }
}

/// A filter of the engine that writes what it gets as text: not lists that are small only as long as nobody does.
fn weighed(
    filter: Value,
) -> impl Fn(&mut State<'_, '_>, Rest<ValueOrKwargs>) -> Result<Value, Error> + Send + Sync + 'static {
    move |state, given| {
        let given = given.into_values();
        given.iter().filter(|value| !value.is_kwargs()).try_for_each(weigh)?;
        filter.call(state, &given)
    }
}

/// Whether a value has members that are got by key.
fn is_map(value: &Value) -> bool {
    value.kind() == ValueKind::Map
}
