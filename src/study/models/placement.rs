//! Where a model is computed and with which kernels: on the processor, or with some of its layers on GPUs.
//!
//! Owns the choice from what is asked for and what this build has, loading a model accordingly, and what the record says
//! of it. The schedule goes with it: other kernels give other logits, so generations made with them have ids of their own.

use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::engine::Schedule;
use crate::gguf::Gguf;
use crate::gguf::widen::{extra_bytes, write_widened};
use crate::llama::{self, Device, Model, Weights};
use crate::study::models::file::ModelFile;

/// The end of the name of a schedule under which weights are widened.
pub(crate) const WIDENED: &str = "-wide";

/// Where a model is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Layers on GPUs: blocks, and the head as one more; 0 on the processor.
    pub(crate) n_gpu_layers: u32,
    /// The part of llama.cpp that computes, such as `CPU` or `Vulkan`.
    pub(crate) backend: String,
    /// The devices, such as `Vulkan0 (NVIDIA GeForce RTX 3080)`; the processor's name is recorded with the run.
    pub(crate) device: String,
    pub(crate) schedule: Schedule,
    /// Bytes that the weights take beyond those of the file, because they are widened (`gguf::widen`); 0 where they are
    /// not.
    pub(crate) widened_bytes: u64,
}

impl Placement {
    /// On the processor alone.
    fn processor(widened_bytes: u64) -> Self {
        Self {
            n_gpu_layers: 0,
            backend: "CPU".to_owned(),
            device: "CPU".to_owned(),
            schedule: Schedule::STRICT,
            widened_bytes,
        }
    }

    /// The place for a model file of which `wanted` layers are to be on the GPU; all where there is one, unless told.
    ///
    /// # Errors
    /// When layers are wanted on a GPU and this build has none.
    pub(crate) fn choose(gguf: &Gguf, wanted: Option<u32>) -> anyhow::Result<Self> {
        place(&llama::gpus(), n_layers(gguf), extra_bytes(gguf), wanted)
    }

    /// The schedule's name in the record and in the ids of generations, such as `strict-pad8-vbf16`; followed by `-wide`
    /// where weights are widened, and on a GPU `strict-pad8-vf16-vulkan25` with the number of layers there.
    pub(crate) fn schedule_name(&self) -> String {
        let name = self.schedule.name();
        if self.n_gpu_layers > 0 {
            return format!(
                "{name}-{}{}",
                self.backend.to_lowercase(),
                self.n_gpu_layers
            );
        }
        if self.widened_bytes > 0 {
            return format!("{name}{WIDENED}");
        }
        name
    }

    /// Loads a model of which this is the place.
    ///
    /// # Errors
    /// When llama.cpp refuses the file, or no room is found to widen it.
    pub(crate) fn load(&self, file: &ModelFile) -> anyhow::Result<Model> {
        file.load(|path| self.load_from(path, file))
    }

    fn load_from(&self, path: &Path, file: &ModelFile) -> anyhow::Result<Model> {
        if self.n_gpu_layers > 0 {
            return Ok(Model::load(path, Weights::OnGpus(self.n_gpu_layers))?);
        }
        if self.widened_bytes == 0 {
            return Ok(Model::load(path, Weights::IntoMemory)?);
        }
        // Deleted when it is loaded: making it again takes a second, and a file that stays would have to be checked.
        let mut widened = tempfile::Builder::new()
            .prefix("seep-")
            .suffix(".gguf")
            .tempfile()
            .with_context(|| widening_failed(file))?;
        write_widened(path, widened.as_file_mut()).with_context(|| widening_failed(file))?;
        Ok(Model::load(widened.path(), Weights::IntoMemory)?)
    }
}

fn widening_failed(file: &ModelFile) -> String {
    format!(
        "failed to widen the weights of {} in `{}`\n\
         hint: as much room as the model itself takes is needed there for a moment; the environment variable TMPDIR names \
         another folder",
        file.label(),
        std::env::temp_dir().display()
    )
}

