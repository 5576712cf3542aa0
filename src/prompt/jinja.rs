//! The Jinja environment that chat templates are written for.
//!
//! Owns everything in which transformers' environment (`_compile_jinja_template` in its `chat_template_utils.py`)
//! differs from minijinja's: whitespace control, Python's methods, a few tests and filters, `raise_exception`,
//! `strftime_now` and `generation` blocks. Which variables a template sees is decided in `chat_template`.

use std::borrow::Cow;
use std::io;

use jiff::civil::Date;
use jiff::fmt::strtime;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize as _;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// The name of the one template; it has no ending, so that nothing is escaped.
pub(super) const TEMPLATE: &str = "chat template";

/// An environment that holds `source` as [`TEMPLATE`]; `strftime_now` says that it is midnight on `date`.
pub(super) fn environment(source: &str, date: Date) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(false);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
    environment.add_filter("length", length);
    environment.add_filter("count", length);
    environment.add_filter("tojson", to_json);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", move |format: &str| {
        strtime::format(format, date.at(0, 0, 0, 0)).map_err(|error| {
            let problem = format!("`strftime_now` cannot write `{format}`: {error}");
            Error::new(ErrorKind::InvalidOperation, problem)
        })
    });
    environment.add_template_owned(TEMPLATE, python_source(source))?;
    Ok(environment)
}

/// The fault in a template, with its line where that is known, on one line.
pub(super) fn problem_of(error: &Error) -> String {
    let kind = error.kind().to_string();
    let problem = match error.detail() {
        // What a template says when it refuses its messages needs no further words.
        Some(detail) if error.kind() == ErrorKind::InvalidOperation => detail.to_owned(),
        Some(detail) => format!("{kind}: {detail}"),
        None => kind,
    };
    let problem = problem.split_whitespace().collect::<Vec<_>>().join(" ");
    match error.line() {
        Some(line) => format!("{problem} (line {line} of the template)"),
        None => problem,
    }
}

fn raise_exception(message: &str) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message.to_owned()))
}

/// As Jinja's test: what Python can iterate over, which `none` is not.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// As Jinja's test: what has a length and items, which holds for texts and mappings too, and for what is undefined.
fn is_sequence(value: &Value) -> bool {
    value.is_undefined() || value.len().is_some()
}

