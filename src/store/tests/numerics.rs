//! How logits are computed: which rows are the same, and that generations are kept apart by them.

use crate::digest::Digest;
use crate::generation::{Method, RequestContext};
use crate::store::fixture::{Fixture, generation, new_run, numerics};
use crate::store::{Here, NewAnswer, Numerics, NumericsId, RunModel, Store, WordingId};

fn undigested() -> Numerics {
    Numerics {
        logits_sha256: None,
        ..numerics()
    }
}

#[test]
fn equal_numerics_are_one_row() {
    let mut store = Store::open_in_memory().unwrap();
    let found = store.undigested("strict-pad8-vbf16", "b10252");
    assert_eq!(found.unwrap(), None);
    let all = [
        numerics(),
        undigested(),
        Numerics {
            logits_sha256: Some(Digest::of(b"other")),
            ..numerics()
        },
    ];
    let ids = all.clone().map(|it| store.register_numerics(&it).unwrap());
    assert_eq!(
        all.clone().map(|it| store.register_numerics(&it).unwrap()),
        ids
    );
    assert_eq!(ids.map(|id| store.numerics(id).unwrap()), all);
    let found = store.undigested("strict-pad8-vbf16", "b10252");
    assert_eq!(found.unwrap(), Some(ids[1]));
    let unknown = store.numerics(NumericsId::UNKNOWN).unwrap();
    assert_eq!(unknown.schedule, "unknown");
}

#[test]
fn generations_of_other_numerics_are_others() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let other = store.register_numerics(&undigested()).unwrap();
    let ids = fixture.request_ids();
    assert_eq!(store.missing(Method::Repeats, &ids, other).unwrap(), ids);
    let request = &fixture.requests[0];
    let mut changed = generation(request);
    changed.text = "other".to_owned();
    let new = [NewAnswer {
        request,
        answer: &changed,
    }];
    let (run, model) = (fixture.run, fixture.model);
    let n_inserted = store.insert_generations(run, model, other, &fixture.context, &new);
    assert_eq!(n_inserted.unwrap(), 1);
    let text = |numerics| {
        store.generations(&ids, numerics).unwrap()[&ids[0]]
            .generation
            .clone()
    };
    assert_eq!(
        (text(other), text(fixture.numerics)),
        (changed.clone(), generation(request))
    );
    let context = RequestContext {
        schedule: "strict-pad8-vbf16-wide".to_owned(),
        ..fixture.context
    };
    let error = store.insert_generations(run, model, other, &context, &new);
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("not those of the schedule that was asked for"),
        "{error}"
    );
}

#[test]
fn numerics_that_the_latest_run_on_such_a_machine_found_are_known() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let new = new_run(fixture.experiment);
    let here = Here {
        cpu: new.cpu,
        system_info: new.system_info,
        llama_cpp_version: new.llama_cpp_version,
    };
    let known = |store: &Store, here: &Here<'_>| {
        let schedule = &fixture.context.schedule;
        store
            .known_numerics(here, fixture.model, schedule, "CPU")
            .unwrap()
    };
    let save = |store: &mut Store, numerics| {
        let run = store.start_run(&new).unwrap();
        let done = RunModel {
            schedule: fixture.context.schedule.clone(),
            device: "CPU".to_owned(),
            numerics,
            ..super::records::run_model()
        };
        store
            .save_run_model(
                run,
                fixture.model,
                fixture.sampling,
                WordingId::UNNAMED,
                &done,
            )
            .unwrap();
    };
    assert_eq!(known(&store, &here), None);
    let without = store.register_numerics(&undigested()).unwrap();
    let first = Numerics {
        logits_sha256: Some(Digest::of(b"first")),
        ..numerics()
    };
    let first = store.register_numerics(&first).unwrap();
    save(&mut store, Some(first));
    save(&mut store, Some(fixture.numerics));
    save(&mut store, Some(without));
    save(&mut store, None);
    assert_eq!(known(&store, &here), Some(fixture.numerics));
    for elsewhere in [
        Here {
            cpu: "another",
            ..here
        },
        Here {
            system_info: "AVX512 = 1",
            ..here
        },
        Here {
            llama_cpp_version: "b10253",
            ..here
        },
    ] {
        assert_eq!(known(&store, &elsewhere), None, "{elsewhere:?}");
    }
}
