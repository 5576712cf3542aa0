//! The decimals of similarities, as a word of the command line.

/// To how many decimals similarities are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimals(pub Option<u8>);

impl std::str::FromStr for Decimals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = || text.parse().ok().filter(|decimals| *decimals <= 15);
        match text {
            "none" => Ok(Self(None)),
            _ => number()
                .map(|decimals| Self(Some(decimals)))
                .ok_or_else(|| "expected a number from 0 to 15, or `none`".to_owned()),
        }
    }
}
