//! The YAML form of a manifest and the rules its values keep.
//!
//! Owns the serde mirror of `gguf/models.yaml` and turning it into validated entries.
//! It reads no file: the caller has the text.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::label::canonical_quantization;
use super::{
    Entry, GenerationConfig, HubSource, Kind, Manifest, ManifestError, ManifestFile, Model,
    PypiSource, Source, WheelPart,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireManifest {
    models: Vec<WireModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireModel {
    name: String,
    family: String,
    parameters: u64,
    kind: WireKind,
    licence: String,
    licence_note: Option<String>,
    generation_config: Option<WireGenerationConfig>,
    #[serde(default)]
    sources: Vec<WireSource>,
    quantizations: Vec<WireQuantization>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireGenerationConfig {
    temperature: f64,
    top_k: u32,
    top_p: f64,
    repetition_penalty: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireKind {
    Generation,
    Encoder,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireQuantization {
    quantization: String,
    files: Vec<WireFile>,
    #[serde(default)]
    sources: Vec<WireSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFile {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Exactly one of the fields is given; an enum would need a YAML tag such as `!hub`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSource {
    hub: Option<WireHub>,
    pypi: Option<serde_yaml::Mapping>,
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHub {
    repository: String,
    revision: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePart {
    package: String,
    version: String,
    member: String,
    bytes: Option<u64>,
}

/// Reads and checks a manifest; `origin` names it in errors.
pub(super) fn parse(text: &str, origin: &str) -> Result<Manifest, ManifestError> {
    let wire: WireManifest = serde_yaml::from_str(text).map_err(|error| ManifestError::Syntax {
        origin: origin.to_owned(),
        message: error.to_string(),
    })?;
    let mut entries = Vec::new();
    let mut names = HashSet::new();
    for model in wire.models {
        let place = format!("model `{}`", model.name);
        if !names.insert(model.name.clone()) {
            return Err(invalid(origin, &place, "its name is given twice"));
        }
        entries.extend(validate_model(model, origin, &place)?);
    }
    Ok(Manifest { entries })
}

fn invalid(origin: &str, place: &str, problem: impl Into<String>) -> ManifestError {
    ManifestError::Invalid {
        origin: origin.to_owned(),
        place: place.to_owned(),
        problem: problem.into(),
    }
}

fn validate_model(wire: WireModel, origin: &str, place: &str) -> Result<Vec<Entry>, ManifestError> {
    let fail = |problem: &str| Err(invalid(origin, place, problem));
    // Names become folders: lower case keeps them apart on file systems that ignore case.
    if !is_made_of(&wire.name, "abcdefghijklmnopqrstuvwxyz0123456789.-")
        || wire.name.starts_with('.')
    {
        return fail("a name consists of lower-case letters, digits, `.` and `-`");
    }
    if wire.parameters == 0 {
        return fail("`parameters` is 0");
    }
    if wire.family.is_empty() || wire.licence.is_empty() {
        return fail("`family` and `licence` must not be empty");
    }
    if wire.quantizations.is_empty() {
        return fail("`quantizations` is empty");
    }
    let kind = match wire.kind {
        WireKind::Generation => Kind::Generation,
        WireKind::Encoder => Kind::Encoder,
    };
    if kind == Kind::Encoder && wire.generation_config.is_some() {
        return fail("an encoder has no `generation_config`");
    }
    let generation_config = wire.generation_config.map(validate_generation_config);
    let generation_config = generation_config
        .transpose()
        .map_err(|problem| invalid(origin, place, problem))?;
    let model = Arc::new(Model {
        name: wire.name,
        family: wire.family,
        parameters: wire.parameters,
        kind,
        licence: wire.licence,
        licence_note: wire.licence_note,
        generation_config,
    });
    let mut known = HashSet::new();
    let mut file_names = HashSet::new();
    let mut entries = Vec::new();
    for quantization in wire.quantizations {
        let place = format!("{place} {}", quantization.quantization);
        let entry = validate_quantization(quantization, &model, &wire.sources)
            .map_err(|problem| invalid(origin, &place, problem))?;
        if !known.insert(entry.quantization.clone()) {
            return Err(invalid(origin, &place, "the quantization is given twice"));
        }
        // All quantizations of a model lie in one folder.
        if let Some(file) = entry
            .files
            .iter()
            .find(|file| !file_names.insert(file.name.to_lowercase()))
        {
            return Err(invalid(
                origin,
                &place,
                format!("the file name `{}` is given twice", file.name),
            ));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn validate_generation_config(wire: WireGenerationConfig) -> Result<GenerationConfig, String> {
    let WireGenerationConfig {
        temperature,
        top_k,
        top_p,
        repetition_penalty,
    } = wire;
    let is_possible = temperature.is_finite()
        && temperature >= 0.0
        && top_p > 0.0
        && top_p <= 1.0
        && repetition_penalty.is_finite()
        && repetition_penalty > 0.0;
    if !is_possible {
        return Err(
            "`generation_config` holds a value that nothing can be sampled with".to_owned(),
        );
    }
    Ok(GenerationConfig {
        temperature,
        top_k,
        top_p,
        repetition_penalty,
    })
}

fn validate_quantization(
    wire: WireQuantization,
    model: &Arc<Model>,
    shared_sources: &[WireSource],
) -> Result<Entry, String> {
    let label_is_plain = is_made_of(&wire.quantization, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if !label_is_plain || canonical_quantization(&wire.quantization) != wire.quantization {
        return Err(format!(
            "`{}` is no quantization: upper-case letters, digits and `_` are (`Q4_K_M`, `F16`)",
            wire.quantization
        ));
    }
    if wire.files.is_empty() {
        return Err("`files` is empty".to_owned());
    }
    let files: Vec<ManifestFile> = wire
        .files
        .into_iter()
        .map(validate_file)
        .collect::<Result<_, _>>()?;
    let sources: Vec<Source> = shared_sources
        .iter()
        .chain(&wire.sources)
        .map(|source| validate_source(source, &files))
        .collect::<Result<_, _>>()?;
    if sources.is_empty() {
        return Err("it has no source".to_owned());
    }
    Ok(Entry {
        model: Arc::clone(model),
        quantization: wire.quantization,
        files,
        sources,
    })
}

fn validate_file(wire: WireFile) -> Result<ManifestFile, String> {
    if !is_file_path(&wire.name) {
        return Err(format!("`{}` is no file name", wire.name));
    }
    if wire.bytes == 0 {
        return Err(format!("`{}` has 0 bytes", wire.name));
    }
    let sha256 = wire
        .sha256
        .parse()
        .map_err(|error| format!("`{}`: {error}", wire.name))?;
    Ok(ManifestFile {
        name: wire.name,
        bytes: wire.bytes,
        sha256,
    })
}

fn validate_source(wire: &WireSource, files: &[ManifestFile]) -> Result<Source, String> {
    match (&wire.hub, &wire.pypi, &wire.path) {
        (Some(hub), None, None) => validate_hub(hub),
        (None, Some(pypi), None) => validate_pypi(pypi, files),
        (None, None, Some(path)) if !path.as_os_str().is_empty() => Ok(Source::Path(path.clone())),
        _ => Err("a source has exactly one of `hub`, `pypi` and `path`".to_owned()),
    }
}

fn validate_hub(wire: &WireHub) -> Result<Source, String> {
    let WireHub {
        repository,
        revision,
    } = wire;
    if repository.split('/').count() != 2 || !is_file_path(repository) {
        return Err(format!("`{repository}` is no repository (`owner/name`)"));
    }
    if revision.len() != 40 || !is_made_of(revision, "0123456789abcdef") {
        return Err(format!(
            "`{revision}` is no revision: a commit has 40 hexadecimal digits"
        ));
    }
    Ok(Source::Hub(HubSource {
        repository: repository.clone(),
        revision: revision.clone(),
    }))
}

fn validate_pypi(wire: &serde_yaml::Mapping, files: &[ManifestFile]) -> Result<Source, String> {
    if let Some(name) = wire
        .keys()
        .find(|&name| !files.iter().any(|file| name == file.name.as_str()))
    {
        return Err(format!(
            "`pypi` names {name:?}, which is not among the files"
        ));
    }
    let parts = files
        .iter()
        .map(|file| {
            let parts = wire
                .get(file.name.as_str())
                .ok_or(format!("`pypi` lacks `{}`", file.name))?;
            let parts: Vec<WirePart> = serde_yaml::from_value(parts.clone())
                .map_err(|error| format!("`pypi` of `{}`: {error}", file.name))?;
            validate_parts(parts, file)
        })
        .collect::<Result<_, _>>()?;
    Ok(Source::Pypi(PypiSource { parts }))
}

fn validate_parts(wire: Vec<WirePart>, file: &ManifestFile) -> Result<Vec<WheelPart>, String> {
    let only_one = wire.len() == 1;
    let parts: Vec<WheelPart> = wire
        .into_iter()
        .map(|part| {
            let bytes = part.bytes.or(only_one.then_some(file.bytes));
            let bytes = bytes.ok_or(format!("a part of `{}` lacks `bytes`", file.name))?;
            let is_word = |text: &str| is_file_path(text) && !text.contains('/');
            if !is_word(&part.package)
                || !is_word(&part.version)
                || part.member.is_empty()
                || bytes == 0
            {
                return Err(format!(
                    "a part of `{}` lacks its package, version, member or bytes",
                    file.name
                ));
            }
            Ok(WheelPart {
                package: part.package,
                version: part.version,
                member: part.member,
                bytes,
            })
        })
        .collect::<Result<_, String>>()?;
    let sum = parts
        .iter()
        .try_fold(0, |sum: u64, part| sum.checked_add(part.bytes));
    if sum != Some(file.bytes) {
        return Err(format!(
            "the parts of `{}` do not add up to its {} bytes",
            file.name, file.bytes
        ));
    }
    Ok(parts)
}

fn is_made_of(text: &str, characters: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| characters.contains(character))
}

/// True if `text` is a relative path of plain names, which also needs no escaping in a URL.
/// A leading `-` is refused because packages become arguments, a leading `.` because such names are ours.
fn is_file_path(text: &str) -> bool {
    text.split('/').all(|name| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
models:
  - name: tiny
    family: test
    parameters: 10
    kind: generation
    licence: MIT
    sources:
      - hub: {repository: owner/tiny, revision: a123456789012345678901234567890123456789}
    quantizations:
      - quantization: Q8_0
        files:
          - {name: tiny.gguf, bytes: 3, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}
        sources:
          - pypi:
              tiny.gguf:
                - {package: a, version: '1.0', member: a/1, bytes: 1}
                - {package: b, version: '1.0', member: b/1, bytes: 2}
          - path: elsewhere
";

    #[test]
    fn sources_of_the_model_come_before_those_of_the_quantization() {
        let manifest = parse(GOOD, "m.yaml").unwrap();
        let [Source::Hub(_), Source::Pypi(pypi), Source::Path(path)] =
            manifest.entries()[0].sources()
        else {
            panic!("{:?}", manifest.entries()[0].sources());
        };
        assert_eq!(
            pypi.parts[0]
                .iter()
                .map(|part| part.bytes)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(path, &PathBuf::from("elsewhere"));
    }

    fn check_broken(from: &str, to: &str, expected: &str) {
        assert!(GOOD.contains(from), "{from}");
        let error = parse(&GOOD.replacen(from, to, 1), "m.yaml")
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }

    #[test]
    fn broken_sampling_values_are_named() {
        let config = |values: &str| format!("licence: MIT\n    generation_config: {{{values}}}");
        check_broken(
            "licence: MIT",
            &config("temperature: 0.7, top_k: 20, top_p: 0.8"),
            "missing field `repetition_penalty`",
        );
        check_broken(
            "licence: MIT",
            &config("temperature: 0.7, top_k: 20, top_p: 0, repetition_penalty: 1.1"),
            "model `tiny`: `generation_config` holds a value that nothing can be sampled with",
        );
        check_broken(
            "kind: generation",
            &format!(
                "kind: encoder\n    {}",
                &config("temperature: 0.7, top_k: 20, top_p: 0.8, repetition_penalty: 1.1")[17..]
            ),
            "an encoder has no `generation_config`",
        );
    }

    #[test]
    fn broken_rules_are_named() {
        let check = check_broken;
        check("family:", "familly:", "unknown field `familly`");
        check(
            "name: tiny\n",
            "name: Tiny\n",
            "model `Tiny`: a name consists of lower-case letters",
        );
        check("parameters: 10", "parameters: 0", "`parameters` is 0");
        check(
            "parameters: 10",
            "parameters: 0.5B",
            "parameters: invalid type",
        );
        check("licence: MIT", "licence: ''", "must not be empty");
        check(
            "kind: generation",
            "kind: writer",
            "unknown variant `writer`",
        );
        check(
            "Q8_0",
            "q8_0",
            "model `tiny` q8_0: `q8_0` is no quantization",
        );
        check("Q8_0", "FP16", "`FP16` is no quantization");
        check("bytes: 3", "bytes: 0", "`tiny.gguf` has 0 bytes");
        check("bytes: 3", "bytes: -3", "invalid type: integer `-3`");
        check("bytes: 3", "bytes: 4", "do not add up to its 4 bytes");
        check("b855}", "b85}", "expected 64 hexadecimal digits");
        check(
            "name: tiny.gguf",
            "name: ../tiny.gguf",
            "`../tiny.gguf` is no file name",
        );
        check("name: tiny.gguf", "name: other.gguf", "not among the files");
        check("hub: {", "hub: {branch: main, ", "unknown field `branch`");
        check("revision: a", "revision: x", "is no revision");
        check("owner/tiny", "tiny", "`tiny` is no repository");
        check(
            "- path:",
            "- {} #",
            "exactly one of `hub`, `pypi` and `path`",
        );
        check(
            "package: a",
            "package: --index-url",
            "lacks its package, version, member or bytes",
        );
        check("version: '1.0'", "version: 1.0", "expected a string");
        check(", bytes: 1}", "}", "a part of `tiny.gguf` lacks `bytes`");
    }

    #[test]
    fn what_is_given_twice_is_refused() {
        let check = |text: String, expected: &str| {
            let error = parse(&text, "m.yaml").unwrap_err().to_string();
            assert_eq!(error, format!("manifest `m.yaml`: model `tiny`{expected}"));
        };
        let model = GOOD.strip_prefix("\nmodels:").unwrap();
        check(format!("{GOOD}{model}"), ": its name is given twice");
        let quantization = &GOOD[GOOD.find("      - quantization").unwrap()..];
        check(
            format!("{GOOD}{quantization}"),
            " Q8_0: the quantization is given twice",
        );
        let other = quantization.replace("Q8_0", "F16");
        check(
            format!("{GOOD}{other}"),
            " F16: the file name `tiny.gguf` is given twice",
        );
        let no_source = format!(
            "{}        sources: []\n",
            &GOOD[..GOOD.find("        sources:").unwrap()]
        );
        let start = no_source.find("    sources:").unwrap();
        let end = no_source.find("    quantizations:").unwrap();
        check(
            format!("{}{}", &no_source[..start], &no_source[end..]),
            " Q8_0: it has no source",
        );
    }
}
