//! Which part of a rendered prompt is content and which is the template's own.
//!
//! Owns the search: a template is rendered a second time, with a placeholder for each message. If putting the messages
//! in the places of the placeholders gives the real rendering, the template treats every message alike, and all
//! between the places is its own. Rendering, and what follows when the search fails, is in `chat_template`.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// The messages that a template is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Messages<'a> {
    pub(super) system: Option<&'a str>,
    pub(super) user: &'a str,
}

impl fmt::Display for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.system {
            Some(system) => write!(f, "system {system:?}, user {:?}", self.user),
            None => write!(f, "user {:?}", self.user),
        }
    }
}

/// A text for each message that occurs in neither and that nothing trims.
#[derive(Debug, Clone)]
pub(super) struct Placeholders {
    system: String,
    user: String,
}

impl Placeholders {
    pub(super) fn for_messages(messages: Messages<'_>) -> Self {
        let is_in = |place: &str| {
            messages.user.contains(place)
                || messages.system.is_some_and(|text| text.contains(place))
        };
        (0_u32..)
            .map(|number| Self {
                system: format!("(system-{number}-place)"),
                user: format!("(user-{number}-place)"),
            })
            .find(|places| !is_in(&places.system) && !is_in(&places.user))
            .expect("finite messages hold finitely many placeholders")
    }

    /// The placeholders as messages; there is a system message if `messages` has one.
    pub(super) fn in_place_of<'p>(&'p self, messages: Messages<'_>) -> Messages<'p> {
        Messages {
            system: messages.system.map(|_| self.system.as_str()),
            user: &self.user,
        }
    }
}

/// A template rendered with placeholders.
#[derive(Debug)]
pub(super) struct Skeleton {
    text: String,
    places: Places,
}

/// Where placeholders stand, in ascending order.
type Places = Vec<(Range<usize>, Role)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    System,
    User,
}

impl Skeleton {
    pub(super) fn new(text: String, placeholders: Placeholders) -> Self {
        let mut places = Places::new();
        let roles = [
            (placeholders.system, Role::System),
            (placeholders.user, Role::User),
        ];
        for (placeholder, role) in roles {
            let found = text.match_indices(&placeholder);
            places.extend(found.map(|(start, place)| (start..start + place.len(), role)));
        }
        places.sort_unstable_by_key(|(place, _)| place.start);
        Self { text, places }
    }

    /// True if there is a place for the system message; and true if there is one for the user message.
    pub(super) fn places_system_and_user(&self) -> (bool, bool) {
        let has = |wanted| self.places.iter().any(|&(_, role)| role == wanted);
        (has(Role::System), has(Role::User))
    }

    /// Where the messages stand in `text`, which the same template made of them; `None` if it did more than to place
    /// them, apart from cutting spaces off their ends.
    pub(super) fn locate(&self, messages: Messages<'_>, text: &str) -> Option<Vec<Range<usize>>> {
        let system_forms = trimmed_forms(messages.system.unwrap_or_default());
        let user_forms = trimmed_forms(messages.user);
        system_forms
            .iter()
            .flat_map(|system| user_forms.iter().map(move |user| (system, user)))
            .find_map(|(system, user)| {
                let (filled, contents) = self.fill(system, user);
                (filled == text).then_some(contents)
            })
    }

    fn fill(&self, system: &str, user: &str) -> (String, Vec<Range<usize>>) {
        let mut filled = String::new();
        let mut contents = Vec::new();
        let mut template_start = 0;
        for (place, role) in &self.places {
            filled.push_str(&self.text[template_start..place.start]);
            let content = match role {
                Role::System => system,
                Role::User => user,
            };
            contents.push(filled.len()..filled.len() + content.len());
            filled.push_str(content);
            template_start = place.end;
        }
        filled.push_str(&self.text[template_start..]);
        (filled, contents)
    }
}

/// The change that templates make to a message before they place it: none, or spaces are cut off.
fn trimmed_forms(content: &str) -> BTreeSet<&str> {
    BTreeSet::from([
        content,
        content.trim(),
        content.trim_start(),
        content.trim_end(),
    ])
}