/// As Jinja's filter: what is undefined has length 0.
fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    minijinja::filters::length(value)
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`; unlike minijinja's own filter it escapes no HTML.
fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ensure_ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    if ensure_ascii == Some(true) {
        let problem = "`tojson` with `ensure_ascii` is not supported";
        return Err(Error::new(ErrorKind::InvalidOperation, problem));
    }
    let mut json = Vec::new();
    let written = match indent {
        Some(width) => {
            let spaces = " ".repeat(width);
            let formatter = PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut json, formatter))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut json, PythonFormatter)),
    };
    let problem = "this value cannot be written as JSON";
    written.map_err(|error| Error::new(ErrorKind::InvalidOperation, problem).with_source(error))?;
    Ok(String::from_utf8(json).expect("serde_json writes UTF-8"))
}

/// Python puts a space after each comma and colon.
struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// The source with what minijinja does not know written in other ways: Windows' line ends, which Jinja reads as `\n`,
/// and transformers' `generation` blocks, which only mark a part of the text and become blocks that always apply.
fn python_source(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = replace_tag(&source, "generation", "if true");
    replace_tag(&source, "endgeneration", "endif").into_owned()
}

/// Replaces the word in every tag, such as `{%- word -%}`, that holds nothing else.
fn replace_tag<'s>(source: &'s str, word: &str, by: &str) -> Cow<'s, str> {
    let mut parts = source.split("{%");
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    let mut is_changed = false;
    for part in parts {
        replaced.push_str("{%");
        let tag = part.split("%}").next().unwrap_or_default();
        if tag.trim_matches(['-', '+']).trim() == word {
            is_changed = true;
            replaced.push_str(&tag.replacen(word, by, 1));
            replaced.push_str(&part[tag.len()..]);
        } else {
            replaced.push_str(part);
        }
    }
    if is_changed {
        Cow::Owned(replaced)
    } else {
        Cow::Borrowed(source)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use minijinja::context;

    use super::*;

    /// The result of `source` for a list `messages`, a `none` and a tool-like object.
    fn render(source: &str) -> Result<String, Error> {
        let environment = environment(source, date(2000, 2, 29))?;
        let context = context! {
            messages => vec![context! { role => "user", content => " Hi <b> " }],
            nothing => (),
            value => context! { b => vec![Value::from(1), Value::from("<é'&>"), Value::from(())], a => context! {} },
        };
        environment.get_template(TEMPLATE)?.render(context)
    }

    fn check(source: &str, expect: &str) {
        assert_eq!(render(source).unwrap(), expect, "{source}");
    }

    /// Expected values: the same sources and variables in transformers 5.24.0 (`_compile_jinja_template`),
    /// Jinja2 3.1.6.
    #[test]
    fn sources_give_what_transformers_gives() {
        check("  {% if true %}\na\n  {% endif %}\nb\n", "a\nb");
        check("a\r\nb{% if true %}\r\nc{% endif %}\r\n", "a\nbc");
        check("{{ messages[0]['content'].strip() }}|", "Hi <b>|");
        check("{{ messages[0].content | trim | upper }}", "HI <B>");
        check("{{ messages[0].missing }}|{{ missing }}|", "||");
        check(
            "{{ nothing }} {{ true }} {{ 1 == 2 }} {{ 3 }}",
            "None True False 3",
        );
        check(
            "{{ nothing is iterable }} {{ value is iterable }} {{ missing is iterable }}",
            "False True True",
        );
        check(
            "{{ 'a' is sequence }} {{ 1 is sequence }} {{ missing is sequence }}",
            "True False True",
        );
        check("{{ missing | length }} {{ value | count }}", "0 2");
        check(
            "{{ value | tojson }}",
            r#"{"b": [1, "<é'&>", null], "a": {}}"#,
        );
        check(
            "{{ value | tojson(indent=2) }}",
            "{\n  \"b\": [\n    1,\n    \"<é'&>\",\n    null\n  ],\n  \"a\": {}\n}",
        );
        check(
            "{% for i in [1, 2, 3, 4] %}{% if i == 2 %}{% continue %}{% elif i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "13",
        );
        check(
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
        );
        check(
            "a {%- generation -%} b {%- endgeneration %} c{% generation %}\nd{% endgeneration %}\n",
            "ab cd",
        );
        check("{{ 'a' 'b' ~ 'c' }}{{ messages[-1].role }}", "abcuser");
        check("{{ 1.0 }} {{ 7 // 2 }} {{ 7 / 2 }}", "1.0 3 3.5");
        check("a\n\n", "a\n");
        check(
            "{{ strftime_now('%d %b %Y') if strftime_now is defined }}",
            "29 Feb 2000",
        );
    }

    /// Expected values: `datetime(2000, 2, 29).strftime(format)` of CPython 3.11.
    #[test]
    fn dates_are_written_as_python_writes_them() {
        let all = "%a %A %b %B %d %-d %m %-m %Y %y %j %H %I %M %S %p %F %T %%";
        check(
            &format!("{{{{ strftime_now('{all}') }}}}"),
            "Tue Tuesday Feb February 29 29 02 2 2000 00 060 00 12 00 00 AM 2000-02-29 00:00:00 %",
        );
        check("{{ strftime_now('%B %d, %Y') }}", "February 29, 2000");
        check("{{ strftime_now('Heute: é %d') }}", "Heute: é 29");
    }

    #[test]
    fn refusals_are_told_in_the_templates_words() {
        let error = render("\n{{ raise_exception('No  system\nrole!') }}").unwrap_err();
        assert_eq!(
            problem_of(&error),
            "No system role! (line 2 of the template)"
        );
        let error = render("{{ missing.attribute }}").unwrap_err();
        assert!(problem_of(&error).contains("undefined"), "{error}");
        assert!(render("{% if %}").is_err());
        assert!(render("{{ value | tojson(ensure_ascii=true) }}").is_err());
        for format in ["%d %Z", "%Q", "%"] {
            let error = render(&format!("{{{{ strftime_now('{format}') }}}}")).unwrap_err();
            assert!(
                problem_of(&error).contains(&format!("`{format}`")),
                "{error}"
            );
        }
    }
}
