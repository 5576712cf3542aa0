//! A point in time, written as C's `strftime` writes it.
//!
//! Owns the calendar and the directives that chat templates use. Times are UTC and month names English, so that a
//! prompt does not depend on the settings of the machine.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const SECONDS_A_DAY: u64 = 86_400;

/// A point in time, not before 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    year: u64,
    /// From 0.
    month_idx: usize,
    /// Day of the month, from 1.
    day: u64,
    /// Day of the year, from 1.
    day_of_year: u64,
    /// From 0, which is Sunday.
    weekday_idx: usize,
    second_of_day: u64,
}

impl From<SystemTime> for Moment {
    /// Times before 1970 become 1970.
    fn from(time: SystemTime) -> Self {
        let seconds = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let n_days = seconds / SECONDS_A_DAY;
        let (year, day_of_year) = year_of(n_days);
        let (month_idx, day) = month_of(year, day_of_year);
        Self {
            year,
            month_idx,
            day,
            day_of_year,
            // The first day of 1970 was a Thursday.
            weekday_idx: ((n_days + 4) % 7) as usize,
            second_of_day: seconds % SECONDS_A_DAY,
        }
    }
}

impl Moment {
    /// The moment as `format` says; the error names the directive that is not known.
    pub(super) fn format(&self, format: &str) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = format.chars();
        while let Some(char) = chars.next() {
            if char != '%' {
                text.push(char);
                continue;
            }
            // A minus between `%` and the letter asks for numbers without padding.
            let (letter, padded) = match chars.next() {
                Some('-') => (chars.next(), false),
                letter => (letter, true),
            };
            let known = letter.is_some_and(|letter| self.write(&mut text, letter, padded));
            if !known {
                let letter = letter.map(String::from).unwrap_or_default();
                return Err(format!("`strftime_now` does not know `%{letter}`"));
            }
        }
        Ok(text)
    }

    /// Appends what one directive stands for; false if it is not known.
    fn write(&self, text: &mut String, letter: char, padded: bool) -> bool {
        let hour = self.second_of_day / 3600;
        let hour_of_twelve = (hour + 11) % 12 + 1;
        let minute = self.second_of_day / 60 % 60;
        let day_name = DAYS[self.weekday_idx];
        let month_name = MONTHS[self.month_idx];
        let (number, width) = match letter {
            'd' => (self.day, 2),
            'm' => (self.month_idx as u64 + 1, 2),
            'Y' => (self.year, 4),
            'y' => (self.year % 100, 2),
            'j' => (self.day_of_year, 3),
            'H' => (hour, 2),
            'I' => (hour_of_twelve, 2),
            'M' => (minute, 2),
            'S' => (self.second_of_day % 60, 2),
            'a' => return push(text, &day_name[..3]),
            'A' => return push(text, day_name),
            'b' | 'h' => return push(text, &month_name[..3]),
            'B' => return push(text, month_name),
            'p' => return push(text, if hour < 12 { "AM" } else { "PM" }),
            '%' => return push(text, "%"),
            'F' => return self.write_all(text, "Y-m-d"),
            'T' => return self.write_all(text, "H:M:S"),
            _ => return false,
        };
        let width = if padded { width } else { 1 };
        write!(text, "{number:0width$}").is_ok()
    }

    /// Appends several directives; what is no letter is appended as it is.
    fn write_all(&self, text: &mut String, letters: &str) -> bool {
        letters.chars().all(|char| match char {
            letter if letter.is_ascii_alphabetic() => self.write(text, letter, true),
            other => push(text, other.encode_utf8(&mut [0; 4])),
        })
    }
}

fn push(text: &mut String, part: &str) -> bool {
    text.push_str(part);
    true
}

/// The year in which the day lies that is `n_days` after the first of 1970, and its number there, from 1.
fn year_of(mut n_days: u64) -> (u64, u64) {
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if n_days < length {
            return (year, n_days + 1);
        }
        n_days -= length;
        year += 1;
    }
}

/// The month, from 0, and the day in it, from 1.
fn month_of(year: u64, day_of_year: u64) -> (usize, u64) {
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut day = day_of_year;
    for (month_idx, length) in lengths.into_iter().enumerate() {
        if day <= length {
            return (month_idx, day);
        }
        day -= length;
    }
    unreachable!("a day of the year lies in one of its months")
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(seconds: u64, format: &str, expect: &str) {
        let moment = Moment::from(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(moment.format(format).as_deref(), Ok(expect), "{seconds}");
    }

    /// Expected values: `datetime.fromtimestamp(seconds, timezone.utc).strftime(format)` of CPython 3.11.
    #[test]
    fn moments_are_written_as_python_writes_them() {
        let all = "%a %A %b %B %d %-d %m %-m %Y %y %j %H %I %M %S %p %F %T %%";
        check(
            0,
            all,
            "Thu Thursday Jan January 01 1 01 1 1970 70 001 00 12 00 00 AM 1970-01-01 00:00:00 %",
        );
        check(
            951_827_696,
            all,
            "Tue Tuesday Feb February 29 29 02 2 2000 00 060 12 12 34 56 PM 2000-02-29 12:34:56 %",
        );
        check(1_735_689_599, "%d %b %Y, %j", "31 Dec 2024, 366");
        check(4_107_542_400, "%d %B %Y", "01 March 2100");
        check(1_722_000_000, "Heute: é %d", "Heute: é 26");
    }

    #[test]
    fn unknown_directives_are_named() {
        let moment = Moment::from(UNIX_EPOCH);
        for (format, expect) in [("%d %Q", "`%Q`"), ("%", "`%`"), ("%-", "`%`")] {
            let error = moment.format(format).unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
    }
}
