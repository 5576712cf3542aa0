//! `~` at the beginning of a path: the home folder, as a shell means it.
//!
//! Owns the one place where that is done. A shell does it for words that begin with `~` alone, not within a word, in a
//! variable or in a file.

use std::borrow::Cow;
use std::env;
use std::ffi::OsString;
use std::path::Path;

/// The path with the home folder for a first part `~`; another person's (`~name`) and all other paths are left as they are.
pub fn expanded(path: &Path) -> Cow<'_, Path> {
    match (path.strip_prefix("~"), env::home_dir()) {
        (Ok(rest), Some(home)) if rest.as_os_str().is_empty() => Cow::Owned(home),
        (Ok(rest), Some(home)) => Cow::Owned(home.join(rest)),
        _ => Cow::Borrowed(path),
    }
}

/// The words of a command line with their paths expanded: those that begin with `~`, also behind `--option=`.
pub fn expanded_words(words: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    words.map(|word| match word.to_str().and_then(option_value) {
        Some((option, value)) => {
            let mut word = OsString::from(option);
            word.push(expanded(value).as_os_str());
            word
        }
        None => expanded(Path::new(&word)).as_os_str().to_owned(),
    })
}

/// `--option=` and the path behind it.
fn option_value(word: &str) -> Option<(&str, &Path)> {
    let end = word.find('=').filter(|_| word.starts_with("--"))? + 1;
    Some((&word[..end], Path::new(&word[end..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_part_alone_is_the_home_folder() {
        let home = env::home_dir().unwrap();
        let home = home.to_str().unwrap();
        let words = [
            "~", "~/a b", "--db=~/x", "~other/x", "a/~", "--db=x~", "a=~/x", "-",
        ];
        let expected = [
            home,
            &format!("{home}/a b"),
            &format!("--db={home}/x"),
            "~other/x",
            "a/~",
            "--db=x~",
            "a=~/x",
            "-",
        ];
        let found = expanded_words(words.iter().map(OsString::from));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
