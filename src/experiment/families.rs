//! Families of concepts: near-synonyms such as a colour and its shades, which are no placebo for each other.
//!
//! Owns which family a concept is in, whoever names the families, and the section `concept_families` of an experiment
//! with its checks. Which pairs are siblings, `leakage` decides.

use std::collections::{HashMap, HashSet};

use super::node::{Field, Node, Value};
use super::problem::{N_SHOWN_MAX, Problem};
use super::prompts::{FreePair, Placed};
use super::read::{Fields, Reader};
use super::suggest::did_you_mean;
use crate::words::folded;

/// A name and its members.
pub(crate) type Family<T> = (T, Vec<T>);

const EXAMPLE: &str = "concept_families: {red: [crimson, scarlet]}";

/// The families of concepts; letter case is no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConceptFamilies {
    /// By the word in lowercase.
    family_of: HashMap<String, String>,
}

impl ConceptFamilies {
    /// Families as they are, each with its name and its members; the name is a member too.
    pub fn new<'a, M>(families: impl IntoIterator<Item = (&'a str, M)>) -> Self
    where
        M: IntoIterator<Item = &'a str>,
    {
        let mut family_of = HashMap::new();
        for (name, members) in families {
            for word in members.into_iter().chain([name]) {
                family_of.insert(folded(word), name.to_owned());
            }
        }
        Self { family_of }
    }

    /// The name of the family that a concept is in; None where it has none but itself.
    pub fn of(&self, concept: &str) -> Option<&str> {
        let word = folded(concept.trim());
        self.family_of.get(&word).map(String::as_str)
    }
}

/// A word that comes a second time.
pub(crate) struct Doubled<'f, T> {
    pub(crate) message: String,
    pub(crate) first: &'f T,
    pub(crate) second: &'f T,
}

/// The words that stand in two families or twice in one; that a family lists its own name is fine.
pub(crate) fn doubled<'f, T>(
    families: &'f [Family<T>],
    text: impl Fn(&T) -> &str,
) -> Vec<Doubled<'f, T>> {
    let mut first_of: HashMap<String, (&T, &T)> = HashMap::new();
    let mut found = Vec::new();
    for (name, members) in families {
        let is_listed = members.iter().any(|member| same(text(member), text(name)));
        let own = (!is_listed).then_some(name);
        for word in own.into_iter().chain(members) {
            let first = *first_of.entry(folded(text(word))).or_insert((word, name));
            if !std::ptr::eq(first.0, word) {
                found.push(Doubled {
                    message: message_of(text(word), text(first.1), text(name)),
                    first: first.0,
                    second: word,
                });
            }
        }
    }
    found
}

fn message_of(word: &str, first: &str, second: &str) -> String {
    if !same(first, second) {
        return format!("`{word}` is in the families `{first}` and `{second}`");
    }
    if same(word, second) {
        return format!("the family `{second}` comes twice");
    }
    format!("`{word}` is listed twice in the family `{second}`")
}

/// True for the same word in any letter case.
pub(crate) fn same(left: &str, right: &str) -> bool {
    folded(left) == folded(right)
}

/// The families that an experiment names, with their places.
#[derive(Debug, Clone)]
pub(crate) struct NamedFamilies {
    families: Vec<Family<Placed>>,
    /// Taken from the extended file.
    is_inherited: bool,
}