fn place(
    gpus: &[Device],
    n_layers: u32,
    widened_bytes: u64,
    wanted: Option<u32>,
) -> anyhow::Result<Placement> {
    let Some(first) = gpus.first() else {
        ensure!(
            wanted.unwrap_or(0) == 0,
            "{} layers are to be on a GPU, and this program finds none\n\
             hint: build it with the feature `cuda`, `metal` or `vulkan` (README, \"GPUs\"), or leave `gpu_layers` out; \
             `seep models devices` shows what there is",
            wanted.unwrap_or(0)
        );
        return Ok(Placement::processor(widened_bytes));
    };
    let n_gpu_layers = wanted.unwrap_or(n_layers).min(n_layers);
    if n_gpu_layers == 0 {
        return Ok(Placement::processor(widened_bytes));
    }
    let devices = gpus
        .iter()
        .map(|gpu| format!("{} ({})", gpu.name, gpu.description));
    Ok(Placement {
        n_gpu_layers,
        backend: first.backend.clone(),
        device: devices.collect::<Vec<_>>().join(", "),
        schedule: Schedule::GPU,
        widened_bytes: 0,
    })
}

/// The blocks of a model, and its head.
fn n_layers(gguf: &Gguf) -> u32 {
    let blocks = gguf
        .str("general.architecture")
        .and_then(|architecture| gguf.u32(&format!("{architecture}.block_count")));
    // A file without it was refused when it was checked.
    blocks.unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llama::DeviceKind;

    fn gpu(name: &str) -> Device {
        Device {
            name: name.to_owned(),
            description: "llvmpipe".to_owned(),
            backend: "Vulkan".to_owned(),
            kind: DeviceKind::Gpu,
            memory_total: 8 << 30,
            memory_free: 4 << 30,
        }
    }

    #[test]
    fn without_a_gpu_the_processor_computes() {
        let placement = place(&[], 25, 0, None).unwrap();
        assert_eq!(placement, Placement::processor(0));
        assert_eq!(placement.schedule_name(), "strict-pad8-vbf16");
        assert_eq!(place(&[], 25, 0, Some(0)).unwrap(), placement);
    }

    #[test]
    fn only_the_processor_widens() {
        let placement = place(&[], 25, 34, None).unwrap();
        assert_eq!(placement.schedule_name(), "strict-pad8-vbf16-wide");
        let gpus = [gpu("Vulkan0")];
        assert_eq!(place(&gpus, 25, 34, Some(0)).unwrap(), placement);
        assert_eq!(place(&gpus, 25, 34, None).unwrap().widened_bytes, 0);
    }

    #[test]
    fn without_a_gpu_layers_cannot_be_put_there() {
        let error = place(&[], 25, 0, Some(7)).unwrap_err().to_string();
        assert!(
            error.starts_with("7 layers are to be on a GPU, and this program finds none\nhint: "),
            "{error}"
        );
    }

    #[test]
    fn a_gpu_takes_all_layers_unless_told() {
        let placement = place(&[gpu("Vulkan0"), gpu("Vulkan1")], 25, 0, None).unwrap();
        assert_eq!(placement.n_gpu_layers, 25);
        assert_eq!(placement.device, "Vulkan0 (llvmpipe), Vulkan1 (llvmpipe)");
        assert_eq!(placement.schedule_name(), "strict-pad8-vf16-vulkan25");
    }

    #[test]
    fn more_layers_than_a_model_has_are_all_of_them() {
        let all = place(&[gpu("Vulkan0")], 25, 0, None).unwrap();
        assert_eq!(place(&[gpu("Vulkan0")], 25, 0, Some(99)).unwrap(), all);
        let some = place(&[gpu("Vulkan0")], 25, 0, Some(3)).unwrap();
        assert_eq!(some.schedule_name(), "strict-pad8-vf16-vulkan3");
        let none = place(&[gpu("Vulkan0")], 25, 0, Some(0)).unwrap();
        assert_eq!(none, Placement::processor(0));
    }
}
