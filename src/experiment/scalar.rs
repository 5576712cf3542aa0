//! The meaning of a plain scalar, a YAML value without quotes: nothing, a boolean, a number or a text.
//!
//! Owns the core schema of YAML 1.2, in which `no` and `1_000` are texts. Quoted values are texts always and do not come here.

/// A scalar by its meaning.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    String(String),
}

/// The value of a scalar without quotes, by the core schema of YAML 1.2 (and `0b` for binary numbers).
pub(super) fn plain(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        _ => number(text).unwrap_or_else(|| Scalar::String(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Scalar> {
    let is_negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        let infinity = if is_negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        };
        return Some(Scalar::Float(infinity));
    }
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    // Such as `+-1` and `007`, which are texts.
    if digits.starts_with(['+', '-']) || (is_digits && digits.len() > 1 && digits.starts_with('0'))
    {
        return None;
    }
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2), ("", 10)];
    let mut numbers = prefixes.into_iter().filter_map(|(prefix, radix)| {
        let digits = digits.strip_prefix(prefix)?;
        // The standard library would take a second sign.
        let digits = Some(digits).filter(|digits| !digits.starts_with('+'))?;
        u128::from_str_radix(digits, radix).ok()
    });
    if let Some(size) = numbers.next() {
        // Larger than any field allows either way, so the largest value gives the same message.
        let size = i128::try_from(size).unwrap_or(i128::MAX);
        return Some(Scalar::Integer(if is_negative { -size } else { size }));
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(Scalar::Float(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_yaml_1_2_says() {
        let check = |texts: &str, is_expected: &dyn Fn(&Scalar) -> bool| {
            for text in texts.split(' ') {
                assert!(is_expected(&plain(text)), "{text}: {:?}", plain(text));
            }
        };
        let integer = |expected| move |value: &Scalar| matches!(value, Scalar::Integer(number) if *number == expected);
        let float = |expected| move |value: &Scalar| matches!(value, Scalar::Float(number) if *number == expected);
        check("~ null Null NULL", &|value| matches!(value, Scalar::Null));
        check("true True TRUE", &|value| {
            matches!(value, Scalar::Bool(true))
        });
        check("false False FALSE", &|value| {
            matches!(value, Scalar::Bool(false))
        });
        check("15 +15 0xf 0o17 0b1111 +0xf", &integer(15));
        check("-15 -0xf -0o17", &integer(-15));
        check("0 -0", &integer(0));
        check("18446744073709551616", &integer(1 << 64));
        check(
            "340282366920938463463374607431768211455",
            &integer(i128::MAX),
        );
        check("0.5 .5 +.5 5e-1 00.5", &float(0.5));
        check(".inf +.inf .Inf .INF", &float(f64::INFINITY));
        check("-.inf", &float(f64::NEG_INFINITY));
        check(
            ".nan .NaN",
            &|value| matches!(value, Scalar::Float(number) if number.is_nan()),
        );
        check(
            "yes no on off y 007 1_000 0o8 0x 0x+1 --1 +-1 1e400 inf nan 12:30 tRue nULL 1,5",
            &|value| matches!(value, Scalar::String(_)),
        );
    }
}