/// The problems of families beside the concepts there are.
#[derive(Debug, Default)]
pub(crate) struct FamilyProblems {
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl NamedFamilies {
    /// Which concept is in which family.
    pub(crate) fn families(&self) -> ConceptFamilies {
        let families = self.families.iter();
        ConceptFamilies::new(families.map(|(name, members)| {
            let members = members.iter().map(|member| member.text.as_str());
            (name.text.as_str(), members)
        }))
    }

    /// Members that are no concepts, families that change nothing, and names that are probably misspelt.
    pub(crate) fn check(&self, concepts: &[&str]) -> FamilyProblems {
        let known: HashSet<String> = concepts.iter().map(|word| folded(word)).collect();
        let is_concept = |word: &Placed| known.contains(&folded(&word.text));
        let mut found = FamilyProblems::default();
        for (name, members) in &self.families {
            let unknown = members.iter().filter(|member| !is_concept(member));
            let n_errors = found.errors.len();
            for member in unknown {
                let n_found = found.errors.len();
                let concepts = concepts.iter().filter(|_| n_found < N_SHOWN_MAX);
                let problem = self.unknown(member, concepts.copied());
                found.errors.push(problem);
            }
            if found.errors.len() > n_errors {
                continue;
            }
            let others = members.iter().filter(|word| !same(&word.text, &name.text));
            let n_concepts = others.count() + usize::from(is_concept(name));
            if n_concepts < 2 {
                let message = format!("the family `{}` has one concept", name.text);
                found
                    .warnings
                    .push(Problem::warning(&name.position, message).label("it changes nothing"));
            } else if !is_concept(name) && found.warnings.len() < N_SHOWN_MAX {
                found.warnings.extend(self.misspelt(name, concepts));
            }
        }
        found
    }

    fn unknown<'c>(&self, member: &Placed, concepts: impl Iterator<Item = &'c str>) -> Problem {
        let word = &member.text;
        let meant = did_you_mean(word, concepts);
        let hint = match meant {
            _ if self.is_inherited => Some(
                "the families are those of the extended file; give this one `concept_families` of its own, or `{}` for none"
                    .to_owned(),
            ),
            meant => meant.map(|meant| format!("did you mean `{meant}`?")),
        };
        let message = format!("`{word}` is not among the concepts of the experiment");
        Problem::error(&member.position, message)
            .label("expected a concept of `concepts` or `pairs`")
            .maybe_hint(hint)
    }

    /// A name that is nearly a concept without a family: then that one would be a placebo for its own shades.
    fn misspelt(&self, name: &Placed, concepts: &[&str]) -> Option<Problem> {
        let families = self.families();
        let alone = concepts.iter().copied();
        let alone = alone.filter(|concept| families.of(concept).is_none());
        let meant = did_you_mean(&name.text, alone)?;
        let message = format!("no concept is called `{}`", name.text);
        Some(
            Problem::warning(&name.position, message)
                .label("so its members alone are a family")
                .hint(format!("did you mean `{meant}`?")),
        )
    }
}

impl Reader {
    /// The families of concepts; None where the key is absent, and after a problem was reported.
    pub(crate) fn concept_families(&mut self, top: &Fields<'_>) -> Option<NamedFamilies> {
        let entry = top.entry("concept_families")?;
        let Value::Mapping(mapping) = &entry.node.value else {
            self.wrong_type(&entry.node, "concept_families", "a mapping", Some(EXAMPLE));
            return None;
        };
        let families = mapping.entries.iter();
        let families: Vec<_> = families.filter_map(|entry| self.family(entry)).collect();
        for doubled in doubled(&families, |word| &word.text) {
            self.report(
                Problem::error(&doubled.second.position, doubled.message)
                    .label("the second")
                    .earlier(&doubled.first.position, "the first"),
            );
        }
        let main = top.start.file().path();
        Some(NamedFamilies {
            is_inherited: entry.key_position.file().path() != main,
            families,
        })
    }

    /// Checks families beside the concepts and pairs of the file.
    pub(crate) fn check_families(
        &mut self,
        families: &NamedFamilies,
        concepts: &[Placed],
        free_pairs: &[FreePair],
    ) {
        let free = free_pairs.iter().map(|pair| &pair.concept);
        let known = concepts.iter().chain(free);
        let known: Vec<&str> = known.map(|concept| concept.text.as_str()).collect();
        let found = families.check(&known);
        self.problems.extend(found.errors);
        self.warnings.extend(found.warnings);
    }

    fn family(&mut self, entry: &Field) -> Option<Family<Placed>> {
        let key = Node {
            value: Value::String(entry.key.clone()),
            position: entry.key_position.clone(),
        };
        let name = self.placed(&key, "concept_families")?;
        let key = format!("concept_families.{}", name.text);
        let items = self.list(&entry.node, &key, EXAMPLE)?;
        let members = items.iter().filter_map(|item| self.placed(item, &key));
        Some((name, members.collect()))
    }
}
